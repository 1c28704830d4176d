"""Which tenant is the current one, and what is its own: for projects with a schema or a database for each tenant.

Every function here that takes a ``source`` takes a function of the project, or its dotted path.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from ._core.setting_kinds import is_text
from ._core.setting_table import describe
from .secret import Secret

PLACEHOLDER = "{tenant}"
"""Stands for the name of the tenant in ``ISSUER`` and ``AUDIENCE``."""

Source = Callable[..., Any] | str


def schema_name() -> str:
    """Return the name of the current schema, for ``TENANT``: with django-tenants, and what is like it.

    Raises:
        RuntimeError: on an event loop, whose thread has a connection of its own that no middleware has set.
    """
    if is_on_event_loop():
        raise RuntimeError(
            "On an event loop, the connection does not know the schema of the request. Let a middleware keep the name "
            "in a context variable, and JWTAUTH['TENANT'] return that."
        )
    alias = apps.get_model("django_jwtauth", "RefreshToken").write_alias()
    name: str = connections[alias].schema_name  # type: ignore[attr-defined]  # of the backend of django-tenants
    return name


def is_on_event_loop() -> bool:
    """Tell whether the code that runs is a coroutine's, and must not wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def current(source: Source) -> str:
    """Return the name of the current tenant.

    Args:
        source: ``TENANT``.

    Raises:
        ImproperlyConfigured: if it fails, as it should where there is no current tenant, or returns no name.
    """
    try:
        name = _load(source)()
    except Exception as error:
        raise ImproperlyConfigured(f"JWTAUTH['TENANT'] does not name the current tenant: {error!r}") from error
    if not is_text(name):
        raise ImproperlyConfigured(
            "JWTAUTH['TENANT'] must return the name of the current tenant, a str that is not empty and has no control "
            f"characters, not {describe(name)}."
        )
    return name


def own_settings(tenant: str, source: Source | None, texts: Mapping[str, str | tuple[str, ...]]) -> Secret:
    """Return the dict that a tenant's own settings are read from, hidden from error reports.

    Args:
        tenant: The name of the tenant.
        source: ``TENANT_SETTINGS``, which decides, or ``None``.
        texts: Settings in which :data:`PLACEHOLDER` stands for the name.

    Raises:
        ImproperlyConfigured: if the function fails, or does not return a dict.
    """
    given: dict[str, Any] = {
        key: value.replace(PLACEHOLDER, tenant)
        if isinstance(value, str)
        else [text.replace(PLACEHOLDER, tenant) for text in value]
        for key, value in texts.items()
    }
    if source is None:
        return Secret(given)
    try:
        returned = Secret(_load(source)(tenant))  # it may hold keys
    except Exception as error:
        raise ImproperlyConfigured(f"JWTAUTH['TENANT_SETTINGS'] fails for the tenant {tenant!r}: {error!r}") from error
    if not isinstance(returned.reveal(), Mapping):
        raise ImproperlyConfigured(
            f"JWTAUTH['TENANT_SETTINGS'] must return a dict for the tenant {tenant!r}, "
            f"not {describe(returned.reveal())}."
        )
    return Secret(given | dict(returned.reveal()))


@contextlib.contextmanager
def made_current(tenant: str, source: Source, *, is_current: Callable[[], bool]) -> Iterator[None]:
    """Make a tenant the current one.

    Args:
        tenant: The name of the tenant.
        source: ``TENANT_CONTEXT``.
        is_current: Tells whether it has become so.

    Raises:
        ImproperlyConfigured: if it has not.
    """
    with _load(source)(tenant):
        if not is_current():
            raise ImproperlyConfigured(
                f"In the context that JWTAUTH['TENANT_CONTEXT'] returns for the tenant {tenant!r}, JWTAUTH['TENANT'] "
                "names another one."
            )
        yield


def problems(config: Any, *, is_issuer: bool) -> Iterator[str]:
    """Yield what is wrong with the settings of tenants, as far as it shows before there is one.

    Args:
        config: The settings that all tenants share.
        is_issuer: Whether this project issues tokens.
    """
    if config.tenant_source is None:
        for key in ("TENANT_SETTINGS", "TENANT_CONTEXT"):
            if getattr(config, key.lower()) is not None:
                yield f"JWTAUTH[{key!r}] needs JWTAUTH['TENANT'], which names the current tenant."
        for key, texts in (("ISSUER", {config.issuer}), ("AUDIENCE", set(config.audience) - {config.issuer})):
            if any(PLACEHOLDER in text for text in texts):
                yield f"JWTAUTH[{key!r}] holds {PLACEHOLDER}, and needs JWTAUTH['TENANT'], which names it."
    elif not is_issuer:
        yield "JWTAUTH['TENANT'] is for issuers, and 'django_jwtauth' is not in INSTALLED_APPS."
    elif config.given_signing_keys and PLACEHOLDER not in config.issuer and config.tenant_settings is None:
        yield (
            "JWTAUTH['SIGNING_KEYS'] and JWTAUTH['ISSUER'] are the same for all tenants, so each would accept the "
            f"tokens of the others: put {PLACEHOLDER} into ISSUER, or use TENANT_SETTINGS."
        )


def _load(source: Source) -> Callable[..., Any]:
    loaded: Callable[..., Any] = import_string(source) if isinstance(source, str) else source
    return loaded
