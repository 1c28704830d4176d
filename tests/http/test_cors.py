"""Across origins, with django-cors-headers: what pages of an allowed origin may do, and others may not."""

import pytest
from django.conf import settings as project
from django.urls import get_resolver

from django_jwtauth.keys import Key
from tests.tools.browser_views import ACROSS, FOREIGN, PAGE
from tests.tools.cookie_jar import ACCESS, REFRESH, RIGHT, Browser
from tests.tools.http import bearer
from tests.tools.products import each_row

pytestmark = pytest.mark.django_db
METHODS = {
    "token/": "POST",
    "token/refresh/": "POST",
    "token/verify/": "POST",
    "token/blacklist/": "POST",
    "token/revoke/": "POST",
    "token/introspect/": "POST",
    "logout/": "POST",
    "logout/all/": "POST",
    "sessions/": "DELETE",
    "sessions/<uuid:pk>/": "DELETE",
    "browser/csrf/": "GET",
    "browser/login/": "POST",
    "browser/refresh/": "POST",
    "browser/logout/": "POST",
}
DOCUMENTS = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/jwt-revocations"]
ALLOW = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")


@pytest.fixture(autouse=True)
def cors(settings):
    """Install it as its documentation says."""
    settings.INSTALLED_APPS = [*project.INSTALLED_APPS, "corsheaders"]
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *project.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS = [PAGE]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate"]
    for name, value in ACROSS.items():
        setattr(settings, name, value)
    return settings


def preflight(path, method, headers, origin=PAGE):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return Browser(origin=origin).send("OPTIONS", path, headers=asked)


def test_no_endpoint_was_forgotten_here():
    (ours,) = [entry for entry in get_resolver().url_patterns if getattr(entry, "app_name", "") == "jwtauth"]
    assert sorted(str(entry.pattern) for entry in ours.url_patterns) == sorted(METHODS)


@each_row("path", METHODS)
def test_preflight(path):
    url = "/auth/" + path.replace("<uuid:pk>", "00000000-0000-4000-8000-000000000000")
    answer = preflight(url, METHODS[path], "authorization, content-type, x-csrftoken")
    assert answer.status_code == 200
    assert [answer[name] for name in ALLOW] == [PAGE, "true"]
    assert METHODS[path] in answer["Access-Control-Allow-Methods"].split(", ")
    allowed = answer["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "content-type", "x-csrftoken"} <= set(allowed)
    refused = preflight(url, METHODS[path], "authorization", origin=FOREIGN)
    assert not any(name in refused for name in ALLOW)


@each_row("path", METHODS)
def test_a_page_may_read_the_answer_also_one_that_refuses(path):
    url = "/auth/" + path.replace("<uuid:pk>", "00000000-0000-4000-8000-000000000000")
    answer = Browser(origin=PAGE).send(METHODS[path], url, {})
    assert answer.status_code in (200, 400, 401, 403)
    assert [answer[name] for name in ALLOW] == [PAGE, "true"]
    assert answer["Access-Control-Expose-Headers"] == "Retry-After, WWW-Authenticate"
    assert "origin" in answer["Vary"].split(", ")
    assert answer["Cache-Control"] == "no-store"
    foreign = Browser(origin=FOREIGN).send(METHODS[path], url, {})
    assert not any(name in foreign for name in ALLOW)


def test_cookie_mode_of_a_page_of_another_origin(user):
    browser = Browser(origin=PAGE)
    assert browser.sign_in().status_code == 200
    assert browser.refresh(cross_site=True).status_code == 200
    assert browser.send("GET", "/auth/sessions/", cross_site=True).json()["results"][0]["current"]
    assert browser.log_out(cross_site=True).status_code == 204
    assert not {ACCESS, REFRESH} & {name for name, _, _ in browser.jar}


def test_header_mode_of_a_page_of_another_origin(user, cors):
    cors.CORS_ALLOW_CREDENTIALS = False  # it needs none
    browser = Browser(origin=PAGE)
    signed_in = browser.send("POST", "/auth/token/", RIGHT)
    assert (signed_in["Access-Control-Allow-Origin"], signed_in.status_code) == (PAGE, 200)
    headers = bearer(signed_in.json()["access"])["headers"]
    assert browser.send("GET", "/whoami/", headers=headers).status_code == 200
    assert browser.send("POST", "/auth/token/refresh/", {"refresh": signed_in.json()["refresh"]}).status_code == 200
    assert browser.send("POST", "/auth/logout/", headers=headers).status_code == 204
    assert browser.jar == {}


def test_an_origin_that_may_read_may_not_yet_write(user, cors):
    """Two lists: a careless CORS_ALLOW_ALL_ORIGINS opens nothing to forgery."""
    cors.CORS_ALLOW_ALL_ORIGINS = True
    browser = Browser()
    browser.sign_in()
    stranger = Browser(origin=FOREIGN)
    stranger.jar, stranger.csrf_token = browser.jar, browser.csrf_token
    for method, url in (("GET", "csrf"), ("POST", "login"), ("POST", "refresh"), ("POST", "logout")):
        refused = stranger.send(method, f"/auth/browser/{url}/", RIGHT, cross_site=True)
        assert (refused.status_code, refused.json()["reason"]) == (403, "csrf")
    assert stranger.send("POST", "/auth/logout/all/", cross_site=True).status_code == 403
    assert browser.refresh().status_code == 200


# The documents for everybody


@pytest.fixture
def documents(cors):
    keys = [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}]
    cors.JWTAUTH = {**cors.JWTAUTH, "ISSUER": "https://api.example.com", "SIGNING_KEYS": keys}


def lines(response, name):
    """Return what would be sent of a header: Django keeps one of each name, in whatever case."""
    return [value for given, value in response.items() if given.lower() == name.lower()]


@pytest.mark.usefixtures("documents")
@each_row("url", DOCUMENTS)
@each_row("regex", ["^.*$", "^/(auth|whoami)/"], ids=["everywhere", "api-only"])
@each_row("origin", [FOREIGN, "null", "", PAGE])
def test_the_documents_are_open_to_all(cors, url, regex, origin):
    cors.CORS_URLS_REGEX = regex
    browser = Browser(origin=origin)
    for headers in ({}, {"If-None-Match": browser.send("GET", url)["ETag"]}):
        response = browser.send("GET", url, headers=headers)
        assert response.status_code == (304 if headers else 200)
        is_allowed = origin == PAGE and regex == "^.*$"
        assert lines(response, "Access-Control-Allow-Origin") == ([PAGE] if is_allowed else ["*"])
        # "*" with credentials is refused by browsers; the origin with them is not.
        assert lines(response, "Access-Control-Allow-Credentials") == (["true"] if is_allowed else [])
        assert len(lines(response, "Access-Control-Expose-Headers")) <= 1
        assert response["Cache-Control"].startswith("public, ")


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize("url", DOCUMENTS)
def test_a_page_that_revalidates_itself_asks_first(cors, url):
    """Without ``CORS_URLS_REGEX``, django-cors-headers answers that before we can."""
    cors.CORS_URLS_REGEX = "^/(auth|whoami)/"
    answer = preflight(url, "GET", "if-none-match", origin=FOREIGN)
    assert answer.status_code == 204
    assert lines(answer, "Access-Control-Allow-Origin") == ["*"]
    assert "If-None-Match" in answer["Access-Control-Allow-Headers"]
    assert lines(answer, "Access-Control-Allow-Credentials") == []


@pytest.mark.usefixtures("documents")
def test_all_origins_without_credentials_say_the_same(cors):
    cors.CORS_ALLOW_ALL_ORIGINS, cors.CORS_ALLOW_CREDENTIALS = True, False
    for url in DOCUMENTS:
        assert lines(Browser(origin=FOREIGN).send("GET", url), "Access-Control-Allow-Origin") == ["*"]
