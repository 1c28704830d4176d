"""Sessions: start, refresh, revoke. This module and :mod:`django_jwtauth.ending` alone write our tables.

What a refresh token leads to is judged in :mod:`django_jwtauth.rotation`; :func:`refresh` acts on it. That needs no
lock: every change is one conditional UPDATE, so of several requests at once exactly one wins, on any database.
"""

import contextlib
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, models
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from . import client, conf, grants, jws, rotation, signals, tokens
from .database import database_now, epoch, is_contention, refuse_transaction, write
from .ending import (
    all_sessions,
    blacklist,
    keep,
    revoke,
    revoke_all,
    revoke_everyone,
    revoke_ids,
    revoke_rows,
    session_id,
)
from .errors import InvalidTokenError, RefreshConflictError
from .models import RefreshToken, RevokedReason, subject_of, user_key
from .verifier import AccessToken

__all__ = [
    "TokenPair",
    "blacklist",
    "find",
    "keep",
    "locate",
    "refresh",
    "revoke",
    "revoke_all",
    "revoke_everyone",
    "start",
    "step_up",
    "verify_refresh",
]

logger = logging.getLogger("django_jwtauth.security")

MAX_LENGTH = 255
"""Of what the columns for ``acr`` and ``audience`` take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a sign-in or a refresh gives."""

    access: str = field(repr=False)
    """The access token."""
    refresh: str = field(repr=False)
    """The refresh token. Inside the grace period a second refresh gives the same one again. Empty if there is none."""
    session: RefreshToken
    """The session both belong to."""
    expires_in: int
    """How many seconds the access token lives."""
    scope: str
    """What the access token may be used for: scopes, separated by spaces."""
    refresh_expires_in: int
    """How many seconds the refresh token lives; 0 if there is none."""


@sensitive_variables("access")
def start(
    user: AbstractBaseUser,
    *,
    request: HttpRequest | None = None,
    amr: Sequence[str] = (),
    acr: str = "",
    scope: str = "",
    audience: str = "",
    actor: AbstractBaseUser | None = None,
    refreshable: bool | None = None,
    allow_superuser: bool = False,
    transport: str = RefreshToken.Transport.BODY,
    auth_time: datetime | None = None,
) -> TokenPair:
    """Start a session for a user who has just been authenticated, or for somebody who acts as that user.

    May run inside a transaction. Two statements, two more where ``MAX_SESSIONS_PER_USER`` is set.

    Args:
        user: The user.
        request: For the address, the user agent and the claims hooks.
        amr: How the user was authenticated (RFC 8176), e.g. ``["pwd", "otp"]``.
        acr: The level of that (OpenID Connect Core section 2).
        scope: The scopes asked for, separated by spaces (RFC 6749 section 3.3). Granted are those that ``SCOPES``
            allows; all of them where it is not set.
        audience: For whom the access tokens of this session are; by default the first ``AUDIENCE``.
        actor: Who acts as the user, where that is somebody else (RFC 8693 section 1.1). Whether he may is for you to
            check. The tokens say so (claim ``act``), and not when the user signed in.
        refreshable: Whether there is a refresh token. By default there is, unless somebody acts as the user: that ends
            with the access token.
        allow_superuser: Whether ``user`` may be a superuser even so; then there is no refresh token.
        auth_time: When the user was authenticated, where that was not just now: say, for whom Django's own session
            vouches.
        transport: How the client keeps its refresh token; it is refused if it comes in another way.

    Raises:
        InvalidTokenError: ``user_inactive``, if the user, or the actor, may not sign in.
        PermissionDenied: if somebody would act as a superuser, or as himself; or if the request itself comes from
            somebody who acts as the user, or as the actor.
        ClaimsHookError: if a claims hook fails; nothing has been written.
        InvalidScopeError: if ``scope`` is none.
        InvalidTargetError: if ``AUDIENCES`` does not allow the audience.
        ValueError: if ``amr``, ``acr`` or ``audience`` is no text that a token may carry.
    """
    config = conf.get_config()
    _check_methods(amr, acr)
    if not audience.isprintable() or len(audience) > MAX_LENGTH:
        raise ValueError(f"An audience holds no control characters, and at most {MAX_LENGTH} others.")
    if not user.is_active:
        raise InvalidTokenError("user_inactive")
    if refreshable is None:
        refreshable = actor is None
    if actor is not None:
        _check_actor(actor, user, allow_superuser=allow_superuser and not refreshable)
    _check_presence(request, user, actor)
    using = RefreshToken.write_alias()
    now = database_now(using)
    session = RefreshToken(
        user=cast(Any, user),  # the type that settings name
        created_at=now,
        rotated_at=now,
        last_seen_on=now.date(),
        auth_time=now if auth_time is None else min(auth_time, now),
        expires_at=now + (config.session_lifetime if refreshable else config.access_token_lifetime),
        amr=list(amr),
        acr=acr,
        scope=" ".join(grants.parse_scope(scope)),
        audience=audience,
        actor="" if actor is None else subject_of(actor),
        transport=transport,
        **_client(request),
    )
    session.bind(user)
    session.scope = grants.scope(session, "", request=request)
    granted = grants.audience(session, "", request=request)
    access = tokens.mint_access(session, scope=session.scope, audience=granted, now=now, request=request)
    session.save(using=using, force_insert=True)
    if session.actor:
        logger.warning("Session %s: %s acts as user %s.", session.pk, session.actor, session.user_id)
    elif config.max_sessions_per_user is not None:
        own = all_sessions(using).live(now).filter(user_id=user_key(user), actor="")
        newest = own.order_by("-created_at", "-pk")
        others = newest.exclude(pk=session.pk).values_list("pk", "created_at")[config.max_sessions_per_user - 1 :]
        # None that is newer: of two sign-ins at once, each would end the other's.
        surplus = [pk for pk, created_at in others if created_at <= now]
        revoke_ids(surplus, reason=RevokedReason.SESSION_LIMIT, using=using, now=now)
    signals.session_started.send_robust(RefreshToken, session=session, user=user, request=request)
    return _pair(session, access, now=now, refreshable=refreshable)


@sensitive_variables("raw", "claims", "access")
def refresh(
    raw: str | bytes,
    *,
    request: HttpRequest | None = None,
    scope: str = "",
    audience: str = "",
    transport: str = RefreshToken.Transport.BODY,
) -> TokenPair:
    """Exchange a refresh token for the next one and a new access token.

    Two statements, each by itself. If the process dies between them, or the answer is lost, the same token works
    again within ``REFRESH_GRACE_PERIOD``.

    Args:
        raw: The refresh token as it was sent.
        request: For the address, the user agent and the claims hooks.
        scope: Fewer scopes than the session has, for this access token only (RFC 6749 section 6); by default all.
        audience: For whom this access token is, if the session is not for one audience only (RFC 8707 section 2.2).
        transport: How the token was sent.

    Raises:
        InvalidTokenError: with the reason why it is refused. After ``reused`` the session is revoked; after any
            other nothing has changed.
        RefreshConflictError: if other refreshes of the session came between, twice. Try again.
        InvalidScopeError: if more scope is asked for than the session has; nothing has changed.
        InvalidTargetError: if the audience may not be had; nothing has changed.
        ClaimsHookError: if a claims hook fails; nothing has changed, and the token stays good.
        RuntimeError: if called inside a transaction, where a lost race could not be told from reuse.
    """
    using = RefreshToken.write_alias()
    refuse_transaction(using, "sessions.refresh()")
    claims = tokens.read_refresh(raw)
    for _ in range(2):
        session, now = rotation.read(claims, using=using, transport=transport)
        if session.actor and getattr(session.user, "is_superuser", False):
            raise InvalidTokenError("revoked")  # he was none when it began
        step = rotation.judge(session, claims.generation, now)
        if step is rotation.Step.REUSE:
            _end_reused(session, now=now, using=using, request=request)
            raise InvalidTokenError("reused")
        # Before the UPDATE, since hooks may fail, and after the UPDATE nothing may.
        granted = grants.scope(session, scope, request=request)
        target = grants.audience(session, audience, request=request)
        access = tokens.mint_access(session, scope=granted, audience=target, now=now, request=request)
        if step is rotation.Step.ROTATE and not _rotate(session, now=now, using=using, request=request):
            continue  # somebody else was faster
        if step is rotation.Step.REPLAY:
            _count_replay(session, using=using)
        signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
        return _pair(session, access, now=now)
    raise RefreshConflictError


def step_up(session: RefreshToken | uuid.UUID | str, *, amr: Sequence[str], acr: str = "") -> RefreshToken:
    """Put down that the user has just been authenticated once more, in a session that goes on (RFC 9470).

    Nothing else changes ``auth_time``, ``amr`` and ``acr`` of a session. Access tokens say it from the next refresh on,
    which may come at once. One statement, one more to read the session back.

    Args:
        session: The session, or its id (``request.auth.sid``).
        amr: How the user was authenticated (RFC 8176), now: what was put down before counts no more.
        acr: The level of that, likewise.

    Returns:
        The session as it is stored.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended.
        PermissionDenied: if somebody acts as the user: then it is not the user who was authenticated.
        ValueError: if ``amr`` or ``acr`` is no text that a token may carry.
    """
    _check_methods(amr, acr)
    using = RefreshToken.write_alias()
    pk = session_id(session)
    now = database_now(using)
    live = all_sessions(using).live(now).filter(pk=pk)
    changes = {"auth_time": now, "amr": list(amr), "acr": acr}
    count = write(lambda: live.filter(actor="").update(**changes), using=using)
    row = live.select_related("user").first()
    if row is None:
        raise InvalidTokenError("revoked")
    if not count:
        raise PermissionDenied("Somebody else acts as the user of this session.")
    logger.info("Session %s: authenticated once more.", pk)
    return row


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


@sensitive_variables()
def locate(raw: str) -> RefreshToken | None:
    """Return the session that an access or refresh token of ours belongs to, whatever has become of either.

    For people who look into things: a token that is found may have expired long ago, or been revoked.

    Args:
        raw: The token as text.
    """
    config = conf.get_config()
    rows = all_sessions(RefreshToken.write_alias()).with_clock().select_related("user")
    with contextlib.suppress(InvalidTokenError):
        signed = jws.verify(raw, profile=jws.ACCESS, keys=config.signing_keys, max_length=config.max_token_length)
        jws.check_claims(signed.claims, profile=jws.ACCESS, issuer=config.issuer, audience=None)
        return rows.with_sid(signed.claims["sid"]).first()
    with contextlib.suppress(InvalidTokenError):
        return rotation.find(tokens.read_refresh(raw, expired=True), using=RefreshToken.write_alias())
    return None


def _check_methods(amr: Sequence[str], acr: str) -> None:
    if isinstance(amr, str) or not all(text.isprintable() for text in (*amr, acr)) or not all(amr):
        raise ValueError("amr is a list of methods, none empty; amr and acr hold no control characters.")
    if len(acr) > MAX_LENGTH:
        raise ValueError(f"acr, how the user was authenticated besides amr, has at most {MAX_LENGTH} characters.")


def _check_actor(actor: AbstractBaseUser, user: AbstractBaseUser, *, allow_superuser: bool) -> None:
    if not actor.is_active:
        raise InvalidTokenError("user_inactive")
    if user_key(actor) == user_key(user):
        raise PermissionDenied("Nobody acts as himself.")
    if getattr(user, "is_superuser", False) and not allow_superuser:
        raise PermissionDenied("Nobody acts as a superuser, unless allow_superuser says so, and without refresh token.")


def _check_presence(request: HttpRequest | None, *users: AbstractBaseUser | None) -> None:
    """Refuse those who are not there: somebody acts as them in this request.

    He would get a session that does not name him, and that does not end with his own account.
    """
    token = getattr(request, "auth", None)  # REST framework puts it on Django's request too
    if not isinstance(token, AccessToken) or not token.actor or token.issuer != conf.get_config().issuer:
        return
    if token.subject in [subject_of(user) for user in users if user is not None]:
        raise PermissionDenied("Somebody else acts as this user.")


def _client(request: HttpRequest | None) -> dict[str, Any]:
    address = client.client_address(request, num_proxies=conf.get_config().num_proxies)
    return {"ip_address": str(address) if address else None, "user_agent": client.user_agent(request)}


@sensitive_variables("minted", "access")
def _pair(session: RefreshToken, access: tokens.MintedToken, *, now: datetime, refreshable: bool = True) -> TokenPair:
    # One that nobody has ever had cannot be used.
    minted = tokens.mint_refresh(session) if refreshable else tokens.MintedToken(raw="", expires_at=0)
    return TokenPair(
        access=access.raw,
        refresh=minted.raw,
        session=session,
        expires_in=max(access.expires_at - int(epoch(now)), 0),
        refresh_expires_in=max(minted.expires_at - int(epoch(now)), 0),
        scope=access.scope,
    )


def _rotate(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> bool:
    """Step to the next generation, if the session still is as it was read. The one place where a race is decided."""
    # auth_hash too: a hash upgrade that came between has bound the session anew, and must not be undone.
    unchanged = (
        all_sessions(using)
        .filter(
            pk=session.pk, generation=session.generation, auth_hash=bytes(session.auth_hash), revoked_at__isnull=True
        )
        .not_signed_out()
    )
    # To the present SECRET_KEY, so that its fallback can be dropped some day.
    session.bind(cast(AbstractBaseUser, session.user))
    session.generation += 1
    session.rotated_at = now
    session.last_seen_on = now.date()
    changes = {
        "generation": session.generation,
        "rotated_at": now,
        "last_seen_on": session.last_seen_on,
        "auth_hash": session.auth_hash,
    }
    if request is not None:
        changes |= _client(request)
    try:
        return unchanged.update(**changes) == 1
    except OperationalError as error:
        if is_contention(error):
            return False
        raise


def _count_replay(session: RefreshToken, *, using: str) -> None:
    rows = all_sessions(using).filter(pk=session.pk)
    try:
        write(lambda: rows.update(replays=models.F("replays") + 1), using=using)
    except OperationalError as error:
        if not is_contention(error):
            raise  # a count for people; no reason to refuse anyone


def _end_reused(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> None:
    if not revoke_rows(all_sessions(using).filter(pk=session.pk), reason=RevokedReason.REUSED, using=using, now=now):
        return  # it has ended meanwhile: there is nothing new to tell
    logger.warning(
        "Refresh token reuse: session %s of user %s was revoked (request from %s).",
        session.pk,
        session.user_id,
        client.client_address(request, num_proxies=conf.get_config().num_proxies),
    )
    signals.refresh_token_reused.send_robust(RefreshToken, session=session, user=session.user, request=request)
