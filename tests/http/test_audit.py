"""What the audit log tells of requests: each event by a real request, and no secret, traceback or forged line."""

import logging
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.test import override_settings
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import sessions, usernames
from django_jwtauth._core import events
from django_jwtauth.models import RefreshToken
from tests.tools import docs, reports
from tests.tools.admin import LIST, browser, page, statements, superuser
from tests.tools.attacks import ATTACKER
from tests.tools.audit import LOGGER, header, told
from tests.tools.http import LOGOUT, LOGOUT_ALL, REFRESH, RIGHT, SESSIONS, TOKEN, bearer
from tests.tools.routes import WithRoutes
from tests.tools.sessions import age_of_code
from tests.tools.throttles import PUBLIC, rates

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
"""For what runs in a transaction: it is told when that commits."""


class ActAs(APIView):
    def post(self, request):
        user = get_user_model().objects.get(username=request.data["username"])
        return Response({"access": sessions.start(user, request=request._request, actor=request.user).access})


class StepUp(APIView):
    def post(self, request):
        sessions.step_up(request.auth, amr=["pwd", "otp"])
        return Response({})


class ChangePassword(APIView):
    def post(self, request):
        request.user.set_password(request.data["password"])
        sessions.save_password(request.user, keep=request.auth)
        return Response({})


@pytest.fixture
def client(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)
    routes = {"act-as/": ActAs, "step-up/": StepUp, "password/": ChangePassword}
    with WithRoutes(*(path(route, view.as_view()) for route, view in routes.items())):
        yield APIClient(REMOTE_ADDR=PUBLIC)


def sign_in(client, caplog, **body):
    """Sign in, and forget what was told so far."""
    made = client.post(TOKEN, RIGHT | body, format="json")
    assert made.status_code == 200, made.json()
    caplog.clear()
    return made.json()


def of(raw, user):
    return {"session": str(sessions.find_by_any_token(raw).pk), "user": str(user.pk)}


# Sign-in


def test_a_sign_in(client, user, caplog):
    pair = client.post(TOKEN, RIGHT, format="json").json()
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    assert record.levelname == "INFO"
    about = of(pair["access"], user)
    expected = f"session={about['session']} user={user.pk} amr=pwd address={PUBLIC}"
    assert record.getMessage() == f"A session has started: event=session_started {expected}"
    assert told(caplog) == [{"event": "session_started", **about, "amr": "pwd", "address": PUBLIC}]


REFUSED = {
    "a wrong password": ({"password": "wrong"}, "credentials", True),
    "an unknown name": ({"username": "nobody"}, "credentials", False),
    "a password in the place of the name": ({"username": "correct horse", "password": "x"}, "credentials", False),
    "a name that no user can have": ({"username": "a" * 200}, "credentials", False),
    "a name that cannot be read": ({"username": "a\x00b"}, None, False),
    "a scope that is malformed": ({"scope": "a\\b"}, None, False),
    "a resource that is not allowed": ({"resource": "https://evil.example"}, "invalid_target", True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_sign_in_names_the_user_that_it_was_about_but_never_what_was_typed(client, user, caplog, case):
    body, reason, is_user_told = REFUSED[case]
    with override_settings(JWTAUTH={"AUDIENCES": "tests.http.test_audit.no_audience"}):
        assert 400 <= client.post(TOKEN, RIGHT | body, format="json").status_code < 500
    about = {"user": str(user.pk)} if is_user_told else {}
    expected = [{"event": "sign_in_refused", **about, "reason": reason, "address": PUBLIC}]
    assert all(record.levelname == "WARNING" for record in caplog.records if record.name == LOGGER)
    assert told(caplog) == (expected if reason else [])  # without a look at the credentials, nothing was refused


def no_audience(user, *, request, session):
    return []


def test_a_sign_in_of_an_inactive_user_or_one_that_a_receiver_refuses(client, user, caplog):
    def refuse(**kwargs):
        raise PermissionDenied

    user_logged_in.connect(refuse)
    try:
        assert client.post(TOKEN, RIGHT, format="json").status_code == 403
    finally:
        user_logged_in.disconnect(refuse)
    user.is_active = False
    user.save()
    assert client.post(TOKEN, RIGHT, format="json").status_code == 401
    about = {"event": "sign_in_refused", "user": str(user.pk), "address": PUBLIC}
    assert told(caplog) == [{**about, "reason": "permission_denied"}, {**about, "reason": "credentials"}]


class NoNames:
    """A manager that finds nobody by name."""

    def get_by_natural_key(self, name):
        raise ZeroDivisionError


def test_a_user_model_that_cannot_be_asked_for_a_name_makes_no_refusal_an_error(client, user, caplog, monkeypatch):
    monkeypatch.setattr(usernames, "find", NoNames().get_by_natural_key)
    assert client.post(TOKEN, RIGHT | {"password": "wrong"}, format="json").status_code == 401
    assert told(caplog) == [{"event": "sign_in_refused", "reason": "credentials", "address": PUBLIC}]


def test_a_refused_sign_in_that_nobody_hears_asks_no_more_of_the_database(client, user, caplog):
    def attempt():
        client.post(TOKEN, RIGHT | {"password": "wrong"}, format="json")

    heard = statements(attempt)
    caplog.set_level(logging.ERROR, LOGGER)
    assert statements(attempt) == heard - 1


@override_settings(JWTAUTH={"SIGN_IN_CHALLENGE": "tests.http.test_audit.second_factor"})
def test_a_right_password_that_is_not_enough(client, user, caplog):
    assert client.post(TOKEN, RIGHT, format="json").status_code == 401
    about = {"user": str(user.pk), "reason": "second_factor", "address": PUBLIC}
    assert told(caplog) == [{"event": "sign_in_challenged", **about}]


def second_factor(user, *, request):
    return {"reason": "second_factor"}


def test_somebody_acts_as_a_user(client, user, caplog):
    staff = get_user_model().objects.create_user("grace", password="correct horse")
    token = sign_in(client, caplog, username="grace")["access"]
    acting = client.post("/act-as/", {"username": "ada"}, **bearer(token)).json()["access"]
    about = {**of(acting, user), "actor": str(staff.pk), "address": PUBLIC}
    assert told(caplog) == [{"event": "acting_started", **about}]


def test_a_step_up(client, user, caplog):
    token = sign_in(client, caplog)["access"]
    assert client.post("/step-up/", **bearer(token)).status_code == 200
    assert told(caplog) == [{"event": "stepped_up", **of(token, user), "amr": "pwd otp", "address": PUBLIC}]


# Refresh


def test_a_refresh_a_replay_and_reuse(client, user, caplog):
    first = sign_in(client, caplog)
    about = {**of(first["refresh"], user), "address": PUBLIC}
    session = sessions.find_by_any_token(first["refresh"])
    age_of_code(SimpleNamespace(session=session))
    second = client.post(REFRESH, {"refresh": first["refresh"]}).json()
    assert told(caplog) == [{"event": "session_refreshed", **about}]
    assert client.post(REFRESH, {"refresh": first["refresh"]}).json()["refresh"] == second["refresh"]
    assert told(caplog) == [{"event": "refresh_replayed", **about}]
    session.refresh_from_db()
    age_of_code(SimpleNamespace(session=session), by=timedelta(days=1))
    assert client.post(REFRESH, {"refresh": first["refresh"]}).json()["reason"] == "reused"
    ended = {**of(first["refresh"], user), "reason": "reused"}
    assert told(caplog) == [
        {"event": "session_revoked", **ended, "count": 1},
        {"event": "refresh_token_reused", **about},
        {"event": "refresh_refused", **about, "reason": "reused"},
    ]
    assert client.post(REFRESH, {"refresh": second["refresh"]}).json()["reason"] == "revoked"
    assert told(caplog) == [{"event": "refresh_refused", **about, "reason": "revoked"}]


@override_settings(JWTAUTH={"REFRESH_RETRY_PERIOD": timedelta(hours=12)})
def test_a_late_retry(client, user, caplog):
    first = sign_in(client, caplog)
    rows = RefreshToken.objects.all()
    for times in ({"rotated_at"}, {"rotated_at", "unseen_since"}):
        rows.update(**{name: F(name) - timedelta(hours=1) for name in times})
        answer = client.post(REFRESH, {"refresh": first["refresh"]})
        assert answer.status_code == 200
    about = {**of(first["refresh"], user), "address": PUBLIC}
    assert told(caplog) == [{"event": "session_refreshed", **about}, {"event": "refresh_retried", **about}]


@override_settings(JWTAUTH={"SCOPES": ["orders:read", "orders:write"]})
def test_a_refresh_that_is_refused_for_what_it_asks(client, user, caplog):
    pair = sign_in(client, caplog, scope="orders:read")
    asked = {"refresh": pair["refresh"], "scope": "orders:write"}
    assert client.post(REFRESH, asked).status_code == 400
    about = {**of(pair["refresh"], user), "reason": "invalid_scope", "address": PUBLIC}
    assert told(caplog) == [{"event": "refresh_refused", **about}]


def test_two_cookies_of_one_name(client, user, caplog):
    pair = sessions.start(user, transport="browser")
    caplog.clear()
    cookies = {f"{reports.REFRESH_COOKIE}=1; {reports.REFRESH_COOKIE}": pair.refresh}
    answer = client.generic(**reports.call(f"{reports.BROWSER}refresh/", cookies=cookies, kind="form"))
    assert answer.json()["reason"] == "invalid"
    assert told(caplog) == [{"event": "refresh_refused", "reason": "invalid", "address": PUBLIC}]


# Revocation


@committed
def test_signing_out_here_and_everywhere(client, user, caplog):
    first, *_ = pairs = [sign_in(client, caplog)["access"] for _ in range(4)]
    assert client.post(LOGOUT, **bearer(pairs[3])).status_code == 204
    assert told(caplog) == [{"event": "session_revoked", **of(pairs[3], user), "reason": "logout", "count": 1}]
    name = sessions.find_by_any_token(pairs[2]).pk
    assert client.delete(f"{SESSIONS}{name}/", **bearer(first)).status_code == 204
    assert told(caplog) == [{"event": "session_revoked", **of(pairs[2], user), "reason": "user", "count": 1}]
    sign_in(client, caplog)
    assert client.delete(SESSIONS, **bearer(first)).json() == {"revoked": 2}
    about = {"user": str(user.pk), "reason": "user", "count": 2}
    assert told(caplog) == [{"event": "session_revoked", **about}]
    assert client.post(LOGOUT_ALL, **bearer(first)).json() == {"revoked": 1}
    about |= {"reason": "logout_all", "count": 1}
    assert told(caplog) == [{"event": "session_revoked", **about}]


@pytest.mark.parametrize("url", ["/auth/token/blacklist/", "/auth/token/revoke/"])
def test_revoking_a_refresh_token_names_its_user(client, user, caplog, url):
    raw = sign_in(client, caplog)["refresh"]
    for _ in range(2):
        assert client.post(url, {"refresh": raw, "token": raw}).status_code == 200
    assert told(caplog) == [{"event": "session_revoked", **of(raw, user), "reason": "logout", "count": 1}]


def test_revoking_a_single_access_token(client, user, caplog):
    raw = sign_in(client, caplog)["access"]
    for _ in range(2):
        assert client.post("/auth/token/revoke/", {"token": raw}).status_code == 200
    assert told(caplog) == [{"event": "token_blacklisted", **of(raw, user), "reason": "logout"}]


@committed
def test_an_operator_ends_a_session_and_then_all_of_them(client, user, caplog):
    raw = sign_in(client, caplog)["access"]
    root = superuser()
    admin = browser(root)
    ended = {"confirmed": "yes", "confirmation": "everyone"}
    assert admin.post(page(sessions.find_by_any_token(raw), "revoke"), ended).status_code == 302
    assert admin.post(f"{LIST}everyone/", ended).status_code == 302
    assert told(caplog) == [
        {"event": "session_revoked", **of(raw, user), "by": str(root.pk), "reason": "admin", "count": 1},
        {"event": "everyone_signed_out", "by": str(root.pk), "reason": "admin"},
    ]


@committed
def test_a_new_password_and_the_session_that_outlives_it(client, user, caplog):
    kept, _other = (sign_in(client, caplog)["access"] for _ in range(2))
    assert client.post("/password/", {"password": "changed"}, **bearer(kept)).status_code == 200
    about = {"user": str(user.pk), "reason": "password_changed", "count": 2}
    assert told(caplog) == [{"event": "session_revoked", **about}, {"event": "session_kept", **of(kept, user)}]


@committed
def test_deactivating_and_deleting_a_user_in_the_admin(client, user, caplog):
    sign_in(client, caplog)
    admin = browser(superuser())
    form = {"username": "ada", "date_joined_0": "2026-01-01", "date_joined_1": "12:00"}
    assert admin.post(f"/admin/auth/user/{user.pk}/change/", form).status_code == 302
    about = {"event": "session_revoked", "user": str(user.pk), "count": 1}
    assert told(caplog) == [{**about, "reason": "user_inactive"}]
    user.is_active = True
    user.save()
    sign_in(client, caplog)
    assert admin.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 302
    assert told(caplog) == [{**about, "reason": "user_deleted"}]


# Other refusals


@pytest.mark.parametrize("url", ["/whoami/", "/stateless/"])
def test_a_refused_access_token(client, user, caplog, url):
    raw = sign_in(client, caplog)["access"]
    assert client.get(url, **bearer(f"{raw[:-6]}AAAAAA")).status_code == 401
    sessions.revoke(sessions.find_by_any_token(raw))
    told(caplog)
    assert client.get(url, **bearer(raw)).status_code == 401
    assert told(caplog) == [{"event": "access_refused", "reason": "revoked", "address": PUBLIC}]


def test_a_throttled_request(client, user, caplog):
    with rates(login="1/min"):
        for _ in range(2):
            client.post(TOKEN, RIGHT | {"password": "wrong"}, format="json")
    assert told(caplog)[1:] == [{"event": "throttled", "reason": "LoginThrottle", "address": PUBLIC}]


def test_a_failed_csrf_check(client, user, caplog):
    client = APIClient(enforce_csrf_checks=True, REMOTE_ADDR=PUBLIC)
    assert client.post("/auth/browser/refresh/").status_code == 403
    (about,) = told(caplog)
    assert about == {"event": "csrf_failed", "reason": about["reason"], "address": PUBLIC}
    assert "cookie" in about["reason"].lower()


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/reset/t0ken/",
        "https://a.example?t0ken",
        "https://a.example#t0ken",
        "https://t0ken@a.example/",
    ],
)
@pytest.mark.parametrize("header", ["Referer", "Origin"])
def test_a_failed_csrf_check_tells_no_more_than_the_origin_of_a_page(db, caplog, url, header):
    """Links to set a new password have their secret in the path, or in the query."""
    client = APIClient(enforce_csrf_checks=True)
    client.get("/auth/browser/csrf/", secure=True)
    caplog.clear()
    assert client.post("/auth/browser/login/", secure=True, headers={header: url}).status_code == 403
    [record] = [record for record in caplog.records if getattr(record, "jwtauth_event", "") == "csrf_failed"]
    assert "https://a.example does not match any trusted origins" in record.jwtauth_reason
    assert "t0ken" not in caplog.text


def test_a_token_that_names_an_unknown_key(client, user, caplog):
    raw = sign_in(client, caplog)["access"]
    forged = f"{header(ATTACKER.kid)}.{raw.split('.', 1)[1]}"
    for _ in range(3):
        assert client.get("/whoami/", **bearer(forged)).status_code == 401
    found = [about for about in told(caplog) if about["event"] == "unknown_key"]
    assert found == [{"event": "unknown_key", "issuer": "django-jwtauth", "kid": ATTACKER.kid}]


ELSEWHERE = {
    "sessions_imported": "tests/migrate/test_commands.py",
    "keys_unavailable": "tests/core/remote/test_outages.py",
    "revocations_unavailable": "tests/core/remote/test_list.py",
    "revocations_unreadable": "tests/sessions/test_revocation_cache.py",
    "secret_key_unknown": "tests/sessions/test_other_secret_key.py",
    "database_unavailable": "tests/http/test_outages.py",
    "cache_unavailable": "tests/http/test_throttling.py",
}


def test_each_event_is_tried_by_a_real_act():
    here = Path(__file__).read_text()
    for name in events.EVENTS:
        text = (docs.ROOT / ELSEWHERE[name]).read_text() if name in ELSEWHERE else here.partition("\nELSEWHERE")[0]
        assert re.search(rf'"{name}"|event={name} ', text), name
