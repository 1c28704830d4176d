"""Clients, factories and requests that are signed in without a request to sign in."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, TestCase
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, APITestCase
from rest_framework.views import APIView

from django_jwtauth import conf
from django_jwtauth.authentication import JWTAuthentication, JWTCookieAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.test import (
    AsyncJWTClient,
    JWTClient,
    JWTTestMixin,
    asign_in,
    force_authenticate,
    sign_in,
    sign_out,
    stateless_user,
)
from tests.tools.http import REFRESH, SESSIONS
from tests.tools.testcases import failures
from tests.urls import StatelessWhoAmI, WhoAmI


class CookieWhoAmI(WhoAmI):
    authentication_classes = [JWTCookieAuthentication]


class NobodyAsks(APIView):
    authentication_classes = []

    def get(self, request):
        return Response({"sid": request.auth.sid})


urlpatterns = [
    path("auth/", include("django_jwtauth.urls")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
    path("cookie/", CookieWhoAmI.as_view()),
]
pytestmark = pytest.mark.urls(__name__)
clients = pytest.mark.parametrize("make", [Client, APIClient, JWTClient])


@clients
def test_a_client_is_signed_in_and_out(user, make):
    client = make()
    signed_in = sign_in(client, user, scopes=["a"], claims={"tenant": "acme"})
    answer = client.get("/whoami/").json()
    assert answer["sid"] == str(signed_in.session.pk) == signed_in.token.sid
    assert (answer["claims"]["scope"], answer["claims"]["tenant"]) == ("a", "acme")
    assert answer["claims"] == signed_in.token.claims
    assert client.get("/stateless/").status_code == 200
    assert client.post(REFRESH, {"refresh": signed_in.refresh}).status_code == 200
    assert client.get(SESSIONS).json()["results"][0]["current"] is True
    sign_out(client)
    assert client.get("/whoami/").status_code == 401
    assert RefreshToken.objects.live().count() == 1


@clients
def test_a_client_is_signed_in_by_cookies(user, make):
    client = make()
    signed_in = sign_in(client, user, cookies=True)
    assert client.get("/cookie/").json()["sid"] == signed_in.token.sid
    assert client.get("/whoami/").status_code == 401
    RefreshToken.objects.update(rotated_at=signed_in.session.rotated_at - 2 * conf.get_config().refresh_grace_period)
    assert client.post("/auth/browser/refresh/").status_code == 200
    assert client.get("/cookie/").status_code == 200
    assert client.post("/auth/browser/logout/").status_code == 204
    sign_in(client, user)
    assert client.get("/whoami/").status_code == 200
    sign_out(client)
    assert client.get("/cookie/").status_code == 401


@clients
def test_the_latest_sign_in_counts(user, make):
    client, bob = make(), get_user_model().objects.create_user("bob")
    sign_in(client, user, cookies=True)
    sign_in(client, bob)
    assert client.get("/cookie/").json()["user"] == str(bob.pk)
    sign_in(client, user, cookies=True)
    assert client.get("/cookie/").json()["user"] == str(user.pk)


def test_other_credentials_of_a_client_stay(user):
    client = APIClient()
    client.credentials(HTTP_X_TENANT="acme")
    sign_in(client, user)
    assert client.get("/whoami/").wsgi_request.META["HTTP_X_TENANT"] == "acme"
    assert client.get("/whoami/").status_code == 200
    client.logout()
    assert client.get("/whoami/").status_code == 401


@pytest.mark.parametrize("make", [RequestFactory, APIRequestFactory, AsyncRequestFactory])
@pytest.mark.parametrize("cookies", [False, True], ids=["header", "cookies"])
def test_each_request_of_a_factory_is_signed_in(user, make, cookies):
    factory = make()
    signed_in = sign_in(factory, user, cookies=cookies)
    authentication = JWTCookieAuthentication() if cookies else JWTAuthentication()
    found, token = authentication.authenticate(factory.get("/"))
    assert (found, token) == (user, signed_in.token)
    sign_out(factory)
    assert authentication.authenticate(factory.get("/")) is None


@pytest.mark.parametrize("make", [RequestFactory, APIRequestFactory, AsyncRequestFactory])
@pytest.mark.parametrize("cookies", [False, True], ids=["header", "cookies"])
@pytest.mark.parametrize("wrap", [lambda request: request, Request], ids=["Django", "REST framework"])
def test_a_single_request_is_signed_in(user, make, cookies, wrap):
    request = wrap(make(headers={"Cookie": "a=b"} if make is not AsyncRequestFactory else None).get("/"))
    assert "Authorization" not in request.headers
    signed_in = sign_in(request, user, cookies=cookies)
    authentication = JWTCookieAuthentication() if cookies else JWTAuthentication()
    assert authentication.authenticate(request) == (user, signed_in.token)
    assert ("Authorization" in request.headers) is not cookies
    name = conf.get_config().cookies.access_name
    assert (name in request.COOKIES) is cookies
    sign_out(request)
    assert authentication.authenticate(request) is None


def test_a_subject_needs_no_database(django_db_blocker):
    factory = APIRequestFactory()
    with django_db_blocker.block():
        signed_in = sign_in(factory, "42", scopes="a b")
    assert (signed_in.session, signed_in.refresh) == (None, "")
    assert factory.get("/").META["HTTP_AUTHORIZATION"].endswith(signed_in.access)


def test_a_subject_is_accepted_without_its_session(db):
    client = JWTClient()
    client.sign_in("42", scopes=["a"])
    assert client.get("/stateless/").json()["user"] == "42"
    client.sign_out()
    assert client.get("/stateless/").status_code == 401


def test_what_cannot_be_signed_in_is_named(user):
    with pytest.raises(TypeError, match=r"or a request can be signed in, not 'client'"):
        sign_in("client", user)
    with pytest.raises(TypeError, match="pass its subject"):
        sign_in(JWTClient(), stateless_user("42"))


def test_a_user_who_may_not_sign_in_is_not(user):
    user.is_active = False
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sign_in(JWTClient(), user)


def test_tokens_are_not_shown(user):
    signed_in = sign_in(JWTClient(), user)
    assert signed_in.access not in repr(signed_in)
    assert signed_in.refresh not in repr(signed_in)


# By force


@pytest.mark.parametrize("make", [APIClient, JWTClient])
def test_by_force_request_auth_is_real(user, make):
    client = make()
    token = force_authenticate(client, user, scopes=["a"])
    assert client.get("/whoami/").json()["claims"] == token.claims
    assert client.get(SESSIONS).json()["results"][0]["current"] is True
    assert client.post("/auth/logout/").status_code == 204
    assert not RefreshToken.objects.live().exists()
    assert force_authenticate(client, None) is None
    assert client.get("/whoami/").status_code == 401


def test_our_client_s_own_method_does_so_too(user):
    client = JWTClient()
    token = client.force_authenticate(user, acr="high")
    assert client.get("/whoami/").json()["claims"]["acr"] == "high"
    assert client.force_authenticate(user=user, token=token) is None
    assert client.get("/whoami/").json()["sid"] == token.sid
    client.force_authenticate()
    assert client.get("/whoami/").status_code == 401


@pytest.mark.parametrize("user", ["42", stateless_user], ids=["subject", "stateless user"])
def test_by_force_without_a_database(user):
    request = APIRequestFactory().get("/")
    token = force_authenticate(request, user if user == "42" else user("42"))
    assert NobodyAsks.as_view()(request).data == {"sid": token.sid}


# Coroutines


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookies", [False, True], ids=["header", "cookies"])
@pytest.mark.parametrize("make", [AsyncClient, AsyncJWTClient])
def test_in_a_coroutine(user, make, cookies):
    async def go():
        client = make()
        path = "/cookie/" if cookies else "/whoami/"
        if make is AsyncJWTClient:
            signed_in = await client.asign_in(user, cookies=cookies)
        else:
            signed_in = await asign_in(client, user, cookies=cookies)
        assert (await client.get(path)).json()["sid"] == signed_in.token.sid
        client.sign_out() if make is AsyncJWTClient else sign_out(client)
        assert (await client.get(path)).status_code == 401

    async_to_sync(go)()


# Test cases


@pytest.mark.parametrize("base", [TestCase, APITestCase])
def test_a_test_case_has_it_all(real_database, base):
    class Tests(JWTTestMixin, base):
        def test_it(self):
            user = get_user_model().objects.create_user("ada")
            signed_in = self.sign_in(user, scopes=["a"])
            assert self.client.get("/whoami/").json()["sid"] == signed_in.token.sid
            self.sign_out()
            assert self.client.get("/whoami/").status_code == 401
            expired = {"Authorization": f"Bearer {self.make_token(user, fault='expired')}"}
            self.assertRefused(self.client.get("/whoami/", headers=expired), "expired")
            with pytest.raises(AssertionError):
                self.assertRefused(self.client.get("/whoami/", headers=expired), "revoked")
            assert type(self.client) is base.client_class

    assert failures(Tests) == []
