"""Token requests in the form of RFC 6749: what OAuth clients send, and what they are answered."""

from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path
from django.utils import translation
from rest_framework import serializers as drf_serializers
from rest_framework.authentication import BaseAuthentication, BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle
from rest_framework.views import exception_handler

from django_jwtauth import sessions, views
from django_jwtauth.browser_views import BROWSER
from django_jwtauth.models import RefreshToken
from django_jwtauth.serializers import TokenSerializer
from tests.tools.http import REFRESH, RIGHT, TOKEN, bearer
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

PASSWORD = {"grant_type": "password", **RIGHT}
FORM = "application/x-www-form-urlencoded"


def ask(body, url=TOKEN, client=None):
    return (client or APIClient()).post(url, urlencode(body, doseq=True), content_type=FORM)


def refresh_with(raw, url=TOKEN, **more):
    return ask({"grant_type": "refresh_token", "refresh_token": raw, **more}, url)


def assert_error(answer, error, status=400):
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "WWW-Authenticate" not in answer
    assert answer["Cache-Control"] == "no-store"
    assert answer["Pragma"] == "no-cache"
    assert not answer.json().keys() & {"access", "refresh", "access_token"}
    assert not isinstance(answer.json().get("refresh_token"), str)


# Success


def test_the_password_grant_gives_the_response_of_the_rfc(client, user):
    answer = ask(PASSWORD)
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 300)
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    assert client.get("/whoami/", **bearer(answer.json()["access_token"])).json()["user"] == str(user.pk)


@pytest.mark.parametrize("url", [TOKEN, REFRESH])
def test_so_does_the_refresh_grant_at_either_endpoint(user, url, age):
    pair = sessions.start(user)
    age(pair.session, timedelta(hours=1))
    answer = refresh_with(pair.refresh, url)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != pair.refresh
    again = refresh_with(answer.json()["refresh_token"], url)
    assert again.json()["refresh_token"] == answer.json()["refresh_token"]  # within the grace period
    assert answer.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in"}


def test_scope_is_granted_narrowed_and_named(user):
    with override_settings(JWTAUTH={"SCOPES": ["orders:read", "orders:write"]}):
        first = ask({**PASSWORD, "scope": "orders:read orders:write admin"}).json()
        assert first["scope"] == "orders:read orders:write"
        assert refresh_with(first["refresh_token"], scope="orders:read").json()["scope"] == "orders:read"
        assert_error(refresh_with(first["refresh_token"], scope="admin"), "invalid_scope")
        assert_error(ask({**PASSWORD, "scope": 'a"b'}), "invalid_scope")
        assert_error(ask({**PASSWORD, "resource": "https://nowhere.example"}), "invalid_target")


def test_what_clients_say_of_themselves_is_ignored(user):
    client = APIClient(headers={"Authorization": "Basic c2hvcDpzZWNyZXQ="})
    assert ask({**PASSWORD, "client_id": "shop", "client_secret": "secret"}, client=client).status_code == 200


def test_parameters_without_a_value_are_left_out(user):
    answer = ask({**PASSWORD, "scope": "", "resource": "", "client_id": ""})
    assert answer.status_code == 200
    assert "scope" not in answer.json()
    assert "access" in ask({**PASSWORD, "grant_type": ""}).json()  # not a request of the RFC, then


# Errors


@pytest.mark.parametrize("url", [TOKEN, REFRESH])
@pytest.mark.parametrize("grant", ["authorization_code", "client_credentials", "PASSWORD", "urn:x"])
def test_another_grant_is_unsupported(user, url, grant):
    assert_error(ask({**PASSWORD, "grant_type": grant}, url), "unsupported_grant_type")


def test_the_refresh_endpoint_supports_no_other_grant(user):
    assert_error(ask(PASSWORD, REFRESH), "unsupported_grant_type")


@each_row(
    "body",
    [
        {"grant_type": "password"},
        {"grant_type": "password", "username": "ada"},
        {"grant_type": "password", "username": "ada", "password": ""},
        {"grant_type": "refresh_token"},
        {"grant_type": "refresh_token", "refresh_token": ""},
        {**PASSWORD, "grant_type": ["password", "password"]},
        {**PASSWORD, "grant_type": ["password", "refresh_token"]},
        {**PASSWORD, "grant_type": ["refresh_token", "password"], "refresh_token": "x"},
        {**PASSWORD, "username": ["bob", "ada"]},
        {**PASSWORD, "password": ["correct horse", "x"]},
        {**PASSWORD, "scope": ["a", "b"]},
        {**PASSWORD, "resource": ["https://a.example", "https://b.example"]},
    ],
    ids=str,
)
def test_what_is_missing_or_there_twice_is_an_invalid_request(user, body):
    assert_error(ask(body), "invalid_request")
    assert not RefreshToken.objects.exists()


def test_wrong_credentials_are_an_invalid_grant(user):
    answer = ask({**PASSWORD, "password": "wrong"})
    assert_error(answer, "invalid_grant")
    assert answer.json()["error_description"] == "No active account found with the given credentials"
    assert (answer.json()["code"], answer.json()["reason"]) == ("no_active_account", "credentials")


def test_so_are_refresh_tokens_that_are_refused(user):
    pair = sessions.start(user)
    sessions.revoke(pair.session)
    assert_error(refresh_with(pair.refresh), "invalid_grant")
    assert refresh_with(pair.refresh).json()["reason"] == "revoked"
    for raw in ("x", pair.access, sessions.start(user, transport=BROWSER).refresh):
        assert_error(refresh_with(raw), "invalid_grant")
        assert_error(refresh_with(raw, REFRESH), "invalid_grant")


def test_a_description_has_ascii_only(user):
    with translation.override("de"), override_settings(LANGUAGE_CODE="de"):
        answer = ask({**PASSWORD, "password": "wrong"})
    assert_error(answer, "invalid_grant")
    assert answer.json().get("error_description", "").isascii()


def quote(user, *, request):
    return {"reason": "second_factor", "detail": "Bitte „Code“ eingeben", "challenge": "abc"}


def test_a_challenge_is_an_invalid_grant_with_the_challenge(user):
    with override_settings(JWTAUTH={"SIGN_IN_CHALLENGE": quote}):
        answer = ask(PASSWORD)
    assert_error(answer, "invalid_grant")
    assert (answer.json()["reason"], answer.json()["challenge"]) == ("second_factor", "abc")
    assert "error_description" not in answer.json()
    assert not RefreshToken.objects.exists()


def test_guesses_are_counted_as_ever(user):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login": "2/min"}}):
        for _ in range(4):
            assert_error(ask({**PASSWORD, "grant_type": "nonsense"}), "unsupported_grant_type")
            assert_error(ask({**PASSWORD, "username": ["ada", "ada"]}), "invalid_request")
        answers = [ask({**PASSWORD, "password": "wrong"}) for _ in range(3)]
        plain = APIClient().post(TOKEN, RIGHT)
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert_error(answers[2], "temporarily_unavailable", 429)
    assert int(answers[2]["Retry-After"]) > 0
    assert plain.status_code == 429  # the counter is the same


def test_refreshes_are_counted_as_ever_and_are_no_sign_ins(user):
    pair = sessions.start(user)
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"refresh": "2/min", "login_address": "1/min"}}):
        answers = [refresh_with(pair.refresh, url).status_code for url in (TOKEN, REFRESH, TOKEN)]
        assert answers == [200, 200, 429]
        assert [refresh_with("x").status_code for _ in range(3)] == [400] * 3


@pytest.fixture
def by_email(user, monkeypatch):
    """A user model whose users sign in by their address."""
    monkeypatch.setattr(type(user), "USERNAME_FIELD", "email")
    return user


def test_username_is_the_name_of_the_rfc_whatever_the_user_model_calls_it(by_email):
    answer = ask({**PASSWORD, "username": "ada@example.com"})
    assert answer.status_code == 200
    assert "access" in APIClient().post(TOKEN, {"email": "ada@example.com", "password": RIGHT["password"]}).json()
    assert "username" in ask({"grant_type": "password", "password": "x"}).json()


def test_a_second_name_does_not_hide_guesses_from_the_throttles(by_email):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login": "2/min"}}):
        answers = [
            ask({"email": f"{number}@example.com", **PASSWORD, "username": "ada@example.com", "password": "wrong"})
            for number in range(3)
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 429]


# What stays as it is


@pytest.mark.parametrize("format", ["json", "multipart"])
def test_only_a_form_is_a_request_of_the_rfc(client, user, format):
    assert "access" in client.post(TOKEN, PASSWORD, format=format).json()
    wrong = client.post(TOKEN, {**PASSWORD, "password": "wrong"}, format=format)
    assert (wrong.status_code, "error" in wrong.json()) == (401, False)


@pytest.mark.parametrize("body", [b"%ff=%fe", b"grant_type=password&username=%ff&password=%00", b"grant_type=%ff"])
def test_odd_bytes_are_refused(user, body):
    answer = APIClient().post(TOKEN, body, content_type=FORM)
    assert answer.status_code == 400


@pytest.mark.parametrize("charset", ["nonsense", "base64", "idna"])
def test_odd_charsets_are_refused(user, charset):
    answer = APIClient().post(TOKEN, urlencode(PASSWORD), content_type=f"{FORM}; charset={charset}")
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("method", ["get", "put", "options"])
def test_other_methods_are_answered_as_ever(client, method):
    answer = getattr(client, method)(TOKEN)
    assert answer.status_code == (200 if method == "options" else 405)
    assert "Pragma" not in answer


def test_an_unknown_media_type_is_refused_as_ever(client, db):
    answer = client.post(TOKEN, "<a/>", content_type="application/xml")
    assert (answer.status_code, "error" in answer.json()) == (415, False)


def test_a_browser_gets_no_token_in_a_body(user):
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_X_CSRFTOKEN=client.get("/auth/browser/csrf/").json()["csrf_token"])
    answer = ask(PASSWORD, "/auth/browser/login/", client)
    assert answer.status_code == 200
    assert "access_token" not in answer.json()
    raw = sessions.start(user).refresh
    client.credentials(HTTP_X_CSRFTOKEN=answer.json()["csrf_token"])
    again = ask({"grant_type": "refresh_token", "refresh_token": raw}, "/auth/browser/login/", client)
    assert (again.status_code, "error" in again.json()) == (400, False)


# Projects


class CodeSerializer(TokenSerializer):
    code = drf_serializers.CharField(write_only=True)


class MyView(views.TokenView):
    serializer_class = CodeSerializer

    def authenticate_user(self, request, credentials):
        if credentials.pop("code") != "123456":
            raise AuthenticationFailed
        user = super().authenticate_user(request, credentials)
        if user is not None and user.is_staff:
            raise PermissionDenied
        return user

    def get_success_data(self, pair):
        return {**super().get_success_data(pair), "user": pair.session.user.get_username()}


class MyRefreshView(views.TokenRefreshView):
    def get_success_data(self, pair):
        return {**super().get_success_data(pair), "refreshed": True}


def test_an_extended_view_answers_in_both_forms(client, user):
    with WithRoutes(path("mine/", MyView.as_view(refresh_view_class=MyRefreshView))):
        answer = ask({**PASSWORD, "code": "123456"}, "/mine/")
        assert answer.json()["user"] == "ada"
        assert "access_token" in answer.json()
        assert refresh_with(answer.json()["refresh_token"], "/mine/").json()["refreshed"] is True
        assert "access" in client.post("/mine/", {**RIGHT, "code": "123456"}).json()
        assert_error(ask({**PASSWORD, "code": "0"}, "/mine/"), "invalid_grant")
        assert_error(ask(PASSWORD, "/mine/"), "invalid_request")
        get_user_model().objects.update(is_staff=True)
        assert_error(ask({**PASSWORD, "code": "123456"}, "/mine/"), "invalid_grant")


def test_a_view_can_leave_the_grants_to_others(client, user):
    with WithRoutes(path("plain/", views.TokenView.as_view(oauth_grants=()))):
        assert "access" in ask(PASSWORD, "/plain/").json()
    with WithRoutes(path("some/", views.TokenView.as_view(oauth_grants=("password",)))):
        assert_error(refresh_with("x", "/some/"), "unsupported_grant_type")


def test_a_failing_start_is_no_invalid_request(user):
    class Broken(views.TokenView):
        def start(self, request, user, *, scope, audience):
            raise RuntimeError

    client = APIClient(raise_request_exception=False)
    with WithRoutes(path("broken/", Broken.as_view())):
        assert ask(PASSWORD, "/broken/", client).status_code == 500


def test_the_errors_of_fields_have_the_names_of_the_rfc(user):
    assert ask({"grant_type": "password"}).json() == {
        "error": "invalid_request",
        "username": ["This field is required."],
        "password": ["This field is required."],
    }
    assert "refresh_token" in ask({"grant_type": "refresh_token"}).json()


def list_of_errors(exc, context):
    response = exception_handler(exc, context)
    if response is not None:
        response.data = [str(response.data)]
    return response


def plain_text(exc, context):
    response = HttpResponse("Refused.", status=exception_handler(exc, context).status_code)
    response["X-Mine"] = "yes"
    return response


def json_response(exc, context):
    return JsonResponse({"mine": "yes"}, status=exception_handler(exc, context).status_code)


@pytest.mark.parametrize("handler", [plain_text, json_response])
@pytest.mark.parametrize(
    ("body", "error"),
    [({"grant_type": "password"}, "invalid_request"), ({**PASSWORD, "password": "wrong"}, "invalid_grant")],
)
def test_a_handler_may_return_a_response_of_django(user, handler, body, error):
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": handler}):
        answer = ask(body)
    assert_error(answer, error)
    assert "yes" in (answer.get("X-Mine"), answer.json().get("mine"))


def test_a_project_s_own_format_of_errors_does_not_hide_the_code(user):
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": list_of_errors}):
        assert_error(ask({"grant_type": "password"}), "invalid_request")


class Strict(views.TokenRefreshView):
    """A refresh view with a rule of its own."""

    def refresh(self, *args, **kwargs):
        raise AssertionError("It must have been refused before.")


class Refuse(BasePermission):
    def has_permission(self, request, view):
        return False


class Nobody(BaseAuthentication):
    def authenticate(self, request):
        raise AuthenticationFailed("Not you.")


class Full(BaseThrottle):
    def allow_request(self, request, view):
        return False


class Closed(Strict):
    def initial(self, request, *args, **kwargs):
        raise PermissionDenied


class NotNow(Strict):
    def dispatch(self, request, *args, **kwargs):
        return HttpResponse(status=404)


class Renamed(views.TokenRefreshView):
    def handle_exception(self, exc):
        return Response({"mine": True}, status=418)


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (type("Permission", (Strict,), {"permission_classes": [Refuse]}), 400),
        (type("Authentication", (Strict,), {"authentication_classes": [Nobody]}), 400),
        (type("Throttle", (Strict,), {"throttle_classes": [Full]}), 429),
        (Closed, 403),
        (NotNow, 404),
        (type("Errors", (Renamed,), {"permission_classes": [Refuse]}), 418),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_at_the_token_endpoint_too_the_refresh_view_s_own_rules_hold(user, rule, status):
    raw = sessions.start(user).refresh
    with WithRoutes(path("mine/", views.TokenView.as_view(refresh_view_class=rule))):
        answer = refresh_with(raw, "/mine/")
    assert answer.status_code == status
    assert not hasattr(answer, "json") or "access_token" not in answer.content.decode()


class Shouting(JSONRenderer):
    def render(self, data, *args, **kwargs):
        return super().render(data, *args, **kwargs).upper()


def test_the_refresh_view_s_renderer_and_user_are_its_own(user):
    seen = []

    class Own(views.TokenRefreshView):
        authentication_classes = [BasicAuthentication]
        permission_classes = [IsAuthenticated]
        renderer_classes = [Shouting]

        def refresh(self, request, *args, **kwargs):
            seen.append(request.user)
            return super().refresh(request, *args, **kwargs)

    client = APIClient()
    basic = b64encode(f"ada:{RIGHT['password']}".encode()).decode()
    client.credentials(HTTP_AUTHORIZATION=f"Basic {basic}")
    body = {"grant_type": "refresh_token", "refresh_token": sessions.start(user).refresh}
    with WithRoutes(path("mine/", views.TokenView.as_view(refresh_view_class=Own))):
        assert ask(body, "/mine/").status_code == 400
        answer = ask(body, "/mine/", client)
    assert (answer.status_code, seen) == (200, [user])
    assert b"ACCESS_TOKEN" in answer.content
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
