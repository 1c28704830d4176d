"""Ends sessions when their user is deactivated, deleted or given a new password.

The receivers for saving listen to all senders, because a proxy of the user model may be loaded at any time. Changes
that bypass ``save()`` are noticed by ``JWTAuthentication`` and at the next refresh.

Users may be saved before ``migrate`` has created our tables: by a migration or a ``post_migrate`` receiver, or by a
process that already runs our code. There are no sessions then, so there is nothing to do.
"""

import copy
from collections.abc import Callable, Collection
from typing import Any, TypeGuard

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher, is_password_usable
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, models, transaction

from . import audit, conf, database, hash_upgrades, revocation_cache
from ._core import events
from .models import RefreshToken, RevokedReason, may_have_tokens, signed_out
from .sessions._password import end_for_user_change, upgrade_hash
from .sessions._revoke import end_acting, renew_if_late
from .users import is_active, user_key

_UPGRADED = "_jwtauth_upgraded_hash"  # the stored hash, on a user object between the two signals of one save


def user_will_be_saved(
    instance: models.Model, update_fields: Collection[str] | None, raw: bool, using: str, **kwargs: Any
) -> None:
    """If a mere hash upgrade is about to be saved, store it, and bind the user's sessions to it in one transaction."""
    # All else first: where each tenant has a database, a router may not know which one is ours, without a tenant.
    instance.__dict__.pop(_UPGRADED, None)
    if raw or update_fields is None or set(update_fields) != {"password"}:  # as of nearly all that is saved
        return
    if not isinstance(instance, get_user_model()) or not _is_password_unmarked(instance):
        return
    if not _is_ours(instance, using) or not _has_sessions_table(using):
        return
    users = get_user_model()._base_manager.using(using).filter(pk=user_key(instance))
    stored = users.values_list("password", flat=True).first()
    if stored is None:
        hash_upgrades.note_gone()
    if not stored or not is_password_usable(instance.password) or _needs_upgrade(instance.password):
        return
    former = copy.copy(instance)
    former.password = stored
    if not _needs_upgrade(stored) or not upgrade_hash(instance, former):
        if not hash_upgrades.is_authenticating():
            return
        # Another sign-in has stored a better hash meanwhile, or somebody has changed the password, or this process
        # cannot bind the sessions again.
        instance.password = users.values_list("password", flat=True).first() or stored
        if instance.password != stored or not _needs_upgrade(stored):
            hash_upgrades.mark_kept(instance)
    # The save that is about to happen must not overwrite what is stored.
    instance.__dict__[_UPGRADED] = instance.password
    instance.password = hash_upgrades.StoredHash(instance.password)


def user_was_saved(
    instance: models.Model,
    update_fields: Collection[str] | None,
    created: bool,
    raw: bool,
    using: str,
    **kwargs: Any,
) -> None:
    """End the sessions that a change of password or a deactivation makes invalid."""
    if created or raw:
        return
    if _UPGRADED in instance.__dict__:
        user: Any = instance  # only users of ours have it
        user.password = instance.__dict__.pop(_UPGRADED)
        return
    may_end_sessions = (
        update_fields is None
        or "password" in update_fields
        # Only is_active was saved. The object's password may be outdated, so it must not decide anything.
        or ("is_active" in update_fields and not is_active(instance))
    )
    if may_end_sessions and _is_ours(instance, using) and _has_sessions_table(using):
        end_for_user_change(instance)
        _again_after_commit(instance, end_for_user_change, using)


def user_will_be_deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """Let no sign-in store a session between the end of the user's sessions and the end of the user.

    A sign-in shares a lock on the user's row when it stores the session. Without this one, the deletion would fail.
    """
    if _is_user_row(sender) and _is_ours(instance, using) and connections[using].features.has_select_for_update:
        # No manager: rows of what one may give, such as distinct ones or with counts, cannot be locked.
        users: models.QuerySet[Any] = models.QuerySet(get_user_model(), using=using).select_for_update()
        users.filter(pk=user_key(instance)).values_list("pk").first()
    if not events.SESSION_REVOKED.is_heard() or not _is_user_row(sender):
        return
    if _is_ours(instance, using) and _has_sessions_table(using):
        _tell_end_of_sessions(instance, using)


def _tell_end_of_sessions(user: AbstractBaseUser, using: str) -> None:
    """Tell the log how many sessions the deletion of a user ends, if it is committed. Two statements."""
    alive = RefreshToken.objects.of(user).unrevoked().exclude(signed_out())
    count = alive.filter(may_have_tokens(RefreshToken.objects.now())).count()
    if count:
        about = {"user": user_key(user), "reason": RevokedReason.USER_DELETED, "count": count}
        audit.tell_on_commit(events.SESSION_REVOKED, using=using, **about)


def user_was_deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """End the sessions in which the deleted user acts as somebody else, and let this process see all of it at once.

    The user's own sessions have been revoked by ``models.REVOKE``. Of a user in several tables, Django deletes one row
    after the other, and with ``keep_parents`` only some: what counts is the row of the user model.
    """
    if _is_user_row(sender) and _is_ours(instance, using):
        end_acting([instance], reason=RevokedReason.USER_DELETED)
        _again_after_commit(instance, _end_acting_of_deleted, using)
        revocation_cache.mark_stale_on_commit(using)
        renew_if_late(RefreshToken.objects.filter(revoked_reason=RevokedReason.USER_DELETED), "revoked_at")


def _end_acting_of_deleted(user: AbstractBaseUser) -> None:
    end_acting([user], reason=RevokedReason.USER_DELETED)


def _again_after_commit(user: AbstractBaseUser, end: Callable[[AbstractBaseUser], None], using: str) -> None:
    """End, after a transaction, sessions that began during it: under REPEATABLE READ, it cannot see them.

    Args:
        user: The user. The object may change before the commit.
        end: Ends the sessions.
        using: The database.
    """
    if not connections[using].in_atomic_block:
        return
    as_saved = copy.copy(user)
    as_saved.__dict__.pop("_password", None)  # the mark of a changed password has been handled already
    transaction.on_commit(conf.for_this_tenant(lambda: end(as_saved)), using=using, robust=True)


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
    try:
        is_ours = using == RefreshToken.write_alias()
    except Exception:
        return  # each tenant has a database, and the project's router knows none without a tenant
    if is_ours:
        _has_sessions_table(using)


def _has_sessions_table(using: str) -> bool:
    return database.has_table(using, RefreshToken._meta.db_table)  # the last table that our migration creates


def _is_ours(instance: models.Model, using: str) -> TypeGuard[AbstractBaseUser]:
    """Tell whether this is a user in the database of our tables. A user in another one may have the same key."""
    return isinstance(instance, get_user_model()) and using == RefreshToken.write_alias()


def _is_user_row(sender: type[models.Model]) -> bool:
    return sender._meta.concrete_model is get_user_model()._meta.concrete_model


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
