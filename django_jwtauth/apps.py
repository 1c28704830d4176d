"""The Django app."""

from django.apps import AppConfig, apps
from django.core import checks as django_checks
from django.core.signals import request_finished
from django.db.models import signals
from django.utils.translation import gettext_lazy as _


class JWTAuthConfig(AppConfig):
    """Connects checks and receivers when the apps are loaded. Importing our modules has no such effect."""

    name = "django_jwtauth"
    verbose_name = _("JSON Web Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These import models, so they can be imported only after the apps are loaded.
        from django.contrib.auth import get_user_model

        from . import checks, receivers, refusals, route_checks, service_checks, tenant_checks  # noqa: F401  # refusals: REST framework then answers our errors
        from .sessions import _seen

        for check in (*service_checks.CHECKS, *checks.CHECKS, *tenant_checks.CHECKS):
            django_checks.register(check, django_checks.Tags.security)
        for check in checks.DATABASE_CHECKS:
            django_checks.register(check, django_checks.Tags.database)
        for module in (service_checks, checks, route_checks, tenant_checks):
            for check in module.DEPLOY_CHECKS:
                django_checks.register(check, django_checks.Tags.security, deploy=True)
        request_finished.connect(_seen.request_has_ended)
        signals.pre_migrate.connect(receivers.tables_will_change)
        signals.post_migrate.connect(receivers.tables_were_created, sender=self)
        signals.pre_save.connect(receivers.user_will_be_saved)
        signals.post_save.connect(receivers.user_was_saved)
        # For the user model and its proxies only: a receiver for all senders would make every deletion in the project
        # load its rows first.
        for model in apps.get_models():
            if issubclass(model, get_user_model()):
                signals.pre_delete.connect(receivers.user_will_be_deleted, sender=model)
                signals.post_delete.connect(receivers.user_was_deleted, sender=model)
        if apps.is_installed("drf_spectacular"):
            from .contrib.spectacular import authentication, documents, endpoints  # noqa: F401  # they register themselves

            documents.describe_all()
