"""The endpoints that issue a token pair: sign-in and refresh."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.core import exceptions
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from .. import audit, grants, serializers, sessions, sign_in, usernames
from .._core import events
from ..errors import InvalidScopeError, InvalidTargetError, InvalidTokenError
from ..refusals import ChallengeRequired
from ..sessions import TokenPair
from ..sessions._start import announcing
from ..throttling import LoginThrottle, RefreshThrottle
from ..users import is_admitted, user_key
from ._oauth import OAuthGrantView


class TokenPairView(OAuthGrantView):
    """The base of sign-in and refresh: which scope and audience the client may ask for, and the response."""

    requested_scope = ""
    """The scope that the request asks for. :meth:`read_token_request` sets it."""

    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Return the body of the response (RFC 6749 section 5.1, with the member names of Simple JWT)."""
        data: dict[str, Any] = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in}
        if pair.refresh:  # a subclass may start sessions without a refresh token
            data |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        # RFC 6749 section 5.1: a client that asked for a scope must learn what was granted, even if that is nothing.
        if pair.session.scope or self.requested_scope:
            data["scope"] = pair.scope
        return data

    def respond(self, request: Request, pair: TokenPair) -> Response:
        """Return the response that hands out a token pair."""
        return Response(self.with_oauth_names(self.get_success_data(pair)))

    def read_token_request(self, request: Request) -> tuple[dict[str, Any], str, str]:
        """Return the rest of the validated body, the scope and the resource that it asks for.

        Raises:
            ValidationError: if a field is wrong.
            InvalidScopeError: if the scope is malformed.
        """
        data = self.read(request)
        scope, resource = data.pop("scope", ""), data.pop("resource", "")
        grants.parse_scope(scope)
        self.requested_scope = scope
        return data, scope, resource


class TokenRefreshView(TokenPairView):
    """Exchange a refresh token for a new token pair.

    A form with ``grant_type=refresh_token`` is answered in the form of RFC 6749 (section 6).
    """

    serializer_class: Any = serializers.TokenRefreshSerializer
    throttle_classes = (RefreshThrottle,)
    oauth_grants: tuple[str, ...] = ("refresh_token",)

    def post(self, request: Request) -> Response:
        if (refusal := self.refuse_oauth_form()) is not None:
            return refusal
        data, scope, resource = self.read_token_request(request)
        return self.respond(request, self.refresh(request, data, scope=scope, audience=resource))

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if response.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
            # Otherwise a client that obeys Retry-After would reach the limit before the database is back.
            self.uncount()
        return response

    def refresh(self, request: Request, data: dict[str, Any], *, scope: str, audience: str) -> TokenPair:
        """Refresh the session; arguments as for :func:`django_jwtauth.sessions.refresh`."""
        return sessions.refresh(data["refresh"], request=request._request, scope=scope, audience=audience)


class TokenView(TokenPairView):
    """Sign in: exchange credentials for an access and a refresh token.

    For OAuth clients it is the token endpoint: a form with ``grant_type`` is answered in the form of RFC 6749 (sections
    4.3 and 6).
    """

    serializer_class = serializers.TokenSerializer
    throttle_classes = (LoginThrottle,)
    oauth_grants: tuple[str, ...] = ("password", "refresh_token")
    refresh_view_class: type[TokenRefreshView] = TokenRefreshView
    """Answers a form with ``grant_type=refresh_token``, by its own rules: authentication, permissions, throttles."""
    amr: Sequence[str] = ("pwd",)
    """How users are authenticated here (RFC 8176)."""
    acr = ""
    """The level of that authentication."""

    _refreshed: Any = None
    """The response of the refresh view, if that view has answered."""

    def check_throttles(self, request: Request) -> None:
        if not self._is_refresh:  # a refresh is no sign-in: the refresh view counts it
            super().check_throttles(request)

    def post(self, request: Request) -> Response:
        if self._is_refresh:
            return cast(Response, self._refresh(request))
        # The throttles have counted this attempt before it is made. It stays counted unless the sign-in succeeds, or
        # fails before the password is looked at. Any other error may be the answer to a guess.
        if (refusal := self.refuse_oauth_form()) is not None:
            self.uncount()
            return refusal
        try:
            asked = self.read_token_request(request)
        except (ValidationError, InvalidScopeError) as error:
            # A serializer of the project may look at credentials, so only what is missing is surely no guess.
            if isinstance(error, InvalidScopeError) or _is_incomplete(error):
                self.uncount()
            raise
        try:
            response = self._sign_in(request, *asked)
        except _REFUSALS as error:
            self._tell_refusal(request, asked[0], error)
            raise
        self.uncount()
        return response

    def start(self, request: Request, user: AbstractBaseUser, *, scope: str, audience: str) -> TokenPair:
        """Start the session; arguments as for :func:`django_jwtauth.sessions.start`."""
        return sessions.start(
            user, request=request._request, amr=self.amr, acr=self.acr, scope=scope, audience=audience
        )

    def authenticate_user(self, request: Request, credentials: dict[str, Any]) -> AbstractBaseUser | None:
        """Return the active user with these credentials, or ``None``. The project's authentication backends decide."""
        user = usernames.authenticate_by_name(request._request, credentials)
        # Here too, so that somebody whom only the project's rule refuses gets the same response as anybody else.
        return user if user is not None and is_admitted(user, getattr(user, "backend", "")) else None

    def get_challenge(self, request: Request, user: AbstractBaseUser) -> Mapping[str, Any] | None:
        """Return what the user must prove in addition, or ``None`` if the credentials are enough.

        The setting ``SIGN_IN_CHALLENGE`` decides, for this view and for that of browsers. Without it, the packages that
        demand a second factor or a verified address are asked. A view that has asked for everything returns ``None``.

        Returns:
            Members of the response. ``reason`` and ``detail`` replace those that the response has anyway.
        """
        return sign_in.challenge(user, request=request._request)

    def respond_with_challenge(self, request: Request, challenge: Mapping[str, Any]) -> Response:
        """Return the response to a sign-in that is not finished. Nothing has been written.

        The credentials were right, so this is not counted as a failed sign-in.
        """
        # Not raised, since that would count. The project's EXCEPTION_HANDLER has its say all the same.
        return self.handle_exception(ChallengeRequired(challenge, realm=self.www_authenticate_realm))

    @property
    def _is_refresh(self) -> bool:
        form = self.oauth_form
        # Of an ambiguous form, any value counts: it is refused, and nobody has tried a password.
        return (
            form is not None and "refresh_token" in form.getlist("grant_type") and "refresh_token" in self.oauth_grants
        )

    def _refresh(self, request: Request) -> Any:
        """Let the refresh view answer as if it had been routed here. So every rule of its own holds here too."""
        view = self.refresh_view_class()
        view.setup(request._request, *self.args, **self.kwargs)
        view.passed_on = request
        self._refreshed = view.dispatch(request._request, *self.args, **self.kwargs)
        return self._refreshed

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if self._refreshed is not None and response is self._refreshed:
            return response  # the refresh view has finished it, with the renderer that it chose
        return super().finalize_response(request, response, *args, **kwargs)

    def _check_throttles_of(self, request: Request, user: AbstractBaseUser | None) -> None:
        """Let the throttles count under the stored name too. ``user`` is ``None`` after wrong credentials."""
        self.require_throttles(
            request, lambda throttle: not isinstance(throttle, LoginThrottle) or throttle.allow_user(request, user)
        )

    def _tell_refusal(self, request: Request, credentials: Mapping[str, Any], error: Exception) -> None:
        """Tell the log that a sign-in was refused, and whose it would have been, if there is such a user."""
        if not events.SIGN_IN_REFUSED.is_heard():
            return
        user = None
        # The name itself is not logged: people type passwords there. And nothing that fails here may hide the refusal.
        with contextlib.suppress(Exception):
            user = usernames.find(credentials[get_user_model().USERNAME_FIELD])
        reason = getattr(error, "reason", "permission_denied")
        about = {"user": None if user is None else user_key(user), "reason": reason}
        audit.tell(events.SIGN_IN_REFUSED, request=request._request, **about)

    def _sign_in(self, request: Request, credentials: dict[str, Any], scope: str, resource: str) -> Response:
        user = None
        try:
            user = self.authenticate_user(request, credentials)
        finally:
            self._check_throttles_of(request, user)
        if user is None:
            raise InvalidTokenError("credentials")
        challenge = self.get_challenge(request, user)
        if challenge is not None:
            about = {"user": user_key(user), "reason": challenge.get("reason", "challenge")}
            audit.tell(events.SIGN_IN_CHALLENGED, request=request._request, **about)
            return self.respond_with_challenge(request, challenge)
        with announcing(lambda: user_logged_in.send(sender=type(user), request=request._request, user=user)):
            pair = self.start(request, user, **grants.for_clients(scope, resource))
        return self.respond(request, pair)


_REFUSALS = (
    InvalidTokenError,
    InvalidScopeError,
    InvalidTargetError,
    AuthenticationFailed,
    PermissionDenied,
    exceptions.PermissionDenied,
)
"""What refuses a sign-in after its credentials were looked at. Too many attempts are another event."""


def _is_incomplete(error: ValidationError) -> bool:
    """Tell whether the only thing wrong with a body is that something is missing. Then nothing was tried."""
    codes: Any = error.get_codes()
    return isinstance(codes, dict) and all(
        isinstance(names, list) and set(map(str, names)) <= {"required", "null", "blank"} for names in codes.values()
    )
