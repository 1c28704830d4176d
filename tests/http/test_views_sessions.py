"""The endpoints that sign out, and that list and end sessions."""

import datetime
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import LOGOUT, LOGOUT_ALL, REFRESH, RIGHT, SESSIONS, TOKEN, assert_refused, bearer, rows

HOUR = datetime.timedelta(hours=1)


# Sign-out and sessions


@pytest.mark.parametrize(
    ("url", "method"),
    [(LOGOUT, "post"), (LOGOUT_ALL, "post"), (SESSIONS, "get"), (SESSIONS, "delete"), (f"{SESSIONS}{{}}/", "delete")],
    ids=["logout", "logout-all", "list", "end-others", "end-one"],
)
def test_these_need_an_access_token(client, user, pair, url, method):
    call, target = getattr(client, method), url.format(pair.session.pk)
    invalid = 'Bearer realm="api", error="invalid_token"'
    before = rows()
    assert_refused(call(target), "not_authenticated", "not_authenticated")
    assert_refused(call(target, headers={"Authorization": "Basic YTpi"}), "not_authenticated", "not_authenticated")
    assert_refused(call(target, headers={"Authorization": "Bearer"}), "bad_authorization_header", "invalid")
    assert_refused(call(target, **bearer("a b")), "bad_authorization_header", "invalid", invalid)
    assert_refused(call(target, **bearer(pair.refresh)), "token_not_valid", "wrong_type", invalid)
    client.force_login(user)
    assert_refused(call(target), "not_authenticated", "not_authenticated")
    assert rows() == before


def test_logout_ends_this_session_only(client, user, pair):
    other = sessions.start(user)
    response = client.post(LOGOUT, **bearer(pair.access))
    assert (response.status_code, response.content) == (204, b"")
    assert response["Cache-Control"] == "no-store"
    assert_refused(client.post(REFRESH, {"refresh": pair.refresh}), "token_not_valid", "revoked")
    assert client.post(REFRESH, {"refresh": other.refresh}).status_code == 200
    refused = client.post(LOGOUT, **bearer(pair.access))
    assert_refused(refused, "token_not_valid", "revoked", 'Bearer realm="api", error="invalid_token"')


def test_logout_all_ends_all_of_the_users_sessions_and_no_one_elses(client, user, pair):
    stranger = sessions.start(get_user_model().objects.create_user("bob"))
    sessions.start(user)
    sessions.revoke(sessions.start(user).session)
    assert client.post(LOGOUT_ALL, **bearer(pair.access)).json() == {"revoked": 2}
    assert list(RefreshToken.objects.filter(revoked_at=None)) == [stranger.session]


def test_the_session_list_has_exactly_these_fields(client, user):
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    tokens = client.post(TOKEN, RIGHT, headers={"User-Agent": agent}).json()
    RefreshToken.objects.update(created_at=F("created_at") - HOUR)
    other = sessions.start(user)
    response = client.get(SESSIONS, **bearer(tokens["access"]))
    body = response.json()
    assert set(body) == {"count", "next", "previous", "results"}
    assert [row["current"] for row in body["results"]] == [False, True]
    mine = body["results"][1]
    session = RefreshToken.objects.exclude(pk=other.session.pk).get()
    assert list(mine) == [
        "id", "current", "created_at", "last_used_at", "expires_at", "ip_address", "user_agent", "device", "actor",
    ]  # fmt: skip
    assert (mine["id"], mine["ip_address"], mine["user_agent"]) == (str(session.pk), "127.0.0.1", agent)
    assert mine["device"] == "Firefox on Linux"
    expires_at = datetime.datetime.fromisoformat(mine["expires_at"])
    assert expires_at == session.rotated_at + datetime.timedelta(days=14)
    assert datetime.datetime.fromisoformat(mine["created_at"]) == session.created_at
    assert datetime.datetime.fromisoformat(mine["last_used_at"]) == session.rotated_at
    assert response["Cache-Control"] == "no-store"


def test_the_session_list_is_of_this_users_live_sessions(client, user, pair, age):
    sessions.start(get_user_model().objects.create_user("bob"))
    sessions.revoke(sessions.start(user).session)
    age(sessions.start(user).session, datetime.timedelta(days=15))
    ended = sessions.start(user).session
    RefreshToken.objects.filter(pk=ended.pk).update(expires_at=ended.created_at - HOUR)
    response = client.get(SESSIONS, **bearer(pair.access))
    assert [row["id"] for row in response.json()["results"]] == [str(pair.session.pk)]


def test_the_session_list_has_pages_and_a_constant_number_of_queries(client, user, pair):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            response = client.get(SESSIONS, **bearer(pair.access))
        return len(captured), response.json()

    few, _ = queries()
    RefreshToken.objects.update(created_at=F("created_at") - HOUR)
    for _ in range(50):
        sessions.start(user)
    many, first = queries()
    assert many == few
    assert first["count"] == 51
    assert len(first["results"]) == 50
    second = client.get(first["next"], **bearer(pair.access)).json()
    assert [row["current"] for row in second["results"]] == [True]
    for page in ("0", "3", "x"):
        assert client.get(SESSIONS, {"page": page}, **bearer(pair.access)).status_code == 404


def test_delete_on_the_list_ends_the_others(client, user, pair):
    stranger = sessions.start(get_user_model().objects.create_user("bob")).session
    for _ in range(2):
        sessions.start(user)
    response = client.delete(SESSIONS, **bearer(pair.access))
    assert (response.status_code, response.json()) == (200, {"revoked": 2})
    assert set(RefreshToken.objects.filter(revoked_at=None)) == {pair.session, stranger}
    assert set(RefreshToken.objects.exclude(revoked_at=None).values_list("revoked_reason", flat=True)) == {"user"}


def test_a_user_can_end_each_of_their_sessions_and_no_one_elses(client, user, pair):
    stranger = sessions.start(get_user_model().objects.create_user("bob")).session
    own = sessions.start(user).session
    for pk in (stranger.pk, uuid.uuid4()):
        assert client.delete(f"{SESSIONS}{pk}/", **bearer(pair.access)).status_code == 404
    assert RefreshToken.objects.filter(revoked_at=None).count() == 3
    for _ in range(2):
        response = client.delete(f"{SESSIONS}{own.pk}/", **bearer(pair.access))
        assert (response.status_code, response.content) == (204, b"")
    assert set(RefreshToken.objects.filter(revoked_at=None)) == {pair.session, stranger}
    assert client.delete(f"{SESSIONS}{pair.session.pk}/", **bearer(pair.access)).status_code == 204
    assert client.get(SESSIONS, **bearer(pair.access)).status_code == 401
