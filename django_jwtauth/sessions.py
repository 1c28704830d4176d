"""Sessions: start, refresh, revoke. The only module that writes our tables.

What a refresh token leads to is judged in :mod:`django_jwtauth.rotation`; :func:`refresh` acts on it. That needs no
lock: every change is one conditional UPDATE, so of several requests at once exactly one wins, on any database.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, models, transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from . import client, conf, revocation, rotation, signals, tokens
from .database import database_now, epoch, is_contention, refuse_transaction, storable, write
from .errors import InvalidTokenError, RefreshConflictError
from .models import BlacklistedToken, RefreshToken, RefreshTokenQuerySet, RevokedReason, user_key
from .verifier import AccessToken

logger = logging.getLogger("django_jwtauth.security")

MAX_REASON_LENGTH = 255
_BATCH = 500  # ids in one statement; databases limit their number


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a sign-in or a refresh gives."""

    access: str = field(repr=False)
    """The access token."""
    refresh: str = field(repr=False)
    """The refresh token. Inside the grace period a second refresh gives the same one again."""
    session: RefreshToken
    """The session both belong to."""
    expires_in: int
    """How many seconds the access token lives."""
    refresh_expires_in: int
    """How many seconds the refresh token lives."""


@sensitive_variables("access")
def start(
    user: AbstractBaseUser,
    *,
    request: HttpRequest | None = None,
    amr: Sequence[str] = (),
    acr: str = "",
    scope: str = "",
) -> TokenPair:
    """Start a session for a user who has just been authenticated.

    May run inside a transaction. Two statements, two more where ``MAX_SESSIONS_PER_USER`` is set.

    Args:
        user: The user.
        request: For the address, the user agent and the claims hooks.
        amr: How the user was authenticated (RFC 8176), e.g. ``["pwd", "otp"]``.
        acr: The level of that (OpenID Connect Core section 2).
        scope: The scopes granted, separated by spaces (RFC 6749 section 3.3).

    Raises:
        InvalidTokenError: ``user_inactive``, if the user may not sign in.
        ClaimsHookError: if a claims hook fails; nothing has been written.
        ValueError: if ``amr``, ``acr`` or ``scope`` is no text that a token may carry.
    """
    config = conf.get_config()
    if isinstance(amr, str) or not all(text.isprintable() for text in (*amr, acr, scope)) or not all(amr):
        raise ValueError("amr is a list of methods, none empty; amr, acr and scope hold no control characters.")
    if not user.is_active:
        raise InvalidTokenError("user_inactive")
    using = RefreshToken.write_alias()
    now = database_now(using)
    session = RefreshToken(
        user=cast(Any, user),  # the type that settings name
        created_at=now,
        rotated_at=now,
        auth_time=now,
        expires_at=now + config.session_lifetime,
        amr=list(amr),
        acr=acr,
        scope=scope,
        **_client(request),
    )
    session.bind(user)
    access = tokens.mint_access(session, now=now, request=request)
    session.save(using=using, force_insert=True)
    if config.max_sessions_per_user is not None:
        newest = _all(using).live(now).filter(user_id=user_key(user)).order_by("-created_at", "-pk")
        others = newest.exclude(pk=session.pk).values_list("pk", "created_at")[config.max_sessions_per_user - 1 :]
        # None that is newer: of two sign-ins at once, each would end the other's.
        surplus = [pk for pk, created_at in others if created_at <= now]
        _revoke_ids(surplus, reason=RevokedReason.SESSION_LIMIT, using=using, now=now)
    signals.session_started.send_robust(RefreshToken, session=session, user=user, request=request)
    return _pair(session, access, now=now)


@sensitive_variables("raw", "claims", "access")
def refresh(raw: str | bytes, *, request: HttpRequest | None = None) -> TokenPair:
    """Exchange a refresh token for the next one and a new access token.

    Two statements, each by itself. If the process dies between them, or the answer is lost, the same token works
    again within ``REFRESH_GRACE_PERIOD``.

    Args:
        raw: The refresh token as it was sent.
        request: For the address, the user agent and the claims hooks.

    Raises:
        InvalidTokenError: with the reason why it is refused. After ``reused`` the session is revoked; after any
            other nothing has changed.
        RefreshConflictError: if other refreshes of the session came between, twice. Try again.
        ClaimsHookError: if a claims hook fails; nothing has changed, and the token stays good.
        RuntimeError: if called inside a transaction, where a lost race could not be told from reuse.
    """
    using = RefreshToken.write_alias()
    refuse_transaction(using, "sessions.refresh()")
    claims = tokens.read_refresh(raw)
    for _ in range(2):
        session, now = rotation.read(claims, using=using)
        step = rotation.judge(session, claims.generation, now)
        if step is rotation.Step.REUSE:
            _end_reused(session, now=now, using=using, request=request)
            raise InvalidTokenError("reused")
        # Before the UPDATE, since hooks may fail, and after the UPDATE nothing may.
        access = tokens.mint_access(session, now=now, request=request)
        if step is rotation.Step.ROTATE and not _rotate(session, now=now, using=using, request=request):
            continue  # somebody else was faster
        if step is rotation.Step.REPLAY:
            _count_replay(session, using=using)
        signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
        return _pair(session, access, now=now)
    raise RefreshConflictError


@sensitive_variables("raw", "claims")
def verify_refresh(raw: str | bytes) -> RefreshToken:
    """Tell whether this is the present refresh token of a living session. One statement; changes nothing.

    One that was superseded is refused, also within the grace period: whoever asks should not go on with it.

    Raises:
        InvalidTokenError: with the reason why it is refused; ``reused`` for one that was superseded.
    """
    claims = tokens.read_refresh(raw)
    session, now = rotation.read(claims, using=RefreshToken.write_alias())
    if rotation.judge(session, claims.generation, now) in (rotation.Step.REPLAY, rotation.Step.REUSE):
        raise InvalidTokenError("reused")
    return session


@sensitive_variables("raw", "claims")
def find(raw: str | bytes) -> RefreshToken:
    """Return the session of a refresh token of any generation, alive or not. One statement.

    Raises:
        InvalidTokenError: if the token is not good, has expired, or belongs to no session.
    """
    claims = tokens.read_refresh(raw)
    return rotation.find(claims, using=RefreshToken.write_alias())


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
        return _revoke(session.using(using), reason=reason, by=by, using=using)
    count = _revoke(_all(using).filter(pk=_id(session)), reason=reason, by=by, using=using)
    if isinstance(session, RefreshToken):
        names = ("revoked_at", "revoked_reason", "revoked_by_id")
        for values in _all(using).filter(pk=session.pk).values(*names):  # none, if it was purged meanwhile
            for name, value in values.items():
                setattr(session, name, value)
    return count


def revoke_all(
    user: AbstractBaseUser, *, reason: str = RevokedReason.LOGOUT_ALL, by: AbstractBaseUser | None = None
) -> int:
    """End all sessions of a user. Arguments and result as for :func:`revoke`."""
    return revoke(RefreshToken.objects.filter(user_id=user_key(user)), reason=reason, by=by)


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
    """
    using = RefreshToken.write_alias()
    row = _all(using).filter(pk=_id(session), user_id=user_key(user)).first()
    if row is None:
        raise InvalidTokenError("revoked")
    row.bind(user)
    ended_by_save = getattr(user, _ENDED_AT, None)
    alive = models.Q(revoked_at__isnull=True)
    if ended_by_save is not None:
        alive |= models.Q(revoked_at=ended_by_save, revoked_reason=RevokedReason.PASSWORD_CHANGED)
    changes: dict[str, Any] = {"revoked_at": None, "revoked_reason": "", "auth_hash": row.auth_hash}
    kept = _all(using).filter(alive, pk=row.pk)
    if not write(lambda: kept.update(**changes), using=using):
        raise InvalidTokenError("revoked")
    if isinstance(session, RefreshToken):
        for name, value in changes.items():
            setattr(session, name, value)
    if ended_by_save is not None:
        revocation.reread_on_commit(using)  # an incremental reading would keep the entry
    others = _all(using).filter(user_id=user_key(user)).exclude(pk=row.pk)
    _revoke(others, reason=RevokedReason.PASSWORD_CHANGED, using=using)


@sensitive_variables("access_token")
def blacklist(access_token: str | AccessToken, *, reason: str = "") -> None:
    """Revoke a single access token; its session goes on. May run inside a transaction; doing it twice is fine.

    Args:
        access_token: The token, as text or verified.
        reason: Why; at most 255 characters.

    Raises:
        InvalidTokenError: if the text is no good access token (an expired one is refused anyway).
    """
    token = access_token
    if isinstance(token, str):
        token = conf.get_config().verifier.verify(token)
    using = RefreshToken.write_alias()
    user_id = _all(using).with_sid(token.sid).values_list("user_id", flat=True).first()
    now = database_now(using)
    entry = BlacklistedToken(
        jti=token.jti,
        user_id=user_id,
        expires_at=storable(token.expires_at),
        reason=_checked_reason(reason),
        created_at=now,
    )
    BlacklistedToken.objects.using(using).bulk_create([entry], ignore_conflicts=True)
    revocation.mark_stale_on_commit(using)
    logger.info("Access token of session %s blacklisted.", token.sid)


def end_for_user_change(user: AbstractBaseUser) -> None:
    """End the sessions of a user who was saved without being active, or with another password than they are bound to.

    Called after each save of a user that may have changed either; one statement if nothing did.
    """
    using = RefreshToken.write_alias()
    sessions = _all(using).filter(user_id=user_key(user), revoked_at__isnull=True)
    if not user.is_active:
        revoke(sessions, reason=RevokedReason.USER_INACTIVE)
        return
    unbound = [session.pk for session in sessions.only("secret", "auth_hash") if not session.is_bound_to(user)]
    if unbound:
        now = database_now(using)
        _revoke_ids(unbound, reason=RevokedReason.PASSWORD_CHANGED, using=using, now=now)
        setattr(user, _ENDED_AT, now)


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
            sessions = _all(using).filter(user_id=user_key(user), revoked_at__isnull=True)
            for session in sessions.only("secret", "auth_hash"):
                if session.is_bound_to(former):
                    session.bind(user)
                    bound.append(session)
            _all(using).bulk_update(bound, ["auth_hash"], batch_size=_BATCH)
            return 1

    return write(store_and_bind, using=using) == 1


_ENDED_AT = "_jwtauth_sessions_ended_at"  # on a user object: when saving it ended sessions


def _all(using: str) -> RefreshTokenQuerySet:
    return RefreshToken.objects.using(using)


def _id(session: RefreshToken | uuid.UUID | str) -> uuid.UUID:
    if isinstance(session, RefreshToken):
        return session.pk
    return session if isinstance(session, uuid.UUID) else uuid.UUID(session)


def _checked_reason(reason: str) -> str:
    if len(reason) > MAX_REASON_LENGTH:
        raise ValueError(f"A reason has at most {MAX_REASON_LENGTH} characters.")
    return reason


def _client(request: HttpRequest | None) -> dict[str, Any]:
    address = client.client_address(request, num_proxies=conf.get_config().num_proxies)
    return {"ip_address": str(address) if address else None, "user_agent": client.user_agent(request)}


@sensitive_variables("minted", "access")
def _pair(session: RefreshToken, access: tokens.MintedToken, *, now: datetime) -> TokenPair:
    minted = tokens.mint_refresh(session)
    return TokenPair(
        access=access.raw,
        refresh=minted.raw,
        session=session,
        expires_in=max(access.expires_at - int(epoch(now)), 0),
        refresh_expires_in=max(minted.expires_at - int(epoch(now)), 0),
    )


def _rotate(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> bool:
    """Step to the next generation, if the session still is as it was read. The one place where a race is decided."""
    # auth_hash too: a hash upgrade that came between has bound the session anew, and must not be undone.
    unchanged = _all(using).filter(
        pk=session.pk, generation=session.generation, auth_hash=bytes(session.auth_hash), revoked_at__isnull=True
    )
    # To the present SECRET_KEY, so that its fallback can be dropped some day.
    session.bind(cast(AbstractBaseUser, session.user))
    session.generation += 1
    session.rotated_at = now
    changes = {"generation": session.generation, "rotated_at": now, "auth_hash": session.auth_hash}
    if request is not None:
        changes |= _client(request)
    try:
        return unchanged.update(**changes) == 1
    except OperationalError as error:
        if is_contention(error):
            return False
        raise


def _count_replay(session: RefreshToken, *, using: str) -> None:
    rows = _all(using).filter(pk=session.pk)
    try:
        write(lambda: rows.update(replays=models.F("replays") + 1), using=using)
    except OperationalError as error:
        if not is_contention(error):
            raise  # a count for people; no reason to refuse anyone


def _end_reused(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> None:
    if not _revoke(_all(using).filter(pk=session.pk), reason=RevokedReason.REUSED, using=using, now=now):
        return  # it has ended meanwhile: there is nothing new to tell
    logger.warning(
        "Refresh token reuse: session %s of user %s was revoked (request from %s).",
        session.pk,
        session.user_id,
        client.client_address(request, num_proxies=conf.get_config().num_proxies),
    )
    signals.refresh_token_reused.send_robust(RefreshToken, session=session, user=session.user, request=request)


def _revoke(
    rows: models.QuerySet[RefreshToken],
    *,
    reason: str,
    using: str,
    by: AbstractBaseUser | None = None,
    now: datetime | None = None,
) -> int:
    now = now or database_now(using)
    live = rows.filter(revoked_at__isnull=True)
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
        for session in _all(using).filter(pk__in=batch, revoked_at=now, revoked_reason=reason).select_related("user"):
            signals.session_revoked.send_robust(RefreshToken, session=session, reason=reason, by=by)
    return count


def _revoke_ids(ids: Sequence[uuid.UUID], *, reason: str, using: str, now: datetime) -> None:
    for batch in _batches(ids):
        _revoke(_all(using).filter(pk__in=batch), reason=reason, using=using, now=now)


def _batches(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
