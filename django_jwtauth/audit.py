"""Writes the events of the audit log: with the client's address and the tenant, and when they have really happened."""

import contextlib

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest

from . import conf, request_info
from ._core.events import Event
from .database import is_in_transaction


def tell(event: Event, *, request: HttpRequest | None = None, exc_info: object = None, **values: object) -> None:
    """Write a record of an event. It costs next to nothing if nobody listens.

    Args:
        event: What has happened.
        request: For the address of the client, where the event has one and it is not given.
        exc_info: The error to write with it.
        values: The fields of the event.
    """
    if event.is_heard():
        event.write(tenant=_tenant(), exc_info=exc_info, **_with_address(event, request, values))


def tell_on_commit(event: Event, *, using: str, request: HttpRequest | None = None, **values: object) -> None:
    """Write a record of something that was stored: when the transaction commits, and never if it is rolled back.

    Args:
        event: What was stored.
        using: The database.
        request: As for :func:`tell`.
        values: The fields of the event.
    """
    if not event.is_heard():
        return
    if not is_in_transaction(using):
        tell(event, request=request, **values)
        return
    # Who and where is found now: by the time of the commit, another tenant may be the current one.
    tenant, found = _tenant(), _with_address(event, request, values)
    transaction.on_commit(lambda: event.write(tenant=tenant, **found), using=using, robust=True)


def address_of(request: HttpRequest | None) -> request_info.IPAddress | None:
    """Return the address of a request's client, or ``None`` if it is not known."""
    config = conf.get_config()
    return request_info.client_address(request, num_proxies=config.num_proxies, header=config.proxy_header)


def _with_address(event: Event, request: HttpRequest | None, values: dict[str, object]) -> dict[str, object]:
    if request is None or "address" in values or "address" not in event.fields:
        return values
    return {**values, "address": address_of(request)}


def _tenant() -> str:
    with contextlib.suppress(ImproperlyConfigured):  # there may be no current tenant
        return conf.get_config().tenant
    return ""
