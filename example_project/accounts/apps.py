"""The app. It has no models, only an admin of Django's own users."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users in the admin."""

    name = "example_project.accounts"
    label = "example_accounts"
