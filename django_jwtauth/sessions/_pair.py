"""What a sign-in and a refresh have in common: the pair of tokens, and what a session records about the request."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from .. import audit, request_info, tokens
from ..database import epoch
from ..models import RefreshToken
from ..secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a sign-in or a refresh returns."""

    access: str = field(repr=False)
    """The access token. It is text like any other, but its ``repr()`` does not show it."""
    refresh: str = field(repr=False)
    """The refresh token, in the same form; empty if there is none.

    A second refresh within the grace period returns the same one.
    """
    session: RefreshToken
    """The session that both belong to."""
    expires_in: int
    """How many seconds the access token lives, by the clock of this process, which will judge it."""
    scope: str
    """The scopes of the access token, separated by spaces."""
    refresh_expires_in: int
    """How many seconds the refresh token lives; 0 if there is none."""


def make_pair(
    session: RefreshToken, access: tokens.MintedToken, *, now: datetime, refreshable: bool = True
) -> TokenPair:
    """Return a session's access token together with its present refresh token.

    Args:
        session: The session.
        access: The access token that was minted for it.
        now: The database's time.
        refreshable: Whether to hand out a refresh token. Nobody can use one that was never handed out, since nobody
            else can compute it.
    """
    minted = tokens.mint_refresh(session) if refreshable else tokens.MintedToken(raw=Secret(""), expires_at=0)
    return TokenPair(
        access=access.raw.reveal(),
        refresh=minted.raw.reveal(),
        session=session,
        expires_in=access.expires_in,
        refresh_expires_in=max(minted.expires_at - int(epoch(now)), 0),
        scope=access.scope,
    )


def request_columns(request: HttpRequest | None) -> dict[str, Any]:
    """Return the columns of a session that come from a request: address and user agent."""
    address = audit.address_of(request)
    return {"ip_address": str(address) if address else None, "user_agent": request_info.user_agent(request)}
