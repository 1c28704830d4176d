"""The base classes of the endpoints: how they read a body, and what a refusal looks like."""

from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, ParseError, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .. import serializers
from ..authentication import JWTCookieAuthentication
from ..database import never_atomic
from ..errors import InvalidScopeError, InvalidTargetError, InvalidTokenError, JWTAuthError, RefreshConflictError
from ..models import RefreshToken, RefreshTokenQuerySet
from ..refusals import error_body
from ._parsers import SafeFormParser, SafeJSONParser, SafeMultiPartParser


class JWTAuthView(GenericAPIView):  # type: ignore[type-arg]
    """The base of all endpoints. It sets its own classes, so that a project's defaults cannot block sign-in."""

    authentication_classes: Any = ()
    permission_classes: Any = (AllowAny,)
    throttle_classes: Any = ()
    parser_classes: Any = (SafeJSONParser, SafeFormParser, SafeMultiPartParser)
    renderer_classes: Any = (JSONRenderer,)
    versioning_class: Any = None
    filter_backends: Any = ()
    www_authenticate_realm = "api"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view function, marked so that ``ATOMIC_REQUESTS`` opens no transaction on any database.

        All its form fields are secrets, so they are kept out of error reports.
        """
        return never_atomic(sensitive_post_parameters()(super().as_view(**initkwargs)))

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, InvalidTokenError):
            challenge = {"WWW-Authenticate": f'Bearer realm="{self.www_authenticate_realm}"'}
            return _refusal(error_body(exc), status.HTTP_401_UNAUTHORIZED, challenge)
        if isinstance(exc, RefreshConflictError):
            return _refusal(error_body(exc), status.HTTP_503_SERVICE_UNAVAILABLE, {"Retry-After": "1"})
        if isinstance(exc, InvalidScopeError | InvalidTargetError):
            return _refusal({"error": exc.code, **error_body(exc)}, status.HTTP_400_BAD_REQUEST)  # RFC 6749 section 5.2
        if isinstance(exc, NotAuthenticated):
            exc.detail = error_body(JWTAuthError("not_authenticated", "not_authenticated"))
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"  # RFC 6749 section 5.1
        return response

    @sensitive_variables()
    def read(self, request: Request) -> dict[str, Any]:
        """Return the validated body.

        Raises:
            ValidationError: if a field is wrong. The response is a 400 with the errors of each field.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated


class AuthenticatedView(JWTAuthView):
    """The base of the endpoints that are called with an access token."""

    serializer_class: Any = serializers.EmptySerializer
    authentication_classes = (JWTCookieAuthentication,)
    permission_classes: Any = (IsAuthenticated,)

    def own_sessions(self) -> RefreshTokenQuerySet:
        """Return all sessions of the user, including those that have ended."""
        return RefreshToken.objects.of(cast(AbstractBaseUser, self.request.user))

    @property
    def sid(self) -> str:
        """The id of the session that the request's access token belongs to."""
        token: Any = self.request.auth
        return str(token.sid)


class OAuthTokenView(JWTAuthView):
    """The base of the endpoints of RFC 7009 and RFC 7662: ``token`` and ``token_type_hint``, preferably as a form."""

    serializer_class: Any = serializers.OAuthTokenSerializer

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, ValidationError | ParseError) and isinstance(response.data, dict):
            response.data = {"error": "invalid_request", **response.data}  # RFC 6749 section 5.2
        return response


def _refusal(body: dict[str, Any], code: int, headers: dict[str, str] | None = None) -> Response:
    response = Response(body, status=code, headers=headers)
    response.exception = True  # as REST framework marks its own
    return response


def send_logged_out(request: Request, user: Any) -> None:
    """Send Django's ``user_logged_out`` signal."""
    user_logged_out.send(sender=type(user), request=request._request, user=user)
