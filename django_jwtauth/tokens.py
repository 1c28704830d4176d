"""Mints a session's access and refresh tokens, and reads tokens of ours back."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from . import claims, conf
from ._core import jws
from ._core.clock import stopwatch
from .cookies import MAX_SIZE
from .database import epoch, was_clock_off
from .errors import InvalidTokenError
from .models import RefreshToken
from .secret import Secret, hide
from .verifier import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A new token."""

    raw: Secret
    expires_at: int
    """Its ``exp``, in seconds since 1970."""
    expires_in: int = 0
    """For how many seconds this process will accept an access token."""
    scope: str = ""
    """The scopes of an access token, separated by spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """What a refresh token says, once its form, signature and times have been checked."""

    sid: str
    generation: int
    expires_at: int
    """``exp``, in seconds since 1970."""
    jti: str = field(repr=False)
    arrived: float = field(compare=False)
    """When the token was read, on the monotonic clock: before the request has waited for a cache or a database."""


def mint_access(
    session: RefreshToken, *, now: datetime, request: HttpRequest | None, scope: str | None = None, audience: str = ""
) -> MintedToken:
    """Mint a new access token (RFC 9068), with the claims of the project's hooks.

    Args:
        session: The session, with its user.
        now: The database's time, which has been read with the session or before it started.
        request: For the hooks.
        scope: The granted scopes, separated by spaces; by default all of the session's.
        audience: The token's audience; by default the session's, else our first.

    Raises:
        ClaimsHookError: if a hook fails, or makes the token too long.
        ImproperlyConfigured: if the user has no usable subject.
    """
    config = conf.get_config()
    if session.user is None:
        raise ValueError("A session without a user cannot have tokens.")
    # By the clock that revocations go by: what is issued after everyone was signed out must be younger than that.
    iat = int(epoch(now))
    exp = min(iat + int(config.access_token_lifetime.total_seconds()), int(epoch(session.expires_at)))
    token: dict[str, Any] = {
        "iss": config.issuer,
        "sub": session.subject,
        "aud": audience or session.audience or config.audience[0],
        "client_id": config.client_id,
        "iat": iat,
        "exp": max(exp, iat + 1),
        "jti": secrets.token_urlsafe(16),
        "sid": str(session.pk),
    }
    scope = session.scope if scope is None else scope
    optional: dict[str, Any] = {"scope": scope, "amr": list(session.amr), "acr": session.acr}
    if session.actor:
        # RFC 8693 section 4.1. There is no auth_time: the user has not been authenticated.
        optional["act"] = {"sub": session.actor}
    else:
        optional["auth_time"] = int(epoch(session.auth_time))
    token |= {name: value for name, value in optional.items() if value}
    given = claims.run(session.user, request=request, session=session)
    for contribution in given.values():
        token |= contribution
    raw = hide(jws.sign(token, typ=jws.ACCESS.typ, key=config.signing_keys.signing_key))
    limit = config.max_token_length
    if session.transport == RefreshToken.Transport.BROWSER:
        limit = min(limit, MAX_SIZE - len(config.cookies.access_name))
    if len(raw) > limit:
        raise _too_long(given, len(raw), limit)
    # The hooks may have taken a while.
    expires_in = min(max(token["exp"] - int(config.clock()), 0), token["exp"] - iat)
    return MintedToken(raw=raw, expires_at=token["exp"], expires_in=expires_in, scope=scope)


def mint_refresh(session: RefreshToken) -> MintedToken:
    """Mint the refresh token of the session's present generation.

    The same generation gives the same token, as long as settings and key stay the same. Only its times are later if its
    grace period has begun anew since. This cannot fail, since nothing in the token comes from outside.
    """
    config = conf.get_config()
    iat = int(epoch(session.rotated_at))
    exp = max(int(epoch(session.idle_at)), iat + 1)
    token = {
        "iss": config.issuer,
        "aud": config.issuer,
        "sid": str(session.pk),
        "gen": session.generation,
        "iat": iat,
        "exp": exp,
        "jti": session.jti(session.generation),
    }
    raw = hide(jws.sign(token, typ=jws.REFRESH.typ, key=config.refresh_keys.signing_key))
    return MintedToken(raw=raw, expires_at=exp)


def read_refresh(raw: str | bytes | Secret, *, expired: bool = False) -> RefreshClaims:
    """Verify a refresh token as far as that is possible without the database.

    Args:
        raw: The refresh token as it was sent.
        expired: Whether an expired token is accepted.

    Raises:
        InvalidTokenError: with the reason.
    """
    raw = hide(raw)
    config = conf.get_config()
    verified = jws.verify(
        raw,
        profile=jws.REFRESH,
        keys=config.refresh_keys,
        issuer=config.issuer,
        audience=(config.issuer,),
        max_length=config.max_token_length,
        leeway=config.leeway.total_seconds(),
        now=config.clock(),
        ignore_times=expired,
    ).claims
    return RefreshClaims(
        arrived=stopwatch.seconds(),
        sid=verified["sid"],
        generation=verified["gen"],
        expires_at=verified["exp"],
        jti=verified["jti"],
    )


def read_refresh_of(request: HttpRequest | None, raw: str | bytes | Secret, *, again: bool = False) -> RefreshClaims:
    """Verify the refresh token of a request. The throttle needs its session first, and spares the view the work.

    Args:
        request: The request, on which the result is kept until it is asked for again.
        raw: The refresh token as it was sent.
        again: Whether it will be asked for again.

    Raises:
        InvalidTokenError: with the reason.
    """
    raw = hide(raw)
    digest = hashlib.sha256(raw.reveal_bytes()).digest()
    known, claims = vars(request).pop("_jwtauth_refresh", _NOTHING) if request is not None else _NOTHING
    if claims is None or known != digest:
        claims = read_refresh(raw)
    if again:
        vars(request)["_jwtauth_refresh"] = digest, claims
    return claims


_NOTHING: tuple[bytes, RefreshClaims | None] = b"", None


def read_access(raw: str | bytes | Secret, *, expired: bool = False) -> AccessToken:
    """Verify an access token of ours, for any audience, as far as that is possible without the database.

    Args:
        raw: The access token as it was sent.
        expired: Whether an expired token is accepted.

    Raises:
        InvalidTokenError: with the reason.
    """
    raw = hide(raw)
    try:
        return _read_access(raw, expired=expired)
    except InvalidTokenError as error:
        if not was_clock_off(error):
            raise
    return _read_access(raw, expired=expired)


def _read_access(raw: Secret, *, expired: bool) -> AccessToken:
    config = conf.get_config()
    verified = jws.verify(
        raw,
        profile=jws.ACCESS,
        keys=config.signing_keys,
        issuer=config.issuer,
        audience=None,
        max_length=config.max_token_length,
        leeway=config.leeway.total_seconds(),
        max_lifetime=config.access_token_lifetime.total_seconds(),
        now=config.clock(),
        ignore_times=expired,
    ).claims
    return AccessToken.from_claims(verified)


def is_over(token: AccessToken, *, now: datetime) -> bool:
    """Tell whether an access token is refused by everyone, even by servers whose clocks are minutes behind.

    Args:
        token: The token.
        now: The database's time.
    """
    config = conf.get_config()
    exp = min(token.expires_at, token.issued_at + config.access_token_lifetime)
    return epoch(now) > (exp + config.clock_allowance).timestamp()


def _too_long(given: Mapping[str, Mapping[str, Any]], length: int, limit: int) -> Exception:
    message = f"the access token would have {length} bytes, more than MAX_TOKEN_LENGTH ({limit}) or a cookie allows."
    if not given:
        return ImproperlyConfigured(f"JWTAUTH['MAX_TOKEN_LENGTH'] is too small: {message}")
    biggest = max(given, key=lambda path: len(repr(given[path])))
    return claims.failure(biggest, message, reason="too_long")
