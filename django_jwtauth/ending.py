"""How sessions and single access tokens are revoked. To be called as ``sessions.revoke()`` and so on."""

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from . import conf, revocation, signals, tokens
from .database import database_now, storable, write
from .errors import InvalidTokenError
from .models import (
    BlacklistedToken,
    NotBefore,
    RefreshToken,
    RefreshTokenQuerySet,
    RevokedReason,
    signed_out,
    subject_of,
    user_key,
)
from .verifier import AccessToken

logger = logging.getLogger("django_jwtauth.security")

MAX_REASON_LENGTH = 255
MANY_SESSIONS = 100
"""When more sessions of a user end at once, the revocation list holds one time instead of their ids."""
_BATCH = 500  # ids in one statement; databases limit their number


def revoke(
    session: RefreshToken | uuid.UUID | str | models.QuerySet[RefreshToken],
    *,
    reason: str = RevokedReason.ADMIN,
    by: AbstractBaseUser | None = None,
) -> int:
    """End a session, or each of a query: its refresh tokens at once, its access tokens as the revocation rules say.

    May run inside a transaction. Sessions that have ended already stay as they are.

    Args:
        session: The session, its id (``request.auth.sid``), or a query of sessions.
        reason: Why; at most 255 characters.
        by: Who did it, if not the user.

    Returns:
        How many sessions ended.

    Raises:
        ValueError: if the reason is too long, or the id is none.
    """
    using = RefreshToken.write_alias()
    if isinstance(session, models.QuerySet):
        return revoke_rows(session.using(using), reason=reason, by=by, using=using)
    count = revoke_rows(all_sessions(using).filter(pk=session_id(session)), reason=reason, by=by, using=using)
    if isinstance(session, RefreshToken):
        names = ("revoked_at", "revoked_reason", "revoked_by_id")
        for values in all_sessions(using).filter(pk=session.pk).values(*names):  # none, if it was purged meanwhile
            for name, value in values.items():
                setattr(session, name, value)
    return count


def revoke_all(
    user: AbstractBaseUser, *, reason: str = RevokedReason.LOGOUT_ALL, by: AbstractBaseUser | None = None
) -> int:
    """End all sessions of a user, and those in which he acts as somebody else, which do not count in the result.

    Arguments and result as for :func:`revoke`.
    """
    using = RefreshToken.write_alias()
    now = database_now(using)
    rows = all_sessions(using).filter(user_id=user_key(user))
    count = revoke_rows(rows, reason=reason, by=by, using=using, now=now)
    end_acting([user], reason=reason, by=by, using=using)
    # Not where a subject may change: access tokens with a former one would not be covered.
    if count > MANY_SESSIONS and conf.get_config().subject_field in ("pk", get_user_model()._meta.pk.name):
        entry = NotBefore(
            user_id=user_key(user),
            subject=subject_of(user),
            created_at=now,
            reason=reason,
            revoked_by=cast(Any, by),
        )

        def shorten() -> None:
            # Only now: until the commit the sessions were alive to others, and may have got access tokens. None of them
            # is younger than this. Should this fail, the list holds the ids, as it has done so far.
            entry.not_before = database_now(using)
            entry.save(using=using)
            revocation.reread()

        transaction.on_commit(shorten, using=using, robust=True)
    return count


def revoke_everyone(*, reason: str = RevokedReason.ADMIN, by: AbstractBaseUser | None = None) -> NotBefore:
    """End all sessions of all users, in one step however many there are.

    Their rows stay as they are; that they have ended is seen from one time, which is stored here. The signal
    ``session_revoked`` is not sent. May run inside a transaction, and then acts when that commits.

    Who signs in within the same second may get an access token that services without a database refuse, until it is
    refreshed: times in tokens are whole seconds.

    Args:
        reason: Why; at most 255 characters.
        by: Who did it.

    Returns:
        What was stored.
    """
    using = RefreshToken.write_alias()
    now = database_now(using)
    entry = NotBefore.objects.using(using).create(
        not_before=now, created_at=now, reason=_checked_reason(reason), revoked_by=cast(Any, by)
    )

    def finish() -> None:
        # Since the commit nothing is refreshed any more, but until then there may have been access tokens that are
        # younger than the entry. They are not younger than this.
        NotBefore.objects.using(using).filter(pk=entry.pk).update(not_before=database_now(using))
        revocation.mark_stale()
        logger.warning("Everyone was signed out: %r.", str(reason))

    transaction.on_commit(finish, using=using)
    revocation.mark_stale_on_commit(using)
    return entry


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
        revocation.reread_on_commit(using)  # an incremental reading would keep the entry
    others = all_sessions(using).filter(user_id=user_key(user)).exclude(pk=row.pk)
    revoke_rows(others, reason=RevokedReason.PASSWORD_CHANGED, using=using)


@sensitive_variables("access_token")
def blacklist(access_token: str | AccessToken, *, reason: str = "") -> None:
    """Revoke a single access token; its session goes on. May run inside a transaction; doing it twice is fine.

    Args:
        access_token: The token, as text or verified.
        reason: Why; at most 255 characters.

    Raises:
        InvalidTokenError: if the text is no good access token of ours (an expired one is refused anyway).
    """
    token = access_token
    if isinstance(token, str):
        token = tokens.read_access(token)
    using = RefreshToken.write_alias()
    is_known = models.Exists(BlacklistedToken.objects.filter(jti=token.jti))
    found = all_sessions(using).with_sid(token.sid).values_list("user_id", is_known).first()
    if found is not None and found[1]:
        return  # nothing new, and no reason to read the list anew
    now = database_now(using)
    entry = BlacklistedToken(
        jti=token.jti,
        user_id=found[0] if found else None,
        expires_at=storable(token.expires_at),
        reason=_checked_reason(reason),
        created_at=now,
    )
    BlacklistedToken.objects.using(using).bulk_create([entry], ignore_conflicts=True)
    revocation.mark_stale_on_commit(using)
    logger.info("Access token of session %s blacklisted.", token.sid)


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


def end_acting(
    users: Iterable[AbstractBaseUser], *, reason: str, using: str, by: AbstractBaseUser | None = None
) -> None:
    """End the sessions in which these users act as somebody else. Other arguments as for :func:`revoke_rows`."""
    # One without a usable subject has never acted as anybody, and must be no obstacle here.
    name = conf.get_config().subject_field
    subjects = [str(value) for user in users if (value := getattr(user, name, None)) not in (None, "")]
    if subjects:
        revoke_rows(all_sessions(using).filter(actor__in=subjects), reason=reason, by=by, using=using)


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
            all_sessions(using).bulk_update(bound, ["auth_hash"], batch_size=_BATCH)
            return 1

    return write(store_and_bind, using=using) == 1


_ENDED_AT = "_jwtauth_sessions_ended_at"  # on a user object: when saving it ended sessions


def all_sessions(using: str) -> RefreshTokenQuerySet:
    """Return the query of all sessions, in the database of our tables."""
    return RefreshToken.objects.using(using)


def session_id(session: RefreshToken | uuid.UUID | str) -> uuid.UUID:
    """Return the id of a session that may be given by its id.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(session, RefreshToken):
        return session.pk
    return session if isinstance(session, uuid.UUID) else uuid.UUID(session)


def _checked_reason(reason: str) -> str:
    if len(reason) > MAX_REASON_LENGTH:
        raise ValueError(f"A reason has at most {MAX_REASON_LENGTH} characters.")
    return reason


def revoke_rows(
    rows: models.QuerySet[RefreshToken],
    *,
    reason: str,
    using: str,
    by: AbstractBaseUser | None = None,
    now: datetime | None = None,
) -> int:
    """End those of the rows that live, and tell everyone who must know.

    Args:
        rows: A query.
        reason: Why.
        using: The database.
        by: Who did it, if not the user.
        now: The time to put down; by default the database's.

    Returns:
        How many sessions ended.
    """
    now = now or database_now(using)
    live = rows.filter(revoked_at__isnull=True).exclude(signed_out())
    # Their ids, before: afterwards the query, which may ask for living sessions, would not find them.
    listened = signals.session_revoked.has_listeners(RefreshToken)
    ids = list(live.values_list("pk", flat=True)) if listened else []
    changes = {"revoked_at": now, "revoked_reason": _checked_reason(reason), "revoked_by": by}
    count = write(lambda: live.update(**changes), using=using)
    if not count:
        return 0  # somebody else was faster, and tells
    revocation.mark_stale_on_commit(using)
    logger.info("%d session(s) revoked: %r.", count, str(reason))
    for batch in _batches(ids):
        for session in (
            all_sessions(using).filter(pk__in=batch, revoked_at=now, revoked_reason=reason).select_related("user")
        ):
            signals.session_revoked.send_robust(RefreshToken, session=session, reason=reason, by=by)
    return count


def revoke_ids(ids: Sequence[uuid.UUID], *, reason: str, using: str, now: datetime) -> None:
    """Do the same for sessions of which only the ids are known, however many they are."""
    for batch in _batches(ids):
        revoke_rows(all_sessions(using).filter(pk__in=batch), reason=reason, using=using, now=now)


def _batches(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
