"""Passwords and tokens are in no error report, whatever fails while an endpoint works with them."""

import secrets
import sys
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.contrib.auth.signals import user_logged_in
from django.core.signals import got_request_exception
from django.db import connection
from django.views.debug import ExceptionReporter
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth._core import jws
from tests.tools.http import bearer

TOKEN, BROWSER_LOGIN = "/auth/token/", "/auth/browser/login/"
FORM = "application/x-www-form-urlencoded"


def fail(*args, **kwargs):
    raise ZeroDivisionError


def failing_hook(user, *, request, session):
    raise ZeroDivisionError


class FailingBackend(ModelBackend):
    def authenticate(self, request, **credentials):
        raise ZeroDivisionError


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def credentials(db):
    """Random, since a report also quotes the source of this file."""
    password = secrets.token_hex(16)
    get_user_model().objects.create_user("ada", password=password)
    return {"username": "ada", "password": password}


@pytest.fixture
def reports():
    """What Django would send to the admins."""
    texts = []

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info())
        texts.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    got_request_exception.connect(report)
    yield texts
    got_request_exception.disconnect(report)


def assert_absent(reports, *values):
    assert len(reports) == 2
    pieces = {value[start : start + 24] for value in values for start in range(0, len(value), 8)}
    for text in reports:  # where a long value may be split over lines
        assert not [piece for piece in pieces if len(piece) == 24 and piece in text]


# What fails


def by_setting(settings, monkeypatch):
    settings.JWTAUTH = {"NONSENSE": 1}


def by_hook(settings, monkeypatch):
    settings.JWTAUTH = {"CLAIMS_HOOKS": [f"{failing_hook.__module__}.failing_hook"]}


def by_backend(settings, monkeypatch):
    settings.AUTHENTICATION_BACKENDS = [f"{FailingBackend.__module__}.FailingBackend"]


def by_receiver(settings, monkeypatch):
    monkeypatch.setattr(user_logged_in, "send", fail)


def by_serializer(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.serializers.CharField.to_internal_value", fail)


def by_throttle(settings, monkeypatch):
    monkeypatch.setattr("django_jwtauth.throttling._network", fail)


def by_response(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.response.Response.__init__", fail)


def by_database(settings, monkeypatch):
    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)


def named(break_it):
    return break_it.__name__


@pytest.mark.parametrize(("url", "body"), [(TOKEN, "own"), (BROWSER_LOGIN, "own"), (TOKEN, "of an OAuth client")])
@pytest.mark.parametrize(
    "break_it",
    [by_setting, by_hook, by_backend, by_receiver, by_serializer, by_throttle, by_response],
    ids=named,
)
def test_the_password_and_the_new_tokens_of_a_sign_in(
    client, credentials, settings, monkeypatch, reports, url, body, break_it
):
    made, sign = [], jws.sign

    def recording_sign(*args, **kwargs):
        made.append(sign(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(jws, "sign", recording_sign)
    form = {"data": urlencode({"grant_type": "password", **credentials}), "content_type": FORM}
    with monkeypatch.context() as patch:
        break_it(settings, patch)
        assert client.post(url, **({"data": credentials} if body == "own" else form)).status_code == 500
    assert_absent(reports, credentials["password"], *made)
    assert len(made) == {by_receiver: 1, by_response: 2}.get(break_it, 0)


@pytest.mark.parametrize("break_it", [by_setting, by_serializer, by_response, by_database], ids=named)
def test_a_token_in_the_form_of_an_oauth_client(client, pair, settings, monkeypatch, reports, break_it):
    form = urlencode({"grant_type": "refresh_token", "refresh_token": pair.refresh})
    with monkeypatch.context() as patch:
        break_it(settings, patch)
        assert client.post(TOKEN, form, content_type=FORM).status_code == 500
    assert_absent(reports, pair.refresh)


@pytest.mark.parametrize(
    ("url", "field", "kind"),
    [
        ("/auth/token/refresh/", "refresh", "refresh"),
        ("/auth/token/verify/", "token", "refresh"),
        ("/auth/token/verify/", "token", "access"),
        ("/auth/token/blacklist/", "refresh", "refresh"),
        ("/auth/token/revoke/", "token", "refresh"),
        ("/auth/token/revoke/", "token", "access"),
    ],
)
@pytest.mark.parametrize("break_it", [by_setting, by_serializer, by_response, by_database], ids=named)
def test_a_token_in_a_body(client, pair, settings, monkeypatch, reports, url, field, kind, break_it):
    token = getattr(pair, kind)
    with monkeypatch.context() as patch:
        break_it(settings, patch)
        assert client.post(url, {field: token}).status_code == 500
    assert_absent(reports, token)


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_that_is_introspected(client, pair, reports, kind):
    caller = get_user_model().objects.create_user("gateway")
    caller.user_permissions.set(Permission.objects.filter(codename="introspect_token"))
    headers = bearer(sessions.start(caller).access)
    token = getattr(pair, kind)

    def only_its_lookup_fails(execute, sql, params, many, context):
        if pair.session.pk.hex in str(params).replace("-", ""):
            raise ZeroDivisionError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(only_its_lookup_fails):
        body = {"token": token, "token_type_hint": f"{kind}_token"}
        assert client.post("/auth/token/introspect/", body, **headers).status_code == 500
    assert_absent(reports, token)


@pytest.mark.parametrize("url", ["/auth/browser/refresh/", "/auth/browser/logout/"])
@pytest.mark.parametrize("break_it", [by_setting, by_response, by_database], ids=named)
def test_the_tokens_in_the_cookies(client, credentials, settings, monkeypatch, reports, url, break_it):
    assert client.post(BROWSER_LOGIN, credentials).status_code == 200
    tokens = [cookie.value for name, cookie in client.cookies.items() if "csrf" not in name]
    assert len(tokens) == 2
    with monkeypatch.context() as patch:
        break_it(settings, patch)
        assert client.post(url).status_code == 500
    assert_absent(reports, *tokens)


@pytest.mark.parametrize("url", ["/whoami/", "/stateless/", "/auth/sessions/"])
@pytest.mark.parametrize("break_it", [by_setting, by_response, by_database], ids=named)
def test_the_token_in_the_header(client, pair, settings, monkeypatch, reports, url, break_it):
    with monkeypatch.context() as patch:
        break_it(settings, patch)
        assert client.get(url, **bearer(pair.access)).status_code == 500
    assert_absent(reports, pair.access)
