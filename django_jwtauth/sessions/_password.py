"""What a change of a user's password does to the user's sessions, and what deactivation does."""

import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import models, transaction

from .. import revocation_cache
from ..database import database_now, write
from ..errors import InvalidTokenError
from ..models import RefreshToken, RevokedReason, user_key
from ._revoke import BATCH, all_sessions, end_acting, revoke_all, revoke_ids, revoke_rows, session_id

_ENDED_AT = "_jwtauth_sessions_ended_at"  # on a user object: when saving it ended sessions


def keep(session: RefreshToken | uuid.UUID | str, user: AbstractBaseUser) -> None:
    """Let this session outlive a change of its user's password; the user's other sessions end.

    Our ``update_session_auth_hash()``. Best called in the transaction of ``user.save()``, before or after it; then
    the session is never seen as revoked. Called later it still works, but a service that has read the session off the
    revocation list meanwhile refuses its access tokens for up to a minute.

    Args:
        session: The session that goes on, or its id (``request.auth.sid``).
        user: The user object that had the new password set: only what ended by saving this very object comes back.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended for any other reason, or is another user's.
        PermissionDenied: if somebody acts as the user: such a session ends with the old password.
    """
    using = RefreshToken.write_alias()
    row = all_sessions(using).filter(pk=session_id(session), user_id=user_key(user)).first()
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
    kept = all_sessions(using).filter(alive, pk=row.pk).not_signed_out()
    if not write(lambda: kept.update(**changes), using=using):
        raise InvalidTokenError("revoked")
    if isinstance(session, RefreshToken):
        for name, value in changes.items():
            setattr(session, name, value)
    if ended_by_save is not None:
        revocation_cache.reread_on_commit(using)  # an incremental reading would keep the entry
    others = all_sessions(using).filter(user_id=user_key(user)).exclude(pk=row.pk)
    revoke_rows(others, reason=RevokedReason.PASSWORD_CHANGED, using=using)


def end_for_user_change(user: AbstractBaseUser) -> None:
    """End the sessions of a user who was saved without being active, or with another password than they are bound to.

    Called after each save of a user that may have changed either; one statement if nothing did. A new password ends
    the sessions in which he acts as somebody else, too: whoever stole the old one may have started them.
    """
    using = RefreshToken.write_alias()
    if not user.is_active:
        revoke_all(user, reason=RevokedReason.USER_INACTIVE)
        return
    sessions = all_sessions(using).filter(user_id=user_key(user), revoked_at__isnull=True)
    unbound = [session.pk for session in sessions.only("secret", "auth_hash") if not session.is_bound_to(user)]
    if unbound:
        now = database_now(using)
        revoke_ids(unbound, reason=RevokedReason.PASSWORD_CHANGED, using=using, now=now)
        setattr(user, _ENDED_AT, now)
    # Who has no session here may act all the same, e.g. from the admin; then set_password() has left its mark.
    if unbound or user.__dict__.get("_password") is not None:
        end_acting([user], reason=RevokedReason.PASSWORD_CHANGED, using=using)


def upgrade_hash(user: AbstractBaseUser, former: AbstractBaseUser) -> bool:
    """Store the new hash of an unchanged password, and bind the sessions to it in the same transaction.

    Django upgrades hashes at sign-in. Were the two not stored at once, a refresh that came between would be refused.

    Args:
        user: The user with the new hash, not saved yet.
        former: A copy with the stored one; only sessions bound to it are touched.

    Returns:
        Whether the stored hash still was the former one. If not, nothing has changed.
    """
    using = RefreshToken.write_alias()
    users = get_user_model()._base_manager.using(using)

    def store_and_bind() -> int:
        with transaction.atomic(using=using):
            if not users.filter(pk=user_key(user), password=former.password).update(password=user.password):
                return 0
            bound = []
            sessions = all_sessions(using).filter(user_id=user_key(user), revoked_at__isnull=True)
            for session in sessions.only("secret", "auth_hash"):
                if session.is_bound_to(former):
                    session.bind(user)
                    bound.append(session)
            all_sessions(using).bulk_update(bound, ["auth_hash"], batch_size=BATCH)
            return 1

    return write(store_and_bind, using=using) == 1
