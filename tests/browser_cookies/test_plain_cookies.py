"""The middleware and the decorator for plain Django views, called by a browser with our cookies."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.crypto import get_random_string
from django.views.decorators.csrf import csrf_exempt
from rest_framework.views import APIView

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.decorators import jwt_required
from tests import urls
from tests.tools.browser_views import ACROSS, PAGE, REFUSED, assert_csrf_refused
from tests.tools.cookie_jar import ACCESS, Browser
from tests.tools.http import bearer

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]
MIDDLEWARE = "django_jwtauth.middleware.JWTMiddleware"
CHANGES = []


def page(request):
    if request.method == "POST":
        CHANGES.append(request.user.pk)
    return JsonResponse({"user": str(request.user.pk or ""), "by": "token" if request.auth else ""})


@login_not_required
def sign_in_page(request):
    return page(request)


def silent(request):
    CHANGES.append(request.method)
    return HttpResponse("nobody looked")


class CookieReader(JWTAuthentication):
    """What many projects have written: it knows nothing of CSRF."""

    def get_raw_token(self, request):
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        return token if word == "JWT" else request.COOKIES.get("mine") or super().get_raw_token(request)


class SplitCookieReader(JWTAuthentication):
    """Scripts may read what the token says, but not its signature, which is in a cookie of its own."""

    def get_raw_token(self, request):
        parts = [request.COOKIES.get(name) for name in ("payload", "signature")]
        return ".".join(parts) if all(parts) else super().get_raw_token(request)


class SessionReader(JWTAuthentication):
    """Browsers get no token at all: it is in Django's session."""

    def get_raw_token(self, request):
        return request.headers.get("X-Token") or request.session.get("token") or super().get_raw_token(request)


class OwnWay(JWTAuthentication):
    """As it was written for Simple JWT."""

    def authenticate(self, request):
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        raw = token if word == "JWT" else request.COOKIES.get("mine")
        return self.authenticate_token(raw) if raw else super().authenticate(request)


async def apage(request):
    return page(request)


class StatelessCookieReader(CookieReader, StatelessJWTAuthentication):
    pass


class OwnAPI(APIView):
    authentication_classes = [CookieReader]

    def post(self, request):
        return page(request)


urlpatterns = [
    *urls.urlpatterns,
    path("own-required/", jwt_required(authentication_class=CookieReader)(page)),
    path("own-way/", jwt_required(authentication_class=OwnWay)(page)),
    path("own-async-way/", jwt_required(authentication_class=OwnWay)(apage)),
    path("own-session/", jwt_required(authentication_class=SessionReader)(page)),
    path("own-split/", jwt_required(authentication_class=SplitCookieReader)(page)),
    path("own-stateless/", jwt_required(authentication_class=StatelessCookieReader)(page)),
    path("own-api/", OwnAPI.as_view()),
    path("page/", page),
    path("mine/", login_required(page)),
    path("exempt/", csrf_exempt(page)),
    path("silent/", csrf_exempt(silent)),
    path("sign-in/", sign_in_page),
    path("required/", jwt_required(page)),
    path("optional/", jwt_required(optional=True)(page)),
]
protected = pytest.mark.parametrize("url", ["/page/", "/mine/", "/exempt/", "/silent/", "/required/", "/optional/"])


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.LOGIN_URL = "/sign-in/"
    CHANGES.clear()


@pytest.fixture
def browser(user):
    browser = Browser()
    assert browser.sign_in().status_code == 200
    return browser


def as_djangos(browser, user):
    """Sign in with Django's own session too, in the same browser."""
    browser.client.force_login(user)
    browser.jar[("sessionid", "", "/")] = browser.client.cookies["sessionid"]
    browser.client.cookies.clear()


@protected
def test_the_cookie_is_the_user(browser, user, url):
    for method in ("GET", "POST"):
        answer = browser.send(method, url)
        assert answer.status_code == 200
        assert url == "/silent/" or answer.json() == {"user": str(user.pk), "by": "token"}


@protected
@pytest.mark.parametrize("refused", REFUSED)
def test_the_csrf_check_protects_each_view(browser, settings, url, refused):
    for name, value in ACROSS.items():
        setattr(settings, name, value)
    answer = browser.send("POST", url, headers=REFUSED[refused])
    if refused == "no-cookie" and url in ("/exempt/", "/silent/"):
        assert answer.status_code == 200  # an anonymous visitor, who is nobody to forge a request of
        assert CHANGES in ([None], ["POST"])
        return
    assert answer.status_code in ((401, 403) if refused == "no-cookie" else (403,))
    assert CHANGES == []


def test_a_page_of_a_trusted_origin_is_no_forgery(user, settings):
    for name, value in ACROSS.items():
        setattr(settings, name, value)
    browser = Browser(origin=PAGE)
    assert browser.sign_in().status_code == 200
    assert browser.send("POST", "/page/", cross_site=True).json()["by"] == "token"
    assert browser.send("POST", "/required/", cross_site=True).json()["by"] == "token"


def test_the_refusal_of_a_view_that_django_does_not_check(browser):
    for url in ("/exempt/", "/silent/", "/required/", "/optional/"):
        assert_csrf_refused(browser.send("POST", url, csrf=False))


def change_password(sid):
    get_user_model().objects.update(password=make_password("correct horse"))  # with another salt


@pytest.mark.parametrize("end", [sessions.revoke, change_password])
def test_a_cookie_that_was_good_once(browser, end):
    end(sessions.find_by_any_token(browser.value(ACCESS)).pk)
    for url in ("/page/", "/optional/", "/sign-in/"):
        answer = browser.send("GET", url)
        assert (answer.status_code, answer.json()) == (200, {"user": "", "by": ""})
        assert "Cookie" in answer["Vary"]
    assert browser.send("GET", "/mine/")["Location"] == "/sign-in/?next=/mine/"
    assert browser.send("GET", "/required/").status_code == 401
    for url in ("/page/", "/mine/", "/exempt/", "/silent/", "/required/", "/optional/"):
        refused = browser.send("POST", url)
        assert (refused.status_code, refused.json()["reason"]) in ((401, "revoked"), (401, "password_changed"))
    assert CHANGES == []
    assert browser.send("POST", "/sign-in/").json() == {"user": "", "by": ""}  # or nobody could sign in again
    assert browser.sign_in().status_code == 200


def test_a_cookie_that_was_never_good(browser):
    for url in ("/page/", "/optional/", "/required/"):
        refused = browser.send("GET", url, headers={"Cookie": f"{ACCESS}=nonsense"})
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    twice = {"Cookie": f"{ACCESS}=a; {ACCESS}={browser.value(ACCESS)}"}
    assert browser.send("GET", "/page/", headers=twice).status_code == 401


def test_the_header_comes_before_the_cookie(browser):
    other = sessions.start(get_user_model().objects.create_user("grace"))
    for url in ("/page/", "/required/"):
        for method in ("GET", "POST"):
            answer = browser.send(method, url, csrf=False, headers=bearer(other.access)["headers"])
            assert answer.json()["user"] == str(other.session.user_id)
            assert browser.send(method, url, headers=bearer("nonsense")["headers"]).status_code == 401


def test_who_is_signed_in_by_django_stays_so(browser):
    grace = get_user_model().objects.create_user("grace", is_staff=True)
    as_djangos(browser, grace)
    for method in ("GET", "POST"):
        assert browser.send(method, "/page/").json() == {"user": str(grace.pk), "by": ""}
        assert browser.send(method, "/required/").json()["by"] == "token"  # only tokens count there
    assert browser.send("GET", "/admin/").status_code == 200
    sessions.revoke_all(get_user_model().objects.get(username="ada"))
    assert browser.send("POST", "/page/").json() == {"user": str(grace.pk), "by": ""}
    assert browser.send("POST", "/page/", csrf=False).status_code == 403


def test_a_cached_page_is_shown_to_nobody_else(browser, user, settings):
    before, after = "django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"
    settings.MIDDLEWARE = [before, *settings.MIDDLEWARE, after]
    assert browser.send("GET", "/page/").json()["user"] == str(user.pk)
    assert Browser().send("GET", "/page/").json()["user"] == ""
    other = sessions.start(get_user_model().objects.create_user("grace"))
    answer = Browser().send("GET", "/page/", headers=bearer(other.access)["headers"])
    assert answer.json()["user"] == str(other.session.user_id)


def test_an_event_loop_answers_the_same(user):
    browser = Browser(host="testserver")
    assert browser.sign_in().status_code == 200

    def send(method, csrf=True):
        client = AsyncClient(enforce_csrf_checks=True)
        headers = {"Origin": browser.origin, "X-CSRFToken": browser.csrf_token if csrf else ""}
        for (name, _, _), morsel in browser.jar.items():
            client.cookies[name] = morsel.value
        return async_to_sync(getattr(client, method))("/exempt/", headers=headers, secure=True)

    for method in ("get", "post"):
        assert send(method).json() == {"user": str(user.pk), "by": "token"}
    assert_csrf_refused(send("post", csrf=False))


def test_a_csrf_token_that_was_replaced_is_not_good_any_more(browser):
    """Another tab has signed in again, which replaces the token, while this one still shows its form."""
    before = browser.csrf_token
    assert browser.sign_in().status_code == 200
    browser.csrf_token, after = before, browser.csrf_token
    for url in ("/page/", "/exempt/", "/required/"):
        assert browser.send("POST", url).status_code == 403
    browser.csrf_token = after
    assert browser.send("POST", "/page/").status_code == 200
    assert len(CHANGES) == 1


def test_a_token_in_a_session_has_the_csrf_check_too(user):
    client = Client(enforce_csrf_checks=True)
    access = sessions.start(user).access
    session = client.session
    session["token"] = access
    session.save()
    response = client.post("/own-session/")
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    client.cookies["csrftoken"] = token = get_random_string(32)
    for headers in ({"X-CSRFToken": token}, {"X-Token": access}, {"Authorization": f"Bearer {access}"}):
        assert client.post("/own-session/", headers=headers).status_code == 200


@pytest.mark.parametrize("url", ["/own-way/", "/own-async-way/", "/exempt/"])
def test_a_class_that_authenticates_in_its_own_way_has_the_csrf_check_too(url, settings, user):
    settings.JWTAUTH = {"AUTHENTICATION_CLASS": f"{__name__}.OwnWay"}
    access = sessions.start(user).access
    client = Client(enforce_csrf_checks=True)
    client.cookies["mine"] = access
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        response = client.post(url, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert client.get(url).json()["user"] == str(user.pk)
    assert not CHANGES
    client.cookies["csrftoken"] = token = get_random_string(32)
    for headers in ({"X-CSRFToken": token}, {"Authorization": f"JWT {access}"}, {"Authorization": f"Bearer {access}"}):
        assert client.post(url, headers=headers).status_code == 200


def test_a_token_that_is_split_into_two_cookies_has_the_csrf_check_too(user):
    client = Client(enforce_csrf_checks=True)
    access = sessions.start(user).access
    client.cookies["payload"], _, client.cookies["signature"] = access.rpartition(".")
    response = client.post("/own-split/")
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    client.cookies["csrftoken"] = token = get_random_string(32)
    for headers in ({"X-CSRFToken": token}, {"Authorization": f"Bearer {access}"}):
        assert client.post("/own-split/", headers=headers).status_code == 200


@pytest.mark.parametrize("url", ["/own-required/", "/own-stateless/", "/own-api/", "/exempt/"])
def test_a_class_of_the_project_that_reads_a_cookie_has_the_csrf_check_too(url, settings, user):
    settings.JWTAUTH = {"AUTHENTICATION_CLASS": f"{__name__}.CookieReader"}
    access = sessions.start(user).access
    client = Client(enforce_csrf_checks=True)
    for headers in ({"Authorization": f"JWT {access}"}, {"Authorization": f"Bearer {access}"}):
        assert client.post(url, headers=headers).status_code == 200
    CHANGES.clear()
    client.cookies["mine"] = access
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer x"}):
        with CaptureQueriesContext(connection) as queries:
            response = client.post(url, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
        assert len(queries) <= 1  # the check does not authenticate again
    assert not CHANGES
    client.cookies["csrftoken"] = token = get_random_string(32)
    for headers in ({"X-CSRFToken": token}, {"Authorization": f"JWT {access}"}):
        assert client.post(url, headers=headers).status_code == 200
