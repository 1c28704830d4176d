"""The tokens that projects make in their tests: good ones, and those that are refused for the reason that they say."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient, APIRequestFactory

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication, StatelessUser
from django_jwtauth.keys import Key
from django_jwtauth.models import RefreshToken
from django_jwtauth.test import FAULTS, Issuer, force_authenticate, make_token, sign_in, stateless_user
from tests.tools.http import bearer
from tests.tools.products import each_row

EARLIER = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
SAID = {
    "scopes": ["orders:read", "orders:write"],
    "claims": {"tenant": "acme", "roles": ["buyer"]},
    "auth_time": EARLIER,
    "amr": ["pwd", "otp"],
    "acr": "two-factor",
}


def said(client, token, path="/whoami/"):
    response = client.get(path, **bearer(token))
    assert response.status_code == 200, response.json()
    return response.json()["claims"]


def expect(claims):
    assert claims["scope"] == "orders:read orders:write"
    assert (claims["tenant"], claims["roles"]) == ("acme", ["buyer"])
    assert claims["auth_time"] == int(EARLIER.timestamp())
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp"], "two-factor")
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("path", ["/whoami/", "/stateless/"])
def test_a_token_says_what_it_was_told_to(user, client, path):
    expect(said(client, make_token(user, **SAID), path))
    assert RefreshToken.objects.get().amr == ["pwd", "otp"]


@pytest.mark.parametrize("path", ["/whoami/", "/stateless/"])
def test_without_options_it_is_what_a_sign_in_gives(user, client, path):
    assert said(client, make_token(user), path)["sub"] == str(user.pk)


def test_somebody_may_act_as_the_user(user, client):
    bob = get_user_model().objects.create_user("bob")
    claims = said(client, make_token(user, actor=bob))
    assert claims["act"] == {"sub": str(bob.pk)}
    assert "auth_time" not in claims


@each_row("path", ["/whoami/", "/stateless/"])
@each_row(("fault", "reason"), FAULTS.items())
def test_a_fault_is_refused_for_its_reason(user, client, fault, reason, path):
    token = make_token(user, fault=fault, **SAID)
    response = client.get(path, **bearer(token))
    assert (response.status_code, response.json()["reason"]) == (401, reason)
    assert client.get(path, **bearer(make_token(user))).status_code == 200


def test_a_signature_is_wrong_with_an_asymmetric_key_too(user, client, settings):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}]}
    assert client.get("/whoami/", **bearer(make_token(user, fault="wrong_signature"))).status_code == 401
    assert client.get("/whoami/", **bearer(make_token(user, claims={"x": 1}))).status_code == 200


# Without a database


def test_a_subject_needs_no_database(client, django_db_blocker):
    with django_db_blocker.block():
        expect(conf.get_config().verifier.verify(make_token("42", **SAID)).claims)


# What is revoked is in the database, and for a token from the future a process looks at the clock of the database.
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"revoked", "not_yet_valid"}))
def test_nor_does_a_fault(fault):
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {make_token('42', fault=fault)}"})
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its reason says which
        StatelessJWTAuthentication().authenticate(request)
    assert caught.value.reason == FAULTS[fault]


def test_an_actor_of_a_subject_is_a_subject():
    token = conf.get_config().verifier.verify(make_token("42", actor="7"))
    assert (token.subject, token.actor) == ("42", "7")


def test_a_stateless_user_is_that_of_a_token():
    user = stateless_user("42", scopes="orders:read", claims={"tenant": "acme"})
    assert isinstance(user, StatelessUser)
    assert (user.pk, user.tenant, user.token.scopes) == ("42", "acme", {"orders:read"})
    assert user.token.expires_at - user.token.issued_at == timedelta(minutes=5)
    assert user.is_authenticated


# What cannot be made


def test_an_unknown_fault_is_named():
    with pytest.raises(ValueError, match="'broken' is not one of expired, not_yet_valid, revoked"):
        make_token("42", fault="broken")


def test_only_a_session_can_be_revoked():
    with pytest.raises(ValueError, match="needs a session"):
        make_token("42", fault="revoked")


@pytest.mark.parametrize("who", ["user", "subject"])
@pytest.mark.parametrize(
    ("claims", "message"),
    [({"Sub": "1"}, "registered"), ({"when": EARLIER}, "not JSON")],
    ids=["registered", "no JSON"],
)
def test_claims_are_those_that_a_hook_may_set(user, who, claims, message):
    with pytest.raises(ValueError, match=message):
        make_token(user if who == "user" else "42", claims=claims)


def test_a_scope_that_the_project_does_not_allow_is_named(user, settings):
    settings.JWTAUTH = {"SCOPES": ["orders:read"]}
    assert "orders:read" in sessions.start(user, scope="orders:read").scope
    with pytest.raises(ValueError, match=r"does not allow this user orders:write\."):
        make_token(user, scopes="orders:read orders:write")


ADA = "ada"


@pytest.mark.parametrize(
    "call",
    [
        lambda user: make_token(user, scope="orders:read"),
        lambda user: make_token(ADA, scope="orders:read"),
        lambda user: stateless_user(ADA, scope="orders:read"),
        lambda user: sign_in(APIClient(), user, scope="orders:read"),
        lambda user: force_authenticate(APIClient(), user, scope="orders:read"),
        lambda user: Issuer("https://auth.example.com", audience="orders").make_token(ADA, scope="orders:read"),
    ],
    ids=["make_token", "of a subject", "stateless_user", "sign_in", "force_authenticate", "issuer"],
)
def test_an_argument_that_is_misspelled_is_an_error(user, call):
    with pytest.raises(TypeError, match="'scope' is not one of the arguments scopes, claims, auth_time, "):
        call(user)


def test_a_stateless_user_already_has_its_token(user):
    with pytest.raises(TypeError, match=r"give the arguments to stateless_user\(\)"):
        force_authenticate(APIClient(), stateless_user(ADA), scopes=["orders:read"])
