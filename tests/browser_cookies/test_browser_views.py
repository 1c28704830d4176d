"""The browser endpoints: what they set, what they refuse, and what a refusal leaves unchanged."""

import datetime
import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import connection, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from django_jwtauth import sessions, signals
from django_jwtauth.models import RefreshToken
from tests.tools.browser_views import (
    ACROSS,
    CSRF,
    FOREIGN,
    LOGIN,
    LOGOUT,
    PAGE,
    REFUSED,
    RENEW,
    assert_csrf_refused,
    me,
    sid,
    stored,
)
from tests.tools.cookie_jar import ACCESS, REFRESH, RIGHT, Browser
from tests.tools.http import assert_refused, bearer, rows
from tests.tools.products import each_row

WINDOW = datetime.timedelta(seconds=30)
WITHOUT_CSRF_MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]


@pytest.fixture
def browser(user):
    browser = Browser()
    assert browser.sign_in().status_code == 200
    return browser


@pytest.fixture
def sent():
    """The signals of Django and ours that were sent."""
    seen = []
    names = {
        "logged_in": user_logged_in,
        "logged_out": user_logged_out,
        "failed": user_login_failed,
        "reused": signals.refresh_token_reused,
        "revoked": signals.session_revoked,
    }
    receivers = {name: lambda name=name, **kwargs: seen.append((name, kwargs)) for name in names}
    for name, signal in names.items():
        signal.connect(receivers[name])
    yield seen
    for name, signal in names.items():
        signal.disconnect(receivers[name])


def assert_no_token(response, *browsers):
    """Check that the tokens of these browsers are in Set-Cookie and nowhere else."""
    text = response.content.decode() + json.dumps(dict(response.headers))
    held = [morsel.value for browser in browsers for morsel in browser.jar.values() if morsel.key in (ACCESS, REFRESH)]
    assert held
    assert not any(raw in text for raw in [*held, *(raw.rpartition(".")[2] for raw in held)])
    assert "eyJ" not in text


# The life of a session


def test_a_session_from_sign_in_to_sign_out(user, age):
    browser = Browser()
    signed_in = browser.sign_in()
    assert set(signed_in.json()) == {"expires_in", "refresh_expires_in", "csrf_token"}
    assert_no_token(signed_in, browser)
    assert stored(browser).transport == "browser"
    assert me(browser).status_code == 200
    assert_no_token(me(browser), browser)

    age(stored(browser), 2 * WINDOW)
    before = browser.value(ACCESS), browser.value(REFRESH)
    refreshed = browser.refresh()
    assert set(refreshed.json()) == {"expires_in", "refresh_expires_in"}
    assert_no_token(refreshed, browser)
    assert browser.value(ACCESS) != before[0]
    assert browser.value(REFRESH) != before[1]
    assert stored(browser).generation == 1
    assert me(browser).json()["results"][0]["current"] is True

    session = stored(browser)
    signed_out = browser.log_out()
    assert (signed_out.status_code, signed_out.content) == (204, b"")
    assert set(browser.jar) == {("csrftoken", "", "/")}
    session.refresh_from_db()
    assert session.revoked_reason == "logout"
    assert me(browser).status_code == 401
    assert_refused(browser.refresh(), "not_authenticated", "not_authenticated")


@pytest.mark.parametrize("format", ["json", "multipart"])
@pytest.mark.parametrize("middleware", ["with", "without"])
@pytest.mark.parametrize("use_sessions", [False, True], ids=["cookie", "session"])
def test_csrf_token_in_cookie_or_session_with_and_without_the_middleware(
    user, settings, format, middleware, use_sessions
):
    settings.CSRF_USE_SESSIONS = use_sessions
    if middleware == "without":
        settings.MIDDLEWARE = WITHOUT_CSRF_MIDDLEWARE
    browser = Browser()
    assert_csrf_refused(browser.send("POST", LOGIN, RIGHT, format=format))
    assert browser.sign_in().status_code == 200
    assert ("sessionid" if use_sessions else "csrftoken", "", "/") in browser.jar
    for url in (RENEW, LOGOUT):
        assert_csrf_refused(browser.send("POST", url, {}, csrf=False, format=format))
    assert browser.send("POST", RENEW, {}, format=format).status_code == 200
    assert browser.send("POST", LOGOUT, {}, format=format).status_code == 204


def test_csrf_token_in_the_form(user):
    browser = Browser()
    browser.get_csrf_token()
    form = {**RIGHT, "csrfmiddlewaretoken": browser.csrf_token}
    assert browser.send("POST", LOGIN, form, csrf=False, format="multipart").status_code == 200
    assert_csrf_refused(browser.send("POST", LOGIN, form, csrf=False))  # not in JSON


@pytest.mark.parametrize("url", [LOGIN, RENEW, LOGOUT])
@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
@override_settings(**ACROSS)
def test_what_fails_the_csrf_check_changes_nothing(browser, sent, age, url, headers):
    age(stored(browser), 2 * WINDOW)
    before, jar = rows(), dict(browser.jar)
    with CaptureQueriesContext(connection) as queries:
        assert_csrf_refused(browser.send("POST", url, RIGHT, headers=headers))
    assert len(queries) == 0
    assert rows() == before
    assert browser.jar == jar
    assert sent == []


@override_settings(**ACROSS)
@pytest.mark.parametrize("url", [LOGIN, RENEW, LOGOUT])
@pytest.mark.parametrize("token", [None, "csrfmiddlewaretoken"])
def test_a_form_of_another_site_changes_nothing(browser, url, token):
    """Not even if the attacker can read the CSRF token."""
    form = {**RIGHT, **({token: browser.csrf_token} if token else {})}
    before, jar = rows(), dict(browser.jar)
    response = browser.send(
        "POST", url, form, cross_site=True, csrf=False, format="multipart", headers={"Origin": FOREIGN}
    )
    assert_csrf_refused(response)
    assert rows() == before
    assert browser.jar == jar


@pytest.mark.parametrize("url", [LOGIN, RENEW, LOGOUT])
def test_a_form_of_another_site_does_not_replace_the_csrf_cookie(browser, url):
    """The request does not carry it, since it is SameSite=Lax. A new cookie would make the page's token worthless."""
    assert_csrf_refused(browser.send("POST", url, RIGHT, cross_site=True, headers={"Origin": FOREIGN}))
    assert browser.refresh().status_code == 200


@override_settings(**ACROSS)
@pytest.mark.parametrize("headers", [{"Origin": PAGE}, {"Origin": None, "Referer": f"{PAGE}/cart"}])
def test_a_page_of_a_trusted_origin_may_do_it_all(user, headers):
    browser = Browser(origin=PAGE)
    assert browser.sign_in().status_code == 200
    assert browser.refresh(cross_site=True, headers=headers).status_code == 200
    assert browser.log_out(cross_site=True, headers=headers).status_code == 204
    assert RefreshToken.objects.get().revoked_reason == "logout"


def test_over_http_there_is_no_referer_to_rely_on_but_the_origin_counts(user, settings):
    settings.JWTAUTH = {"COOKIES": {"secure": False}}
    browser = Browser(scheme="http", host="localhost:8000")
    assert browser.sign_in().status_code == 200
    assert browser.refresh(headers={"Origin": None}).status_code == 200
    assert_csrf_refused(browser.refresh(headers={"Origin": "http://localhost:9000"}))


def test_a_sign_in_that_fails_the_csrf_check_is_not_counted(user, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"login": "1/min", "login_address": "1/min", "login_username": "1/hour"}}
    browser = Browser()
    browser.get_csrf_token()
    for _ in range(5):
        assert_csrf_refused(browser.send("POST", LOGIN, {**RIGHT, "password": "wrong"}, csrf=False))
    wrong = browser.send("POST", LOGIN, {**RIGHT, "password": "wrong"})
    assert_refused(wrong, "no_active_account", "credentials")
    assert browser.send("POST", LOGIN, RIGHT).status_code == 429
    assert_csrf_refused(browser.send("POST", LOGIN, RIGHT, csrf=False))


def test_a_csrf_token_from_before_the_sign_in_is_worth_nothing_after_it(user):
    """An attacker may have planted it."""
    browser = Browser()
    browser.get_csrf_token()
    planted, token = browser.value("csrftoken"), browser.csrf_token
    assert browser.sign_in().status_code == 200
    assert browser.value("csrftoken") != planted
    assert_csrf_refused(browser.refresh(headers={"X-CSRFToken": token}))
    assert_csrf_refused(browser.refresh(headers={"X-CSRFToken": planted}))
    assert browser.refresh().status_code == 200


def test_what_was_sent_goes_to_the_log_without_control_characters(browser, caplog):
    assert_csrf_refused(browser.refresh(headers={"Origin": "https://a\x1b[2J\u202e"}))
    (record,) = [record for record in caplog.records if record.name == "django_jwtauth.security"]
    assert record.getMessage().isprintable()
    assert "https://a" in record.getMessage()


ODD_BODIES = [
    "multipart/form-data; boundary=x; charset=base64",
    "multipart/form-data; boundary=x; charset=nonsense",
    "multipart/form-data",
    "multipart/form-data; boundary=\xff",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=base64",
]


@each_row("content_type", ODD_BODIES)
@each_row("url", [LOGIN, RENEW, LOGOUT, "/auth/logout/all/"])
def test_a_body_that_cannot_be_read_is_never_a_500(browser, url, content_type):
    before = rows()
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nz\xff\r\n--x\r\n'
    response = browser.client.post(
        url,
        body,
        content_type=content_type,
        headers={"Cookie": browser.cookies_for(url), "Origin": browser.origin},
        secure=True,
        SERVER_NAME=browser.host,
    )
    assert response.status_code in (400, 403)
    assert response["Cache-Control"] == "no-store"
    assert rows() == before


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_a_form_that_is_too_big_is_a_400(browser):
    response = browser.send("POST", LOGOUT, {"a": "b" * 20}, format="multipart")
    assert response.status_code == 400
    assert me(browser).status_code == 200


# The CSRF token for pages of other origins


@pytest.mark.django_db
@override_settings(**ACROSS)
@pytest.mark.parametrize("origin", [None, "https://api.example.com", PAGE])
def test_csrf_token_is_handed_to_trusted_pages(origin):
    browser = Browser()
    response = browser.send("GET", CSRF, headers={"Origin": origin})
    assert response.status_code == 200
    assert set(response.json()) == {"csrf_token"}
    assert response["Cache-Control"] == "no-store"
    assert "Cookie" in response["Vary"]
    assert set(browser.jar) == {("csrftoken", "", "/")}
    again = browser.send("GET", CSRF, headers={"Origin": origin})
    assert again.json() != response.json()  # another mask each time (BREACH)
    assert again.cookies["csrftoken"].value == response.cookies["csrftoken"].value


@pytest.mark.django_db
@pytest.mark.parametrize("origin", [FOREIGN, PAGE, "null", "http://api.example.com", "https://["])
def test_csrf_token_is_not_handed_to_others(origin):
    response = Browser().send("GET", CSRF, headers={"Origin": origin})
    assert_csrf_refused(response)


@pytest.mark.django_db
def test_methods():
    browser = Browser()
    browser.get_csrf_token()
    head = browser.send("HEAD", CSRF)
    assert (head.status_code, head.content, head["Cache-Control"]) == (200, b"", "no-store")
    allowed = {CSRF: "GET, HEAD, OPTIONS", LOGIN: "POST, OPTIONS", RENEW: "POST, OPTIONS", LOGOUT: "POST, OPTIONS"}
    for url, methods in allowed.items():
        options = browser.send("OPTIONS", url)
        assert (options.status_code, options["Allow"], options["Cache-Control"]) == (200, methods, "no-store")
        assert not options.cookies
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(methods.split(", ")):
            response = browser.send(method, url)
            assert (response.status_code, response["Allow"]) == (405, methods)
            assert browser.send(method, url, csrf=False).status_code == 405


# Sign-in


@pytest.mark.parametrize("whose", ["ada", "bob"])
def test_sign_in_ends_the_previous_session_of_the_browser(browser, sent, whose):
    get_user_model().objects.create_user("bob", password="correct horse")
    former, access = stored(browser), browser.value(ACCESS)
    assert browser.sign_in(username=whose).status_code == 200
    former.refresh_from_db()
    assert former.revoked_reason == "logout"
    assert stored(browser).user.username == whose
    assert stored(browser).pk != former.pk
    assert APIClient().get("/whoami/", **bearer(access)).status_code == 401
    assert [name for name, _ in sent] == ["logged_in", "revoked"]  # a receiver that fails ends nothing


def test_sign_in_that_fails_leaves_the_former_session(browser, sent):
    before, jar = rows(), dict(browser.jar)
    wrong = browser.send("POST", LOGIN, {**RIGHT, "password": "wrong"})
    assert_refused(wrong, "no_active_account", "credentials")
    assert browser.send("POST", LOGIN, {}).status_code == 400
    assert rows() == before
    assert browser.jar == jar
    assert [name for name, _ in sent] == ["failed"]


@pytest.mark.parametrize("former", ["x", '""', "", "ended", "body", "access-only", "twice"])
def test_sign_in_with_any_former_cookie(browser, user, former):
    url = LOGIN
    held = {REFRESH: browser.value(REFRESH), ACCESS: browser.value(ACCESS)}
    ended = stored(browser)
    cookies = f"{REFRESH}={former}"
    if former == "ended":
        sessions.revoke(sid(browser))
        cookies = browser.cookies_for(url)
    elif former == "body":
        pair = sessions.start(user)
        ended, cookies = pair.session, f"{REFRESH}={pair.refresh}"
    elif former == "access-only":
        cookies = f"{ACCESS}={held[ACCESS]}"
    elif former == "twice":
        cookies = f"{REFRESH}={held[REFRESH]}; {REFRESH}=x; {ACCESS}={held[ACCESS]}"
    csrf = f"; csrftoken={browser.value('csrftoken')}"
    assert browser.send("POST", url, RIGHT, headers={"Cookie": cookies + csrf}).status_code == 200
    assert stored(browser).pk != ended.pk
    ended.refresh_from_db()
    assert (ended.revoked_at is not None) == (former in ("ended", "body", "access-only", "twice"))
    assert me(browser).status_code == 200


def test_signals_and_statements(browser, sent, age):
    age(stored(browser), 2 * WINDOW)
    with CaptureQueriesContext(connection) as queries:
        assert browser.refresh().status_code == 200
    assert len(queries) == 2
    assert sent == []
    session = stored(browser)
    assert browser.log_out().status_code == 204
    assert [name for name, _ in sent] == ["revoked", "logged_out"]
    assert sent[1][1]["user"] == session.user
    assert sent[1][1]["request"].path == LOGOUT
    browser.get_csrf_token()
    with CaptureQueriesContext(connection) as queries:
        assert browser.send("POST", LOGIN, RIGHT).status_code == 200
    # The user, last_login, the time, and the session.
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 4
    assert sent[-1][0] == "logged_in"
    assert sent[-1][1]["user"] == session.user


def test_scope_and_resource(user, settings):
    settings.JWTAUTH = {"SCOPES": ["orders:read", "orders:write"], "AUDIENCES": ["https://stock.example.com"]}
    browser = Browser()
    answer = browser.sign_in(scope="orders:read orders:write").json()
    assert answer["scope"] == "orders:read orders:write"
    answer = browser.refresh({"scope": "orders:read", "resource": "https://stock.example.com"})
    assert answer.json()["scope"] == "orders:read"
    assert_no_token(answer, browser)
    access = browser.value(ACCESS)
    signed = sessions.find_by_any_token(access)
    assert signed.pk == sid(browser)
    jar = dict(browser.jar)
    for body in ({"scope": "admin"}, {"scope": '"'}, {"resource": "https://evil.example"}, {"resource": 5}, []):
        refused = browser.refresh(body)
        assert refused.status_code == 400, body
        assert not refused.cookies
    assert browser.jar == jar
    assert browser.refresh().json()["scope"] == "orders:read orders:write"


def test_atomic_requests_do_not_take_back_what_a_refusal_wrote(user, settings, monkeypatch, age):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.browser_cookies.test_browser_views.refuse_transactions"]
    browser = Browser()
    assert browser.sign_in().status_code == 200
    browser.get_csrf_token()
    age(stored(browser), 2 * WINDOW)
    stolen = browser.value(REFRESH)
    assert browser.refresh().status_code == 200
    age(stored(browser), WINDOW)
    copy = browser.cookies_for(RENEW).replace(browser.value(REFRESH), stolen)
    assert_refused(browser.refresh(headers={"Cookie": copy}), "token_not_valid", "reused")
    assert stored(browser).revoked_reason == "reused"
    assert browser.log_out().status_code == 204


def refuse_transactions(get_response):
    """A middleware that records the views that Django would run in a transaction."""

    def middleware(request):
        return get_response(request)

    def process_view(request, view, args, kwargs):
        assert set(connections) == set(view._non_atomic_requests)

    middleware.process_view = process_view
    return middleware
