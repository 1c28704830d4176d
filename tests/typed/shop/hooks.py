"""Claims of the project."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from django_jwtauth import hooks
from django_jwtauth.models import RefreshToken


def tenant(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> Mapping[str, Any]:
    """Return the claims of a hook, some of which a ready-made one computes."""
    host = request.get_host() if request else ""
    return {**hooks.staff(user, request=request, session=session), "tenant": host, "since": session.created_at.year}
