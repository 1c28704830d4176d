"""The endpoints for browsers: tokens in cookies that no script can read, and never in a body.

Every request that changes anything must pass Django's CSRF check, sign-in included: another page could otherwise
sign a visitor in as its author (login CSRF).
"""

import contextlib
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.middleware.csrf import get_token, rotate_token
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from . import conf, serializers, sessions, tokens
from .cookies import read_cookie
from .csrf import enforce_csrf, is_trusted_origin, refuse_csrf, write_csrf_cookie
from .errors import InvalidTokenError
from .models import RefreshToken, RevokedReason
from .sessions import TokenPair
from .throttling import RefreshThrottle
from .views import JWTAuthView, TokenRefreshView, TokenView, send_logged_out

BROWSER = RefreshToken.Transport.BROWSER


class BrowserView(JWTAuthView):
    """What these endpoints share."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Enforce the CSRF check, before anything is counted or done."""
        enforce_csrf(request._request)
        super().initial(request, *args, **kwargs)

    @sensitive_variables()
    def refresh_cookie(self, request: Request) -> str | None:
        """Return the refresh token that the browser has sent, if any.

        Raises:
            InvalidTokenError: ``invalid``, if it has sent several.
        """
        return read_cookie(request._request, conf.get_config().cookies.refresh_name)

    @sensitive_variables()
    def held_sessions(self, request: Request) -> list[RefreshToken]:
        """Return the session of the refresh cookie and, if that is another, the one of the access cookie."""
        held: list[RefreshToken] = []
        with contextlib.suppress(InvalidTokenError):
            if raw := self.refresh_cookie(request):
                held.append(sessions.find_by_refresh_token(raw))
        with contextlib.suppress(InvalidTokenError):
            if raw := read_cookie(request._request, conf.get_config().cookies.access_name):
                sid = tokens.read_access(raw).sid
                if sid not in [str(session.pk) for session in held]:
                    held += RefreshToken.objects.select_related("user").with_sid(sid)
        return held


class CookiePairView(BrowserView):
    """What sign-in and refresh share: the answer."""

    @sensitive_variables()
    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Return the body of the answer. It holds no token."""
        data: dict[str, Any] = super().get_success_data(pair)  # type: ignore[misc]
        return {name: value for name, value in data.items() if name not in ("access", "refresh", "token_type")}

    @sensitive_variables()
    def respond(self, request: Request, pair: TokenPair) -> Response:
        """Answer, with the tokens in cookies that live as long as they."""
        response: Response = super().respond(request, pair)  # type: ignore[misc]
        cookies = conf.get_config().cookies
        cookies.set_access(response, pair.access, max_age=pair.expires_in)
        if not self.is_held(request, pair.refresh):
            cookies.set_refresh(response, pair.refresh, request=request._request, max_age=pair.refresh_expires_in)
        return response

    @sensitive_variables()
    def is_held(self, request: Request, refresh: str) -> bool:
        """Tell whether the browser has this refresh token: to set it again could only replace a later one."""
        with contextlib.suppress(InvalidTokenError):
            return self.refresh_cookie(request) == refresh
        return False


class CSRFCookieView(BrowserView):
    """What those share that hand out a CSRF token: its cookie is in their answer whatever middleware there is."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view function."""
        return write_csrf_cookie(super().as_view(**initkwargs))


class BrowserCSRFView(CSRFCookieView):
    """Hand out the CSRF token, to pages that may send requests here but cannot read this host's cookies."""

    serializer_class: Any = serializers.EmptySerializer

    def get(self, request: Request) -> Response:
        """Answer it, unless a page asks that could not use it."""
        if not is_trusted_origin(request._request):
            refuse_csrf("Origin checking failed.")
        return Response({"csrf_token": get_token(request._request)})


class BrowserLoginView(CSRFCookieView, CookiePairView, TokenView):
    """Sign in: credentials against cookies."""

    def start(self, request: Request, user: AbstractBaseUser, *, scope: str, audience: str) -> TokenPair:
        """Start a session for this browser, and end the one that it has had so far."""
        pair = sessions.start(
            user, request=request._request, amr=["pwd"], scope=scope, audience=audience, transport=BROWSER
        )
        for former in self.held_sessions(request):
            sessions.revoke(former.pk, reason=RevokedReason.LOGOUT)
        return pair

    @sensitive_variables()
    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Add the CSRF token, which is another one after a sign-in."""
        rotate_token(self.request._request)
        return {**super().get_success_data(pair), "csrf_token": get_token(self.request._request)}


class BrowserRefreshThrottle(RefreshThrottle):
    """Counts by the session of the cookie."""

    def raw_token(self, request: Request) -> Any:
        """Return the token of the cookie."""
        try:
            return read_cookie(request._request, conf.get_config().cookies.refresh_name)
        except InvalidTokenError:
            return None


class BrowserRefreshView(CookiePairView, TokenRefreshView):
    """Exchange the refresh token of the cookie.

    An answer that refuses clears no cookie: by the time it arrives, another tab may have signed in anew.
    """

    serializer_class: Any = serializers.AskedSerializer
    throttle_classes = (BrowserRefreshThrottle,)

    @sensitive_variables()
    def refresh(self, request: Request, data: dict[str, Any], *, scope: str, audience: str) -> TokenPair:
        """Rotate; see :func:`django_jwtauth.sessions.refresh`."""
        raw = self.refresh_cookie(request)
        if raw is None:
            raise InvalidTokenError("not_authenticated", code="not_authenticated")
        return sessions.refresh(raw, request=request._request, scope=scope, audience=audience, transport=BROWSER)


class BrowserLogoutView(BrowserView):
    """Sign this browser out."""

    serializer_class: Any = serializers.EmptySerializer

    def post(self, request: Request) -> Response:
        """End the session of the cookies, and clear them, also where the session has ended long ago."""
        for session in self.held_sessions(request):
            if sessions.revoke(session.pk, reason=RevokedReason.LOGOUT):
                send_logged_out(request, session.user)
        response = Response(status=status.HTTP_204_NO_CONTENT)
        conf.get_config().cookies.clear(response, request=request._request)
        return response
