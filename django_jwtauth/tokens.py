"""Mints a session's access and refresh tokens, and reads tokens of ours back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from . import claims, conf
from ._core import jws
from ._core.clock import issuer_clock
from .cookies import MAX_SIZE
from .database import epoch, observe_clock
from .models import RefreshToken
from .verifier import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A new token."""

    raw: str = field(repr=False)
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
    jti: str = field(repr=False)


@sensitive_variables("raw")
def mint_access(
    session: RefreshToken, *, now: datetime, request: HttpRequest | None, scope: str | None = None, audience: str = ""
) -> MintedToken:
    """Mint a new access token (RFC 9068), with the claims of the project's hooks.

    Args:
        session: The session, with its user.
        now: The database's time.
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
    ahead = observe_clock(now, leeway=config.leeway)
    here = issuer_clock()
    # The earlier of two clocks, since a token from the future would be refused here and by every other service.
    iat = int(min(epoch(now), here))
    # A process whose clock is behind judges by that clock, so it has to know the end of the session on it.
    ends_at = epoch(session.expires_at) + min(ahead, 0.0)
    exp = min(iat + int(config.access_token_lifetime.total_seconds()), int(ends_at))
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
    raw = jws.sign(token, typ=jws.ACCESS.typ, key=config.signing_keys.signing_key)
    limit = config.max_token_length
    if session.transport == RefreshToken.Transport.BROWSER:
        limit = min(limit, MAX_SIZE - len(config.cookies.access_name))
    if len(raw) > limit:
        raise _too_long(given, len(raw), limit)
    expires_in = max(token["exp"] - int(here), 0)
    return MintedToken(raw=raw, expires_at=token["exp"], expires_in=expires_in, scope=scope)


@sensitive_variables("raw", "token")
def mint_refresh(session: RefreshToken) -> MintedToken:
    """Mint the refresh token of the session's present generation.

    The same generation gives the same token, as long as settings and key stay the same. This cannot fail, since nothing
    in the token comes from outside.
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
    raw = jws.sign(token, typ=jws.REFRESH.typ, key=config.refresh_keys.signing_key)
    return MintedToken(raw=raw, expires_at=exp)


@sensitive_variables()
def read_refresh(raw: str | bytes, *, expired: bool = False) -> RefreshClaims:
    """Verify a refresh token as far as that is possible without the database.

    Args:
        raw: The refresh token as it was sent.
        expired: Whether an expired token is accepted.

    Raises:
        InvalidTokenError: with the reason.
    """
    config = conf.get_config()
    verified = jws.verify(
        raw,
        profile=jws.REFRESH,
        keys=config.refresh_keys,
        issuer=config.issuer,
        audience=(config.issuer,),
        max_length=config.max_token_length,
        leeway=config.leeway.total_seconds(),
        now=issuer_clock(),
        ignore_times=expired,
    ).claims
    return RefreshClaims(sid=verified["sid"], generation=verified["gen"], jti=verified["jti"])


@sensitive_variables()
def read_access(raw: str | bytes, *, expired: bool = False) -> AccessToken:
    """Verify an access token of ours, for any audience, as far as that is possible without the database.

    Args:
        raw: The access token as it was sent.
        expired: Whether an expired token is accepted.

    Raises:
        InvalidTokenError: with the reason.
    """
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
        now=issuer_clock(),
        ignore_times=expired,
    ).claims
    return AccessToken.from_claims(verified)


def _too_long(given: Mapping[str, Mapping[str, Any]], length: int, limit: int) -> Exception:
    message = f"the access token would have {length} bytes, more than MAX_TOKEN_LENGTH ({limit}) or a cookie allows."
    if not given:
        return ImproperlyConfigured(f"JWTAUTH['MAX_TOKEN_LENGTH'] is too small: {message}")
    biggest = max(given, key=lambda path: len(repr(given[path])))
    return claims.failure(biggest, message, reason="too_long")
