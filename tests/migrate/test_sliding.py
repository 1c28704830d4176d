"""Sliding tokens are accepted until they expire, and each becomes one session, of which its client gets a pair."""

import time
from datetime import timedelta

import jwt
import pytest
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import SlidingToken

from django_jwtauth import sessions
from django_jwtauth.contrib.simplejwt.models import ExchangedToken
from django_jwtauth.models import RefreshToken
from tests.tools.http import RIGHT, bearer
from tests.tools.simplejwt import reason, refresh

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("url", ["/whoami/", "/stateless/"])
SLIDING = {"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)}


@pytest.fixture(autouse=True)
def _project(settings):
    settings.SIMPLE_JWT = SLIDING


@pytest.fixture
def sliding(client, user):
    """What the user got from Simple JWT."""
    return client.post("/old/sliding/", RIGHT).json()["token"]


def slid(client, token):
    """Return the token that Simple JWT makes of one when it is refreshed."""
    return client.post("/old/sliding/refresh/", {"token": token})


def changed(token, **changes):
    claims = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    return jwt.encode({name: value for name, value in claims.items() if value != ""}, api_settings.SIGNING_KEY)


@BOTH
def test_it_is_accepted_with_each_request(client, user, sliding, url):
    for token in (sliding, slid(client, sliding).json()["token"]):
        assert client.get(url, **bearer(token)).json()["user"] == str(user.pk)
    assert reason(client.get(url, **bearer(changed(sliding, exp=1)))) == "expired"


def test_it_costs_more_statements_than_an_access_token(client, sliding, django_assert_num_queries):
    client.get("/stateless/", **bearer(sliding))
    # Before it is exchanged, Simple JWT's tables are looked for and read: in a transaction, with a savepoint.
    for statements in (7, 2):
        with django_assert_num_queries(statements):
            client.get("/stateless/", **bearer(sliding))
        with django_assert_num_queries(statements + 1):
            client.get("/whoami/", **bearer(sliding))
        refresh(client, sliding)


def test_it_is_exchanged_for_a_pair_once(client, user, sliding):
    later = slid(client, sliding).json()["token"]
    responses = [refresh(client, token) for token in (sliding, later, sliding)]
    assert [response.status_code for response in responses] == [200] * 3
    assert len({response.json()["refresh"] for response in responses}) == 1
    session = RefreshToken.objects.get()
    assert (session.user, session.generation) == (user, 0)
    assert ExchangedToken.objects.get().expires_at.timestamp() == SlidingToken(sliding, verify=False)["refresh_exp"]
    assert client.get("/whoami/", **bearer(responses[0].json()["access"])).status_code == 200
    # Simple JWT itself, on a server that has not been renewed, makes nothing more of it.
    assert slid(client, later).status_code == 401


@BOTH
def test_nothing_of_it_is_accepted_once_the_window_is_over(client, sliding, age, url):
    pair = refresh(client, sliding).json()
    assert client.get(url, **bearer(sliding)).status_code == 200
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(client.get(url, **bearer(sliding))) == "revoked"
    assert RefreshToken.objects.get().revoked_at is None
    assert client.get(url, **bearer(pair["access"])).status_code == 200
    assert reason(refresh(client, sliding)) == "reused"


@BOTH
def test_what_may_be_exchanged_late_is_no_access_token_any_more(client, sliding, age, settings, url):
    settings.JWTAUTH = {"REFRESH_RETRY_PERIOD": timedelta(hours=12)}
    refresh(client, sliding)
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(client.get(url, **bearer(sliding))) == "revoked"
    assert refresh(client, sliding).status_code == 200


@BOTH
def test_what_was_signed_out_is_refused(client, sliding, url):
    for end in ("/auth/token/blacklist/", "/auth/token/revoke/"):
        body = {"refresh": sliding, "token": sliding}
        assert client.post(end, body, format="json").status_code == 200
        assert reason(client.get(url, **bearer(sliding))) == "revoked"
    assert reason(refresh(client, sliding)) == "revoked"


@BOTH
def test_what_simple_jwt_has_blacklisted_is_refused(client, sliding, url):
    SlidingToken(sliding).blacklist()
    assert reason(client.get(url, **bearer(sliding))) == "revoked"
    assert reason(refresh(client, sliding)) == "revoked"


def test_signing_out_everywhere_reaches_it(client, user, sliding):
    sessions.revoke_all(user)
    assert reason(client.get("/whoami/", **bearer(sliding))) == "revoked"
    assert reason(refresh(client, sliding)) == "revoked"


def test_the_time_for_refreshing_is_kept(client, user, sliding):
    late = changed(sliding, refresh_exp=int(time.time()) - 5)
    assert client.get("/whoami/", **bearer(late)).status_code == 200
    assert reason(refresh(client, late)) == "expired"
    assert not RefreshToken.objects.exists()
    # It can still be signed out.
    assert client.post("/auth/token/revoke/", {"token": late}).status_code == 200
    assert reason(client.get("/whoami/", **bearer(late))) == "revoked"


def test_leeway_counts_for_refreshing_too(client, sliding, settings):
    settings.SIMPLE_JWT = {**SLIDING, "LEEWAY": 60}
    assert refresh(client, changed(sliding, refresh_exp=int(time.time()) - 5)).status_code == 200


@pytest.mark.parametrize("wrong", ["", "soon", 1.5, True], ids=str)
def test_a_wrong_time_for_refreshing_is_refused(client, sliding, wrong):
    token = changed(sliding, refresh_exp=wrong)
    assert reason(refresh(client, token)) == "invalid"
    assert reason(client.get("/whoami/", **bearer(token))) == "invalid"


def test_verify_tells_what_would_be_accepted(client, sliding, age):
    def verify():
        return client.post("/auth/token/verify/", {"token": sliding})

    assert verify().status_code == 200
    refresh(client, sliding)
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(verify()) == "revoked"


def test_a_project_without_sliding_tokens_accepts_none(client, sliding, settings):
    settings.SIMPLE_JWT = {}
    assert reason(refresh(client, sliding)) == "wrong_type"
    assert reason(client.get("/whoami/", **bearer(sliding))) == "wrong_type"


def test_a_class_may_be_named_by_itself(client, sliding, settings):
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": [SlidingToken]}
    assert client.get("/whoami/", **bearer(sliding)).status_code == 200


def test_without_a_type_the_time_for_refreshing_tells(client, sliding, settings, age):
    settings.SIMPLE_JWT = {**SLIDING, "TOKEN_TYPE_CLAIM": None}
    token = changed(sliding, token_type="")
    assert client.get("/whoami/", **bearer(token)).status_code == 200
    assert refresh(client, token).status_code == 200
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(client.get("/whoami/", **bearer(token))) == "revoked"
    assert client.get("/whoami/", **bearer(changed(token, refresh_exp="", jti="another"))).status_code == 200


def test_clients_that_do_not_store_the_pair_go_on_for_a_while(client, sliding, settings, age):
    settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01", "KEEP_FIRST_TOKEN_UNTIL": "2100-01-01"}
    for _ in range(3):
        assert refresh(client, sliding).status_code == 200
        age(RefreshToken.objects.get(), timedelta(minutes=5))
        assert client.get("/whoami/", **bearer(sliding)).status_code == 200
