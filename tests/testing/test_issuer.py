"""A service is tested without its issuer's server: metadata, keys and list are at hand, and all else is real."""

import socket
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from django_jwtauth import conf
from django_jwtauth._core import fetch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key
from django_jwtauth.test import FAULTS, Issuer, JWTClient, sign_in
from django_jwtauth.verifier import Verifier
from tests.tools.http import bearer
from tests.tools.processes import run_script
from tests.tools.products import each_row

AUTH, ORDERS = "https://auth.example.com", "https://orders.example.com"
EVERYWHERE = {
    "discovered": {},
    "given": {"jwks_url": "https://keys.example.com/k", "revocations_url": "https://lists.example.com/r"},
    "without a list": {"revocations_url": None},
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A request to anywhere would fail at once."""

    def refuse(*args, **kwargs):
        pytest.fail("something was to be fetched")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(params=EVERYWHERE)
def entry(request, settings):
    entry = EVERYWHERE[request.param]
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {AUTH: {"audience": ORDERS, **entry}}}
    return entry


@pytest.fixture
def issuer(entry):
    with Issuer(AUTH) as issuer:
        yield issuer


def test_its_tokens_are_accepted_for_what_they_say(issuer, client, django_db_blocker):
    token = issuer.make_token("42", scopes=["orders:read"], claims={"tenant": "acme"}, actor="7", acr="high")
    claims = client.get("/stateless/", **bearer(token)).json()["claims"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == (AUTH, "42", ORDERS)
    assert (claims["scope"], claims["tenant"], claims["act"]["sub"]) == ("orders:read", "acme", "7")
    assert client.get("/stateless/", headers=issuer.headers("42")).status_code == 200


@each_row(("fault", "reason"), FAULTS.items())
def test_a_fault_is_refused_for_its_reason(issuer, entry, client, fault, reason):
    if fault == "revoked" and entry.get("revocations_url", "") is None:
        with pytest.raises(ValueError, match="has no revocation list"):
            issuer.make_token("42", fault=fault)
        return
    response = client.get("/stateless/", **bearer(issuer.make_token("42", fault=fault)))
    assert (response.status_code, response.json()["reason"]) == (401, reason)
    assert client.get("/stateless/", headers=issuer.headers("42")).status_code == 200


@pytest.mark.parametrize("entry", ["discovered", "given"], indirect=True)
def test_a_revocation_is_known_at_the_next_request(issuer, client):
    tokens = [issuer.make_token("42") for _ in range(2)]
    for token in tokens:
        assert client.get("/stateless/", **bearer(token)).status_code == 200
        issuer.revoke(token)
        assert client.get("/stateless/", **bearer(token)).json()["reason"] == "revoked"


@pytest.mark.parametrize("entry", ["discovered"], indirect=True)
def test_a_client_is_signed_in_with_its_tokens(issuer):
    client = JWTClient()
    assert client.sign_in("42", issuer=issuer).token.issuer == AUTH
    assert client.get("/stateless/").status_code == 200
    with pytest.raises(TypeError, match="as text, not 42"):
        sign_in(client, 42, issuer=issuer)


@pytest.mark.parametrize("entry", ["discovered"], indirect=True)
def test_each_issuer_has_keys_of_its_own(entry, client):
    with Issuer(AUTH) as first:
        token = first.make_token("42")
        assert client.get("/stateless/", **bearer(token)).status_code == 200
    with Issuer(AUTH, key=Key.generate("EdDSA")) as second:
        assert client.get("/stateless/", **bearer(token)).json()["reason"] == "invalid"
        assert client.get("/stateless/", headers=second.headers("42")).status_code == 200
    assert fetch.at_hand == {}


@pytest.mark.parametrize("entry", ["discovered"], indirect=True)
def test_settings_may_change_meanwhile(issuer, settings):
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {AUTH: {"audience": "other"}}}
    assert APIClient().get("/stateless/", headers=issuer.headers("42")).json()["claims"]["aud"] == "other"


def test_a_verifier_may_be_tested_too():
    verifier = Verifier(issuer="https://auth.example.com/tenant", audience=ORDERS, jwks_url="https://k.example.com/")
    with Issuer(verifier.issuer, audience=ORDERS, jwks_url="https://k.example.com/") as issuer:
        token = issuer.make_token("42", audience=ORDERS)
        assert verifier.verify(token).subject == "42"
        assert verifier.verify(issuer.make_token("42")).audience == (ORDERS,)
        issuer.revoke(token)
        with pytest.raises(InvalidTokenError, match="revoked"):
            verifier.verify(token)


def test_an_issuer_that_nobody_trusts_needs_an_audience():
    assert AUTH not in conf.get_config().verifiers
    with (
        Issuer(AUTH) as issuer,
        pytest.raises(
            ValueError, match=r"so it needs an audience: Issuer\('https://auth.example.com', audience=...\)."
        ),
    ):
        issuer.make_token("42")


def test_its_tokens_live_as_long_as_they_are_told_to():
    verifier = Verifier(issuer=AUTH, audience=ORDERS)
    with Issuer(AUTH, audience=ORDERS, lifetime=timedelta(minutes=20)) as issuer:
        token = verifier.verify(issuer.make_token("42"))
        assert token.expires_at - token.issued_at == timedelta(minutes=20)


def test_it_travels_in_time(travel):
    verifier = Verifier(issuer=AUTH, audience=ORDERS)
    with Issuer(AUTH, audience=ORDERS) as issuer:
        present = issuer.make_token("42")
        assert verifier.verify(present)
        for moment in ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"):
            with travel(moment) as clock:
                token = issuer.make_token("42")
                assert verifier.verify(token)
                clock.shift(400)
                with pytest.raises(InvalidTokenError, match="expired"):
                    verifier.verify(token)
        assert verifier.verify(present)


def test_a_service_that_has_nothing_of_ours_but_the_package():
    run_script(SERVICE)


SERVICE = """
    import unittest
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["rest_framework"],
        JWTAUTH={"AUDIENCE": "orders", "TRUSTED_ISSUERS": {"https://auth.example.com": {}}},
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
        ROOT_URLCONF=__name__,
    )
    django.setup()
    from django.test import SimpleTestCase
    from django.urls import path
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from django_jwtauth.authentication import StatelessJWTAuthentication
    from django_jwtauth.permissions import HasScope
    from django_jwtauth.test import Issuer, JWTTestMixin

    class Orders(APIView):
        authentication_classes = [StatelessJWTAuthentication]
        permission_classes = [HasScope("orders:read")]
        def get(self, request):
            return Response({"user": request.user.pk})

    urlpatterns = [path("orders/", Orders.as_view())]

    class Tests(JWTTestMixin, SimpleTestCase):
        def test_scopes(self):
            with Issuer("https://auth.example.com") as issuer:
                for scopes, status in (([], 403), (["orders:read"], 200)):
                    self.sign_in("42", issuer=issuer, scopes=scopes)
                    assert self.client.get("/orders/").status_code == status
                self.sign_out()
                assert self.client.get("/orders/").status_code == 401
                with self.assertRaisesMessage(Exception, "issues no tokens"):
                    self.sign_in("42")

    unittest.main()
"""
