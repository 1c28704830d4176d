"""The app."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Orders of signed-in users."""

    name = "example_project.orders"
