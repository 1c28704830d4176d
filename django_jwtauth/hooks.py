"""Ready-made claims hooks, for ``CLAIMS_HOOKS``.

:class:`~django_jwtauth.authentication.StatelessUser` reads their claims, so that Django's permissions work in services
that have no database.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from .models import RefreshToken


def groups(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, Any]:
    """Return ``groups``: the names of the user's groups. One query."""
    related: Any = user
    return {"groups": list(related.groups.order_by("name").values_list("name", flat=True))}


def permissions(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, Any]:
    """Return ``permissions``: all of the user's, also those of groups, like ``"orders.add_order"``. Two queries.

    Superusers have every permission, so their tokens carry ``is_superuser`` instead of a long list. A list that makes
    the token longer than ``MAX_TOKEN_LENGTH`` is an error; then use groups or scopes, which are shorter.
    """
    holder: Any = user
    if holder.is_superuser:
        return {"permissions": [], "is_superuser": True}
    return {"permissions": sorted(holder.get_all_permissions())}


def staff(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, Any]:
    """Return ``is_staff`` and ``is_superuser``. No query."""
    flags: Any = user
    return {"is_staff": bool(flags.is_staff), "is_superuser": bool(flags.is_superuser)}
