"""Throttles and sign-in views of a project: which errors are failed sign-ins."""

import pytest
from django.contrib.auth.signals import user_login_failed
from django.urls import path
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.throttling import BaseThrottle

from django_jwtauth.errors import InvalidScopeError, InvalidTargetError, InvalidTokenError
from django_jwtauth.serializers import TokenSerializer
from django_jwtauth.throttling import CountingThrottle, LoginThrottle
from django_jwtauth.views import TokenView
from tests.tools.http import RIGHT, TOKEN
from tests.tools.routes import WithRoutes
from tests.tools.throttles import PUBLIC, attempt, rates, request


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
        (serializers.ValidationError({"code": ["Missing."]}, code="required"), True),
        # Whatever happens once the password may have been looked at: the answer may say whether it was right.
        (InvalidScopeError("No such scope."), True),
        (InvalidTargetError("No such resource."), True),
        (PermissionDenied(), True),
        (ZeroDivisionError(), True),
        (SystemExit(), True),
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


def test_a_receiver_that_fails_gives_nobody_unlimited_guesses(user):
    def audit(**kwargs):
        raise ConnectionError

    client = APIClient(raise_request_exception=False)
    user_login_failed.connect(audit)
    try:
        with rates(login="2/min"):
            assert [attempt(client) for _ in range(3)] == [500, 500, 429]
    finally:
        user_login_failed.disconnect(audit)


@pytest.mark.parametrize("password", ["wrong", RIGHT["password"]])
def test_an_unknown_resource_is_no_way_to_try_passwords(client, user, settings, password):
    def ask():
        body = {**RIGHT, "password": password, "resource": "https://nobody.example"}
        return client.post(TOKEN, body, REMOTE_ADDR=PUBLIC).status_code

    with rates(login="2/min"):
        assert [ask() for _ in range(3)] == ([401, 401, 429] if password == "wrong" else [400, 400, 429])


def test_a_malformed_scope_is_refused_before_the_password_is_looked_at(client, user):
    with rates(login="1/min"):
        for _ in range(3):
            assert client.post(TOKEN, {**RIGHT, "scope": '"'}, REMOTE_ADDR=PUBLIC).status_code == 400
        assert attempt(client, password=RIGHT["password"]) == 200


class Refusing(BaseThrottle):
    def allow_request(self, request, view):
        return False


class Waiting(Refusing):
    def wait(self):
        return 7


class Broken(BaseThrottle):
    def allow_request(self, request, view):
        raise ZeroDivisionError


@pytest.mark.parametrize("others", [[Refusing], [Waiting, Refusing]])
def test_what_another_throttle_refuses_is_not_counted(client, user, others):
    view = TokenView.as_view(throttle_classes=[LoginThrottle, *others])
    with rates(login="1/min"), WithRoutes(path("mine/", view)):
        answers = [client.post("/mine/", RIGHT, REMOTE_ADDR=PUBLIC) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [429, 429]
        assert [answer.headers.get("Retry-After") for answer in answers] == ["7" if Waiting in others else None] * 2
        assert attempt(client, password=RIGHT["password"]) == 200


def test_what_another_throttle_fails_with_is_not_counted(user):
    client = APIClient(raise_request_exception=False)
    view = TokenView.as_view(throttle_classes=[LoginThrottle, Broken])
    with rates(login="1/min"), WithRoutes(path("mine/", view)):
        assert client.post("/mine/", RIGHT, REMOTE_ADDR=PUBLIC).status_code == 500
        assert attempt(client, password=RIGHT["password"]) == 200


class Own(TokenView):
    def get_throttles(self):
        return [LoginThrottle()]


def test_a_view_may_make_its_throttles_itself(client, user):
    def ask(password):
        return client.post("/mine/", {**RIGHT, "password": password}, REMOTE_ADDR=PUBLIC).status_code

    with rates(login="1/min"), WithRoutes(path("mine/", Own.as_view())):
        assert [ask(password) for password in (RIGHT["password"], "wrong", "wrong")] == [200, 401, 429]


class StepUp(CountingThrottle):
    def __init__(self):
        self.mine = True  # without super(): that must not switch the throttle off

    def identities(self, request):
        yield "login_username", "step-up 7"


def test_nobody_can_use_up_the_attempts_of_another_throttle_by_a_name_that_reads_the_same(client, db):
    with rates(login_username="2/min"):
        assert [attempt(client, username="step-up 7") for _ in range(3)] == [401, 401, 429]
        assert [StepUp().allow_request(request({}), None) for _ in range(3)] == [True, True, False]


def test_what_is_derived_from_our_throttle_counts_with_it(client, user):
    class Mine(LoginThrottle):
        pass

    with rates(login="1/min"), WithRoutes(path("mine/", TokenView.as_view(throttle_classes=[Mine]))):
        assert attempt(client) == 401
        assert client.post("/mine/", RIGHT, REMOTE_ADDR=PUBLIC).status_code == 429
