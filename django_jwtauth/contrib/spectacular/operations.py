"""The description of each endpoint, and its own responses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ... import browser_views, views

_READ = "A member is missing or wrong, or the body cannot be read."
_REFUSED = "The token is refused; `reason` says why."
_CSRF = "The CSRF check failed."
_CONFLICT = (
    "Tokens cannot be checked or issued at the moment, or other refreshes of the session came first. Nothing has "
    "changed: send the same request again, after `Retry-After`."
)

AUTHENTICATION, SESSIONS, BROWSERS, OAUTH, DOCUMENTS = (
    "Authentication",
    "Sessions",
    "Authentication in browsers",
    "Tokens for services",
    "Documents for other services",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of an endpoint."""

    id: str
    tag: str
    summary: str
    description: str = ""
    status: int = 200
    body: str = ""
    """The component that describes the body of the success; empty for none, or for what the schema computes."""
    said: str = ""
    """What the success means."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """The other statuses of the endpoint itself, and when they occur."""
    own_words: bool = False
    """Whether the project may add codes and reasons to its 401."""


SIGN_IN = {400: _READ, 401: "The credentials are wrong, or not enough."}
REFRESH = {400: _READ, 401: _REFUSED, 503: _CONFLICT}

OPERATIONS: dict[type[views.JWTAuthView], dict[str, Operation]] = {
    views.TokenView: {
        "POST": Operation(
            id="jwtauth_sign_in",
            tag=AUTHENTICATION,
            summary="Sign in",
            description="Exchange a user name and a password for an access token and a refresh token.",
            said="A session has started.",
            refusals=SIGN_IN,
            own_words=True,
        )
    },
    views.TokenRefreshView: {
        "POST": Operation(
            id="jwtauth_refresh",
            tag=AUTHENTICATION,
            summary="Refresh",
            description="Exchange a refresh token for the next pair. A refresh token that was replaced long ago ends "
            "its session: it may have been stolen.",
            said="The next pair of the session.",
            refusals=REFRESH,
        )
    },
    views.TokenVerifyView: {
        "POST": Operation(
            id="jwtauth_verify",
            tag=AUTHENTICATION,
            summary="Check a token",
            description="Tell whether a token, access or refresh, would be accepted at this moment. Nothing changes.",
            body="JWTEmpty",
            said="The token would be accepted.",
            refusals={400: _READ, 401: _REFUSED},
        )
    },
    views.TokenBlacklistView: {
        "POST": Operation(
            id="jwtauth_blacklist",
            tag=AUTHENTICATION,
            summary="Sign out by the refresh token",
            description="End the session of a refresh token of any generation.",
            body="JWTEmpty",
            said="The session has ended, now or before.",
            refusals={400: _READ, 401: _REFUSED},
        )
    },
    views.TokenRevokeView: {
        "POST": Operation(
            id="jwtauth_revoke",
            tag=OAUTH,
            summary="Revoke a token",
            description="End the session of a refresh token, or revoke a single access token (RFC 7009).",
            body="JWTEmpty",
            said="The token is not valid any more, or never was.",
            refusals={400: _READ},
        )
    },
    views.TokenIntrospectView: {
        "POST": Operation(
            id="jwtauth_introspect",
            tag=OAUTH,
            summary="Describe a token",
            description="Say what a token means, for a service that cannot verify it (RFC 7662). The caller needs the "
            "permission `django_jwtauth.introspect_token`.",
            body="JWTIntrospection",
            said="What the token says, or that it is not active.",
            refusals={400: _READ, 403: "The caller lacks the permission."},
        )
    },
    views.LogoutView: {
        "POST": Operation(
            id="jwtauth_sign_out",
            tag=AUTHENTICATION,
            summary="Sign out",
            description="End the session of the access token.",
            status=204,
            said="The session has ended.",
        )
    },
    views.LogoutAllView: {
        "POST": Operation(
            id="jwtauth_sign_out_everywhere",
            tag=AUTHENTICATION,
            summary="Sign out everywhere",
            description="End all sessions of the user, this one too.",
            body="JWTRevoked",
            said="All sessions have ended.",
        )
    },
    views.SessionListView: {
        "GET": Operation(
            id="jwtauth_list_sessions",
            tag=SESSIONS,
            summary="List the user's sessions",
            description="List the live sessions of the user, the newest sign-in first.",
            said="One page of the sessions.",
            refusals={404: "There is no such page."},
        ),
        "DELETE": Operation(
            id="jwtauth_end_other_sessions",
            tag=SESSIONS,
            summary="End the other sessions",
            description="End all sessions of the user except this one.",
            body="JWTRevoked",
            said="The other sessions have ended.",
        ),
    },
    views.SessionDetailView: {
        "DELETE": Operation(
            id="jwtauth_end_session",
            tag=SESSIONS,
            summary="End a session",
            description="End one session of the user.",
            status=204,
            said="The session has ended, now or before.",
            refusals={404: "The user has no such session."},
        )
    },
    browser_views.BrowserCSRFView: {
        "GET": Operation(
            id="jwtauth_browser_csrf",
            tag=BROWSERS,
            summary="Get the CSRF token",
            description="Get a CSRF token. Pages of another origin need it, since they cannot read the cookie.",
            body="JWTCsrfToken",
            said="The token, which goes into the CSRF header of other requests.",
            refusals={403: "The origin is not trusted."},
        )
    },
    browser_views.BrowserLoginView: {
        "POST": Operation(
            id="jwtauth_browser_sign_in",
            tag=BROWSERS,
            summary="Sign in a browser",
            description="Exchange a user name and a password for tokens in cookies that no script can read.",
            body="JWTBrowserSignIn",
            said="A session has started.",
            refusals={**SIGN_IN, 403: _CSRF},
            own_words=True,
        )
    },
    browser_views.BrowserRefreshView: {
        "POST": Operation(
            id="jwtauth_browser_refresh",
            tag=BROWSERS,
            summary="Refresh the tokens of a browser",
            description="Exchange the refresh token in the cookie for the next pair.",
            body="JWTBrowserRefresh",
            said="The next pair is in the cookies.",
            refusals={**REFRESH, 403: _CSRF},
        )
    },
    browser_views.BrowserLogoutView: {
        "POST": Operation(
            id="jwtauth_browser_sign_out",
            tag=BROWSERS,
            summary="Sign out a browser",
            description="End the session of the cookies, and clear them.",
            status=204,
            said="The cookies are cleared.",
            refusals={403: _CSRF},
        )
    },
}
"""By view and method. Those of a view hold for its subclasses too."""


def operations_of(view: type[views.JWTAuthView]) -> Mapping[str, Operation]:
    """Return the operations of one of our views or of its subclass; empty for any other view."""
    return next((OPERATIONS[base] for base in view.__mro__ if base in OPERATIONS), {})
