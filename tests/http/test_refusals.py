"""Our errors are exceptions of REST framework: a project's handler formats them, and their headers stay."""

import pickle

import pytest
from django.db import connection
from django.test.utils import override_settings
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from django_jwtauth import errors, revocation_cache, sessions, views
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import HasScope
from django_jwtauth.refusals import Unavailable
from tests.tools.database import failing_reads
from tests.tools.http import LOGOUT, LOGOUT_ALL, REFRESH, RIGHT, SESSIONS, TOKEN, assert_refused, bearer
from tests.tools.http import urls_and_methods as endpoints
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

PLAIN = 'Bearer realm="api"'
INTROSPECT = "/auth/token/introspect/"
INVALID = 'Bearer realm="api", error="invalid_token"'


def envelope(exc, context):
    """Format errors as many projects do, and drop all headers."""
    codes = exc.get_codes() if isinstance(exc, APIException) else None
    response = exception_handler(exc, context)
    return response and Response({"ok": False, "codes": codes, "error": response.data}, status=response.status_code)


@pytest.fixture
def enveloped(settings):
    settings.REST_FRAMEWORK = {**getattr(settings, "REST_FRAMEWORK", {}), "EXCEPTION_HANDLER": envelope}


class Raising(APIView):
    """A project's own view."""

    authentication_classes = []
    permission_classes = []
    error = InvalidTokenError("revoked")

    def get(self, request):
        raise self.error


class Locked(views.TokenView):
    """A sign-in that refuses with REST framework's own exception."""

    why = ()

    def authenticate_user(self, request, credentials):
        raise AuthenticationFailed(*self.why)


class LockingBackend:
    def authenticate(self, request, **credentials):
        raise AuthenticationFailed("Too many attempts.", code="locked")


# Every refusal passes the project's handler


@pytest.mark.parametrize(
    ("method", "url", "data", "status", "code", "header"),
    [
        ("post", TOKEN, {**RIGHT, "password": "x"}, 401, "no_active_account", PLAIN),
        ("post", TOKEN, {**RIGHT, "scope": '"'}, 400, "invalid_scope", None),
        ("post", REFRESH, {"refresh": "x"}, 401, "token_not_valid", PLAIN),
        ("post", "/auth/browser/refresh/", {}, 401, "not_authenticated", PLAIN),
        ("post", LOGOUT, {}, 401, "not_authenticated", PLAIN),
        ("post", LOGOUT_ALL, {}, 401, "not_authenticated", PLAIN),
        ("get", SESSIONS, {}, 401, "not_authenticated", PLAIN),
        ("post", INTROSPECT, {"token": "x"}, 401, "not_authenticated", PLAIN),
    ],
)
def test_a_projects_handler_formats_our_refusals_and_the_headers_stay(
    client, user, enveloped, method, url, data, status, code, header
):
    response = getattr(client, method)(url, data)
    body = response.json()
    assert (response.status_code, response.get("WWW-Authenticate")) == (status, header)
    assert response["Cache-Control"] == "no-store"
    assert (body["ok"], body["error"]["code"], body["codes"]["detail"]) == (False, code, code)


def test_a_missing_field_and_a_refusal_have_one_format(client, user, enveloped):
    refused, missing = client.post("/auth/token/revoke/", {}), client.post(REFRESH, {})
    assert refused.json()["error"] == {"error": "invalid_request", "token": ["This field is required."]}
    assert refused.json()["codes"] == {"error": "invalid_request", "token": ["required"]}
    assert missing.json()["codes"] == {"refresh": ["required"]}
    assert {*refused.json()} == {*missing.json()} == {*client.post(REFRESH, {"refresh": "x"}).json()}


def test_a_body_of_rfc_7009_that_cannot_be_read_is_an_invalid_request(client):
    response = client.post("/auth/token/revoke/", "{", content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response.json()["detail"].startswith("JSON parse error")


def test_a_conflict_is_503_with_retry_after_whatever_the_handler_does(client, enveloped, monkeypatch):
    class Busy(views.TokenRefreshView):
        def refresh(self, *args, **kwargs):
            raise errors.RefreshConflictError

    with WithRoutes(path("busy/", Busy.as_view())):
        response = client.post("/busy/", {"refresh": "x"})
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert "WWW-Authenticate" not in response
    assert response.json()["error"]["reason"] == "conflict"


def test_a_throttled_sign_in_keeps_retry_after(client, user, enveloped, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"login": "1/min"}}
    client.post(TOKEN, {**RIGHT, "password": "x"})
    response = client.post(TOKEN, {**RIGHT, "password": "x"})
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60


@pytest.mark.django_db
def test_a_handler_may_replace_the_detail(client, settings):
    def replace(exc, context):
        exc.detail = {"message": str(exc.detail["detail"])}
        return exception_handler(exc, context)

    settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": replace}
    assert client.post(REFRESH, {"refresh": "x"}).json() == {"message": "Token is invalid"}


@pytest.mark.django_db
def test_a_refusal_leaves_the_transaction_around_it_usable(client, pair, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post(REFRESH, {"refresh": "x"}).status_code == 401
    assert client.post(REFRESH, {}).status_code == 400
    assert RefreshToken.objects.count() == 1


# AuthenticationFailed


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ((), ("Incorrect authentication credentials.", "authentication_failed")),
        (("Not yet.", "waiting"), ("Not yet.", "waiting")),
        (("Revoked, says the project.", "revoked"), ("Revoked, says the project.", "revoked")),
    ],
)
def test_authentication_failed_of_a_subclass_is_401_with_a_challenge(client, user, why, body):
    with WithRoutes(path("locked/", Locked.as_view(why=why))):
        response = client.post("/locked/", RIGHT)
    assert_refused(response, body[1], body[1])
    assert response.json()["detail"] == body[0]


def test_authentication_failed_with_a_body_of_its_own_keeps_it(client, user):
    with WithRoutes(path("locked/", Locked.as_view(why=({"until": "noon"},)))):
        response = client.post("/locked/", RIGHT)
    assert (response.status_code, response["WWW-Authenticate"], response.json()) == (401, PLAIN, {"until": "noon"})


@pytest.mark.parametrize("url", [TOKEN, "/auth/browser/login/"])
def test_authentication_failed_of_a_backend_is_401_with_a_challenge(client, user, settings, url):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.LockingBackend"]
    assert_refused(client.post(url, RIGHT), "locked", "locked")
    assert not RefreshToken.objects.exists()


def test_a_view_with_a_realm_of_its_own_names_it(client, user):
    view = views.TokenRefreshView.as_view(www_authenticate_realm="shop")
    with WithRoutes(path("shop/", view), path("locked/", Locked.as_view(www_authenticate_realm="shop"))):
        for response in (client.post("/shop/", {"refresh": "x"}), client.post("/locked/", RIGHT)):
            assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="shop"')


# A project's own views


@each_row(
    ("error", "status", "header", "body"),
    [
        (InvalidTokenError("revoked"), 401, ("WWW-Authenticate", PLAIN), {"code": "token_not_valid"}),
        (InvalidTokenError("frozen", message="Frozen."), 401, ("WWW-Authenticate", PLAIN), {"detail": "Frozen."}),
        (InvalidTokenError("stale"), 503, ("Retry-After", "1"), {"code": "temporarily_unavailable", "reason": "stale"}),
        (errors.RefreshConflictError(), 503, ("Retry-After", "1"), {"reason": "conflict"}),
        (errors.InvalidScopeError("No."), 400, None, {"error": "invalid_scope", "detail": "No."}),
        (errors.InvalidTargetError("No."), 400, None, {"error": "invalid_target", "detail": "No."}),
        (
            errors.InsufficientScopeError("a b"),
            403,
            ("WWW-Authenticate", 'Bearer realm="api", error="insufficient_scope", scope="a b"'),
            {"reason": "insufficient_scope", "scope": "a b"},
        ),
    ],
    ids=lambda value: value.reason if isinstance(value, errors.JWTAuthError) else "",
)
@each_row("authentication", [[], [SessionAuthentication], [JWTAuthentication]])
def test_our_errors_in_a_projects_view_are_answered(client, error, status, header, body, authentication):
    view = Raising.as_view(error=error, authentication_classes=authentication)
    with WithRoutes(path("raising/", view)):
        response = client.get("/raising/")
    assert response.status_code == status
    assert response.json().items() >= body.items()
    sent = {name: response[name] for name in ("WWW-Authenticate", "Retry-After") if name in response}
    assert sent == (dict([header]) if header else {})


@pytest.mark.parametrize("error", [errors.InvalidKeyError("x"), errors.ClaimsHookError("a.b", "x")])
def test_errors_that_no_client_causes_stay_errors_of_the_server(client, error):
    client.raise_request_exception = False
    with WithRoutes(path("raising/", Raising.as_view(error=error))):
        assert client.get("/raising/").status_code == 500


def test_a_refused_token_is_401_even_if_another_class_comes_first(client, pair):
    sessions.revoke(pair.session)
    view = Raising.as_view(authentication_classes=[SessionAuthentication, JWTAuthentication])
    with WithRoutes(path("raising/", view)):
        response = client.get("/raising/", **bearer(pair.access))
    assert (response.status_code, response["WWW-Authenticate"]) == (401, INVALID)
    assert response.json()["reason"] == "revoked"


@pytest.mark.parametrize("error", [InvalidTokenError("revoked"), errors.RefreshConflictError()])
def test_our_errors_can_still_be_pickled(error):
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), twin.args, twin.status_code) == (type(error), error.args, error.status_code)
    assert isinstance(twin, APIException)


# A token that cannot be checked


@pytest.mark.django_db
def test_a_token_that_cannot_be_checked_is_503_without_a_challenge(client, pair, rf):
    with failing_reads():
        response = client.get("/stateless/", **bearer(pair.access))
        with pytest.raises(Unavailable) as caught:
            StatelessJWTAuthentication().authenticate(rf.get("/", **bearer(pair.access)))
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert "WWW-Authenticate" not in response
    assert (response.json()["code"], response.json()["reason"]) == ("temporarily_unavailable", "stale")
    assert not isinstance(caught.value, AuthenticationFailed)


@pytest.mark.django_db
def test_our_own_views_answer_503_too(client, pair, enveloped):
    class Stateless(views.AuthenticatedView):
        authentication_classes = [StatelessJWTAuthentication]

        def post(self, request):
            raise InvalidTokenError("stale")

    with WithRoutes(path("ours/", Stateless.as_view())):
        with failing_reads():
            before = client.post("/ours/", **bearer(pair.access))
        revocation_cache.forget()
        within = client.post("/ours/", **bearer(pair.access))
    for response in (before, within):
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert "WWW-Authenticate" not in response


# The method


@pytest.mark.django_db
@each_row("content_type", ["application/json", "text/xml", "application/json; charset=nonsense", ""])
@each_row(
    "url",
    [*dict.fromkeys(url for url, _ in endpoints()), *(f"/auth/browser/{name}/" for name in ("login", "refresh"))],
)
def test_a_wrong_method_is_405_whatever_its_body(client, url, content_type):
    response = client.generic("PUT", url, b"\xff{", content_type=content_type)
    assert (response.status_code, response["Cache-Control"]) == (405, "no-store")
    assert "PUT" not in response["Allow"]
    assert client.generic("TRACE", url).status_code == 405


# force_authenticate


@pytest.fixture
def forced(client, user):
    client.force_authenticate(user)
    return client


def test_a_user_without_a_token_can_list_and_end_sessions(forced, pair):
    assert [row["current"] for row in forced.get(SESSIONS).json()["results"]] == [False]
    assert forced.delete(f"{SESSIONS}{pair.session.pk}/").status_code == 204
    assert forced.post(LOGOUT_ALL).json() == {"revoked": 0}


@pytest.mark.parametrize(("method", "url"), [("post", LOGOUT), ("delete", SESSIONS)])
def test_what_needs_to_know_the_session_says_that_there_is_none(forced, pair, method, url):
    response = getattr(forced, method)(url)
    assert_refused(response, "not_authenticated", "no_token")
    assert response.json()["detail"] == "The request was not authenticated by an access token"
    assert RefreshToken.objects.live().exists()


def test_introspection_needs_a_permission_and_no_token_of_the_caller(forced, user, pair):
    assert forced.post(INTROSPECT, {"token": pair.access}).status_code == 403
    user.is_superuser = True
    user.save()
    assert forced.post(INTROSPECT, {"token": pair.access}).json()["active"] is True


@override_settings(REST_FRAMEWORK={})
def test_a_permission_class_says_that_there_is_no_token(forced):
    with WithRoutes(path("scoped/", Raising.as_view(permission_classes=[HasScope("a")]))):
        response = forced.get("/scoped/")
    assert response.status_code == 403
    assert response.json() == {
        "detail": "The request was not authenticated by an access token",
        "code": "permission_denied",
        "reason": "no_token",
    }
