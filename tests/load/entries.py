"""The log of a load test: one entry for each request, with what its sender knows about it."""

from dataclasses import dataclass

SIGN_IN, REFRESH, STATEFUL, STATELESS, STEP_UP = "sign-in", "refresh", "stateful", "stateless", "step-up"
END, END_OTHERS, END_ALL, END_EVERYONE, END_TOKEN = "end", "end others", "end all", "end everyone", "end token"
DEACTIVATE, DELETE_USER, PASSWORD, REUSE = "deactivate", "delete user", "password", "reuse"
EXPECTED = {
    SIGN_IN: {200, 401},
    REFRESH: {200, 401},
    STATEFUL: {200, 401},
    STATELESS: {200, 401},
    STEP_UP: {200, 401},
    END: {200, 204, 401},
    END_OTHERS: {200, 401},
    END_ALL: {200, 401},
    END_EVERYONE: {200},
    END_TOKEN: {200},
    DEACTIVATE: {200},
    DELETE_USER: {200},
    PASSWORD: {204, 401},
    REUSE: {401},
}
"""The statuses of each act. Whether it is the right one of them, the other rules say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request and its answer."""

    act: str
    user: str = ""
    session: str = ""
    """The session that the request is made in, or that a sign-in has given."""
    sent: float
    """When, on a clock that all entries share, in seconds."""
    received: float
    """When the answer was there."""
    status: int
    reason: str = ""
    """Why it was refused."""
    has_retry_after: bool = False
    """Whether the answer says when to try again."""
    token: str = ""
    """The id of the access token that the request has, or that is revoked."""
    presented: int = -1
    """The generation of the refresh token that was sent."""
    given: str = ""
    """The id of the refresh token that came back."""
    generation: int = -1
    """Its generation."""
    level: str = ""
    """The level of authentication (``acr``) that a new access token has, or that a step-up has confirmed."""
    password: int = 0
    """The number of the password that a sign-in has sent, or that a user has from now on."""

    @property
    def has_succeeded(self):
        """Whether it was answered that it is done. Reuse ends the session, and is answered 401."""
        return self.status < 300 or (self.act == REUSE and self.status == 401)
