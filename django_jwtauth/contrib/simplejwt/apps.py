"""The Django app."""

from django.apps import AppConfig, apps
from django.core import checks as django_checks
from django.db.models import signals
from django.utils.translation import gettext_lazy as _


class SimpleJWTBridgeConfig(AppConfig):
    """Accepts the tokens of Simple JWT for a while."""

    name = "django_jwtauth.contrib.simplejwt"
    label = "jwtauth_simplejwt"
    verbose_name = _("Migration from Simple JWT")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These import models, so they can be imported only after the apps are loaded.
        from django.contrib.auth import get_user_model

        from ... import bridges
        from . import checks, exchange, tables

        bridges.register(exchange.SimpleJWTBridge())
        django_checks.register(checks.check_settings, django_checks.Tags.security)
        for model in apps.get_models():
            if issubclass(model, get_user_model()):
                signals.pre_delete.connect(tables.user_will_be_deleted, sender=model)
