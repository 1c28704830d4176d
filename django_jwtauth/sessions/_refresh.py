"""The exchange of a refresh token for the next one.

No lock is needed: a session is changed by one conditional UPDATE, so of several requests at once exactly one succeeds,
on any database.
"""

import contextlib
import functools
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, OperationalError, models
from django.http import HttpRequest

from .. import audit, conf, grants, request_info, signals, tokens
from .._core import events
from .._core.clock import stopwatch
from ..arguments import expect, expect_request
from ..bridges import bridge_for
from ..compiled import Update
from ..database import database_now, is_contention, refuse_transaction, write
from ..errors import InvalidScopeError, InvalidTargetError, InvalidTokenError, RefreshConflictError
from ..models import RefreshToken, RevokedReason
from ..secret import Secret, hide
from ._lookup import session_of
from ._pair import TokenPair, make_pair, request_columns
from ._revoke import revoke_rows
from ._rotation import Step, judge, unseen_from
from ._seen import note

SLOW_SECONDS = 0.5
"""If a rotation takes longer, its time is set again."""


def refresh(
    raw: str | bytes | Secret,
    *,
    request: HttpRequest | None = None,
    scope: str = "",
    audience: str = "",
    transport: str = RefreshToken.Transport.BODY,
) -> TokenPair:
    """Exchange a refresh token for the next one and a new access token.

    Two statements, neither in a transaction; more if it loses a race. If the process dies between them, or the response
    is lost, the same token works again within ``REFRESH_GRACE_PERIOD``.

    Args:
        raw: The refresh token as it was sent.
        request: For the address, the user agent and the claims hooks.
        scope: Fewer scopes than the session has, for this access token only (RFC 6749 section 6); by default all.
        audience: The audience of this access token, unless the session is for one audience only (RFC 8707 section 2.2).
        transport: How the token was sent.

    Raises:
        TypeError: if an argument is of a wrong type.
        InvalidTokenError: with the reason why the token is refused. After ``reused`` the session is revoked; after any
            other reason nothing has changed.
        RefreshConflictError: if other refreshes of the session came first, twice. Try again.
        InvalidScopeError: if more scope is asked for than the session has; nothing has changed.
        InvalidTargetError: if the audience is not allowed; nothing has changed.
        ClaimsHookError: if a claims hook fails; nothing has changed, and the token stays valid.
        RuntimeError: if called inside a transaction, where a lost race could not be told from reuse.
    """
    raw = hide(raw)
    about: dict[str, object] = {}
    try:
        return _refresh(raw, about, request=request, scope=scope, audience=audience, transport=transport)
    except (InvalidTokenError, InvalidScopeError, InvalidTargetError) as error:
        audit.tell(events.REFRESH_REFUSED, request=request, reason=error.reason, **about)
        raise


def _refresh(
    raw: Secret,
    about: dict[str, object],
    *,
    request: HttpRequest | None,
    scope: str,
    audience: str,
    transport: str,
) -> TokenPair:
    """Do what :func:`refresh` says. What becomes known of the session is put into ``about``, for the log."""
    expect(str, "a str", scope=scope, audience=audience, transport=transport)
    expect_request(request)
    refuse_transaction(RefreshToken.write_alias(), "sessions.refresh()")
    if transport == RefreshToken.Transport.BODY and (bridge := bridge_for(raw)) is not None:
        exchanged: TokenPair = bridge.refresh(raw, request=request, scope=scope, audience=audience)
        return exchanged
    claims = tokens.read_refresh_of(request, raw)

    waited = functools.partial(time_waited, request, claims.arrived)
    was_present = False
    for _ in range(2):
        began = stopwatch.seconds()
        session = session_of(claims)
        about |= {"session": session.id, "user": session.user_id}
        now = session.database_now
        step = judge(session, claims.generation, transport=transport, waited=waited, was_present=was_present)
        if step is Step.REUSE:
            end_reused(session, now=now, request=request)
            raise InvalidTokenError("reused")
        # All that may fail comes before the UPDATE; after it, nothing may.
        granted = grants.scope(session, scope, request=request)
        target = grants.audience(session, audience, request=request)
        access = tokens.mint_access(session, scope=granted, audience=target, now=now, request=request)
        if step is Step.ROTATE:
            was_present = True
            if not _rotate(session, now=now, request=request):
                continue  # another request was faster
            if stopwatch.seconds() - began > SLOW_SECONDS:
                _renew(session)
        if step is Step.REPEAT:
            note(session)
        if step is Step.REPLAY:
            count_replay(session)
        if step is Step.RETRY and not _retry(session, now=now, request=request):
            continue  # another request has shown meanwhile that the client has the present generation
        what = events.SESSION_REFRESHED if step is Step.ROTATE else _EVENTS.get(step, events.SESSION_REFRESHED)
        audit.tell(what, request=request, **about)
        signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
        return make_pair(session, access, now=now)
    raise RefreshConflictError


_EVENTS = {Step.REPLAY: events.REFRESH_REPLAYED, Step.RETRY: events.REFRESH_RETRIED}
"""What an accepted token that had been exchanged before is in the log."""


def time_waited(request: HttpRequest | None, arrived: float) -> timedelta:
    """Return how long a request has waited since its token was read, or since the proxy passed it on, if that is known.

    Args:
        request: The request.
        arrived: When its token was read, on the monotonic clock.
    """
    header = conf.get_config().request_start_header
    queued = request_info.seconds_since_start(request, header) if request is not None and header else 0.0
    return timedelta(seconds=max(stopwatch.seconds() - arrived, queued))


def _rotate(session: RefreshToken, *, now: datetime, request: HttpRequest | None) -> bool:
    """Advance a session to its next generation, if its row is still as it was read. Every race is decided here."""
    stored = {name: getattr(session, name) for name in _SELDOM_CHANGED}
    read = {"pk": session.pk, "read_generation": session.generation, "read_auth_hash": bytes(session.auth_hash)}
    # Bound with the present SECRET_KEY, so that its fallbacks can be removed one day.
    session.bind(session.password_holder)
    if session.actor:
        session.bind_actor(session.acting_password_holder)
    session.generation += 1
    session.rotated_at = now
    session.last_seen_on = now.date()
    session.unseen_since = unseen_from(session, now)
    changes: dict[str, Any] = {
        "last_seen_on": session.last_seen_on,
        "unseen_since": session.unseen_since,
        "auth_hash": bytes(session.auth_hash),
    }
    if request is not None:
        changes |= request_columns(request)
    # What is stored already need not be written again, nor do the indexes of it, which SQLite would write again.
    changes = {name: value for name, value in changes.items() if value != stored[name]}
    changes |= {"generation": session.generation, "rotated_at": now}
    try:
        return bool(_rotation.run(RefreshToken.write_alias(), read | changes) == 1)
    except OperationalError as error:
        if is_contention(error):
            return False
        raise


_SELDOM_CHANGED = ("last_seen_on", "unseen_since", "auth_hash", "ip_address", "user_agent")


def _renew(session: RefreshToken) -> None:
    """Let the grace period begin now, because the rotation had to wait, for example for a lock.

    The client gets its response only now. If the response is lost, the client must have the whole period to try again.
    """
    using = RefreshToken.write_alias()
    with contextlib.suppress(Error):  # the rotation itself is stored, so the client must get its new token
        now = database_now(using)
        rows = RefreshToken.objects.unrevoked().filter(pk=session.pk, generation=session.generation)
        if rows.update(rotated_at=now, last_seen_on=now.date()):
            session.rotated_at, session.last_seen_on = now, now.date()


def _unchanged(pk: Any, read_generation: Any, read_auth_hash: Any, **changes: Any) -> tuple[Any, dict[str, Any]]:
    # auth_hash is compared too: a hash upgrade in between has bound the session again, which must not be undone.
    rows = RefreshToken.objects.unrevoked().not_signed_out()
    return rows.filter(pk=pk, generation=read_generation, auth_hash=read_auth_hash), changes


_rotation = Update(
    _unchanged,
    pk=models.UUIDField(),
    read_generation=models.PositiveIntegerField(),
    read_auth_hash=models.BinaryField(),
    generation=models.PositiveIntegerField(),
    rotated_at=models.DateTimeField(),
    unseen_since=models.DateTimeField(),
    last_seen_on=models.DateField(),
    auth_hash=models.BinaryField(),
    ip_address=models.GenericIPAddressField(),
    user_agent=models.CharField(),
)


def count_replay(session: RefreshToken) -> None:
    """Count that a token which had been exchanged came once more, and was accepted."""
    rows = RefreshToken.objects.filter(pk=session.pk)
    try:
        write(lambda: rows.update(replays=models.F("replays") + 1), using=RefreshToken.write_alias())
    except OperationalError as error:
        if not is_contention(error):
            raise  # contention alone does not matter: the count is for people, and no reason to refuse a token


def _retry(session: RefreshToken, *, now: datetime, request: HttpRequest | None) -> bool:
    """Let the present generation be exchanged and repeated as if it had just been made, if it is still unseen.

    A new grace period begins, for the other tabs of a client that wakes up, and for a response that is lost again. The
    race with a request that shows the generation is decided here.
    """
    changes: dict[str, Any] = {
        "rotated_at": now,
        "last_seen_on": now.date(),
        "replays": models.F("replays") + 1,
        "retried_generation": session.generation,
    }
    if request is not None:
        changes |= request_columns(request)
    rows = RefreshToken.objects.unrevoked().not_signed_out()
    rows = rows.filter(pk=session.pk, generation=session.generation, unseen_since=session.unseen_since)
    if not write(lambda: rows.update(**changes), using=RefreshToken.write_alias()):
        return False
    session.rotated_at, session.last_seen_on = now, now.date()
    return True


def end_reused(session: RefreshToken, *, now: datetime, request: HttpRequest | None) -> None:
    """End a session whose token was used again, and tell the log and the receivers, unless it has ended meanwhile.

    Args:
        session: The session.
        now: The database's time.
        request: For the address.
    """
    rows = RefreshToken.objects.filter(pk=session.pk)
    if not revoke_rows(rows, reason=RevokedReason.REUSED, now=now, session=session.pk, user=session.user_id):
        return  # the session has ended meanwhile, so there is nothing new to report
    audit.tell(events.REFRESH_TOKEN_REUSED, request=request, session=session.pk, user=session.user_id)
    signals.refresh_token_reused.send_robust(RefreshToken, session=session, user=session.user, request=request)
