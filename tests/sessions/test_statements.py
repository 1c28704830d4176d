"""How many statements a sign-in, a refresh and a request cost."""

import pytest

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.sessions import age_of_code, refresh_token

# Statements


@pytest.mark.django_db
def test_a_refresh_costs_two_statements(pair, django_assert_num_queries):
    age_of_code(pair)
    with django_assert_num_queries(2):
        sessions.refresh(pair.refresh)  # rotates
    with django_assert_num_queries(2):
        sessions.refresh(pair.refresh)  # replay
    raw = refresh_token(pair.session, 1)
    with django_assert_num_queries(1):
        sessions.refresh(raw)  # repeats


@pytest.mark.django_db
def test_a_sign_in_costs_at_most_four_statements(client, user, settings, django_assert_max_num_queries):
    credentials = {"username": "ada", "password": "correct horse"}
    with django_assert_max_num_queries(4):
        assert client.post("/auth/token/", credentials).status_code == 200
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 1}
    with django_assert_max_num_queries(6):
        assert client.post("/auth/token/", credentials).status_code == 200
    assert RefreshToken.objects.filter(revoked_at=None).count() == 1


@pytest.mark.django_db
def test_an_authenticated_request_costs_one_query_and_a_stateless_one_none(client, pair, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    with django_assert_num_queries(1):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    with django_assert_num_queries(0):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200


@pytest.mark.django_db
def test_a_refused_signature_costs_no_query(client, pair, django_assert_num_queries):
    def forged(raw):
        message, _, signature = raw.rpartition(".")
        return f"{message}.{signature[::-1]}"

    with django_assert_num_queries(0):
        for path in ("/whoami/", "/stateless/"):
            assert client.get(path, **bearer(forged(pair.access))).status_code == 401
        for path, name in (("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")):
            assert client.post(f"/auth/token/{path}/", {name: forged(pair.refresh)}).status_code == 401
