"""The base classes of the endpoints: how they read a body, and what a refusal looks like."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.db import connections
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from rest_framework.exceptions import AuthenticationFailed, ErrorDetail, NotAuthenticated, ParseError, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .. import serializers
from ..authentication import JWTCookieAuthentication
from ..database import never_atomic
from ..errors import InvalidTokenError
from ..models import RefreshToken, RefreshTokenQuerySet
from ..refusals import Unavailable
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

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before all else: the body of a method that is not supported must not be read, nor its sender authenticated.
        if str(request.method).upper() not in self.allowed_methods:
            self.http_method_not_allowed(request)
        super().initial(request, *args, **kwargs)

    def get_authenticate_header(self, request: Request) -> str:
        # A view without authentication classes has a challenge too: without one, REST framework turns a 401 into a 403.
        return super().get_authenticate_header(request) or f'Bearer realm="{self.www_authenticate_realm}"'

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, InvalidTokenError) and exc.reason == "stale":
            exc = Unavailable(exc)
        elif isinstance(exc, InvalidTokenError):
            refused: Any = exc
            refused.challenge = refused.challenge or f'Bearer realm="{self.www_authenticate_realm}"'
        elif isinstance(exc, NotAuthenticated | AuthenticationFailed) and isinstance(exc.detail, ErrorDetail):
            code = ErrorDetail(exc.detail.code or exc.default_code, exc.detail.code)
            exc.detail = {"detail": exc.detail, "code": code, "reason": code}
        with _without_rollback():
            response = super().handle_exception(exc)
        # The headers stay, whatever the project's EXCEPTION_HANDLER has made of the body.
        if challenge := getattr(exc, "auth_header", None):
            response["WWW-Authenticate"] = challenge
        if wait := getattr(exc, "wait", None):
            response["Retry-After"] = str(math.ceil(wait))
        return response

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
        """The id of the session that the request's access token belongs to.

        Raises:
            InvalidTokenError: ``no_token``, if the request was authenticated in another way.
        """
        sid = getattr(self.request.auth, "sid", None)
        if sid is None:
            raise InvalidTokenError("no_token", code="not_authenticated")
        return str(sid)


class OAuthTokenView(JWTAuthView):
    """The base of the endpoints of RFC 7009 and RFC 7662: ``token`` and ``token_type_hint``, preferably as a form."""

    serializer_class: Any = serializers.OAuthTokenSerializer

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ValidationError | ParseError):
            errors = exc.detail if isinstance(exc.detail, dict) else {"detail": exc.detail}
            exc.detail = {"error": ErrorDetail("invalid_request", "invalid_request"), **errors}  # RFC 6749 section 5.2
        return super().handle_exception(exc)


@contextlib.contextmanager
def _without_rollback() -> Iterator[None]:
    """Keep what a refusal has written. Under ``ATOMIC_REQUESTS``, REST framework rolls the surrounding block back.

    Our views open no block, so it would be one around them, such as that of a test.
    """
    blocks = [connection for connection in connections.all(initialized_only=True) if connection.in_atomic_block]
    flags = [(connection, connection.get_rollback()) for connection in blocks]
    yield
    for connection, flag in flags:
        connection.set_rollback(flag)


def send_logged_out(request: Request, user: Any) -> None:
    """Send Django's ``user_logged_out`` signal."""
    user_logged_out.send(sender=type(user), request=request._request, user=user)
