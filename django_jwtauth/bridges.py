"""The place where an optional app registers that the tokens of another library are accepted for a while.

Without such an app, nothing here costs anything. REST framework may import this before the apps are loaded, so no model
is named here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from django.http import HttpRequest

from .secret import Secret
from .verifier import AccessToken


class Bridge(Protocol):
    """Accepts the tokens of another library. All methods raise ``InvalidTokenError`` for a token that is refused."""

    def recognizes(self, raw: Secret) -> bool:
        """Tell whether a token looks like one of that library, and not like one of ours. No key is used."""

    def authenticate(self, raw: Secret) -> tuple[Any, AccessToken]:
        """Return the user and the claims of an access token, after asking the database."""

    def verify(self, raw: Secret) -> AccessToken:
        """Return the claims of an access token, without asking the database."""

    def refresh(self, raw: Secret, *, request: HttpRequest | None, scope: str, audience: str) -> Any:
        """Exchange a refresh token, as :func:`django_jwtauth.sessions.refresh` does. Returns a ``TokenPair``."""

    def find(self, raw: Secret) -> Any:
        """Return the session that a refresh token has become, or becomes now, so that it can be ended."""

    def check(self, raw: Secret) -> Any:
        """Refuse a refresh token that could not be exchanged. Writes nothing."""

    def session_id(self, raw: Secret) -> str:
        """Return the id of the session that a refresh token becomes. No statement."""

    def end_for(self, users: Iterable[Any]) -> None:
        """Refuse all tokens that these users have got so far: they are being signed out everywhere."""

    def keeps_first_token(self, now: datetime) -> bool:
        """Tell whether clients are expected that never store the second refresh token of a session."""


_registered: list[Bridge] = []


def register(bridge: Bridge) -> None:
    """Accept the tokens of another library from now on. Called when the apps are loaded."""
    _registered[:] = [bridge]


def bridge_for(raw: Secret) -> Bridge | None:
    """Return the bridge that a token belongs to, or ``None``: then it is to be treated as one of ours."""
    for bridge in _registered:  # a loop, since a generator would cost each request two more calls
        if bridge.recognizes(raw):
            return bridge
    return None


def end_for(users: Iterable[Any]) -> None:
    """See :meth:`Bridge.end_for`."""
    for bridge in _registered:
        bridge.end_for(users)


def keep_first_token(now: datetime) -> bool:
    """See :meth:`Bridge.keeps_first_token`."""
    return any(bridge.keeps_first_token(now) for bridge in _registered)
