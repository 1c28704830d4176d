"""The Django app of a project that accepts the tokens of other issuers, and issues none. It has no tables."""

from django.apps import AppConfig
from django.core import checks as django_checks
from django.utils.translation import gettext_lazy as _


class ServiceConfig(AppConfig):
    """Registers the system checks that need no tables."""

    name = "django_jwtauth.service"
    label = "jwtauth_service"
    verbose_name = _("JSON Web Tokens of other services")

    def ready(self) -> None:
        from .. import service_checks

        for check in service_checks.CHECKS:
            django_checks.register(check, django_checks.Tags.security)
        for check in service_checks.DEPLOY_CHECKS:
            django_checks.register(check, django_checks.Tags.security, deploy=True)
