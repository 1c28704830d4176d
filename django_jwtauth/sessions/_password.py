"""What deactivating a user, and changing or upgrading a password, does to the user's sessions."""

import uuid
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, models, transaction

from .. import audit, bridges, revocation_cache
from .._core import events
from ..arguments import expect
from ..binding import UNKNOWN_KEY_HELP, Binding
from ..database import is_in_transaction, write
from ..errors import InvalidTokenError
from ..models import RefreshToken, RevokedReason
from ..users import is_active, user_key
from ..verifier import AccessToken
from ._insert import is_stored
from ._lookup import session_id
from ._revoke import BATCH, revoke_all, revoke_ids, revoke_rows, users_locked

_ENDED_AT = "_jwtauth_sessions_ended_at"
"""The attribute of a user object that holds the time at which saving it ended sessions."""


def keep(session: RefreshToken | AccessToken | uuid.UUID | str, user: AbstractBaseUser) -> None:
    """Let one session outlive a change of its user's password. The user's other sessions end.

    The counterpart of Django's ``update_session_auth_hash()``, for code that saves the user itself; otherwise
    :func:`save_password` is simpler. It must be called in the transaction of ``user.save()``, before or after it. So
    nobody sees the session as revoked in between, and a revocation for another reason is never undone.

    Args:
        session: The session that continues, a verified access token of it (``request.auth``), or its id.
        user: The user object that the new password was set on. Only a revocation that came from saving this very
            object is taken back.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended for any other reason, or belongs to another user; or if
            the access token is not ours.
        PermissionDenied: if somebody acts as the user: such a session ends with the old password.
        RuntimeError: if called outside a transaction.
    """
    expect(get_user_model(), "a user", user=user)
    if not is_in_transaction(RefreshToken.write_alias()):
        raise RuntimeError(
            "sessions.keep() must be called in the transaction of user.save(). Put both into transaction.atomic(), or "
            "use sessions.save_password()."
        )
    with users_locked([user_key(user)]):
        _keep(session, user)


def _keep(session: RefreshToken | AccessToken | uuid.UUID | str, user: AbstractBaseUser) -> None:
    using = RefreshToken.write_alias()
    row = RefreshToken.objects.of(user).filter(pk=session_id(session)).first()
    if row is None:
        raise InvalidTokenError("revoked")
    if row.actor:
        raise PermissionDenied("Somebody else acts as the user of this session.")
    row.bind(user)
    ended_by_save = getattr(user, _ENDED_AT, None)
    alive = models.Q(revoked_at__isnull=True)
    if ended_by_save is not None:
        alive |= models.Q(revoked_at=ended_by_save, revoked_reason=RevokedReason.PASSWORD_CHANGED)
    changes: dict[str, Any] = {"revoked_at": None, "revoked_reason": "", "auth_hash": row.auth_hash}
    changes["unseen_since"] = None  # a late retry, which may be a thief's, would outlive the old password too
    kept = RefreshToken.objects.filter(alive, pk=row.pk).not_signed_out()
    if not write(lambda: kept.update(**changes), using=using):
        raise InvalidTokenError("revoked")
    if isinstance(session, RefreshToken):
        for name, value in changes.items():
            setattr(session, name, value)
    if ended_by_save is not None:
        revocation_cache.mark_stale_on_commit(using, removed=True)
    audit.tell_on_commit(events.SESSION_KEPT, using=using, session=row.pk, user=user_key(user))
    others = RefreshToken.objects.of(user).exclude(pk=row.pk)
    revoke_rows(others, reason=RevokedReason.PASSWORD_CHANGED, user=user_key(user))


def save_password(user: AbstractBaseUser, *, keep: RefreshToken | AccessToken | uuid.UUID | str | None = None) -> None:
    """Store the password that was set on a user object, and end all sessions of the user, or all but one.

    Both happen in one transaction, which is repeated if other connections change the same rows. It cannot be repeated
    inside a transaction of the caller, such as that of ``ATOMIC_REQUESTS``.

    Args:
        user: The user object, after ``user.set_password()``. Only its password is stored.
        keep: The session that continues, a verified access token of it (``request.auth``), or its id.

    Raises:
        InvalidTokenError: as for :func:`keep`; or ``user_inactive``, if the user has been deleted. The password stays
            as it was.
        PermissionDenied: as for :func:`keep`.
    """
    expect(get_user_model(), "a user", user=user)
    using = RefreshToken.write_alias()
    mark = user.__dict__.get("_password")  # marks a change; saving removes it, so each repetition needs it again

    def save_and_keep() -> int:
        user.__dict__["_password"] = mark
        with transaction.atomic(using=using):
            user.save(using=using, update_fields=["password"])
            if keep is not None:
                _keep(keep, user)
        return 1

    try:
        write(save_and_keep, using=using)
    except DatabaseError:
        if is_stored(user):
            raise
        raise InvalidTokenError("user_inactive") from None


def _note_end(user: AbstractBaseUser, now: datetime) -> None:
    """Note the time at which saving a user ended sessions. Until the commit, :func:`keep` may take that back."""
    using = RefreshToken.write_alias()
    if is_in_transaction(using):
        setattr(user, _ENDED_AT, now)
        transaction.on_commit(lambda: user.__dict__.pop(_ENDED_AT, None), using=using, robust=True)


def end_for_user_change(user: AbstractBaseUser) -> None:
    """End the sessions of a user who has been saved as inactive, or with a password they are not bound to.

    Called after each save that may have changed either. One statement if the user is active and has the same password.
    A new password also ends the sessions in which the user acts as somebody else: they may have been started by a
    thief of the old password, and are bound to it too.
    """
    if not is_active(user):
        revoke_all(user, reason=RevokedReason.USER_INACTIVE)
        return
    key = user_key(user)
    bindings = {session: _binding(session, user) for session in _bound_sessions(user)}
    untold = [session.pk for session, binding in bindings.items() if binding is Binding.UNKNOWN_KEY]
    unbound = [session for session, binding in bindings.items() if binding is Binding.CHANGED]
    if untold:
        # This process may be the only one with that key, and ends nothing that all others accept.
        detail = f"they stay: {UNKNOWN_KEY_HELP}"
        audit.tell(events.SECRET_KEY_UNKNOWN, session=untold[0], user=key, count=len(untold), detail=detail)
    own = [session.pk for session in unbound if session.user_id == key]
    acting = [session.pk for session in unbound if session.user_id != key]
    if unbound:
        now = RefreshToken.objects.now()
        revoke_ids(own, reason=RevokedReason.PASSWORD_CHANGED, now=now, user=key)
        revoke_ids(acting, reason=RevokedReason.PASSWORD_CHANGED, now=now, user=None)
    if own:
        _note_end(user, now)
    # For a user without sessions of ours, only the mark that set_password() leaves on the object shows the change.
    if unbound or user.__dict__.get("_password") is not None:
        bridges.end_for([user])


def attribute_to(user: AbstractBaseUser, by: AbstractBaseUser, *, since: datetime) -> int:
    """Record who ended the sessions that deactivating a user or changing the password has ended.

    Args:
        user: The user that was saved.
        by: Who saved it.
        since: The database's time before the save.

    Returns:
        How many sessions that were.
    """
    reasons = (RevokedReason.USER_INACTIVE, RevokedReason.PASSWORD_CHANGED)
    ended = RefreshToken.objects.of(user).filter(revoked_at__gte=since, revoked_reason__in=reasons)
    return ended.filter(revoked_by__isnull=True).update(revoked_by=cast(Any, by))


def upgrade_hash(user: AbstractBaseUser, former: AbstractBaseUser) -> bool:
    """Store the new hash of an unchanged password, and bind the sessions to it in the same transaction.

    Django upgrades hashes at sign-in. Were they stored one after the other, a refresh in between would be refused.

    Args:
        user: The user with the new hash, not saved yet.
        former: A copy of the user with the stored hash. Only sessions that are bound to it change.

    Returns:
        Whether the new hash has been stored. It has not if the stored hash is no longer the former one; or if a session
        was bound under a ``SECRET_KEY`` that this process does not have, so that it cannot be bound again here.
    """
    using = RefreshToken.write_alias()
    users = get_user_model()._base_manager.using(using)

    def store_and_bind() -> int:
        with transaction.atomic(using=using):
            if not users.filter(pk=user_key(user), password=former.password).update(password=user.password):
                return 0
            bound = []
            for session in _bound_sessions(user):
                binding = _binding(session, former)
                if binding is Binding.UNKNOWN_KEY:
                    detail = f"the user's hash is not upgraded: {UNKNOWN_KEY_HELP}"
                    about = {"session": session.pk, "user": user_key(user), "count": 1}
                    audit.tell(events.SECRET_KEY_UNKNOWN, detail=detail, **about)
                    transaction.set_rollback(True, using=using)
                    return 0
                if binding is Binding.PRESENT:
                    bind = session.bind if session.user_id == user_key(user) else session.bind_actor
                    bind(user)
                    bound.append(session)
            RefreshToken.objects.bulk_update(bound, ["auth_hash"], batch_size=BATCH)
            return 1

    return write(store_and_bind, using=using) == 1


def _bound_sessions(user: AbstractBaseUser) -> models.QuerySet[RefreshToken]:
    columns = ("user_id", "secret", "auth_hash", "actor")
    return RefreshToken.objects.bound_to(user).unrevoked().only(*columns)


def _binding(session: RefreshToken, user: AbstractBaseUser) -> Binding:
    """Tell whether a session is bound to the present password of its user, or of the person who acts in it."""
    is_own = session.user_id == user_key(user)
    return session.binding_to(user) if is_own else session.binding_to_actor(user)
