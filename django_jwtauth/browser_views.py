"""The endpoints for browsers: tokens are in cookies that no script can read, and never in a body.

Every request that changes anything must pass Django's CSRF check, including sign-in: otherwise another site could sign
a visitor in to an account of its own (login CSRF).
"""

import contextlib
import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.middleware.csrf import get_token, rotate_token
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from . import audit, conf, outages, serializers, sessions, tokens
from ._core import events
from ._core.fetch import is_loopback, split_url
from .cookies import read_cookie
from .csrf import enforce_csrf, is_trusted_origin, refuse_csrf, write_csrf_cookie
from .errors import InvalidTokenError
from .models import RefreshToken, RevokedReason
from .secret import Secret
from .sessions import TokenPair
from .sessions._revoke import end_session
from .throttling import RefreshThrottle
from .views import JWTAuthView, TokenRefreshView, TokenView, send_logged_out
from .views._parsers import require_short_body

BROWSER = RefreshToken.Transport.BROWSER
logger = logging.getLogger("django_jwtauth")


class BrowserView(JWTAuthView):
    """The base of these endpoints: the CSRF check, and the tokens in the request's cookies."""

    def perform_authentication(self, request: Request) -> None:
        require_short_body(request._request, self.max_body_size)
        enforce_csrf(request._request)  # before anything is counted or done
        super().perform_authentication(request)

    def refresh_cookie(self, request: Request) -> Secret | None:
        """Return the refresh token in the cookie, or ``None`` without one.

        Raises:
            InvalidTokenError: ``invalid``, if there are several cookies of that name.
        """
        return read_cookie(request._request, conf.get_config().cookies.refresh_name)

    def cookie_sessions(self, request: Request) -> list[RefreshToken]:
        """Return the session of the refresh cookie and, if it is a different one, the session of the access cookie."""
        found: list[RefreshToken] = []
        with contextlib.suppress(InvalidTokenError):
            if raw := self.refresh_cookie(request):
                found.append(sessions.find_by_refresh_token(raw))
        with contextlib.suppress(InvalidTokenError):
            if raw := read_cookie(request._request, conf.get_config().cookies.access_name):
                token = tokens.read_access(raw, expired=True)
                if token.sid not in [str(session.pk) for session in found]:
                    for session in RefreshToken.objects.with_clock().select_related("user").with_sid(token.sid):
                        # By the database's clock: this server's own may be wrong.
                        if not tokens.is_over(token, now=session.database_now):
                            session.load_user()
                            found.append(session)
        return found


class CookiePairView(BrowserView):
    """The base of sign-in and refresh: a response that puts the tokens into cookies."""

    oauth_grants: tuple[str, ...] = ()  # the response of a grant has its tokens in the body

    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Return the body of the response. It contains no token."""
        data: dict[str, Any] = super().get_success_data(pair)  # type: ignore[misc]
        return {name: value for name, value in data.items() if name not in ("access", "refresh", "token_type")}

    def respond(self, request: Request, pair: TokenPair) -> Response:
        """Return the response. Each cookie lives as long as its token."""
        response: Response = super().respond(request, pair)  # type: ignore[misc]
        cookies = conf.get_config().cookies
        if cookies.secure and settings.DEBUG and _drops_secure_cookies(request) and outages.is_news("cookies"):
            logger.warning(
                "Browsers drop the cookies of this response: they are Secure, and the request came over http. For "
                "development, set JWTAUTH['COOKIES'] to {'secure': not DEBUG}."
            )
        cookies.set_access(response, pair.access, max_age=pair.expires_in)
        if not self.has_refresh_cookie(request, pair.refresh):
            cookies.set_refresh(response, pair.refresh, request=request._request, max_age=pair.refresh_expires_in)
        return response

    def has_refresh_cookie(self, request: Request, refresh: str) -> bool:
        """Tell whether the browser already has this refresh token. Setting it again might overwrite a later one."""
        with contextlib.suppress(InvalidTokenError):
            sent = self.refresh_cookie(request)
            return sent is not None and bool(sent.reveal() == refresh)
        return False


def _drops_secure_cookies(request: Request) -> bool:
    """Tell whether the request came over http, from another machine or under a name of its own."""
    host = split_url(f"http://{request.get_host()}").hostname or ""
    return not request.is_secure() and not is_loopback(host) and not host.endswith(".localhost")


class CSRFCookieView(BrowserView):
    """The base of the endpoints that hand out a CSRF token: they set its cookie even without Django's middleware."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return write_csrf_cookie(super().as_view(**initkwargs))


class BrowserCSRFView(CSRFCookieView):
    """Hand out the CSRF token to pages of other origins, which may send requests here but cannot read the cookie."""

    serializer_class: Any = serializers.EmptySerializer

    def get(self, request: Request) -> Response:
        if not is_trusted_origin(request._request):
            refuse_csrf(request._request, "Origin checking failed.")
        return Response({"csrf_token": get_token(request._request)})


class BrowserLoginView(CSRFCookieView, CookiePairView, TokenView):
    """Sign in: exchange credentials for cookies."""

    def start(self, request: Request, user: AbstractBaseUser, *, scope: str, audience: str) -> TokenPair:
        """Start a session for this browser, and end the one it had before."""
        pair = sessions.start(
            user,
            request=request._request,
            amr=self.amr,
            acr=self.acr,
            scope=scope,
            audience=audience,
            transport=BROWSER,
        )
        for former in self.cookie_sessions(request):
            end_session(former.pk, reason=RevokedReason.LOGOUT, user=former.user_id)
        return pair

    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Add the CSRF token: sign-in replaces it."""
        rotate_token(self.request._request)
        return {**super().get_success_data(pair), "csrf_token": get_token(self.request._request)}


class BrowserRefreshThrottle(RefreshThrottle):
    """Counts refreshes per session of the cookie."""

    def raw_token(self, request: Request) -> Any:
        """Return the token in the cookie, or ``None`` if there is not exactly one."""
        try:
            return read_cookie(request._request, conf.get_config().cookies.refresh_name)
        except InvalidTokenError:
            return None


class BrowserRefreshView(CookiePairView, TokenRefreshView):
    """Exchange the refresh token in the cookie.

    A refusal clears no cookie: by the time it arrives, another tab may have signed in again.
    """

    serializer_class: Any = serializers.ScopeAndResourceSerializer
    throttle_classes = (BrowserRefreshThrottle,)

    def refresh(self, request: Request, data: dict[str, Any], *, scope: str, audience: str) -> TokenPair:
        """Refresh the session of the cookie; arguments as for :func:`django_jwtauth.sessions.refresh`."""
        try:
            raw = self.refresh_cookie(request)
        except InvalidTokenError as error:
            audit.tell(events.REFRESH_REFUSED, request=request._request, reason=error.reason)
            raise
        if raw is None:
            raise InvalidTokenError("not_authenticated")
        return sessions.refresh(raw, request=request._request, scope=scope, audience=audience, transport=BROWSER)


class BrowserLogoutView(BrowserView):
    """Sign this browser out. The cookies are cleared even if their session ended long ago."""

    serializer_class: Any = serializers.EmptySerializer

    def post(self, request: Request) -> Response:
        for session in self.cookie_sessions(request):
            if end_session(session.pk, reason=RevokedReason.LOGOUT, user=session.user_id):
                send_logged_out(request, session.user)
        response = Response(status=status.HTTP_204_NO_CONTENT)
        conf.get_config().cookies.clear(response, request=request._request)
        return response
