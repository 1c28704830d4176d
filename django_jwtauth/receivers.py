"""What follows when users change or go: their sessions end in the same breath.

Saving is watched without a sender, because a proxy model may be loaded at any time. What bypasses ``save()`` is caught
by ``JWTAuthentication`` and at the next refresh.
"""

import copy
from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from . import revocation, sessions
from .models import RefreshToken

_FORMER = "_jwtauth_former_password"


def user_will_be_saved(instance: models.Model, update_fields: Collection[str] | None, raw: bool, **kwargs: Any) -> None:
    """Before a mere hash upgrade, remember the old hash, to tell which sessions were bound to it."""
    if raw or not isinstance(instance, get_user_model()):
        return
    instance.__dict__.pop(_FORMER, None)
    if update_fields is not None and set(update_fields) == {"password"} and _is_password_unmarked(instance):
        users = type(instance)._base_manager.using(RefreshToken.write_alias())
        former = users.filter(pk=instance.pk).values_list("password", flat=True).first()
        if former and _needs_upgrade(former) and not _needs_upgrade(instance.password):
            instance.__dict__[_FORMER] = former


def user_was_saved(
    instance: models.Model, update_fields: Collection[str] | None, created: bool, raw: bool, **kwargs: Any
) -> None:
    """End the sessions that the change makes invalid."""
    if created or raw or not isinstance(instance, get_user_model()):
        return
    if _FORMER in instance.__dict__:
        former = copy.copy(instance)
        former.password = instance.__dict__.pop(_FORMER)
        sessions.rebind(instance, former)
    elif (
        update_fields is None
        or "password" in update_fields
        # The object's password was not saved, and may be an old one: it must not decide anything.
        or ("is_active" in update_fields and not instance.is_active)
    ):
        sessions.end_for_user_change(instance)


def user_was_deleted(using: str, **kwargs: Any) -> None:
    """The rows were revoked by ``REVOKE``; make this process see it at once."""
    revocation.mark_stale_on_commit(using)


def _is_password_unmarked(user: AbstractBaseUser) -> bool:
    """Tell whether a password was set on the object and the mark of it taken back, as ``check_password()`` does.

    It stores a better hash of the same password, which is no change of password. (Somebody who sets one leaves the
    mark, and who assigns a hash to a fresh object never had one.)
    """
    return user.__dict__.get("_password", "") is None


def _needs_upgrade(encoded: str) -> bool:
    """Tell whether ``check_password()`` would store this hash anew."""
    preferred = get_hasher()
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return False  # an unusable password
    return hasher.algorithm != preferred.algorithm or preferred.must_update(encoded)
