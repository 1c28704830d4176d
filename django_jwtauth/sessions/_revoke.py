"""How sessions and single access tokens are revoked."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, models, transaction

from .. import audit, bridges, conf, revocation_cache, signals, tokens
from .._core import events
from .._core.clock import stopwatch
from ..arguments import expect
from ..database import storable, write
from ..errors import InvalidTokenError
from ..models import (
    MAX_NOTE_LENGTH,
    BlacklistedToken,
    NotBefore,
    RefreshToken,
    RevokedReason,
    may_have_tokens,
    signed_out,
)
from ..secret import Secret, hide
from ..users import subject_if_any, user_key
from ..verifier import AccessToken
from ._lookup import refuse_foreign, session_id

BATCH = 500
"""How many ids are put into one statement; databases limit their number."""

LATE_SECONDS = revocation_cache.OVERLAP.total_seconds() / 2
"""How long after a revocation its transaction may commit without its time being renewed."""
MAX_NAMED = 100
"""How many sessions of unknown users are looked up for the log, when they end at once."""
MAX_BLACKLISTED = 100
"""How many single access tokens of a user may be on the revocation list at the same time."""


def revoke(
    session: RefreshToken | AccessToken | uuid.UUID | str | models.QuerySet[RefreshToken],
    *,
    reason: str = RevokedReason.ADMIN,
    note: str = "",
    by: AbstractBaseUser | None = None,
) -> int:
    """End a session, or every session of a query.

    Refresh tokens are refused at once, access tokens as soon as the revocation rules say. May run inside a transaction.
    Sessions that have been revoked or have expired already stay as they are, and do not count.

    Args:
        session: The session, a verified access token of it (``request.auth``), its id, or a query of sessions.
        reason: Why, for programs: a :class:`~django_jwtauth.models.RevokedReason`.
        note: Why, for people; at most 255 characters.
        by: Who revoked it, if not the user.

    Returns:
        How many sessions were revoked.

    Raises:
        InvalidTokenError: if the access token is not ours, or belongs to no session.
        ValueError: if ``reason`` is not a ``RevokedReason``, ``note`` is too long, or the id is not a UUID.
        TypeError: if it is not a session, or what stands for one.
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


def end_session(pk: uuid.UUID | str, *, reason: str, user: object) -> int:
    """End a session, and name its user in the log.

    Args:
        pk: The id of the session.
        reason: As for :func:`revoke`.
        user: The primary key of the user; ``None`` if it is not known.

    Returns:
        1, or 0 if the session had ended before.
    """
    return revoke_rows(RefreshToken.objects.filter(pk=pk), reason=reason, session=session_id(pk), user=user)


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
        TypeError: if it is not an object of the user model: a ``StatelessUser`` may be another issuer's.
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    # A user model need not inherit from AbstractBaseUser.
    users = [user] if isinstance(user, models.Model) or not isinstance(user, Iterable) else list(user)
    keys = [user_key(user) for user in users]
    rows = RefreshToken.objects.filter(user_id__in=keys)

    def end() -> int:
        with users_locked(keys):
            count = revoke_rows(rows, reason=reason, note=note, by=by, user=keys[0] if len(keys) == 1 else None)
            end_acting(users, reason=reason, note=note, by=by)
            bridges.end_for(users)
            return count

    return write(end, using=RefreshToken.write_alias())


@contextlib.contextmanager
def users_locked(keys: Sequence[Any]) -> Iterator[None]:
    """Lock the rows of users while their sessions end. One statement, in a transaction; none on SQLite.

    Every transaction that ends all sessions of a user locks the user first: by saving, by deleting, or by this. So one
    of two such transactions waits for the other. If each had locked some of the sessions, there would be a deadlock.

    Args:
        keys: The primary keys of the users.
    """
    using = RefreshToken.write_alias()
    if not connections[using].features.has_select_for_update:
        yield
        return
    with transaction.atomic(using=using):
        # No manager: the query of a custom one, such as a distinct or aggregated one, may not allow locks.
        rows: models.QuerySet[Any] = models.QuerySet(get_user_model(), using=using).filter(pk__in=keys)
        list(rows.order_by("pk").select_for_update().values_list("pk"))
        yield


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
    now = NotBefore.objects.now(is_event=True)
    using = RefreshToken.write_alias()
    entry = NotBefore(not_before=now, created_at=now, reason=reason, note=note, revoked_by=cast(Any, by))

    def store() -> int:
        entry.save(force_insert=True)
        return 1

    write(store, using=using)

    def finish() -> None:
        # Until the commit, other connections could refresh, and access tokens could be issued that are younger than the
        # entry. Since the commit nothing can be refreshed, so none of them is younger than the present time.
        row = NotBefore.objects.filter(pk=entry.pk)
        write(lambda: row.update(not_before=NotBefore.objects.now(is_event=True)), using=using)
        revocation_cache.mark_stale()
        audit.tell(events.EVERYONE_SIGNED_OUT, reason=reason, by=None if by is None else user_key(by))

    transaction.on_commit(conf.for_this_tenant(finish), using=using)
    revocation_cache.mark_stale_on_commit(using)
    return entry


def blacklist(
    access_token: str | Secret | AccessToken, *, reason: str = RevokedReason.ADMIN, note: str = ""
) -> AccessToken:
    """Revoke a single access token; its session continues. May run inside a transaction, and may be repeated.

    A server whose clock is wrong may take the token for expired while others still accept it. So what counts is the
    database's clock, and minutes are allowed for.

    The revocation list is shared by all users, so nobody may fill it: once ``MAX_BLACKLISTED`` tokens of a user are on
    it, the session of the next one ends instead.

    Args:
        access_token: The token, as text or verified.
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.

    Returns:
        The verified token.

    Raises:
        InvalidTokenError: if it is not an access token of ours; or if it was passed as text, and expired so long ago
            that every server refuses it.
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    if isinstance(access_token, str):
        access_token = hide(access_token)
    expect((Secret, AccessToken), "an access token, as text or verified", access_token=access_token)
    _check_words(reason, note)
    if isinstance(access_token, Secret) and (bridge := bridges.bridge_for(access_token)) is not None:
        access_token = bridge.verify(access_token)  # which has refused an expired one
    is_text = isinstance(access_token, Secret)
    token = tokens.read_access(access_token, expired=True) if isinstance(access_token, Secret) else access_token
    refuse_foreign(token)
    is_known = models.Exists(BlacklistedToken.objects.filter(jti=token.jti))
    session = RefreshToken.objects.with_clock().annotate(is_known=is_known).with_sid(token.sid).first()
    now = BlacklistedToken.objects.now() if session is None else session.database_now
    if is_text and tokens.is_over(token, now=now):
        raise InvalidTokenError("expired")
    if session is not None and session.is_known:  # type: ignore[attr-defined]  # annotated
        return token  # nothing changes, so the list need not be read again
    user = session.user_id if session else None
    if user is not None and _has_many_blacklisted(user, now=now):
        rows = RefreshToken.objects.filter(pk=token.sid)
        revoke_rows(rows, reason=reason, note=note, session=uuid.UUID(token.sid), user=user)
        return token
    entry = BlacklistedToken(
        jti=token.jti,
        user_id=user,
        expires_at=storable(token.expires_at),
        reason=reason,
        note=note,
        created_at=now,
    )
    write(
        lambda: len(BlacklistedToken.objects.bulk_create([entry], ignore_conflicts=True)),
        using=RefreshToken.write_alias(),
    )
    revocation_cache.mark_stale_on_commit(RefreshToken.write_alias())
    renew_if_late(BlacklistedToken.objects.filter(jti=token.jti), "created_at")
    using = RefreshToken.write_alias()
    audit.tell_on_commit(events.TOKEN_BLACKLISTED, using=using, session=token.sid, user=user, reason=reason)
    return token


def _has_many_blacklisted(user: Any, *, now: datetime) -> bool:
    """Tell whether so many tokens of a user are on the revocation list that no more may join them."""
    since = now - conf.get_config().revocation_retention
    listed = BlacklistedToken.objects.filter(user_id=user, created_at__gt=since)
    return listed[:MAX_BLACKLISTED].count() == MAX_BLACKLISTED


def end_acting(
    users: Iterable[AbstractBaseUser], *, reason: str, note: str = "", by: AbstractBaseUser | None = None
) -> None:
    """End the sessions in which these users act as somebody else. Other arguments as for :func:`revoke`."""
    # A user without a usable subject has never acted as anybody, and must not be an obstacle here.
    subjects = list(filter(None, map(subject_if_any, users)))
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
    """Revoke those sessions of a query that have not ended yet, and tell the revocation list and receivers.

    A session that expired some minutes ago is revoked too: a server whose clock is behind may accept its access tokens.

    Args:
        rows: The query.
        reason: As for :func:`revoke`.
        note: As for :func:`revoke`.
        by: As for :func:`revoke`.
        now: The time of the revocation; by default the database's.
        session: The id of the session for the log, if there is only one.
        user: The primary key of the user for the log, if there is only one. Without it, two more statements find out
            whose sessions end, if somebody listens and there are few.

    Returns:
        How many sessions were revoked.

    Raises:
        ValueError: if ``reason`` is not a ``RevokedReason``, or ``note`` is too long.
    """
    _check_words(reason, note)
    using = RefreshToken.write_alias()
    began = stopwatch.seconds()
    now = now or RefreshToken.objects.now()
    unrevoked = rows.filter(may_have_tokens(now), revoked_at__isnull=True).exclude(signed_out())
    # The ids are read first: the query may ask for unrevoked sessions, and would not find them afterwards.
    has_listeners = signals.session_revoked.has_listeners(RefreshToken)
    is_told = user is None and events.SESSION_REVOKED.is_heard()
    named = unrevoked.values_list("pk", flat=True)
    ids = list(named if has_listeners else named[: MAX_NAMED + 1]) if has_listeners or is_told else []
    changes = {"revoked_at": now, "revoked_reason": reason, "revoked_note": note, "revoked_by": by}
    count = write(lambda: unrevoked.update(**changes), using=using)
    if not count:
        return 0  # they were revoked before, or another connection was faster and does the rest
    revocation_cache.mark_stale_on_commit(using)
    renew_if_late(RefreshToken.objects.filter(revoked_at=now, revoked_reason=reason), "revoked_at", began=began)
    about: dict[str, Any] = {"by": None if by is None else user_key(by), "reason": reason}
    whose = _by_user(ids, now, reason) if is_told else {}
    for key, (one, number) in (whose or {user: (session, count)}).items():
        audit.tell_on_commit(events.SESSION_REVOKED, using=using, session=one, user=key, count=number, **about)
    if not has_listeners:
        return count
    for batch in _batches(ids):
        ended = RefreshToken.objects.filter(pk__in=batch, revoked_at=now, revoked_reason=reason)
        for row in ended.select_related("user"):
            signals.session_revoked.send_robust(RefreshToken, session=row, reason=reason, by=by)
    return count


def renew_if_late(rows: models.QuerySet[Any], column: str, *, began: float | None = None) -> None:
    """If the caller's statement or transaction takes long, let what it revokes count as revoked when it commits.

    The revocation list is read from a minute before its newest entry on, so what commits later than that would be
    found only when everything is read.

    Args:
        rows: What has just been revoked.
        column: The name of the column with the time of the revocation.
        began: When that time was read, on the monotonic clock; by default now.
    """
    began = stopwatch.seconds() if began is None else began

    def renew() -> None:
        taken = stopwatch.seconds() - began
        now = RefreshToken.objects.now()
        # The rows may be named by their reason only: those of earlier transactions stay as they are.
        since = now - timedelta(seconds=taken) - revocation_cache.OVERLAP
        renewed = rows.filter(**{f"{column}__gte": since})
        write(lambda: renewed.update(**{column: now}), using=RefreshToken.write_alias())
        revocation_cache.mark_stale()

    renew_here = conf.for_this_tenant(renew)

    def renew_after_long() -> None:
        if stopwatch.seconds() - began >= LATE_SECONDS:
            renew_here()

    transaction.on_commit(renew_after_long, using=RefreshToken.write_alias(), robust=True)


def revoke_ids(ids: Sequence[uuid.UUID], *, reason: str, now: datetime, user: object) -> None:
    """Revoke sessions of a user that are given by their ids, in batches."""
    for batch in _batches(ids):
        session = batch[0] if len(ids) == 1 else None
        revoke_rows(RefreshToken.objects.filter(pk__in=batch), reason=reason, now=now, session=session, user=user)


def _by_user(ids: Sequence[uuid.UUID], now: datetime, reason: str) -> dict[Any, tuple[uuid.UUID | None, int]]:
    """Return whose sessions have just ended: for each user the session, if it is one, and how many. Empty if many."""
    found: dict[Any, list[uuid.UUID]] = {}
    if len(ids) <= MAX_NAMED:
        ended = RefreshToken.objects.filter(pk__in=ids, revoked_at=now, revoked_reason=reason)
        for pk, user in ended.order_by("pk").values_list("pk", "user_id"):
            found.setdefault(user, []).append(pk)
    return {user: (pks[0] if len(pks) == 1 else None, len(pks)) for user, pks in found.items()}


def _check_words(reason: str, note: str) -> None:
    expect(str, "a str", note=note)
    if reason not in RevokedReason.values:
        known = ", ".join(RevokedReason.values)
        raise ValueError(f"The reason {reason!r} is not one of {known}. Words for people go into the note.")
    if len(note) > MAX_NOTE_LENGTH:
        raise ValueError(f"A note has at most {MAX_NOTE_LENGTH} characters.")


def _batches(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
