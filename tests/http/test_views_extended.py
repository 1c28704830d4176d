"""Views that a project extends, and the clients of Simple JWT."""

import json

import pytest
from django.core.cache import cache
from django.test import override_settings
from django.urls import path, reverse
from rest_framework import serializers as drf_serializers
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.throttling import BaseThrottle

from django_jwtauth import views
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.serializers import TokenSerializer
from tests.tools.http import RIGHT, TOKEN, assert_refused
from tests.tools.routes import WithRoutes

WRONG = {"username": "ada", "password": "wrong"}
TOKENS = {"access", "refresh", "token_type", "expires_in", "refresh_expires_in"}


class OtpSerializer(TokenSerializer):
    otp = drf_serializers.CharField(write_only=True)


class OtpView(views.TokenView):
    """A project's sign-in: one more field, one more check, one more member in the answer."""

    serializer_class = OtpSerializer

    def authenticate_user(self, request, credentials):
        if credentials.pop("otp") != "123456":
            raise InvalidTokenError("otp", code="second_factor", message="Wrong code")
        return super().authenticate_user(request, credentials)

    def get_success_data(self, pair):
        return {**super().get_success_data(pair), "user": pair.session.user.get_username()}


def test_a_view_can_be_extended_by_its_serializer_and_its_answer(client, user):
    with WithRoutes(path("otp/", OtpView.as_view())):
        assert set(client.post("/otp/", RIGHT).json()) == {"otp"}
        signed_in = client.post("/otp/", {**RIGHT, "otp": "123456"}).json()
        refused = client.post("/otp/", {**RIGHT, "otp": "0"})
    assert signed_in.keys() == TOKENS | {"user"}
    assert signed_in["user"] == "ada"
    assert_refused(refused, "second_factor", "otp")
    assert refused.json()["detail"] == "Wrong code"


class UpperCaseParser(JSONParser):
    """Of the project: its clients shout."""

    def parse(self, stream, media_type=None, parser_context=None):
        return {name.lower(): value for name, value in super().parse(stream, media_type, parser_context).items()}


@pytest.mark.parametrize(
    ("parsers", "body", "status"),
    [
        ([UpperCaseParser], {name.upper(): value for name, value in RIGHT.items()}, 200),
        ([FormParser], RIGHT, 415),
        ([], RIGHT, 415),
    ],
    ids=["own", "forms-only", "none"],
)
def test_a_view_reads_json_with_its_own_parsers(client, user, parsers, body, status):
    with WithRoutes(path("parsed/", views.TokenView.as_view(parser_classes=parsers))):
        assert client.post("/parsed/", body, content_type="application/json").status_code == status


class OtherThrottle(BaseThrottle):
    def allow_request(self, request, view):
        return True


def test_a_sign_in_view_takes_other_throttles_too(client, user):
    with WithRoutes(path("other/", views.TokenView.as_view(throttle_classes=[OtherThrottle]))):
        assert client.post("/other/", RIGHT).status_code == 200


def test_a_failed_second_factor_is_a_failed_sign_in(client, user):
    with (
        override_settings(JWTAUTH={"THROTTLE_RATES": {"login": "2/min"}}),
        WithRoutes(path("otp/", OtpView.as_view())),
    ):
        answers = [client.post("/otp/", {**RIGHT, "otp": "0"}).status_code for _ in range(3)]
    assert answers == [401, 401, 429]


def test_a_realm_can_be_chosen(client, db):
    with WithRoutes(path("realm/", views.TokenView.as_view(www_authenticate_realm="shop"))):
        assert client.post("/realm/", WRONG)["WWW-Authenticate"] == 'Bearer realm="shop"'


# Simple JWT's clients


@pytest.mark.parametrize(
    ("name", "body", "status", "answer"),
    [
        pytest.param(
            "token", {"username": "ada", "password": "correct horse"}, 200, {"access", "refresh"}, id="obtain"
        ),
        pytest.param("token-refresh", {"refresh": "R"}, 200, {"access", "refresh"}, id="refresh"),
        pytest.param("token-verify", {"token": "A"}, 200, set(), id="verify"),
        pytest.param("token-blacklist", {"refresh": "R"}, 200, set(), id="blacklist"),
        pytest.param("token", WRONG, 401, "no_active_account", id="obtain-refused"),
        pytest.param("token-refresh", {"refresh": "x"}, 401, "token_not_valid", id="refresh-refused"),
        pytest.param("token-verify", {"token": "x"}, 401, "token_not_valid", id="verify-refused"),
        pytest.param("token-blacklist", {"refresh": "x"}, 401, "token_not_valid", id="blacklist-refused"),
    ],
)
def test_simple_jwts_clients_go_on_working(client, pair, name, body, status, answer):
    real = {"R": pair.refresh, "A": pair.access}
    sent = {key: real.get(value, value) for key, value in body.items()}
    response = client.post(reverse(f"jwtauth:{name}"), json.dumps(sent), content_type="application/json")
    assert response.status_code == status
    if status == 200:
        assert response.json().keys() >= answer
    else:
        assert response.json()["code"] == answer
        assert isinstance(response.json()["detail"], str)


def test_429_is_kept_out_of_caches_too(client, user):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login": "1/min"}}):
        assert client.post(TOKEN, WRONG).status_code == 401
        response = client.post(TOKEN, WRONG)
    assert response.status_code == 429
    assert response["Cache-Control"] == "no-store"
    assert 1 <= int(response["Retry-After"]) <= 60
    cache.clear()
