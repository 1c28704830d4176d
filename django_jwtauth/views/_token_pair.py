"""The endpoints that issue a token pair: sign-in and refresh."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from .. import grants, serializers, sessions, sign_in, usernames
from ..errors import InvalidTokenError, JWTAuthError
from ..refusals import MESSAGES, error_body
from ..sessions import TokenPair
from ..sessions._start import announcing
from ..throttling import CountingThrottle, LoginThrottle, RefreshThrottle
from ..users import is_admitted
from ._oauth import OAuthGrantView


class TokenPairView(OAuthGrantView):
    """The base of sign-in and refresh: which scope and audience the client may ask for, and the response."""

    requested_scope = ""
    """The scope that the request asks for. :meth:`read_token_request` sets it."""

    @sensitive_variables()
    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Return the body of the response (RFC 6749 section 5.1, with the member names of Simple JWT)."""
        data: dict[str, Any] = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in}
        if pair.refresh:  # a subclass may start sessions without a refresh token
            data |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        # RFC 6749 section 5.1: a client that asked for a scope must learn what was granted, even if that is nothing.
        if pair.session.scope or self.requested_scope:
            data["scope"] = pair.scope
        return data

    @sensitive_variables()
    def respond(self, request: Request, pair: TokenPair) -> Response:
        """Return the response that hands out a token pair."""
        return Response(self.with_oauth_names(self.get_success_data(pair)))

    @sensitive_variables("data")
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

    @sensitive_variables("data", "pair")
    def post(self, request: Request) -> Response:
        if (refusal := self.refuse_oauth_form()) is not None:
            return refusal
        data, scope, resource = self.read_token_request(request)
        return self.respond(request, self.refresh(request, data, scope=scope, audience=resource))

    @sensitive_variables()
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
    """Answers a form with ``grant_type=refresh_token``."""
    amr: Sequence[str] = ("pwd",)
    """How users are authenticated here (RFC 8176)."""
    acr = ""
    """The level of that authentication."""

    def get_throttles(self) -> list[BaseThrottle]:
        self._throttles = self.refresh_view_class().get_throttles() if self._is_refresh else super().get_throttles()
        return self._throttles

    def post(self, request: Request) -> Response:
        if self._is_refresh:
            return self._refresh(request)
        # The throttles have counted this attempt before it is made. Only failed sign-ins stay counted.
        try:
            response = self._sign_in(request)
        except BaseException as error:
            if not _is_failed_sign_in(error):
                self._uncount_attempt()
            raise
        self._uncount_attempt()
        return response

    def start(self, request: Request, user: AbstractBaseUser, *, scope: str, audience: str) -> TokenPair:
        """Start the session; arguments as for :func:`django_jwtauth.sessions.start`."""
        return sessions.start(
            user, request=request._request, amr=self.amr, acr=self.acr, scope=scope, audience=audience
        )

    @sensitive_variables()
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

    @sensitive_variables()
    def respond_with_challenge(self, request: Request, challenge: Mapping[str, Any]) -> Response:
        """Return the response to a sign-in that is not finished. Nothing has been written.

        The credentials were right, so this is not counted as a failed sign-in.
        """
        reason = str(challenge.get("reason", "challenge"))
        error = JWTAuthError("challenge_required", reason, message=str(MESSAGES["challenge"]))
        body = {**error_body(error), **challenge}
        headers = {"WWW-Authenticate": f'Bearer realm="{self.www_authenticate_realm}"'}
        response = Response(body, status=status.HTTP_401_UNAUTHORIZED, headers=headers, exception=True)
        return self.as_oauth_error(response)

    @property
    def _is_refresh(self) -> bool:
        form = self.oauth_form
        # Of an ambiguous form, any value counts: it is refused, and nobody has tried a password.
        return (
            form is not None and "refresh_token" in form.getlist("grant_type") and "refresh_token" in self.oauth_grants
        )

    def _refresh(self, request: Request) -> Response:
        view = self.refresh_view_class()
        view.setup(request._request, *self.args, **self.kwargs)
        view.request, view.format_kwarg, view.oauth_form = request, self.format_kwarg, self.oauth_form
        return view.post(request)

    @sensitive_variables("credentials", "user", "pair", "challenge")
    def _sign_in(self, request: Request) -> Response:
        if (refusal := self.refuse_oauth_form()) is not None:
            return refusal
        credentials, scope, resource = self.read_token_request(request)
        user = self.authenticate_user(request, credentials)
        if user is None:
            raise InvalidTokenError("credentials", code="no_active_account")
        challenge = self.get_challenge(request, user)
        if challenge is not None:
            return self.respond_with_challenge(request, challenge)
        with announcing(lambda: user_logged_in.send(sender=type(user), request=request._request, user=user)):
            pair = self.start(request, user, **grants.for_clients(scope, resource))
        return self.respond(request, pair)

    def _uncount_attempt(self) -> None:
        for throttle in self._throttles:
            if isinstance(throttle, CountingThrottle):
                throttle.release()


def _is_failed_sign_in(error: BaseException) -> bool:
    """Tell whether an error means that credentials were tried and refused, in any way that a subclass may choose."""
    if isinstance(error, ValidationError):
        return not _is_incomplete(error)
    return isinstance(error, InvalidTokenError | AuthenticationFailed)


def _is_incomplete(error: ValidationError) -> bool:
    """Tell whether the only thing wrong with a body is that something is missing. Then nothing was tried."""
    codes: Any = error.get_codes()
    return isinstance(codes, dict) and all(
        isinstance(names, list) and set(map(str, names)) <= {"required", "null", "blank"} for names in codes.values()
    )
