"""Ends sessions when their user is deactivated, deleted or given a new password.

The receivers for saving listen to all senders, because a proxy of the user model may be loaded at any time. Changes
that bypass ``save()`` are noticed by ``JWTAuthentication`` and at the next refresh.

Users may be saved before ``migrate`` has created our tables: by a migration or a ``post_migrate`` receiver, or by a
process that already runs our code. There are no sessions then, so there is nothing to do.
"""

import copy
from collections.abc import Collection
from typing import Any, TypeGuard

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher, is_password_usable
from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from . import database, revocation_cache
from .models import RefreshToken, RevokedReason
from .sessions._password import end_for_user_change, upgrade_hash
from .sessions._revoke import end_acting
from .users import is_active, user_key

_UPGRADED = "_jwtauth_hash_upgraded"  # on a user object, between the two signals of one save


def user_will_be_saved(
    instance: models.Model, update_fields: Collection[str] | None, raw: bool, using: str, **kwargs: Any
) -> None:
    """If a mere hash upgrade is about to be saved, store it, and bind the user's sessions to it in one transaction."""
    if raw or not _is_ours(instance, using):
        return
    instance.__dict__.pop(_UPGRADED, None)
    if update_fields is None or set(update_fields) != {"password"} or not _is_password_unmarked(instance):
        return
    if not _has_sessions_table(using):
        return
    users = get_user_model()._base_manager.using(using).filter(pk=user_key(instance))
    stored = users.values_list("password", flat=True).first()
    better = is_password_usable(instance.password) and not _needs_upgrade(instance.password)
    if stored and better and _needs_upgrade(stored):
        former = copy.copy(instance)
        former.password = stored
        instance.__dict__[_UPGRADED] = upgrade_hash(instance, former)


def user_was_saved(
    instance: models.Model,
    update_fields: Collection[str] | None,
    created: bool,
    raw: bool,
    using: str,
    **kwargs: Any,
) -> None:
    """End the sessions that a change of password or a deactivation makes invalid."""
    if created or raw or not _is_ours(instance, using) or instance.__dict__.pop(_UPGRADED, False):
        return
    may_end_sessions = (
        update_fields is None
        or "password" in update_fields
        # Only is_active was saved. The object's password may be outdated, so it must not decide anything.
        or ("is_active" in update_fields and not is_active(instance))
    )
    if may_end_sessions and _has_sessions_table(using):
        end_for_user_change(instance)


def user_was_deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """End the sessions in which the deleted user acts as somebody else, and let this process see all of it at once.

    The user's own sessions have been revoked by ``models.REVOKE``. Of a user in several tables, Django deletes one row
    after the other, and with ``keep_parents`` only some: what counts is the row of the user model.
    """
    if sender._meta.concrete_model is get_user_model()._meta.concrete_model and _is_ours(instance, using):
        end_acting([instance], reason=RevokedReason.USER_DELETED)
        revocation_cache.mark_stale_on_commit(using)


def tables_will_change(using: str, **kwargs: Any) -> None:
    """Before ``migrate``: look for our tables again. It may remove them, or be about to fill an empty schema."""
    database.forget_tables(using)


def tables_were_created(using: str, **kwargs: Any) -> None:
    """After ``migrate``: look at once, so that no later save of a user has to.

    A ``TransactionTestCase`` sends this signal too, when it has emptied the tables.
    """
    if database.is_testing():
        database.begin_test_scope()
    database.forget_tables(using)
    if using == RefreshToken.write_alias():
        _has_sessions_table(using)


def _has_sessions_table(using: str) -> bool:
    return database.has_table(using, RefreshToken._meta.db_table)  # the last table that our migration creates


def _is_ours(instance: models.Model, using: str) -> TypeGuard[AbstractBaseUser]:
    """Tell whether this is a user in the database of our tables. A user in another one may have the same key."""
    return isinstance(instance, get_user_model()) and using == RefreshToken.write_alias()


def _is_password_unmarked(user: AbstractBaseUser) -> bool:
    """Tell whether a password was set on the object and then marked as unchanged, as ``check_password()`` does.

    It does so when it stores a better hash of the same password. ``set_password()`` leaves the mark of a change, and an
    object whose ``password`` was assigned never had one.
    """
    return user.__dict__.get("_password", "") is None


def _needs_upgrade(encoded: str) -> bool:
    """Tell whether ``check_password()`` would replace this hash by a better one."""
    preferred = get_hasher()
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return False  # an unusable password, or a hasher that is no longer installed
    return hasher.algorithm != preferred.algorithm or preferred.must_update(encoded)
