"""The pair of tokens that a sign-in or a refresh gives."""

from dataclasses import dataclass, field
from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from .. import tokens
from ..database import epoch
from ..models import RefreshToken


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


@sensitive_variables("minted", "access")
def make_pair(
    session: RefreshToken, access: tokens.MintedToken, *, now: datetime, refreshable: bool = True
) -> TokenPair:
    """Return a session's access token together with its present refresh token.

    Args:
        session: The session.
        access: The access token that was minted for it.
        now: The database's time.
        refreshable: Whether to hand out a refresh token. One that is never handed out cannot be used, since nobody
            can compute it.
    """
    minted = tokens.mint_refresh(session) if refreshable else tokens.MintedToken(raw="", expires_at=0)
    return TokenPair(
        access=access.raw,
        refresh=minted.raw,
        session=session,
        expires_in=max(access.expires_at - int(epoch(now)), 0),
        refresh_expires_in=max(minted.expires_at - int(epoch(now)), 0),
        scope=access.scope,
    )
