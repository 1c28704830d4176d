"""The database is away: a 503 that keeps every client signed in, one log record, and all goes on when it is back."""

import contextlib
import sqlite3
import types
import uuid
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
)
from django.http import JsonResponse
from django.test import override_settings
from django.urls import path
from rest_framework.exceptions import ErrorDetail, PermissionDenied
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import compiled, conf, outages, sessions
from django_jwtauth.authentication import JWTAuthentication, JWTCookieAuthentication
from django_jwtauth.checks import check_outages
from django_jwtauth.errors import ClaimsHookError
from django_jwtauth.middleware import DatabaseOutageMiddleware
from django_jwtauth.models import BlacklistedToken, RefreshToken
from tests.tools.browser_views import LOGIN, RENEW
from tests.tools.browser_views import LOGOUT as BROWSER_LOGOUT
from tests.tools.clocks import stop_clock
from tests.tools.cookie_jar import ACCESS, Browser
from tests.tools.cookie_jar import REFRESH as REFRESH_COOKIE
from tests.tools.database import database_away
from tests.tools.http import BLACKLIST, LOGOUT, LOGOUT_ALL, REFRESH, RIGHT, SESSIONS, TOKEN, VERIFY, bearer
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

REVOKE, INTROSPECT = "/auth/token/revoke/", "/auth/token/introspect/"
OUTAGE = {"code": "temporarily_unavailable", "reason": "unavailable"}
MIDDLEWARE = "django_jwtauth.middleware.DatabaseOutageMiddleware"


class PairAndBearer:
    """Requests of a client that has a token pair."""

    def __init__(self, client, pair):
        self.client, self.pair = client, pair

    def __call__(self, method, url, with_bearer=False, **data):
        headers = bearer(self.pair.access) if with_bearer else {}
        return getattr(self.client, method)(url, data, format="json", **headers)


REQUESTS = {
    "sign-in": lambda ask: ask("post", TOKEN, **RIGHT),
    "refresh": lambda ask: ask("post", REFRESH, refresh=ask.pair.refresh),
    "verify": lambda ask: ask("post", VERIFY, token=ask.pair.access),
    "verify-refresh": lambda ask: ask("post", VERIFY, token=ask.pair.refresh),
    "blacklist": lambda ask: ask("post", BLACKLIST, refresh=ask.pair.refresh),
    "revoke": lambda ask: ask("post", REVOKE, token=ask.pair.refresh),
    "revoke-access": lambda ask: ask("post", REVOKE, token=ask.pair.access),
    "introspect": lambda ask: ask("post", INTROSPECT, with_bearer=True, token=ask.pair.access),
    "sessions": lambda ask: ask("get", SESSIONS, with_bearer=True),
    "end-others": lambda ask: ask("delete", SESSIONS, with_bearer=True),
    "end-one": lambda ask: ask("delete", f"{SESSIONS}{uuid.UUID(int=0)}/", with_bearer=True),
    "logout": lambda ask: ask("post", LOGOUT, with_bearer=True),
    "logout-all": lambda ask: ask("post", LOGOUT_ALL, with_bearer=True),
    "a view": lambda ask: ask("get", "/whoami/", with_bearer=True),
}


def assert_unavailable(response):
    assert response.status_code == 503
    body = response.json()
    assert {name: body[name] for name in OUTAGE} == OUTAGE
    assert body["detail"]
    assert response["Retry-After"] == "1"
    assert not response.has_header("WWW-Authenticate")
    assert not response.cookies


@pytest.fixture
def ask(client, pair):
    return PairAndBearer(client, pair)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_each_endpoint_asks_to_try_again_and_nobody_is_signed_out(ask, request_):
    with database_away():
        assert_unavailable(request_(ask))
    assert ask("get", "/whoami/", with_bearer=True).status_code == 200
    assert ask("post", REFRESH, refresh=ask.pair.refresh).status_code == 200
    assert RefreshToken.objects.get().revoked_at is None


def test_oauth_clients_get_the_error_they_know(client, pair):
    form = {"grant_type": "refresh_token", "refresh_token": pair.refresh}
    with database_away():
        response = client.post(TOKEN, urlencode(form), content_type="application/x-www-form-urlencoded")
    assert_unavailable(response)
    assert response.json()["error"] == "temporarily_unavailable"


@pytest.mark.parametrize("url", [LOGIN, RENEW, BROWSER_LOGOUT])
def test_a_browser_keeps_its_cookies(user, url):
    browser = Browser()
    assert browser.sign_in().status_code == 200
    had = browser.value(ACCESS), browser.value(REFRESH_COOKIE)
    with database_away():
        assert_unavailable(browser.send("POST", url, RIGHT if url == LOGIN else {}))
    assert (browser.value(ACCESS), browser.value(REFRESH_COOKIE)) == had
    assert browser.send("GET", SESSIONS).status_code == 200


class CookieView(APIView):
    authentication_classes = [JWTCookieAuthentication]

    def get(self, request):
        return Response({"user": request.user.pk})

    post = get


class AnyView(APIView):
    permission_classes = ()
    authentication_classes = [JWTAuthentication]

    def get(self, request):
        return Response({"users": get_user_model().objects.count()})


def plain_view(request):
    return JsonResponse({"users": get_user_model().objects.count()})


def missing_table(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM there_is_no_such_table")


def routes():
    return WithRoutes(
        path("cookie/", CookieView.as_view()),
        path("any/", AnyView.as_view()),
        path("plain/", plain_view),
        path("missing/", missing_table),
    )


def test_a_dead_cookie_is_not_passed_over_because_nobody_knows_whether_it_is_dead(user):
    browser = Browser()
    browser.sign_in()
    with routes(), database_away():
        assert_unavailable(browser.send("GET", "/cookie/"))


class UnreadableSession:
    def get(self, *args):
        with database_away():
            return get_user_model().objects.count()


def with_unreadable_session(get_response):
    def middleware(request):
        request.session = UnreadableSession()
        return get_response(request)

    return middleware


def test_a_csrf_token_that_is_in_the_database_cannot_be_read(user):
    browser = Browser()
    browser.sign_in()

    changed = override_settings(CSRF_USE_SESSIONS=True, MIDDLEWARE=["tests.http.test_outages.with_unreadable_session"])
    with routes(), changed:
        browser.client = APIClient(enforce_csrf_checks=True)  # which reads the middleware anew
        response = browser.send("POST", "/cookie/")
        assert_unavailable(response)


def handler_of_a_project(error, context):
    return Response({"problem": type(error).__name__, "codes": error.get_codes()}, status=error.status_code)


def test_a_projects_handler_sees_an_api_exception_and_the_endpoints_keep_the_header(ask):
    changed = {"EXCEPTION_HANDLER": "tests.http.test_outages.handler_of_a_project"}
    with override_settings(REST_FRAMEWORK=changed), database_away():
        response = ask("post", REFRESH, refresh=ask.pair.refresh)
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert response.json()["problem"] == "Unavailable"
        assert set(response.json()["codes"].values()) == {"temporarily_unavailable"}


# A project with ATOMIC_REQUESTS


@contextlib.contextmanager
def atomic_requests():
    for alias in connections:
        connections[alias].settings_dict["ATOMIC_REQUESTS"] = connections.settings[alias]["ATOMIC_REQUESTS"] = True
    try:
        yield
    finally:
        for alias in connections:
            connections[alias].settings_dict["ATOMIC_REQUESTS"] = connections.settings[alias]["ATOMIC_REQUESTS"] = False


@pytest.mark.parametrize("url", ["/any/", "/plain/"])
def test_the_middleware_answers_where_the_transaction_of_a_request_cannot_begin(client, pair, url, settings):
    settings.MIDDLEWARE = [MIDDLEWARE, *settings.MIDDLEWARE]
    with routes(), atomic_requests():
        with database_away():
            response = client.get(url, **bearer(pair.access))
            assert_unavailable(response)
            assert response["Cache-Control"] == "no-store"
        assert client.get(url, **bearer(pair.access)).status_code == 200


class OwnMiddleware(DatabaseOutageMiddleware):
    """A project's own."""


@pytest.mark.parametrize("added", [MIDDLEWARE, "tests.http.test_outages.OwnMiddleware", "", "no.such.Middleware"])
def test_a_deploy_check_tells_that_the_middleware_is_missing(settings, added):
    assert check_outages() == []
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "tests.http.test_outages.with_unreadable_session",
        *filter(None, [added]),
    ]
    with atomic_requests():
        found = [(message.id, "(default)" in message.msg) for message in check_outages()]
    assert found == ([] if added and added != "no.such.Middleware" else [("jwtauth.W023", True)])


def test_the_endpoints_need_no_middleware_for_it(ask):
    with atomic_requests(), database_away():
        assert_unavailable(ask("post", REFRESH, refresh=ask.pair.refresh))


def test_the_middleware_leaves_all_other_errors_alone(settings, db):
    settings.MIDDLEWARE = [MIDDLEWARE]
    client = APIClient(raise_request_exception=False)
    with routes():
        assert client.get("/missing/").status_code == 500


# Which errors count


def driver_error(**attributes):
    return type("DriverError", (Exception,), attributes)()


def as_django_raises(kind, *args, cause):
    error = kind(*args)
    error.__cause__ = cause
    return error


TEMPORARY = {
    "PostgreSQL cannot be reached": (OperationalError, ("connection refused",), {"sqlstate": None}),
    "PostgreSQL has gone": (InterfaceError, ("connection already closed",), {"pgcode": None}),
    "PostgreSQL is shutting down": (OperationalError, ("admin shutdown",), {"sqlstate": "57P01"}),
    "PostgreSQL has no connection left": (OperationalError, ("too many clients",), {"pgcode": "53300"}),
    "PostgreSQL: the disk is full": (OperationalError, ("no space left",), {"sqlstate": "53100"}),
    "PostgreSQL: a deadlock": (OperationalError, ("deadlock detected",), {"sqlstate": "40P01"}),
    "PostgreSQL: lock_timeout": (OperationalError, ("lock timeout",), {"sqlstate": "55P03"}),
    "PostgreSQL is a replica by now": (InternalError, ("read-only transaction",), {"sqlstate": "25006"}),
    "MariaDB cannot be reached": (OperationalError, (2002, "Can't connect"), {}),
    "MariaDB has gone": (OperationalError, (2013, "Lost connection"), {}),
    "MariaDB has been left": (InterfaceError, (0, ""), {}),
    "MariaDB: a lock wait": (OperationalError, (1205, "Lock wait timeout exceeded"), {}),
    "MariaDB is a replica by now": (OperationalError, (1290, "--read-only"), {}),
    "MariaDB: the disk is full": (OperationalError, (1114, "The table is full"), {}),
    "SQLite is locked": (OperationalError, ("database is locked",), {"sqlite_errorname": "SQLITE_BUSY_SNAPSHOT"}),
    "SQLite: the disk is full": (OperationalError, ("full",), {"sqlite_errorname": "SQLITE_FULL"}),
}
PERMANENT = {
    "PostgreSQL: no such table": (ProgrammingError, ("undefined table",), {"sqlstate": "42P01"}),
    "PostgreSQL: unique": (IntegrityError, ("duplicate key",), {"sqlstate": "23505"}),
    "PostgreSQL: too complex": (OperationalError, ("statement too complex",), {"sqlstate": "54001"}),
    "PostgreSQL: aborted": (InternalError, ("current transaction is aborted",), {"sqlstate": "25P02"}),
    "MariaDB: no such table": (ProgrammingError, (1146, "no such table"), {}),
    "MariaDB: no such column": (OperationalError, (1054, "Unknown column"), {}),
    "MariaDB: misuse": (InterfaceError, ("bad argument",), {}),
    "SQLite: no such table": (OperationalError, ("no such table",), {"sqlite_errorname": "SQLITE_ERROR"}),
    "Django: no text": (Error, (), {}),
}


@each_row(("kind", "args", "attributes"), TEMPORARY.values(), ids=TEMPORARY.keys())
def test_what_a_second_attempt_may_mend_is_an_outage(kind, args, attributes):
    error = as_django_raises(kind, *args, cause=driver_error(**attributes))
    assert outages.outage(error) is error


@each_row(("kind", "args", "attributes"), PERMANENT.values(), ids=PERMANENT.keys())
def test_what_a_project_must_mend_is_none(kind, args, attributes):
    error = as_django_raises(kind, *args, cause=driver_error(**attributes))
    assert outages.outage(error) is None


def test_errors_that_cause_each_other_are_none(rf):
    """``raise error from error`` is a common slip. Looking for the first cause must end."""
    itself, other = RuntimeError(), RuntimeError()
    itself.__cause__ = itself
    other.__cause__ = RuntimeError()
    other.__cause__.__cause__ = other
    for error in (itself, other):
        assert DatabaseOutageMiddleware(lambda request: None).process_exception(rf.get("/"), error) is None


def test_a_lock_and_a_missing_table_of_a_real_sqlite(tmp_path):
    file = str(tmp_path / "file")
    with contextlib.closing(sqlite3.connect(file)) as one, contextlib.closing(sqlite3.connect(file, timeout=0)) as two:
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN EXCLUSIVE")
        for statement, is_outage in [("SELECT * FROM t", True), ("SELECT FROM", False)]:
            with pytest.raises(sqlite3.OperationalError) as caught:
                two.execute(statement)
            error = as_django_raises(OperationalError, *caught.value.args, cause=caught.value)
            assert (outages.outage(error) is error) is is_outage


def hook_that_asks(user, *, request, session):
    with database_away():
        get_user_model().objects.count()


def hook_that_fails(user, *, request, session):
    raise LookupError


def test_a_hook_that_fails_for_it_is_the_outage_itself(ask, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.http.test_outages.hook_that_asks"]}
    assert_unavailable(ask("post", REFRESH, refresh=ask.pair.refresh))


def test_a_hook_that_fails_by_itself_is_an_error_of_the_project(ask, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.http.test_outages.hook_that_fails"]}
    with pytest.raises(ClaimsHookError):
        ask("post", REFRESH, refresh=ask.pair.refresh)


def test_what_a_backend_decides_during_an_outage_stands(client, user, monkeypatch):
    def authenticate(self, request, **credentials):
        try:
            with database_away():
                get_user_model().objects.count()
        except OperationalError as error:
            raise PermissionDenied(ErrorDetail("Closed.", "closed")) from error

    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", authenticate)
    assert client.post(TOKEN, RIGHT).status_code == 403


def test_a_table_that_is_missing_stays_an_error(ask, monkeypatch):
    monkeypatch.setattr(BlacklistedToken._meta, "db_table", "there_is_no_such_table")
    compiled.forget()
    try:
        with pytest.raises((OperationalError, ProgrammingError)):
            ask("get", "/whoami/", with_bearer=True)
    finally:
        compiled.forget()


# What is logged, and what is counted


def test_an_outage_is_logged_once_a_minute_without_a_secret(ask, caplog, monkeypatch):
    with database_away():
        for seconds in (0, 1, 59, 60, 100):
            stop_clock(monkeypatch, 1_900_000_000.0 + seconds)
            for request in REQUESTS.values():
                request(ask)
    records = [record for record in caplog.records if getattr(record, "jwtauth_event", "") == "database_unavailable"]
    assert [(record.name, record.levelname) for record in records] == [("django_jwtauth.security", "ERROR")] * 2
    assert {(record.jwtauth_reason, record.exc_info) for record in records} == {("OperationalError", None)}
    assert "unable to open" in records[0].getMessage() or connection.vendor != "sqlite"
    for secret in (ask.pair.access, ask.pair.refresh, RIGHT["password"]):
        assert secret not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_refresh_that_fails_for_it_does_not_count_and_a_guess_does(ask, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"refresh": "2/min", "login": "2/min"}}
    with database_away():
        assert [ask("post", REFRESH, refresh=ask.pair.refresh).status_code for _ in range(5)] == [503] * 5
        # Whoever stops the database between two statements must not be able to tell a right password from a wrong one.
        assert [ask("post", TOKEN, **RIGHT).status_code for _ in range(3)] == [503, 503, 429]
    assert ask("post", REFRESH, refresh=ask.pair.refresh).status_code == 200


def test_documents_whose_settings_are_in_the_database_are_unavailable_too(client, db, settings):
    def own(tenant):
        get_user_model().objects.count()
        return {}

    settings.JWTAUTH = {"TENANT": lambda: "one", "TENANT_SETTINGS": own}
    conf.forget()
    with database_away():
        response = client.get("/.well-known/jwks.json")
        assert (response.status_code, response["Retry-After"]) == (503, "1")
    settings.JWTAUTH = {"TENANT": lambda: types.SimpleNamespace()}
    with pytest.raises(Exception, match="must return the name"):
        client.get("/.well-known/jwks.json")


def test_what_was_revoked_before_stays_so(ask, user):
    sessions.revoke(ask.pair.session)
    with database_away():
        assert_unavailable(ask("get", "/whoami/", with_bearer=True))
    assert ask("get", "/whoami/", with_bearer=True).json()["reason"] == "revoked"
