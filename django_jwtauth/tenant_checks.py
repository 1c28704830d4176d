"""System checks of projects with tenants, like those in :mod:`django_jwtauth.checks`."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from . import conf
from .checks import may_return
from .service_checks import settings_problems


def check_tenants(**kwargs: Any) -> list[checks.CheckMessage]:
    """E012: a function that tells tenants apart cannot be used."""
    if settings_problems():
        return []
    config = conf.get_shared_config()
    given = (
        ("TENANT", config.tenant_source, 0, str, "def current_tenant(), which returns the name of the current tenant"),
        ("TENANT_SETTINGS", config.tenant_settings, 1, Mapping, "def tenant_settings(tenant), which returns a dict"),
        ("TENANT_CONTEXT", config.tenant_context, 1, None, "def use_tenant(tenant), which returns a context manager"),
    )
    return [
        checks.Error(
            f"JWTAUTH[{key!r}] {source!r} {problem}.",
            hint=f"Set it to a function, or the dotted path of one: {form}.",
            id="jwtauth.E012",
        )
        for key, source, arguments, returns, form in given
        if source is not None and (problem := _tenant_problem(source, arguments, returns))
    ]


def _tenant_problem(source: Any, arguments: int, returns: type | None) -> str:
    if isinstance(source, str):
        try:
            source = import_string(source)
        except Exception as error:
            return f"cannot be imported: {error}"
    try:
        inspect.signature(source).bind(*[None] * arguments)
    except (TypeError, ValueError):
        return f"cannot be called with {'the name of a tenant' if arguments else 'no arguments'}"
    if inspect.iscoroutinefunction(source):
        return "is async"
    return "" if returns is None or may_return(source, returns, or_none=False) else "is annotated to return otherwise"


def check_schemas(**kwargs: Any) -> list[checks.CheckMessage]:
    """W022: each tenant has sessions of its own, but tokens are not told apart."""
    if settings_problems() or conf.get_shared_config().tenant_source is not None:
        return []
    types = getattr(settings, "TENANT_TYPES", {}).values()  # django-tenants, if it has several kinds of tenants
    listed = {*getattr(settings, "TENANT_APPS", ()), *(app for each in types for app in each.get("APPS", ()))}
    ours = apps.get_app_config("django_jwtauth")
    if not {ours.name, f"{type(ours).__module__}.{type(ours).__qualname__}"} & listed:
        return []
    message = (
        "Each tenant has sessions of its own, but all have the same issuer and keys: StatelessJWTAuthentication takes "
        "the tokens of one tenant for those of another's users, and their revocation lists are mixed up."
    )
    hint = (
        "Set JWTAUTH['TENANT'] to 'django_jwtauth.tenants.schema_name'; see the page \"Tenants\" of the documentation."
    )
    return [checks.Warning(message, hint=hint, id="jwtauth.W022")]


CHECKS: Iterable[Any] = (check_tenants,)
DEPLOY_CHECKS: Iterable[Any] = (check_schemas,)
