"""The endpoints that refresh, verify and blacklist tokens."""

import datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from django_jwtauth import sessions, tokens
from django_jwtauth.models import RefreshToken
from tests.tools.http import BLACKLIST, REFRESH, RIGHT, TOKEN, VERIFY, assert_refused, bearer, rows

HOUR = datetime.timedelta(hours=1)
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


# Refresh


@pytest.mark.django_db(transaction=True)  # otherwise one error would break the transaction of the test
def test_another_refresh_in_progress_is_503_with_retry_after(client, pair, age):
    age(pair.session, HOUR)
    cause = OperationalError("could not serialize")
    cause.sqlstate = "40001"

    def contended(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("could not serialize") from cause
        return execute(sql, params, many, context)

    with connection.execute_wrapper(contended):
        response = client.post(REFRESH, {"refresh": pair.refresh})
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert response["Cache-Control"] == "no-store"
    assert (response.json()["code"], response.json()["reason"]) == ("temporarily_unavailable", "conflict")
    assert client.post(REFRESH, {"refresh": pair.refresh}).status_code == 200


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        pytest.param({"revoked_at": LONG_AGO}, "token_not_valid", "revoked"),
        pytest.param({"rotated_at": LONG_AGO}, "token_not_valid", "session_expired"),
        pytest.param({"auth_hash": b"other"}, "password_changed", "password_changed"),
        pytest.param({"secret": b"other" * 7}, "token_not_valid", "invalid"),
    ],
    ids=["revoked", "idle", "password", "unknown"],
)
@pytest.mark.parametrize("url", [REFRESH, VERIFY])
def test_a_refusal_says_why_and_changes_nothing(client, pair, url, change, code, reason):
    RefreshToken.objects.update(**change)
    before = rows()
    assert_refused(client.post(url, {"refresh": pair.refresh, "token": pair.refresh}), code, reason)
    assert rows() == before


def deactivate(user):
    user.is_active = False
    user.save()


def reactivate(user):
    deactivate(user)
    get_user_model().objects.update(is_active=True)


def change_password(user):
    user.set_password("another")
    user.save()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (deactivate, "user_inactive"),
        (reactivate, "token_not_valid"),
        (change_password, "password_changed"),
        (lambda user: user.delete(), "user_not_found"),
        (sessions.revoke_all, "token_not_valid"),
        (lambda user: sessions.revoke_everyone(), "token_not_valid"),
    ],
    ids=["deactivated", "active again", "password", "deleted", "all", "everyone"],
)
def test_the_code_of_an_ended_session_says_what_ended_it(client, user, pair, end, code):
    end(user)
    assert_refused(client.post(REFRESH, {"refresh": pair.refresh}), code, "revoked")
    assert_refused(client.post(VERIFY, {"token": pair.access}), code, "revoked")
    challenge = 'Bearer realm="api", error="invalid_token"'
    with CaptureQueriesContext(connection) as queries:
        refused = client.get("/whoami/", **bearer(pair.access))
    assert (refused.json()["code"], refused["WWW-Authenticate"]) == (code, challenge)
    assert len(queries) == 1


@pytest.mark.parametrize("url", [REFRESH, VERIFY])
def test_a_deactivated_users_refresh_token_is_refused(client, user, pair, url):
    get_user_model().objects.update(is_active=False)  # without save()
    body = {"refresh": pair.refresh, "token": pair.refresh}
    assert_refused(client.post(url, body), "user_inactive", "user_inactive")


@pytest.mark.parametrize("url", [REFRESH, VERIFY])
def test_a_refresh_token_for_acting_as_a_new_superuser_is_refused(client, user, url):
    staff = get_user_model().objects.create_user("bob", is_staff=True)
    acting, own = sessions.start(user, actor=staff, refreshable=True), sessions.start(user)
    body = {"refresh": acting.refresh, "token": acting.refresh}
    assert client.post(url, body).status_code == 200
    user.is_superuser = True
    user.save()
    before = rows()
    assert_refused(client.post(url, body), "token_not_valid", "revoked")
    assert rows() == before
    assert client.post(url, {"refresh": own.refresh, "token": own.refresh}).status_code == 200


def test_an_access_token_cannot_be_exchanged(client, pair):
    assert_refused(client.post(REFRESH, {"refresh": pair.access}), "token_not_valid", "wrong_type")


def test_a_token_in_the_header_is_ignored(client, user):
    tokens = client.post(TOKEN, RIGHT, **bearer("expired.or.nonsense")).json()
    assert client.post(REFRESH, {"refresh": tokens["refresh"]}, **bearer("nonsense")).status_code == 200


# Verify


def test_verify_accepts_both_kinds_of_tokens(client, pair):
    before = rows()
    for token in (pair.access, pair.refresh):
        response = client.post(VERIFY, {"token": token})
        assert (response.status_code, response.json()) == (200, {})
        assert response["Cache-Control"] == "no-store"
    assert rows() == before


def test_verify_refuses_what_was_revoked(client, pair):
    sessions.blacklist(pair.access)
    assert_refused(client.post(VERIFY, {"token": pair.access}), "token_not_valid", "revoked")
    assert client.post(VERIFY, {"token": pair.refresh}).status_code == 200
    sessions.revoke(pair.session)
    assert_refused(client.post(VERIFY, {"token": pair.refresh}), "token_not_valid", "revoked")


@pytest.mark.parametrize("later", [0 * HOUR, HOUR], ids=["within the grace period", "later"])
def test_verify_of_a_superseded_refresh_token_is_401_and_changes_nothing(client, pair, age, later):
    age(pair.session, HOUR)
    sessions.refresh(pair.refresh)
    pair.session.refresh_from_db()
    age(pair.session, later)
    before = rows()
    assert_refused(client.post(VERIFY, {"token": pair.refresh}), "token_not_valid", "reused")
    assert rows() == before


# Blacklist


def test_blacklist_takes_any_generation_and_is_idempotent(client, pair, age):
    refresh = [pair.refresh]
    for _ in range(3):
        age(RefreshToken.objects.get(), HOUR)
        refresh.append(sessions.refresh(refresh[-1]).refresh)
    assert len(set(refresh)) == 4
    assert client.post(BLACKLIST, {"refresh": refresh[0]}).json() == {}
    assert RefreshToken.objects.get().revoked_reason == "logout"
    before = rows()
    for token in refresh:
        response = client.post(BLACKLIST, {"refresh": token})
        assert (response.status_code, response.json()) == (200, {})
        assert_refused(client.post(REFRESH, {"refresh": token}), "token_not_valid", "revoked")
    assert rows() == before
    assert_refused(client.post(VERIFY, {"token": pair.access}), "token_not_valid", "revoked")


def test_blacklist_of_an_expired_token_is_401(client, user, pair):
    RefreshToken.objects.update(rotated_at=pair.session.rotated_at - datetime.timedelta(days=15))
    session = RefreshToken.objects.get()
    expired = tokens.mint_refresh(session).raw.reveal()
    assert_refused(client.post(BLACKLIST, {"refresh": expired}), "token_not_valid", "expired")
    assert RefreshToken.objects.get().revoked_at is None


def test_blacklist_of_a_deleted_users_token_is_fine(client, user, pair):
    user.delete()
    assert client.post(BLACKLIST, {"refresh": pair.refresh}).json() == {}
