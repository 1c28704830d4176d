from datetime import UTC, datetime

from allauth.account.authentication import get_authentication_records
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from django.contrib.auth import BACKEND_SESSION_KEY
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from django_jwtauth import sessions
from django_jwtauth.serializers import EmptySerializer
from django_jwtauth.views import TokenPairView

AMR = {"password": "pwd", "code": "otp"}  # the names of RFC 8176, where it has one


def start(request):
    """Start a session for who has signed in by allauth."""
    records = get_authentication_records(request, request.user)
    if not records:  # signed in by something else
        raise PermissionDenied
    amr = dict.fromkeys(AMR.get(record["method"], record["method"]) for record in records)
    auth_time = datetime.fromtimestamp(records[-1]["at"], UTC)
    acr = "two-factor" if "mfa" in amr else ""
    backend = request.session[BACKEND_SESSION_KEY]
    return sessions.start(request.user, request=request, amr=[*amr], acr=acr, auth_time=auth_time, backend=backend)


class SessionTokenView(TokenPairView):
    """For browsers that come back from a social login: exchanges the cookie of Django's session for tokens."""

    serializer_class = EmptySerializer
    authentication_classes = [SessionAuthentication]  # with its CSRF check
    permission_classes = [IsAuthenticated]

    def post(self, request):
        pair = start(request._request)
        request.session.flush()  # the cookie has done its work
        return Response(self.get_success_data(pair))


class JWTStrategy(SessionTokenStrategy):
    """For apps that use allauth.headless: tokens come with the answer that says that the user is signed in."""

    def create_access_token_payload(self, request):
        pair = start(request)
        return {"access_token": pair.access, "refresh_token": pair.refresh, "expires_in": pair.expires_in}
