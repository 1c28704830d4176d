"""The endpoints: what they take, what they answer, and what they leave unchanged."""

import datetime
import json
import os
import subprocess
import sys
import uuid
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.cache import cache
from django.db import OperationalError, connection, connections, transaction
from django.db.models import F
from django.http import HttpRequest
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path, resolve, reverse
from rest_framework import serializers as drf_serializers
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from django_jwtauth import sessions, tokens, views
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, RefreshToken
from django_jwtauth.serializers import TokenSerializer

from . import urls
from .conftest import bearer

TOKEN, REFRESH, VERIFY = "/auth/token/", "/auth/token/refresh/", "/auth/token/verify/"
BLACKLIST, LOGOUT, LOGOUT_ALL, SESSIONS = (
    "/auth/token/blacklist/",
    "/auth/logout/",
    "/auth/logout/all/",
    "/auth/sessions/",
)
RIGHT = {"username": "ada", "password": "correct horse"}
WRONG = {"username": "ada", "password": "wrong"}
TOKENS = {"access", "refresh", "token_type", "expires_in", "refresh_expires_in"}
HOUR = datetime.timedelta(hours=1)
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def rows():
    """Everything both tables hold, to show that nothing changed."""
    return list(RefreshToken.objects.order_by("pk").values()), list(BlacklistedToken.objects.values())


def assert_refused(response, code, reason, challenge='Bearer realm="api"'):
    assert response.status_code == 401
    assert set(response.json()) == {"detail", "code", "reason"}
    assert (response.json()["code"], response.json()["reason"]) == (code, reason)
    assert response.json()["detail"]
    assert response["WWW-Authenticate"] == challenge
    assert response["Cache-Control"] == "no-store"


# Sign-in


@pytest.mark.parametrize("format", ["json", "multipart", "form"])
def test_every_endpoint_takes_json_form_and_multipart(client, user, format):
    def post(url, body):
        if format == "form":
            return client.post(url, urlencode(body), content_type="application/x-www-form-urlencoded")
        return client.post(url, body, format=format)

    signed_in = post(TOKEN, RIGHT)
    assert signed_in.status_code == 200
    tokens = signed_in.json()
    assert post(REFRESH, {"refresh": tokens["refresh"]}).status_code == 200
    assert post(VERIFY, {"token": tokens["access"]}).json() == {}
    assert post(BLACKLIST, {"refresh": tokens["refresh"]}).json() == {}


@pytest.mark.parametrize("url", ["sign-in", "refresh"])
def test_token_answers_have_exactly_these_members(client, user, pair, url):
    body, target = (RIGHT, TOKEN) if url == "sign-in" else ({"refresh": pair.refresh}, REFRESH)
    response = client.post(target, body)
    assert set(response.json()) == TOKENS
    assert response.json()["token_type"] == "Bearer"
    assert 298 <= response.json()["expires_in"] <= 300
    assert 14 * 86400 - 3 <= response.json()["refresh_expires_in"] <= 14 * 86400
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "body", "fields"),
    [
        pytest.param(TOKEN, {}, {"username", "password"}, id="sign-in-empty"),
        pytest.param(TOKEN, {"username": "ada"}, {"password"}, id="no-password"),
        pytest.param(TOKEN, {"username": "", "password": "x"}, {"username"}, id="blank-name"),
        pytest.param(TOKEN, {"username": ["ada"], "password": {}}, {"username", "password"}, id="ill-typed"),
        pytest.param(TOKEN, {"username": "a\x00", "password": "x"}, {"username"}, id="nul"),
        pytest.param(TOKEN, {"username": "ada", "password": "x" * 4097}, {"password"}, id="huge-password"),
        pytest.param(TOKEN, ["ada"], {"non_field_errors"}, id="sign-in-list"),
        pytest.param(REFRESH, {}, {"refresh"}, id="refresh-empty"),
        pytest.param(REFRESH, {"refresh": None}, {"refresh"}, id="refresh-null"),
        pytest.param(REFRESH, [], {"non_field_errors"}, id="refresh-list"),
        pytest.param(REFRESH, {"refresh": True}, {"refresh"}, id="refresh-bool"),
        pytest.param(VERIFY, {"token": ""}, {"token"}, id="verify-blank"),
        pytest.param(BLACKLIST, {"refresh": []}, {"refresh"}, id="blacklist-list"),
    ],
)
def test_field_errors_are_400_and_name_the_field(client, url, body, fields):
    response = client.post(url, body, format="json")
    assert response.status_code == 400
    assert set(response.json()) == fields
    assert response["Cache-Control"] == "no-store"


def test_a_surrogate_in_a_name_or_password_is_a_400_or_401(client, user):
    for body in ('{"username":"\\ud800","password":"x"}', '{"username":"ada","password":"\\udfff"}'):
        assert client.post(TOKEN, body, content_type="application/json").status_code in (400, 401)


class AnyoneBackend(ModelBackend):
    """A backend that lets inactive users through, as Django's AllowAllUsersModelBackend does."""

    def user_can_authenticate(self, user):
        return True


@pytest.mark.parametrize("backend", ["django.contrib.auth.backends.ModelBackend", "tests.test_views.AnyoneBackend"])
def test_wrong_password_unknown_user_and_inactive_user_get_the_same_answer(client, user, backend):
    get_user_model().objects.create_user("bob", password="correct horse", is_active=False)
    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        answers = [
            client.post(TOKEN, body)
            for body in (
                WRONG,
                {**RIGHT, "username": "nobody"},
                {**RIGHT, "username": "bob"},
                {**WRONG, "username": "bob"},
            )
        ]
    assert len({answer.content for answer in answers}) == 1
    assert_refused(answers[0], "no_active_account", "credentials")
    assert answers[0].json()["detail"] == "No active account found with the given credentials"
    assert not RefreshToken.objects.exists()


class CountingHasher(MD5PasswordHasher):
    """Counts what it hashes."""

    calls = 0

    def encode(self, password, salt):
        CountingHasher.calls += 1
        return super().encode(password, salt)


@override_settings(PASSWORD_HASHERS=["tests.test_views.CountingHasher"])
@pytest.mark.parametrize("username", ["ada", "nobody"])
def test_an_unknown_user_costs_as_many_password_hashes_as_a_known_one(client, user, username):
    CountingHasher.calls = 0
    assert client.post(TOKEN, {"username": username, "password": "wrong"}).status_code == 401
    assert CountingHasher.calls == 1


def test_user_names_and_passwords_are_not_trimmed(client, user):
    get_user_model().objects.create_user("eve", password=" spaced ")
    assert client.post(TOKEN, {"username": "eve", "password": " spaced "}, format="json").status_code == 200
    assert client.post(TOKEN, {"username": "eve", "password": "spaced"}, format="json").status_code == 401


class HeaderBackend:
    """A project's own way to authenticate: by a header of the request."""

    def authenticate(self, request, username=None, password=None):
        assert type(request).__mro__[-2] is HttpRequest, "REST framework's request is for views"
        return get_user_model().objects.filter(username=request.headers.get("X-Remote-User")).first()

    def get_user(self, user_id):
        raise NotImplementedError


@override_settings(AUTHENTICATION_BACKENDS=["tests.test_views.HeaderBackend"])
def test_sign_in_asks_the_projects_authentication_backends(client, user):
    assert client.post(TOKEN, WRONG, headers={"X-Remote-User": "ada"}).status_code == 200
    assert client.post(TOKEN, RIGHT).status_code == 401


def test_django_signals_are_sent_with_djangos_own_request(client, user):
    received = []

    def receiver(signal, sender, request, **kwargs):
        received.append((signal, sender, isinstance(request, HttpRequest), kwargs.get("user")))

    signals = (user_logged_in, user_login_failed, user_logged_out)
    for signal in signals:
        signal.connect(receiver)
    try:
        client.post(TOKEN, WRONG)
        tokens = client.post(TOKEN, RIGHT).json()
        client.post(LOGOUT, **bearer(tokens["access"]))
        tokens = client.post(TOKEN, RIGHT).json()
        client.post(BLACKLIST, {"refresh": tokens["refresh"]})
        client.post(BLACKLIST, {"refresh": tokens["refresh"]})  # nothing ends: no signal
        tokens = client.post(TOKEN, RIGHT).json()
        client.post(LOGOUT_ALL, **bearer(tokens["access"]))
    finally:
        for signal in signals:
            signal.disconnect(receiver)
    model = get_user_model()
    login, logout = (user_logged_in, model, True, user), (user_logged_out, model, True, user)
    failed = received.pop(0)
    assert failed[0] is user_login_failed
    assert failed[2] is True
    assert received == [login, logout, login, logout, login, logout]


def test_sign_in_updates_last_login(client, user):
    client.post(TOKEN, RIGHT)
    user.refresh_from_db()
    assert user.last_login is not None


def test_sign_in_records_how_where_and_with_what(client, user):
    client.post(TOKEN, RIGHT, headers={"User-Agent": "curl/8.5.0"})
    session = RefreshToken.objects.get()
    assert (session.amr, session.ip_address, session.user_agent) == (["pwd"], "127.0.0.1", "curl/8.5.0")


def test_the_session_of_a_user_who_became_inactive_after_authenticating_is_not_started(client, user):
    class Lenient(views.TokenView):
        def authenticate_user(self, request, credentials):
            return get_user_model()(pk=user.pk, is_active=False)

    with WithRoutes(path("lenient/", Lenient.as_view())):
        assert_refused(client.post("/lenient/", RIGHT), "user_inactive", "user_inactive")
    assert not RefreshToken.objects.exists()


# Whatever bytes arrive


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="broken-json"),
        pytest.param(DEEP, "application/json", 400, id="deep-json"),
        pytest.param(b'{"username":' * 50_000, "application/json", 400, id="deep-objects"),
        pytest.param(b"\xff\xfe\x00", "application/json", 400, id="no-utf-8"),
        pytest.param(b"1" * 5000, "application/json", 400, id="huge-integer"),
        pytest.param(b'{"username": NaN}', "application/json", 400, id="nan"),
        pytest.param(b"null", "application/json", 400, id="null"),
        pytest.param(b"", "application/json", 400, id="nothing"),
        pytest.param(b"{}", "application/json; charset=nonsense", 400, id="unknown-charset"),
        pytest.param(b"{}", "application/json; charset=hex", 400, id="bytes-codec"),
        pytest.param(b"a=b", "application/x-www-form-urlencoded; charset=hex", 400, id="form-bytes-codec"),
        pytest.param(b"a=b", "application/x-www-form-urlencoded; charset=idna", 400, id="form-idna"),
        pytest.param(b"&".join([b"a=b"] * 2000), "application/x-www-form-urlencoded", 400, id="too-many-fields"),
        pytest.param(b"no", "multipart/form-data", 400, id="no-boundary"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", 400, id="broken-multipart"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x; charset=hex", 400, id="multipart-bytes-codec"),
        pytest.param(b"<a/>", "application/xml", 415, id="xml"),
        pytest.param(b"{}", "nonsense", 415, id="no-media-type"),
    ],
)
@pytest.mark.parametrize("url", [TOKEN, REFRESH, VERIFY, BLACKLIST])
def test_a_body_that_cannot_be_read_is_a_4xx(db, url, body, content_type, status, caplog):
    response = APIClient(raise_request_exception=False).post(url, body, content_type=content_type)
    assert response.status_code == status
    assert "cache" not in caplog.text  # nor is it blamed on somebody else


def test_a_body_that_cannot_be_read_says_so(client, db):
    for body in (b"{", DEEP):
        for url in (TOKEN, REFRESH, VERIFY):
            response = client.post(url, body, content_type="application/json")
            assert set(response.json()) == {"detail"}
            assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", [REFRESH, BLACKLIST, VERIFY])
def test_tokens_are_not_trimmed(client, pair, url):
    before = rows()
    for token in (f" {pair.refresh}", f"{pair.refresh}\n", f"{pair.refresh}="):
        response = client.post(url, {"refresh": token, "token": token}, format="json")
        assert_refused(response, "token_not_valid", "invalid")
    assert rows() == before


def urls_and_methods():
    targets = [TOKEN, REFRESH, VERIFY, BLACKLIST, LOGOUT, LOGOUT_ALL, SESSIONS, f"{SESSIONS}{uuid.UUID(int=0)}/"]
    return [(url, method) for url in targets for method in ("get", "post", "put", "patch", "delete", "options", "head")]


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed-in", "anonymous"])
def test_every_method_gets_an_answer_that_no_cache_keeps(user, signed_in):
    client = APIClient(raise_request_exception=False)
    for url, method in urls_and_methods():
        headers = bearer(sessions.start(user).access) if signed_in else {}
        response = getattr(client, method)(url, {}, format="json", **headers)
        assert response.status_code < 500, (url, method)
        assert response["Cache-Control"] == "no-store", (url, method)


def test_options_and_wrong_methods_are_no_failed_sign_ins(client, user):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login_address": "2/min", "login": "2/min"}}):
        for _ in range(5):
            client.get(TOKEN, RIGHT, REMOTE_ADDR="8.8.8.8")
            client.options(TOKEN, WRONG, REMOTE_ADDR="8.8.8.8")
        assert client.post(TOKEN, RIGHT, REMOTE_ADDR="8.8.8.8").status_code == 200


# Refresh


@pytest.mark.django_db(transaction=True)  # one error would else spoil the transaction of the test
def test_another_refresh_under_way_is_503_with_retry_after(client, pair, age):
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


@pytest.mark.parametrize("url", [REFRESH, VERIFY])
def test_a_deactivated_users_refresh_token_is_refused(client, user, pair, url):
    get_user_model().objects.update(is_active=False)  # behind the back of save()
    body = {"refresh": pair.refresh, "token": pair.refresh}
    assert_refused(client.post(url, body), "user_inactive", "user_inactive")


def test_an_access_token_buys_nothing(client, pair):
    assert_refused(client.post(REFRESH, {"refresh": pair.access}), "token_not_valid", "wrong_type")


def test_no_token_is_needed_in_the_header_nor_is_a_bad_one_looked_at(client, user):
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
    expired = tokens.mint_refresh(session).raw
    assert_refused(client.post(BLACKLIST, {"refresh": expired}), "token_not_valid", "expired")
    assert RefreshToken.objects.get().revoked_at is None


def test_blacklist_of_a_deleted_users_token_is_fine(client, user, pair):
    user.delete()
    assert client.post(BLACKLIST, {"refresh": pair.refresh}).json() == {}


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


# The project around it


HOSTILE_PROJECT = """
import django
from django.conf import settings

class Locked:
    def __init__(self, *args, **kwargs):
        raise AssertionError("a default class of the project reached our endpoints")

LISTS = "AUTHENTICATION PERMISSION THROTTLE PARSER RENDERER".split()
settings.REST_FRAMEWORK = {f"DEFAULT_{name}_CLASSES": ["__main__.Locked"] for name in LISTS} | {
    "DEFAULT_FILTER_BACKENDS": ["__main__.Locked"],
    "DEFAULT_VERSIONING_CLASS": "__main__.Locked",
    "DEFAULT_PAGINATION_CLASS": "__main__.Locked",
    "PAGE_SIZE": 1,
}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
get_user_model().objects.create_user("ada", password="correct horse")
client = Client()
tokens = client.post("/auth/token/", {"username": "ada", "password": "correct horse"}).json()
headers = {"Authorization": f"Bearer {tokens['access']}"}
refreshed = client.post("/auth/token/refresh/", {"refresh": tokens["refresh"]}, content_type="application/json")
verified = client.post("/auth/token/verify/", {"token": tokens["access"]})
listed = client.get("/auth/sessions/", headers=headers)
gone = client.post("/auth/logout/", headers=headers)
print(refreshed.status_code, verified.status_code, listed.status_code, gone.status_code)
"""


def test_a_projects_defaults_do_not_lock_sign_in():
    # In a process of its own: REST framework copies its defaults into classes while it is imported.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", HOSTILE_PROJECT], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["200", "200", "200", "204"], done.stderr


def test_an_accept_header_nobody_can_serve_is_406_and_signs_nobody_in(client, user):
    response = client.post(TOKEN, RIGHT, headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert response["Cache-Control"] == "no-store"
    assert not RefreshToken.objects.exists()


class OverriddenDispatch(views.TokenRefreshView):
    """A view of a project that replaces ``dispatch`` altogether."""

    def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)


@pytest.mark.parametrize(
    "view",
    [resolve(url).func for url, method in urls_and_methods() if method == "get"] + [OverriddenDispatch.as_view()],
    ids=lambda view: view.cls.__name__,
)
def test_every_view_is_non_atomic_on_every_database_alias(view):
    assert view._non_atomic_requests == set(connections)


def test_views_stay_non_atomic_on_an_alias_that_is_configured_too(monkeypatch):
    monkeypatch.setitem(connections.settings, "replica", {**connections.settings["default"]})
    assert OverriddenDispatch.as_view()._non_atomic_requests == {"default", "replica"}


@pytest.mark.django_db(transaction=True)
def test_under_atomic_requests_reuse_revokes_although_it_is_answered_with_401(client, user, pair, age, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post(TOKEN, RIGHT).status_code == 200
    age(pair.session, HOUR)
    sessions.refresh(pair.refresh)
    RefreshToken.objects.filter(pk=pair.session.pk).update(rotated_at=pair.session.rotated_at - HOUR)
    for view in (REFRESH, "/overridden/"):
        RefreshToken.objects.update(revoked_at=None, revoked_reason="")
        with WithRoutes(path("overridden/", OverriddenDispatch.as_view())):
            assert_refused(client.post(view, {"refresh": pair.refresh}), "token_not_valid", "reused")
        assert RefreshToken.objects.get(pk=pair.session.pk).revoked_reason == "reused"


@pytest.mark.django_db(transaction=True)
def test_a_view_that_lost_its_mark_says_so(user, pair):
    with transaction.atomic(), pytest.raises(RuntimeError, match="non_atomic_requests"):
        APIClient().post(REFRESH, {"refresh": pair.refresh})


# Extending


class WithRoutes:
    """Adds routes to those of the tests."""

    def __init__(self, *routes):
        module = type("Urls", (), {"urlpatterns": [*routes, *urls.urlpatterns]})
        self.override = override_settings(ROOT_URLCONF=module)

    def __enter__(self):
        self.override.enable()

    def __exit__(self, *args):
        self.override.disable()


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
