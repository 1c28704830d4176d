"""How sessions and single access tokens are revoked. To be called as ``sessions.revoke()`` and so on."""

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from .. import conf, revocation_cache, signals, tokens
from ..database import database_now, storable, write
from ..models import (
    BlacklistedToken,
    NotBefore,
    RefreshToken,
    RefreshTokenQuerySet,
    RevokedReason,
    signed_out,
    subject_of,
    user_key,
)
from ..verifier import AccessToken

logger = logging.getLogger("django_jwtauth.security")

MAX_REASON_LENGTH = 255
MANY_SESSIONS = 100
"""When more sessions of a user end at once, the revocation list holds one time instead of their ids."""
BATCH = 500  # ids in one statement; databases limit their number


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
            revocation_cache.reread()

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
        revocation_cache.mark_stale()
        logger.warning("Everyone was signed out: %r.", str(reason))

    transaction.on_commit(finish, using=using)
    revocation_cache.mark_stale_on_commit(using)
    return entry


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
    revocation_cache.mark_stale_on_commit(using)
    logger.info("Access token of session %s blacklisted.", token.sid)


def end_acting(
    users: Iterable[AbstractBaseUser], *, reason: str, using: str, by: AbstractBaseUser | None = None
) -> None:
    """End the sessions in which these users act as somebody else. Other arguments as for :func:`revoke_rows`."""
    # One without a usable subject has never acted as anybody, and must be no obstacle here.
    name = conf.get_config().subject_field
    subjects = [str(value) for user in users if (value := getattr(user, name, None)) not in (None, "")]
    if subjects:
        revoke_rows(all_sessions(using).filter(actor__in=subjects), reason=reason, by=by, using=using)


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
    revocation_cache.mark_stale_on_commit(using)
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
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
