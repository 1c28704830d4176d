"""How sessions and single access tokens are revoked."""

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from .. import audit, conf, revocation_cache, signals, tokens
from ..database import storable, write
from ..models import MAX_NOTE_LENGTH, BlacklistedToken, NotBefore, RefreshToken, RevokedReason, signed_out
from ..users import user_key
from ..verifier import AccessToken

logger = logging.getLogger("django_jwtauth.security")

BATCH = 500
"""How many ids are put into one statement; databases limit their number."""


def revoke(
    session: RefreshToken | uuid.UUID | str | models.QuerySet[RefreshToken],
    *,
    reason: str = RevokedReason.ADMIN,
    note: str = "",
    by: AbstractBaseUser | None = None,
) -> int:
    """End a session, or every session of a query.

    Refresh tokens are refused at once, access tokens as soon as the revocation rules say. May run inside a transaction.
    Sessions that have been revoked already stay as they are. Expired ones are marked as revoked, and count.

    Args:
        session: The session, its id (``request.auth.sid``), or a query of sessions.
        reason: Why, for programs: a :class:`~django_jwtauth.models.RevokedReason`.
        note: Why, for people; at most 255 characters.
        by: Who revoked it, if not the user.

    Returns:
        How many sessions were revoked.

    Raises:
        ValueError: if ``reason`` is not a ``RevokedReason``, ``note`` is too long, or the id is not a UUID.
    """
    if isinstance(session, models.QuerySet):
        return revoke_rows(session.using(RefreshToken.write_alias()), reason=reason, note=note, by=by)
    rows = RefreshToken.objects.filter(pk=session_id(session))
    user = session.user_id if isinstance(session, RefreshToken) else None
    count = revoke_rows(rows, reason=reason, note=note, by=by, session=session_id(session), user=user)
    if isinstance(session, RefreshToken):
        names = ("revoked_at", "revoked_reason", "revoked_note", "revoked_by_id")
        for values in rows.values(*names):  # empty if the row has been purged meanwhile
            for name, value in values.items():
                setattr(session, name, value)
    return count


def revoke_all(
    user: AbstractBaseUser | Iterable[AbstractBaseUser],
    *,
    reason: str = RevokedReason.LOGOUT_ALL,
    note: str = "",
    by: AbstractBaseUser | None = None,
) -> int:
    """End all sessions of a user, or of several users.

    Sessions in which they act as somebody else end too, but do not count in the result.

    Args:
        user: The user, or several.
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.
        by: As for :func:`revoke`.

    Returns:
        How many of their own sessions ended.

    Raises:
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    # A user model need not inherit from AbstractBaseUser.
    users = [user] if isinstance(user, models.Model) else list(user)
    keys = [user_key(user) for user in users]
    rows = RefreshToken.objects.filter(user_id__in=keys)
    count = revoke_rows(rows, reason=reason, note=note, by=by, user=keys[0] if len(keys) == 1 else None)
    end_acting(users, reason=reason, note=note, by=by)
    return count


def revoke_everyone(
    *, reason: str = RevokedReason.ADMIN, note: str = "", by: AbstractBaseUser | None = None
) -> NotBefore:
    """End all sessions of all users, in one step however many there are.

    The rows of the sessions stay as they are: a single timestamp is stored, and every session that began before it has
    ended. The
    signal ``session_revoked`` is not sent. May run inside a transaction, and then takes effect when it commits.

    Times in tokens are whole seconds. A user who signs in within the same second may therefore get an access token that
    services without a database refuse until it is refreshed.

    Args:
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.
        by: Who signed everyone out.

    Returns:
        The row that was stored.

    Raises:
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    _check_words(reason, note)
    now = NotBefore.objects.now()
    entry = NotBefore.objects.create(not_before=now, created_at=now, reason=reason, note=note, revoked_by=cast(Any, by))

    def finish() -> None:
        # Until the commit, other connections could refresh, and access tokens could be issued that are younger than the
        # entry. Since the commit nothing can be refreshed, so none of them is younger than the present time.
        NotBefore.objects.filter(pk=entry.pk).update(not_before=NotBefore.objects.now())
        revocation_cache.mark_stale()
        extra = audit.fields("everyone_signed_out", reason=reason)
        logger.warning("Everyone was signed out: %r.", str(reason), extra=extra)

    using = RefreshToken.write_alias()
    transaction.on_commit(finish, using=using)
    revocation_cache.mark_stale_on_commit(using)
    return entry


@sensitive_variables("access_token")
def blacklist(access_token: str | AccessToken, *, reason: str = RevokedReason.ADMIN, note: str = "") -> None:
    """Revoke a single access token; its session continues. May run inside a transaction, and may be repeated.

    Args:
        access_token: The token, as text or verified.
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.

    Raises:
        InvalidTokenError: if the text is not a valid access token of ours. (An expired one is refused anyway.)
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    _check_words(reason, note)
    token = access_token
    if isinstance(token, str):
        token = tokens.read_access(token)
    is_known = models.Exists(BlacklistedToken.objects.filter(jti=token.jti))
    found = RefreshToken.objects.with_sid(token.sid).values_list("user_id", is_known).first()
    if found is not None and found[1]:
        return  # nothing changes, so the list need not be read again
    entry = BlacklistedToken(
        jti=token.jti,
        user_id=found[0] if found else None,
        expires_at=storable(token.expires_at),
        reason=reason,
        note=note,
        created_at=BlacklistedToken.objects.now(),
    )
    BlacklistedToken.objects.bulk_create([entry], ignore_conflicts=True)
    revocation_cache.mark_stale_on_commit(RefreshToken.write_alias())
    about = audit.fields("token_blacklisted", session=token.sid, user=found[0] if found else None, reason=reason)
    logger.info("Access token of session %s blacklisted.", token.sid, extra=about)


def end_acting(
    users: Iterable[AbstractBaseUser], *, reason: str, note: str = "", by: AbstractBaseUser | None = None
) -> None:
    """End the sessions in which these users act as somebody else. Other arguments as for :func:`revoke`."""
    # A user without a usable subject has never acted as anybody, and must not be an obstacle here.
    name = conf.get_config().subject_field
    subjects = [str(value) for user in users if (value := getattr(user, name, None)) not in (None, "")]
    if subjects:
        revoke_rows(RefreshToken.objects.filter(actor__in=subjects), reason=reason, note=note, by=by)


def revoke_rows(
    rows: models.QuerySet[RefreshToken],
    *,
    reason: str,
    note: str = "",
    by: AbstractBaseUser | None = None,
    now: datetime | None = None,
    session: uuid.UUID | None = None,
    user: object = None,
) -> int:
    """Revoke those sessions of a query that have not been revoked yet, and tell the revocation list and receivers.

    Args:
        rows: The query.
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.
        by: As for :func:`revoke`.
        now: The time of the revocation; by default the database's.
        session: The id of the session for the log, if there is only one.
        user: The primary key of the user for the log, if there is only one.

    Returns:
        How many sessions were revoked.

    Raises:
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    _check_words(reason, note)
    using = RefreshToken.write_alias()
    now = now or RefreshToken.objects.now()
    unrevoked = rows.filter(revoked_at__isnull=True).exclude(signed_out())
    # The ids are read first: the query may ask for unrevoked sessions, and would not find them afterwards.
    has_listeners = signals.session_revoked.has_listeners(RefreshToken)
    ids = list(unrevoked.values_list("pk", flat=True)) if has_listeners else []
    changes = {"revoked_at": now, "revoked_reason": reason, "revoked_note": note, "revoked_by": by}
    count = write(lambda: unrevoked.update(**changes), using=using)
    if not count:
        return 0  # they were revoked before, or another connection was faster and does the rest
    revocation_cache.mark_stale_on_commit(using)
    about = audit.fields("session_revoked", session=session, user=user, reason=reason)
    logger.info("%d session(s) revoked: %r.", count, str(reason), extra={**about, "count": count})
    for batch in _batches(ids):
        ended = RefreshToken.objects.filter(pk__in=batch, revoked_at=now, revoked_reason=reason)
        for row in ended.select_related("user"):
            signals.session_revoked.send_robust(RefreshToken, session=row, reason=reason, by=by)
    return count


def revoke_ids(ids: Sequence[uuid.UUID], *, reason: str, now: datetime, user: object) -> None:
    """Revoke sessions of a user that are given by their ids, in batches."""
    for batch in _batches(ids):
        session = batch[0] if len(ids) == 1 else None
        revoke_rows(RefreshToken.objects.filter(pk__in=batch), reason=reason, now=now, session=session, user=user)


def session_id(session: RefreshToken | uuid.UUID | str) -> uuid.UUID:
    """Return the id of a session that is given as a row or by its id.

    Raises:
        ValueError: if the text is not a UUID.
    """
    if isinstance(session, RefreshToken):
        return session.pk
    return session if isinstance(session, uuid.UUID) else uuid.UUID(session)


def _check_words(reason: str, note: str) -> None:
    if reason not in RevokedReason.values:
        known = ", ".join(RevokedReason.values)
        raise ValueError(f"The reason {reason!r} is not one of {known}. Words for people go into the note.")
    if len(note) > MAX_NOTE_LENGTH:
        raise ValueError(f"A note has at most {MAX_NOTE_LENGTH} characters.")


def _batches(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
