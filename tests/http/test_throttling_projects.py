"""Throttles and sign-in views of a project: which errors are failed sign-ins."""

import pytest
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.test import APIRequestFactory

from django_jwtauth.errors import InvalidScopeError, InvalidTargetError, InvalidTokenError
from django_jwtauth.serializers import TokenSerializer
from django_jwtauth.throttling import CountingThrottle
from django_jwtauth.views import TokenView
from tests.tools.http import RIGHT
from tests.tools.throttles import PUBLIC, rates, request


class NoIdentities(CountingThrottle):
    pass


class UnknownRate(CountingThrottle):
    def identities(self, request):
        yield "no such rate", "somebody"


@pytest.mark.parametrize(("throttle", "error"), [(NoIdentities, NotImplementedError), (UnknownRate, KeyError)])
def test_a_mistake_in_a_projects_own_throttle_is_not_taken_for_a_broken_cache(throttle, error):
    with pytest.raises(error):
        throttle().allow_request(request({}), None)


class RefusingSerializer(TokenSerializer):
    """A project's second factor, which the serializer checks."""

    def validate(self, attrs):
        raise serializers.ValidationError("Wrong code.")


class RefusingView(TokenView):
    serializer_class = RefusingSerializer


def test_what_a_serializer_of_a_project_refuses_is_a_failure(user):
    def attempt(body):
        return RefusingView.as_view()(APIRequestFactory().post("/", body, REMOTE_ADDR=PUBLIC)).status_code

    with rates(login="2/min", login_username=None, login_address=None):
        assert [attempt({"username": "ada"}) for _ in range(3)] == [400, 400, 400]
        assert [attempt({"username": "ada", "password": "x"}) for _ in range(3)] == [400, 400, 429]


class RaisingView(TokenView):
    error = None

    def authenticate_user(self, request, credentials):
        raise self.error


@pytest.mark.parametrize(
    ("error", "is_failure"),
    [
        (InvalidTokenError("otp"), True),
        (AuthenticationFailed(), True),
        (serializers.ValidationError("Wrong code."), True),
        (serializers.ValidationError({"code": ["Wrong code."]}), True),
        (serializers.ValidationError({"code": ["Missing."]}, code="required"), False),
        (InvalidScopeError("No such scope."), False),
        (InvalidTargetError("No such resource."), False),
        (PermissionDenied(), False),
        (ZeroDivisionError(), False),
        (SystemExit(), False),
    ],
    ids=repr,
)
def test_which_errors_are_failed_sign_ins(user, error, is_failure):
    view = RaisingView.as_view(error=error)

    def attempt():
        try:
            return view(APIRequestFactory().post("/", RIGHT, REMOTE_ADDR=PUBLIC)).status_code
        except BaseException as raised:
            if raised is error:
                return None
            raise

    with rates(login="1/min"):
        first, second = attempt(), attempt()
    assert first != 429
    assert (second == 429) == is_failure
