"""A bearer token that is visibly not ours is left to the next authentication class, if the settings say so."""

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication, JWTCookieAuthentication, StatelessJWTAuthentication
from tests.tools.cookie_jar import ACCESS
from tests.tools.http import bearer
from tests.tools.routes import WithRoutes

IGNORING = {"IGNORE_FOREIGN_TOKENS": True}
SECRET = "x" * 32


class Opaque(TokenAuthentication):
    """Knows one token."""

    keyword = "Bearer"

    def authenticate_credentials(self, key):
        return (get_user_model().objects.get(), key) if key in FOREIGN else None


class Who(APIView):
    authentication_classes = [JWTAuthentication, Opaque]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user": str(request.user), "by": type(request.successful_authenticator).__name__})


def typed(typ):
    return jwt.encode({"sub": "1"}, SECRET, headers={"typ": typ})


FOREIGN = [
    "opaque",
    "a.b",
    "a.b.c.d.e",
    "x" * 5000,
    typed("JWT"),
    typed("at+jwt+x"),
    typed(None),
    jwt.encode({}, SECRET),
]
OURS = ["a.b.c", f"{'a' * 3000}.{'b' * 3000}.c", "..", typed("at+jwt"), typed("application/AT+JWT"), typed("rt+jwt")]


@pytest.fixture
def ask(client):
    with WithRoutes(
        path("who/", Who.as_view()),
        path("members/", Who.as_view(permission_classes=[IsAuthenticated])),
        path("alone/", Who.as_view(authentication_classes=[StatelessJWTAuthentication])),
        path("cookies/", Who.as_view(authentication_classes=[JWTCookieAuthentication])),
    ):
        yield lambda url, raw, **more: client.get(url, headers={"Authorization": f"Bearer {raw}", **more})


@pytest.mark.parametrize("raw", FOREIGN)
def test_a_foreign_token_is_left_to_the_next_class_only_if_the_settings_say_so(user, ask, raw):
    assert ask("/who/", raw).json()["reason"] in ("invalid", "wrong_type")
    with override_settings(JWTAUTH=IGNORING):
        assert ask("/who/", raw).json() == {"user": "ada", "by": "Opaque"}


@pytest.mark.parametrize("raw", OURS)
def test_what_may_be_a_token_of_ours_is_always_refused(user, ask, settings, raw):
    settings.JWTAUTH = IGNORING
    for url in ("/who/", "/alone/"):
        response = ask(url, raw)
        assert (response.status_code, response.json()["code"]) == (401, "token_not_valid")


def test_our_own_tokens_are_read_and_refused_as_before(user, ask, client, settings):
    settings.JWTAUTH = IGNORING
    pair = sessions.start(user)
    assert ask("/who/", pair.access).json()["by"] == "JWTAuthentication"
    assert ask("/who/", pair.refresh).json()["reason"] == "wrong_type"
    sessions.revoke(pair.session)
    assert ask("/who/", pair.access).json()["reason"] == "revoked"
    response = client.get("/who/", **bearer(f"{pair.access} x"))
    assert response.json()["code"] == "bad_authorization_header"


def test_a_token_that_no_class_takes_authenticates_nobody(user, ask, settings):
    settings.JWTAUTH = IGNORING
    assert ask("/alone/", "opaque").json() == {"user": "AnonymousUser", "by": "NoneType"}
    refused = ask("/members/", "unknown")
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_beside_a_foreign_token_the_cookie_does_not_count(user, ask, settings):
    settings.JWTAUTH = IGNORING
    cookie = f"{ACCESS}={sessions.start(user).access}"
    assert ask("/cookies/", "opaque", Cookie=cookie).json()["user"] == "AnonymousUser"


def test_a_foreign_token_in_our_cookie_is_refused(user, client, ask, settings):
    settings.JWTAUTH = IGNORING
    response = client.get("/cookies/", headers={"Cookie": f"{ACCESS}=opaque"})
    assert (response.status_code, response.json()["reason"]) == (401, "invalid")


def test_a_published_list_is_not_foreign():
    raw = jws.sign({"a": 1}, typ="revocations+jwt", key=conf.get_config().signing_keys.signing_key)
    assert not jws.is_foreign(raw.encode(), max_length=4096)
