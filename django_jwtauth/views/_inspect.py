"""The endpoints that judge a token: verification and introspection. They change nothing."""

from typing import Any

from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from .. import conf, serializers, sessions, tokens, usernames
from ..authentication import JWTAuthentication
from ..bridges import bridge_for
from ..database import epoch
from ..errors import InvalidTokenError
from ..models import RefreshToken
from ..secret import hide
from ..verifier import AccessToken
from ._base import AuthenticatedView, JWTAuthView, OAuthTokenView


class TokenVerifyView(JWTAuthView):
    """Tell whether a token, access or refresh, would be accepted: ``{}``, or 401 with the reason."""

    serializer_class = serializers.VerifySerializer

    def post(self, request: Request) -> Response:
        raw = self.read(request)["token"]
        try:
            JWTAuthentication().authenticate_token(raw)
        except InvalidTokenError as error:
            if error.reason != "wrong_type":
                raise
            if (bridge := bridge_for(hide(raw))) is not None:
                bridge.check(hide(raw))
            else:
                sessions.verify_refresh(raw)
        return Response({})


class MayIntrospect(BasePermission):
    """Requires the permission to introspect tokens."""

    def has_permission(self, request: Request, view: Any) -> bool:
        may = getattr(request.user, "has_perm", None)  # a user model may have no permissions
        return may is not None and bool(may("django_jwtauth.introspect_token"))


class TokenIntrospectView(OAuthTokenView, AuthenticatedView):
    """Describe a token (RFC 7662). Needs the permission ``django_jwtauth.introspect_token``.

    The response for a token that would be refused is ``{"active": false}`` and nothing else (section 2.2).
    """

    serializer_class = serializers.OAuthTokenSerializer
    permission_classes = (IsAuthenticated, MayIntrospect)

    def post(self, request: Request) -> Response:
        data = self.read(request)
        raw = data["token"]
        try:
            # A caller that looks at "active" alone must not take a refresh token for an access token. So a refresh
            # token is active only if the caller says that it is one.
            if data.get("token_type_hint") == "refresh_token":
                return Response(self.describe_refresh(sessions.verify_refresh(raw)))
            # For any audience: the services that a token is meant for ask here.
            return Response(self.describe_access(*JWTAuthentication().authenticate_session(tokens.read_access(raw))))
        except InvalidTokenError:
            return Response({"active": False})

    def describe_access(self, user: Any, token: AccessToken) -> dict[str, Any]:
        """Return the response for an access token: its claims and the user's name."""
        return {**token.claims, "active": True, "token_type": "Bearer", "username": usernames.shown(user)}

    def describe_refresh(self, session: RefreshToken) -> dict[str, Any]:
        """Return the response for the current refresh token of a session."""
        config = conf.get_config()
        user: Any = session.user
        return {
            "active": True,
            "iss": config.issuer,
            "client_id": config.client_id,
            "sub": session.subject,
            "username": usernames.shown(user),
            "sid": str(session.pk),
            "iat": int(epoch(session.rotated_at)),
            "exp": int(epoch(session.idle_at)),
            **({"scope": session.scope} if session.scope else {}),
            **({"act": {"sub": session.actor}} if session.actor else {}),  # RFC 8693 section 4.1
        }
