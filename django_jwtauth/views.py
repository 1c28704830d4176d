"""The endpoints.

Extend one by subclassing: ``serializer_class`` says what it takes, ``get_success_data()`` what it answers. They are
never run in a transaction of the request's: a refused request may have written too (reuse revokes a session), which
REST framework would roll back.
"""

import contextlib
from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed, NotAuthenticated, ParseError, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from . import conf, grants, serializers, sessions, tokens
from .authentication import JWTAuthentication, JWTCookieAuthentication
from .database import database_now, epoch, never_atomic
from .errors import InvalidScopeError, InvalidTargetError, InvalidTokenError, JWTAuthError, RefreshConflictError
from .models import RefreshToken, RefreshTokenQuerySet, RevokedReason
from .refusals import error_body
from .sessions import TokenPair
from .throttling import CountingThrottle, LoginThrottle, RefreshThrottle
from .verifier import AccessToken


class _NeverFails(BaseParser):
    """Makes every body that cannot be read a 400; REST framework's own parsers let some exceptions out."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except (APIException, SuspiciousOperation):
            raise
        except Exception:
            # RecursionError for deep nesting, LookupError and TypeError for odd charsets, …
            raise ParseError(_("Malformed request.")) from None


class SafeJSONParser(_NeverFails, JSONParser):
    """JSON bodies."""


class SafeFormParser(_NeverFails, FormParser):
    """Form bodies."""


class SafeMultiPartParser(_NeverFails, MultiPartParser):
    """Multipart bodies."""


class JWTAuthView(GenericAPIView):  # type: ignore[type-arg]
    """What all endpoints share. They bring their own classes, so that a project's defaults cannot lock sign-in."""

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
        """Return the view function, marked so that ``ATOMIC_REQUESTS`` leaves it alone on every database.

        Its form fields, which are all secrets, are kept out of error reports.
        """
        return never_atomic(sensitive_post_parameters()(super().as_view(**initkwargs)))

    def handle_exception(self, exc: Exception) -> Response:
        """Answer our errors; everything else is REST framework's."""
        if isinstance(exc, InvalidTokenError):
            return self._error(exc, status.HTTP_401_UNAUTHORIZED, "WWW-Authenticate", self._challenge())
        if isinstance(exc, RefreshConflictError):
            return self._error(exc, status.HTTP_503_SERVICE_UNAVAILABLE, "Retry-After", "1")
        if isinstance(exc, InvalidScopeError | InvalidTargetError):
            body = {"error": exc.code, **error_body(exc)}  # RFC 6749 section 5.2
            return self._answer(Response(body, status=status.HTTP_400_BAD_REQUEST))
        if isinstance(exc, NotAuthenticated):
            exc.detail = error_body(JWTAuthError("not_authenticated", "not_authenticated"))
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep every answer out of caches (RFC 6749 section 5.1)."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    @method_decorator(sensitive_variables("serializer", "validated"))
    def read(self, request: Request) -> dict[str, Any]:
        """Return the validated body.

        Raises:
            ValidationError: answered with 400 and the errors of each field.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated

    def _challenge(self) -> str:
        return f'Bearer realm="{self.www_authenticate_realm}"'

    def _error(self, error: JWTAuthError, code: int, header: str, value: str) -> Response:
        return self._answer(Response(error_body(error), status=code, headers={header: value}))

    def _answer(self, response: Response) -> Response:
        response.exception = True
        return response


class TokenPairView(JWTAuthView):
    """What sign-in and refresh share: what may be asked for, and the answer."""

    _has_asked = False

    def get_success_data(self, pair: TokenPair) -> dict[str, Any]:
        """Return the body of the answer (RFC 6749 section 5.1, with the member names of Simple JWT)."""
        data: dict[str, Any] = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in}
        if pair.refresh:  # a subclass may start sessions without
            data |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        # RFC 6749 section 5.1: whenever it may be another one than the client thinks, also if nothing is left of it.
        return {**data, "scope": pair.scope} if pair.session.scope or self._has_asked else data

    def respond(self, request: Request, pair: TokenPair) -> Response:
        """Answer."""
        return Response(self.get_success_data(pair))

    @method_decorator(sensitive_variables("data"))
    def read_asked(self, request: Request) -> tuple[dict[str, Any], str, str]:
        """Return the validated body, and apart from it the scope and the audience that it asks for.

        Raises:
            InvalidScopeError: if the scope is none.
        """
        data = self.read(request)
        scope, resource = data.pop("scope", ""), data.pop("resource", "")
        grants.parse_scope(scope)
        self._has_asked = bool(scope)  # who has asked must be told what came of it
        return data, scope, resource


class MayIntrospect(BasePermission):
    """Asks for the permission to introspect tokens."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the user has it."""
        may = getattr(request.user, "has_perm", None)  # a user model may have no permissions
        return may is not None and bool(may("django_jwtauth.introspect_token"))


class TokenView(TokenPairView):
    """Sign in: credentials against an access and a refresh token."""

    serializer_class = serializers.TokenSerializer
    throttle_classes = (LoginThrottle,)

    def get_throttles(self) -> list[BaseThrottle]:
        """Keep the throttles, to take back what was no failure."""
        self._throttles = super().get_throttles()
        return self._throttles

    @method_decorator(sensitive_variables("user", "pair"))
    def post(self, request: Request) -> Response:
        """Authenticate, start a session, and send Django's ``user_logged_in``."""
        failed = False
        try:
            credentials, scope, resource = self.read_asked(request)
            user = self.authenticate_user(request, credentials)
            if user is None:
                raise InvalidTokenError("credentials", code="no_active_account")
            pair = self.start(request, user, **grants.for_clients(scope, resource))
            user_logged_in.send(sender=type(user), request=request._request, user=user)
            return self.respond(request, pair)
        except (InvalidTokenError, AuthenticationFailed):
            failed = True  # a subclass may refuse for a reason of its own
            raise
        except ValidationError as error:
            failed = not _is_incomplete(error)  # a serializer of a project's may judge, too
            raise
        finally:
            if not failed:
                for throttle in self._throttles:
                    if isinstance(throttle, CountingThrottle):
                        throttle.release()

    def start(self, request: Request, user: AbstractBaseUser, *, scope: str, audience: str) -> TokenPair:
        """Start the session; arguments as for :func:`django_jwtauth.sessions.start`."""
        return sessions.start(user, request=request._request, amr=["pwd"], scope=scope, audience=audience)

    @method_decorator(sensitive_variables("credentials"))
    def authenticate_user(self, request: Request, credentials: dict[str, Any]) -> AbstractBaseUser | None:
        """Return the active user of the credentials, by the project's authentication backends, or ``None``."""
        user = authenticate(request=request._request, **credentials)
        return user if user is not None and user.is_active else None


class TokenRefreshView(TokenPairView):
    """Exchange a refresh token."""

    serializer_class: Any = serializers.TokenRefreshSerializer
    throttle_classes = (RefreshThrottle,)

    @method_decorator(sensitive_variables("data", "pair"))
    def post(self, request: Request) -> Response:
        """Rotate."""
        data, scope, resource = self.read_asked(request)
        return self.respond(request, self.refresh(request, data, scope=scope, audience=resource))

    @method_decorator(sensitive_variables())
    def refresh(self, request: Request, data: dict[str, Any], *, scope: str, audience: str) -> TokenPair:
        """Rotate; see :func:`django_jwtauth.sessions.refresh`."""
        return sessions.refresh(data["refresh"], request=request._request, scope=scope, audience=audience)


class TokenVerifyView(JWTAuthView):
    """Tell whether a token, access or refresh, would be accepted. Changes nothing."""

    serializer_class = serializers.VerifySerializer

    @method_decorator(sensitive_variables("raw"))
    def post(self, request: Request) -> Response:
        """Answer ``{}``, or 401 with the reason."""
        raw = self.read(request)["token"]
        try:
            JWTAuthentication().authenticate_token(raw)
        except InvalidTokenError as error:
            if error.reason != "wrong_type":
                raise
            sessions.verify_refresh(raw)
        return Response({})


class TokenBlacklistView(JWTAuthView):
    """End the session of a refresh token of any generation, as Simple JWT's clients sign out."""

    serializer_class = serializers.RefreshSerializer

    def post(self, request: Request) -> Response:
        """Revoke; a second time changes nothing."""
        session = sessions.find_by_refresh_token(self.read(request)["refresh"])
        if sessions.revoke(session.pk, reason=RevokedReason.LOGOUT):
            send_logged_out(request, session.user)
        return Response({})


class OAuthTokenView(JWTAuthView):
    """What the endpoints of RFC 7009 and RFC 7662 share: ``token`` and ``token_type_hint``, best as a form."""

    serializer_class: Any = serializers.OAuthTokenSerializer

    def handle_exception(self, exc: Exception) -> Response:
        """Add the error code of RFC 6749 section 5.2 to what is wrong with the body."""
        response = super().handle_exception(exc)
        if isinstance(exc, ValidationError | ParseError) and isinstance(response.data, dict):
            response.data = {"error": "invalid_request", **response.data}
        return response


class TokenRevokeView(OAuthTokenView):
    """Revoke a token (RFC 7009): of a refresh token, of any generation, the session; of an access token itself."""

    @method_decorator(sensitive_variables("raw"))
    def post(self, request: Request) -> Response:
        """Answer 200 whatever the token was (section 2.2): one that is not good is revoked already."""
        raw = self.read(request)["token"]
        try:
            session = sessions.find_by_refresh_token(raw)
        except InvalidTokenError as error:
            if error.reason == "wrong_type":
                with contextlib.suppress(InvalidTokenError):
                    sessions.blacklist(raw, reason=RevokedReason.LOGOUT)
        else:
            if sessions.revoke(session.pk, reason=RevokedReason.LOGOUT):
                send_logged_out(request, session.user)
        return Response({})


class AuthenticatedView(JWTAuthView):
    """What the endpoints share that are called with an access token."""

    serializer_class: Any = serializers.EmptySerializer
    authentication_classes = (JWTCookieAuthentication,)
    permission_classes: Any = (IsAuthenticated,)

    def own_sessions(self) -> RefreshTokenQuerySet:
        """Return all sessions of the user, also those that have ended."""
        user: Any = self.request.user
        return RefreshToken.objects.using(RefreshToken.write_alias()).filter(user_id=user.pk)

    @property
    def sid(self) -> str:
        """The id of the session of this request."""
        token: Any = self.request.auth
        return str(token.sid)


class LogoutView(AuthenticatedView):
    """End the session of the access token."""

    def post(self, request: Request) -> Response:
        """Revoke it."""
        sessions.revoke(self.sid, reason=RevokedReason.LOGOUT)
        send_logged_out(request, request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogoutAllView(AuthenticatedView):
    """End all sessions of the user, this one too."""

    def post(self, request: Request) -> Response:
        """Revoke them, and say how many."""
        count = sessions.revoke_all(cast(AbstractBaseUser, request.user), reason=RevokedReason.LOGOUT_ALL)
        send_logged_out(request, request.user)
        return Response({"revoked": count})


class TokenIntrospectView(OAuthTokenView, AuthenticatedView):
    """Say what a token is worth (RFC 7662), to who may ask: permission ``django_jwtauth.introspect_token``."""

    serializer_class = serializers.OAuthTokenSerializer
    permission_classes = (IsAuthenticated, MayIntrospect)

    @method_decorator(sensitive_variables("raw", "data"))
    def post(self, request: Request) -> Response:
        """Answer ``{"active": false}`` and no more for a token that would be refused (section 2.2)."""
        data = self.read(request)
        raw = data["token"]
        try:
            # A caller that looks at "active" only must not take a refresh token for an access token; so those are
            # known only to who says that it is one.
            if data.get("token_type_hint") == "refresh_token":
                return Response(self.describe_refresh(sessions.verify_refresh(raw)))
            # Whoever it is for: the services it is for ask here.
            return Response(self.describe_access(*JWTAuthentication().authenticate_session(tokens.read_access(raw))))
        except InvalidTokenError:
            return Response({"active": False})

    def describe_access(self, user: Any, token: AccessToken) -> dict[str, Any]:
        """Return the answer for an access token: what it says, and the user's name."""
        return {**token.claims, "active": True, "token_type": "Bearer", "username": user.get_username()}

    def describe_refresh(self, session: RefreshToken) -> dict[str, Any]:
        """Return the answer for a refresh token."""
        config = conf.get_config()
        user: Any = session.user
        return {
            "active": True,
            "iss": config.issuer,
            "client_id": config.client_id,
            "sub": session.subject,
            "username": user.get_username(),
            "sid": str(session.pk),
            "iat": int(epoch(session.rotated_at)),
            "exp": int(epoch(session.idle_at)),
            **({"scope": session.scope} if session.scope else {}),
            **({"act": {"sub": session.actor}} if session.actor else {}),  # RFC 8693 section 4.1
        }


class SessionPagination(PageNumberPagination):
    """Fifty sessions a page."""

    page_size = 50


class SessionListView(AuthenticatedView):
    """The user's live sessions: devices that are signed in."""

    serializer_class = serializers.SessionSerializer
    pagination_class = SessionPagination

    def get_queryset(self) -> QuerySet[RefreshToken]:
        """Return what can still be refreshed, newest sign-in first."""
        now = database_now(RefreshToken.write_alias())
        return self.own_sessions().live(now).order_by("-created_at", "-pk")

    def get(self, request: Request) -> Response:
        """List them."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def delete(self, request: Request) -> Response:
        """End all but this one, and say how many."""
        others = self.own_sessions().exclude(pk=self.sid)
        return Response({"revoked": sessions.revoke(others, reason=RevokedReason.USER)})


class SessionDetailView(AuthenticatedView):
    """One session of the user."""

    def delete(self, request: Request, pk: Any) -> Response:
        """End it; one that has ended already stays so."""
        if not self.own_sessions().filter(pk=pk).exists():
            raise Http404
        sessions.revoke(pk, reason=RevokedReason.USER)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _is_incomplete(error: ValidationError) -> bool:
    """Tell whether all that is wrong with a body is that something is missing: nothing was tried then."""
    codes: Any = error.get_codes()
    return isinstance(codes, dict) and all(
        isinstance(names, list) and set(map(str, names)) <= {"required", "null", "blank"} for names in codes.values()
    )


def send_logged_out(request: Request, user: Any) -> None:
    """Send Django's ``user_logged_out``."""
    user_logged_out.send(sender=type(user), request=request._request, user=user)
