"""The endpoints that revoke tokens and sign users out."""

import contextlib
from typing import cast

from django.contrib.auth.models import AbstractBaseUser
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from .. import serializers, sessions
from ..errors import InvalidTokenError
from ..models import RevokedReason
from ..sessions._revoke import end_session
from ._base import AuthenticatedView, JWTAuthView, OAuthTokenView, send_logged_out


class TokenBlacklistView(JWTAuthView):
    """End the session of a refresh token of any generation. This is how clients of Simple JWT sign out."""

    serializer_class = serializers.RefreshSerializer

    def post(self, request: Request) -> Response:
        session = sessions.find_by_refresh_token(self.read(request)["refresh"])
        if end_session(session.pk, reason=RevokedReason.LOGOUT, user=session.user_id):
            send_logged_out(request, session.user)
        return Response({})


class TokenRevokeView(OAuthTokenView):
    """Revoke a token (RFC 7009). A refresh token of any generation ends its session; an access token is revoked alone.

    The response is 200 whatever the token was (section 2.2): a token that is not valid needs no revocation.
    """

    def post(self, request: Request) -> Response:
        raw = self.read(request)["token"]
        try:
            session = sessions.find_by_refresh_token(raw)
        except InvalidTokenError as error:
            if error.reason == "wrong_type":
                with contextlib.suppress(InvalidTokenError):
                    sessions.blacklist(raw, reason=RevokedReason.LOGOUT)
        else:
            if end_session(session.pk, reason=RevokedReason.LOGOUT, user=session.user_id):
                send_logged_out(request, session.user)
        return Response({})


class LogoutView(AuthenticatedView):
    """End the session of the access token."""

    def post(self, request: Request) -> Response:
        end_session(self.sid, reason=RevokedReason.LOGOUT, user=self.user_key)
        send_logged_out(request, request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogoutAllView(AuthenticatedView):
    """End all sessions of the user, including the current one."""

    def post(self, request: Request) -> Response:
        count = sessions.revoke_all(cast(AbstractBaseUser, request.user), reason=RevokedReason.LOGOUT_ALL)
        send_logged_out(request, request.user)
        return Response({"revoked": count})
