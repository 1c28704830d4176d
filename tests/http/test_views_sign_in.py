"""The sign-in endpoint."""

from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.test import override_settings
from django.urls import path

from django_jwtauth import views
from django_jwtauth.models import RefreshToken
from tests.tools.http import (
    BLACKLIST,
    LOGOUT,
    LOGOUT_ALL,
    REFRESH,
    RIGHT,
    TOKEN,
    VERIFY,
    assert_refused,
    bearer,
)
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

WRONG = {"username": "ada", "password": "wrong"}
TOKENS = {"access", "refresh", "token_type", "expires_in", "refresh_expires_in"}


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
@each_row(
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


@pytest.mark.parametrize(
    "backend", ["django.contrib.auth.backends.ModelBackend", "tests.http.test_views_sign_in.AnyoneBackend"]
)
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


@override_settings(PASSWORD_HASHERS=["tests.http.test_views_sign_in.CountingHasher"])
@pytest.mark.parametrize("username", ["ada", "nobody"])
def test_an_unknown_user_costs_as_many_password_hashes_as_a_known_one(client, user, username):
    CountingHasher.calls = 0
    assert client.post(TOKEN, {"username": username, "password": "wrong"}).status_code == 401
    assert CountingHasher.calls == 1


def test_passwords_are_not_trimmed(client, user):
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


@override_settings(AUTHENTICATION_BACKENDS=["tests.http.test_views_sign_in.HeaderBackend"])
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
