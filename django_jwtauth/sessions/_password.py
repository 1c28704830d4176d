"""What deactivating a user, and changing or upgrading a password, does to the user's sessions."""

import logging
import uuid
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import models, transaction

from .. import revocation_cache
from ..binding import UNKNOWN_KEY_HELP, Binding
from ..database import write
from ..errors import InvalidTokenError
from ..models import RefreshToken, RevokedReason
from ..users import is_active, user_key
from ._revoke import BATCH, end_acting, revoke_all, revoke_ids, revoke_rows, session_id

logger = logging.getLogger("django_jwtauth")

_ENDED_AT = "_jwtauth_sessions_ended_at"
"""The attribute of a user object that holds the time at which saving it ended sessions."""


def keep(session: RefreshToken | uuid.UUID | str, user: AbstractBaseUser) -> None:
    """Let one session outlive a change of its user's password. The user's other sessions end.

    The counterpart of Django's ``update_session_auth_hash()``. It is best called in the transaction of ``user.save()``,
    before or after it; then nobody ever sees the session as revoked. Called later it still works, but a service that
    has meanwhile read the session from the revocation list refuses its access tokens for up to a minute.

    Args:
        session: The session that continues, or its id (``request.auth.sid``).
        user: The user object that the new password was set on. Only a revocation that came from saving this very
            object is taken back.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended for any other reason, or belongs to another user.
        PermissionDenied: if somebody acts as the user: such a session ends with the old password.
    """
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
    kept = RefreshToken.objects.filter(alive, pk=row.pk).not_signed_out()
    using = RefreshToken.write_alias()
    if not write(lambda: kept.update(**changes), using=using):
        raise InvalidTokenError("revoked")
    if isinstance(session, RefreshToken):
        for name, value in changes.items():
            setattr(session, name, value)
    if ended_by_save is not None:
        revocation_cache.mark_stale_on_commit(using, removed=True)
    others = RefreshToken.objects.of(user).exclude(pk=row.pk)
    revoke_rows(others, reason=RevokedReason.PASSWORD_CHANGED, user=user_key(user))


def end_for_user_change(user: AbstractBaseUser) -> None:
    """End the sessions of a user who has been saved as inactive, or with a password they are not bound to.

    Called after each save that may have changed either. One statement if the user is active and has the same password.
    A new password also ends the sessions in which the user acts as somebody else: they may have been started by a
    thief of the old password.
    """
    if not is_active(user):
        revoke_all(user, reason=RevokedReason.USER_INACTIVE)
        return
    sessions = RefreshToken.objects.of(user).unrevoked().only("secret", "auth_hash")
    bindings = {session.pk: session.binding_to(user) for session in sessions}
    untold = [pk for pk, binding in bindings.items() if binding is Binding.UNKNOWN_KEY]
    unbound = [pk for pk, binding in bindings.items() if binding is Binding.CHANGED]
    if untold:
        # This process may be the only one with that key, and ends nothing that all others accept.
        logger.error("%d session(s) of user %s stay, such as %s: %s", len(untold), user.pk, untold[0], UNKNOWN_KEY_HELP)
    if unbound:
        now = RefreshToken.objects.now()
        revoke_ids(unbound, reason=RevokedReason.PASSWORD_CHANGED, now=now, user=user_key(user))
        setattr(user, _ENDED_AT, now)
    # A user without sessions of their own may still act as others, for example from the admin. Then only the mark that
    # set_password() leaves on the object shows the change.
    if unbound or user.__dict__.get("_password") is not None:
        end_acting([user], reason=RevokedReason.PASSWORD_CHANGED)


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
        Whether the stored hash was still the former one. If not, nothing has changed.
    """
    using = RefreshToken.write_alias()
    users = get_user_model()._base_manager.using(using)

    def store_and_bind() -> int:
        with transaction.atomic(using=using):
            if not users.filter(pk=user_key(user), password=former.password).update(password=user.password):
                return 0
            bound = []
            for session in RefreshToken.objects.of(user).unrevoked().only("secret", "auth_hash"):
                if session.is_bound_to(former):
                    session.bind(user)
                    bound.append(session)
            RefreshToken.objects.bulk_update(bound, ["auth_hash"], batch_size=BATCH)
            return 1

    return write(store_and_bind, using=using) == 1
