"""The app. It has no models, only the command ``demo``."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """``manage.py demo``."""

    name = "example_project.demo"
