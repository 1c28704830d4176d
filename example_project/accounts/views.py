"""Asks for the password again, before actions that a session left open should not allow."""

from collections.abc import Iterator

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_jwtauth import sessions
from django_jwtauth.throttling import CountingThrottle
from django_jwtauth.views import AuthenticatedView


class PasswordThrottle(CountingThrottle):
    """Counts each attempt of a user, right or wrong, so that nobody can guess passwords in somebody's open session."""

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        if request.method == "POST":
            yield "login", f"confirm-password {request.user.pk}"
            yield "login_username", f"confirm-password {request.user.pk}"


class PasswordSerializer(serializers.Serializer):
    """A password."""

    password = serializers.CharField(write_only=True, trim_whitespace=False, max_length=4096)


class ConfirmPasswordView(AuthenticatedView):
    """Record that the user has just entered the password, which satisfies RecentLogin.

    The access token in use does not change; the token from the next refresh has the new time.
    """

    serializer_class = PasswordSerializer
    throttle_classes = [PasswordThrottle]

    def post(self, request: Request) -> Response:
        if not request.user.check_password(self.read(request)["password"]):
            raise serializers.ValidationError({"password": ["This is not your password."]})
        sessions.step_up(self.sid, amr=["pwd"])
        return Response({})
