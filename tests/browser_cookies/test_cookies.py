"""The cookies themselves: their attributes, how they are read, and what the authentication classes make of them."""

import datetime
import logging
import time

import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.views.debug import ExceptionReporter
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTCookieAuthentication, StatelessJWTCookieAuthentication
from django_jwtauth.cookies import read_cookie
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests import urls
from tests.tools.browser_views import ACROSS, FOREIGN, PAGE, REFUSED, assert_csrf_refused
from tests.tools.cookie_jar import ACCESS, REFRESH, RIGHT, Browser
from tests.tools.http import bearer
from tests.tools.products import each_row

pytestmark = pytest.mark.urls(__name__)
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]


class API(APIView):
    """Returns who calls, and records what was changed."""

    authentication_classes = [JWTCookieAuthentication]
    permission_classes = [AllowAny]
    changes = []

    def get(self, request):
        return Response({"user": str(request.user.pk or ""), "token": getattr(request.auth, "jti", None)})

    def post(self, request):
        self.changes.append(request.method)
        return self.get(request)

    put = patch = delete = post


class StatelessAPI(API):
    authentication_classes = [StatelessJWTCookieAuthentication]


class FailingAPI(API):
    def get(self, request):
        raise RuntimeError("as any view may")


urlpatterns = [
    *urls.urlpatterns,
    path("api/", API.as_view()),
    path("stateless-api/", StatelessAPI.as_view()),
    path("failing/", FailingAPI.as_view()),
    path("with-sessions/", API.as_view(authentication_classes=[JWTCookieAuthentication, SessionAuthentication])),
    path("küche/v1/auth/", include("django_jwtauth.urls", namespace="kitchen")),
]
both = pytest.mark.parametrize("url", ["/api/", "/stateless-api/"])


@pytest.fixture
def browser(user):
    API.changes.clear()
    browser = Browser()
    assert browser.sign_in().status_code == 200
    return browser


# Attributes


HOST_ONLY = {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"}
PATH = "Path=/auth/browser/"
ATTRIBUTES = {
    "default": ({}, ACCESS, HOST_ONLY, REFRESH, HOST_ONLY - {"Path=/"} | {PATH}),
    "not-secure": (
        {"secure": False},
        *("jwtauth-access", {"HttpOnly", "SameSite=Strict", "Path=/"}),
        *("jwtauth-refresh", {"HttpOnly", "SameSite=Strict", PATH}),
    ),
    "domain": (
        {"domain": "example.com"},
        *("__Secure-jwtauth-access", HOST_ONLY | {"Domain=example.com"}),
        *(REFRESH, HOST_ONLY - {"Path=/"} | {PATH, "Domain=example.com"}),
    ),
    "lax": (
        {"samesite": "Lax"},
        *(ACCESS, {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"}),
        *(REFRESH, {"HttpOnly", "Secure", "SameSite=Lax", PATH}),
    ),
    "none": (
        {"samesite": "None"},
        *(ACCESS, {"HttpOnly", "Secure", "SameSite=None", "Path=/"}),
        *(REFRESH, {"HttpOnly", "Secure", "SameSite=None", PATH}),
    ),
    "path": ({"refresh_path": "/auth"}, ACCESS, HOST_ONLY, REFRESH, HOST_ONLY - {"Path=/"} | {"Path=/auth"}),
    "names": ({"access_name": "a", "refresh_name": "r"}, "a", HOST_ONLY, "r", HOST_ONLY - {"Path=/"} | {PATH}),
}


def attributes(morsel):
    """Return name and attributes as sent, without the expiry."""
    first, *others = morsel.OutputString().split("; ")
    return first.partition("=")[0], {text for text in others if not text.startswith(("expires=", "Max-Age="))}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_names_and_attributes(user, settings, case):
    given, access, access_attributes, refresh, refresh_attributes = ATTRIBUTES[case]
    settings.JWTAUTH = {"COOKIES": given, "REFRESH_GRACE_PERIOD": datetime.timedelta(0)}
    browser = Browser(scheme="http" if case == "not-secure" else "https")
    for response in (browser.sign_in(), browser.refresh(), browser.log_out()):
        assert response.status_code in (200, 204)
        assert attributes(response.cookies[access]) == (access, access_attributes)
        assert attributes(response.cookies[refresh]) == (refresh, refresh_attributes)
        assert set(response.cookies) - {"csrftoken"} == {access, refresh}
    assert {name for name, _, _ in browser.jar} == {"csrftoken"}


def test_cookies_live_as_long_as_their_tokens(user, settings):
    hour = datetime.timedelta(hours=1)
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": hour / 6, "REFRESH_TOKEN_LIFETIME": hour, "SESSION_LIFETIME": hour * 2}
    browser = Browser()
    answer = browser.sign_in().json()
    assert browser.cookie(ACCESS)["max-age"] == answer["expires_in"] == pytest.approx(600, abs=30)
    assert browser.cookie(REFRESH)["max-age"] == answer["refresh_expires_in"] == pytest.approx(3600, abs=30)
    access = conf.get_config().verifier.verify(browser.value(ACCESS))
    assert access.expires_at.timestamp() == pytest.approx(time.time() + browser.cookie(ACCESS)["max-age"], abs=30)
    # No token outlives its session, and no cookie outlives its token.
    now = sessions.find_by_any_token(browser.value(ACCESS)).database_now
    RefreshToken.objects.update(expires_at=now + hour / 20, rotated_at=now - hour / 2)
    answer = browser.refresh().json()
    assert browser.cookie(ACCESS)["max-age"] == answer["expires_in"] == pytest.approx(180, abs=30)
    assert browser.cookie(REFRESH)["max-age"] == answer["refresh_expires_in"] == pytest.approx(180, abs=30)


@pytest.mark.parametrize(
    ("script_name", "mount", "path"),
    [
        ("", "/auth", "/auth/browser/"),
        ("/shop", "/auth", "/shop/auth/browser/"),
        ("/a b", "/auth", "/a%20b/auth/browser/"),
        ("", "/küche/v1/auth", "/k%C3%BCche/v1/auth/browser/"),
    ],
)
def test_the_refresh_cookie_goes_to_the_browser_endpoints_wherever_they_are(user, script_name, mount, path):
    response = APIClient().post(f"{mount}/browser/login/", RIGHT, SCRIPT_NAME=script_name)
    assert response.cookies[REFRESH]["path"] == path  # as browsers write it in their requests
    assert response.cookies[ACCESS]["path"] == "/"


def test_a_path_adds_no_attribute_and_no_header():
    request, response = HttpRequest(), HttpResponse()
    request.path = "/a;Domain=evil.example\r\nX-Evil: 1/auth/browser/refresh/"
    conf.get_config().cookies.set_refresh(response, "x", request=request, max_age=1)
    (line,) = response.cookies.output().splitlines()
    assert "Domain=" not in line
    assert "Path=/a%3BDomain%3Devil.example%0D%0AX-Evil:%201/auth/browser/;" in line


def test_a_whole_session_under_script_name(user):
    browser = Browser(mount="/shop/auth", SCRIPT_NAME="/shop")
    assert browser.sign_in().status_code == 200
    assert browser.refresh().status_code == 200
    assert REFRESH not in browser.cookies_for("/shop/api/")
    assert ACCESS in browser.cookies_for("/shop/api/")
    assert browser.send("GET", "/shop/api/").json()["user"] == str(user.pk)
    assert browser.log_out().status_code == 204


# Reading


def request_with(header):
    request = HttpRequest()
    if header is not None:
        request.META["HTTP_COOKIE"] = header
    return request


@each_row(
    ("header", "value"),
    [
        (None, None),
        ("", None),
        (";;; ;", None),
        ("a", None),
        ("a=", None),
        ("a=1", "1"),
        ("b=2; a=1;c=3", "1"),
        ("\ta \t=\t1 ", "1"),
        ("a=b=c", "b=c"),
        ('a="1"', '"1"'),  # quotes are part of the value (RFC 6265bis section 5.6)
        ('b="; a=1; c="', "1"),  # and do not protect a semicolon
        ("A=1", None),
        ("=a=1", None),  # one without a name
        ("x=a=1", None),
        ("a%3D1", None),
        ("b=\xff\x80; a=\xfc", "\xfc"),
        # Python regards these as spaces, browsers do not.
        ("\xa0a=1", None),
        ("a\x85=1", None),
        ("\x1fa=1", None),
        ("a=1\xa0", "1\xa0"),
        ("b=" + "x; b=" * 50_000 + "; a=1", "1"),
    ],
)
def test_reading(header, value):
    found = read_cookie(request_with(header), "a")
    assert (found if found is None else found.reveal()) == value


@pytest.mark.parametrize("header", ["a=1; a=1", "a=1; b=2; a=", "a; a", "a=1;a =2"])
def test_two_of_a_name_are_refused(header):
    with pytest.raises(InvalidTokenError, match="invalid"):
        read_cookie(request_with(header), "a")


# What a neighbouring host can set, and what it cannot: no browser lets it use __Host-.


@both
@pytest.mark.parametrize(
    "planted", ["{name}={raw}; {name}=x", "{name}=x; {name}={raw}", "{name}=; {name}={raw}", "{name}={raw}; {name}"]
)
def test_two_access_cookies_are_refused(browser, url, planted):
    cookie = planted.format(name=ACCESS, raw=browser.value(ACCESS))
    for method in ("GET", "POST"):
        response = browser.send(method, url, headers={"Cookie": cookie})
        assert (response.status_code, response.json()["reason"]) == (401, "invalid")
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert API.changes == []


@both
@each_row(
    "cookie",
    ["={name}={raw}", "\u2000{name}={raw}", "\xa0{name}={raw}", "{name}\x85={raw}", "x={name}={raw}"],
    ids=["nameless", "wide-space", "no-break-space", "next-line", "in-a-value"],
)
def test_a_name_that_resembles_the_access_cookies_is_ignored(browser, url, cookie):
    header = cookie.format(name=ACCESS, raw=browser.value(ACCESS)).encode().decode("latin-1")
    assert browser.send("GET", url, headers={"Cookie": header}).json() == {"user": "", "token": None}
    raw_bytes = cookie.format(name=ACCESS, raw=browser.value(ACCESS)).encode("latin-1", "replace").decode("latin-1")
    assert browser.send("GET", url, headers={"Cookie": raw_bytes}).json() == {"user": "", "token": None}


@both
@each_row("change", ['"{}"', "{}\xa0", "{}x", "x", "\xff\xfe", "{}, {}", "{}.", "x" * 100_000])
def test_an_access_cookie_that_is_not_good_is_a_401(browser, url, change):
    cookie = f"{ACCESS}={change.format(*[browser.value(ACCESS)] * 2)}"
    response = browser.send("GET", url, headers={"Cookie": cookie})
    assert (response.status_code, response.json()["reason"]) == (401, "invalid")


@both
@pytest.mark.parametrize("cookie", [None, f"{ACCESS}=", f"{REFRESH}=x", "sessionid=x"])
def test_without_an_access_cookie_the_request_is_anonymous(browser, url, cookie):
    assert browser.send("GET", url, headers={"Cookie": cookie}).json() == {"user": "", "token": None}


@both
def test_a_refresh_token_is_refused_as_an_access_token(browser, url):
    response = browser.send("GET", url, headers={"Cookie": f"{ACCESS}={browser.value(REFRESH)}"})
    assert (response.status_code, response.json()["reason"]) == (401, "wrong_type")


# CSRF, and the header


@both
@pytest.mark.parametrize("method", UNSAFE)
def test_an_unsafe_method_needs_the_csrf_token(browser, url, method):
    assert browser.send(method, url).status_code == 200
    assert_forbidden(browser.send(method, url, csrf=False))
    assert API.changes == [method]
    for safe in ("GET", "HEAD", "OPTIONS"):
        assert browser.send(safe, url, csrf=False).status_code == 200


def assert_forbidden(response):
    assert response.status_code == 403
    assert response.json()["reason"] == "csrf"


@both
@each_row("headers", REFUSED.values(), ids=REFUSED)
@override_settings(**ACROSS)
def test_what_fails_the_csrf_check_is_refused(browser, url, headers):
    if "Cookie" in headers:
        headers = {"Cookie": f"{ACCESS}={browser.value(ACCESS)}"}
    assert_forbidden(browser.send("POST", url, headers=headers))
    assert API.changes == []


@both
@override_settings(**ACROSS)
def test_a_trusted_page_passes_and_a_form_of_another_site_does_not(user, url):
    API.changes.clear()
    browser = Browser(origin=PAGE)
    browser.sign_in()
    assert browser.send("POST", url, cross_site=True).status_code == 200
    form = {"csrfmiddlewaretoken": browser.csrf_token}
    posted = {"cross_site": True, "csrf": False, "format": "multipart", "headers": {"Origin": FOREIGN}}
    assert_forbidden(browser.send("POST", url, form, **posted))
    assert API.changes == ["POST"]


@pytest.mark.parametrize("path", ["logout/", "logout/all/", "sessions/"])
def test_our_own_endpoints_take_the_cookie_and_check(browser, path):
    method = "DELETE" if path == "sessions/" else "POST"
    assert_csrf_refused(browser.send(method, f"/auth/{path}", csrf=False))
    assert RefreshToken.objects.get().revoked_at is None
    assert browser.send(method, f"/auth/{path}").status_code in (200, 204)


@both
def test_a_header_needs_no_csrf_token_and_wins(browser, url):
    other = get_user_model().objects.create_user("bob", password="x")
    header = bearer(sessions.start(other).access)["headers"]
    answer = browser.send("POST", url, headers=header, csrf=False)
    assert (answer.status_code, answer.json()["user"]) == (200, str(other.pk))
    assert browser.send("GET", url, headers=header).json()["user"] == str(other.pk)
    # It ignores cookies, even if there are two.
    double = {"Cookie": f"{ACCESS}=x; {ACCESS}=y", **header}
    assert browser.send("POST", url, headers=double, csrf=False).status_code == 200


@both
@each_row(
    ("header", "code"),
    [
        ("Bearer x", "token_not_valid"),
        ("bearer x", "token_not_valid"),
        ("Bearer", "bad_authorization_header"),
        ("Bearer a b", "bad_authorization_header"),
        ("Bearer \xe4", "token_not_valid"),
    ],
)
def test_a_bad_header_is_not_mended_by_a_good_cookie(browser, url, header, code):
    response = browser.send("POST", url, headers={"Authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert API.changes == []


@both
def test_a_header_of_another_scheme_leaves_the_cookie_and_its_check(browser, url):
    headers = {"Authorization": "Basic YWRhOng="}
    assert browser.send("POST", url, headers=headers).status_code == 200
    assert_forbidden(browser.send("POST", url, headers=headers, csrf=False))


def test_a_cookie_that_is_not_good_is_a_401_before_the_csrf_check(browser):
    sessions.revoke(RefreshToken.objects.get())
    response = browser.send("POST", "/api/", csrf=False)
    assert (response.status_code, response.json()["reason"]) == (401, "revoked")


def test_statements(browser):
    for url, count in (("/api/", 1), ("/stateless-api/", 1), ("/stateless-api/", 0)):
        with CaptureQueriesContext(connection) as queries:
            assert browser.send("POST", url).status_code == 200
        assert len(queries) == count


def test_beside_session_authentication(browser):
    assert browser.send("GET", "/with-sessions/", headers={"Cookie": None}).json()["user"] == ""
    assert browser.send("POST", "/with-sessions/").json()["user"] == str(RefreshToken.objects.get().user_id)


# Caches, logs and error reports


@both
def test_answers_say_that_they_depend_on_the_cookies(browser, url):
    for headers in ({}, {"Cookie": None}, {"Cookie": f"{ACCESS}=x"}):
        assert "Cookie" in browser.send("GET", url, headers=headers)["Vary"].split(", ")


@both
def test_djangos_cache_keeps_the_responses_of_users_apart(user, url, settings):
    get_user_model().objects.create_user("bob", password="correct horse")
    before, after = "django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"
    settings.MIDDLEWARE = [before, *project.MIDDLEWARE, after]
    ada, bob = Browser(), Browser()
    ada.sign_in(), bob.sign_in(username="bob")
    cache.clear()
    seen = [browser.send("GET", url).json()["user"] for browser in (ada, bob, ada)]
    assert seen[0] == seen[2] == str(user.pk) != seen[1]
    assert Browser().send("GET", url).json()["user"] == ""


def test_outside_a_view_the_cookie_is_accepted_too(browser):
    cookie = {"HTTP_COOKIE": f"{ACCESS}={browser.value(ACCESS)}"}
    request = Request(RequestFactory().get("/", **cookie))
    assert JWTCookieAuthentication().authenticate(request)[0] == RefreshToken.objects.get().user


def test_no_token_in_logs_or_error_reports(browser, caplog):
    caplog.set_level(logging.DEBUG)
    held = [browser.value(ACCESS), browser.value(REFRESH)]
    browser.client.raise_request_exception = False
    assert browser.send("GET", "/failing/").status_code == 500
    browser.refresh(csrf=False)
    browser.log_out()
    (failed,) = [record for record in caplog.records if record.exc_info]
    with override_settings(DEBUG=False):
        report = ExceptionReporter(failed.request, *failed.exc_info)
        texts = [caplog.text, report.get_traceback_html(), report.get_traceback_text()]
    assert ACCESS in texts[1]  # the names of the cookies are shown, but not their values
    assert not any(raw.rpartition(".")[2] in text for raw in held for text in texts)
