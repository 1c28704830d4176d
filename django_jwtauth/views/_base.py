"""The base classes of the endpoints: how they read a body, and what a refusal looks like."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import Http404
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ErrorDetail,
    NotAcceptable,
    NotAuthenticated,
    ParseError,
    ValidationError,
)
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from .. import serializers
from ..authentication import JWTCookieAuthentication
from ..database import never_atomic
from ..errors import InsufficientScopeError, InvalidTokenError
from ..models import RefreshToken, RefreshTokenQuerySet
from ..refusals import Unavailable, bearer_challenge, unavailable
from ..sessions._lookup import session_id
from ..throttling import CountingThrottle
from ..users import user_key
from ..verifier import AccessToken
from ._parsers import BodyRequest, SafeFormParser, SafeJSONParser, SafeMultiPartParser, require_short_body


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
    max_body_size = 256 * 1024
    """The greatest size of a request body, in bytes."""
    _throttles: Iterable[BaseThrottle] = ()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view function, marked so that ``ATOMIC_REQUESTS`` opens no transaction on any database.

        All its form fields are secrets, so they are kept out of error reports.
        """
        return never_atomic(sensitive_post_parameters()(super().as_view(**initkwargs)))

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        return BodyRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before all else: the body of a method that is not supported must not be read, nor its sender authenticated.
        if str(request._request.method).upper() not in self.allowed_methods:
            self.http_method_not_allowed(request)
        super().initial(request, *args, **kwargs)

    def check_throttles(self, request: Request) -> None:
        self._throttles = self.get_throttles()
        try:
            self.require_throttles(request, lambda throttle: throttle.allow_request(request, self))
        except BaseException:
            self.uncount()
            raise

    def require_throttles(self, request: Request, allows: Callable[[BaseThrottle], bool]) -> None:
        """Refuse the request unless each throttle of the view allows it.

        Args:
            request: The request.
            allows: Calls one throttle, and returns whether it allows the request.

        Raises:
            Throttled: if a throttle does not allow it.
        """
        # All of them are called, to find the longest wait.
        refusing = [throttle for throttle in self._throttles if not allows(throttle)]
        if refusing:
            waits = [seconds for throttle in refusing if (seconds := throttle.wait()) is not None]
            self.throttled(request, max(waits, default=cast(Any, None)))

    def uncount(self) -> None:
        """Take back what the throttles have counted for this request, such as one that another throttle refuses."""
        for throttle in self._throttles:
            if isinstance(throttle, CountingThrottle):
                throttle.release()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # A client that takes anything gets the first renderer. REST framework finds that out by parsing.
        asked = request._request  # to find its attributes on REST framework's request takes longer
        if (
            asked.META.get("HTTP_ACCEPT", "*/*") == "*/*"
            and not asked.GET
            and not getattr(self, "format_kwarg", None)
            and self.content_negotiation_class is DefaultContentNegotiation
        ):
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        try:
            return super().perform_content_negotiation(request, force)
        except NotAcceptable:
            if "text/html" not in request.META.get("HTTP_ACCEPT", ""):
                raise
            # REST framework's own views answer browsers with its HTML pages, which ours do not have.
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type

    def get_authenticate_header(self, request: Request) -> str:
        # A view without authentication classes has a challenge too: without one, REST framework turns a 401 into a 403.
        return super().get_authenticate_header(request) or bearer_challenge(self.www_authenticate_realm)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, InvalidTokenError) and exc.reason == "stale":
            exc = Unavailable(exc)
        elif isinstance(exc, InsufficientScopeError):
            exc.realm = self.www_authenticate_realm  # type: ignore[attr-defined]
        elif isinstance(exc, InvalidTokenError):
            refused: Any = exc
            refused.challenge = refused.challenge or bearer_challenge(self.www_authenticate_realm)
        elif isinstance(exc, NotAuthenticated | AuthenticationFailed) and isinstance(exc.detail, ErrorDetail):
            code = ErrorDetail(exc.detail.code or exc.default_code, exc.detail.code)
            exc.detail = {"detail": exc.detail, "code": code, "reason": code}
        elif not isinstance(exc, APIException | Http404 | PermissionDenied):  # it would otherwise be a 500
            exc = unavailable(exc) or exc
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

    def read(self, request: Request) -> dict[str, Any]:
        """Return the validated body.

        Raises:
            ValidationError: if a field is wrong. The response is a 400 with the errors of each field.
        """
        if type(self).get_serializer is GenericAPIView.get_serializer:
            directly = serializers.read_directly(self.get_serializer_class(), request.data)
            if directly is not None:
                return directly
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated


class AuthenticatedView(JWTAuthView):
    """The base of the endpoints that are called with an access token."""

    serializer_class: Any = serializers.EmptySerializer
    authentication_classes = (JWTCookieAuthentication,)
    permission_classes: Any = (IsAuthenticated,)

    def perform_authentication(self, request: Request) -> None:
        require_short_body(request._request, self.max_body_size)
        super().perform_authentication(request)

    def own_sessions(self) -> RefreshTokenQuerySet:
        """Return all sessions of the user, including those that have ended."""
        return RefreshToken.objects.of(cast(AbstractBaseUser, self.request.user))

    @property
    def user_key(self) -> Any:
        """The primary key of the user, for the log; ``None`` if the request's user is not a database object."""
        user = self.request.user
        return user_key(cast(AbstractBaseUser, user)) if isinstance(user, get_user_model()) else None

    @property
    def sid(self) -> str:
        """The id of the session that the request's access token belongs to.

        Raises:
            InvalidTokenError: ``no_token``, if the request was authenticated in another way; ``wrong_issuer`` or
                ``invalid``, if the session is another issuer's.
        """
        token = self.request.auth
        if not isinstance(token, AccessToken):
            raise InvalidTokenError("no_token")
        return str(session_id(token))


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
