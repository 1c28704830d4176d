"""The browser endpoints, and a page that calls them."""

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.cookie_jar import REFRESH

CSRF, LOGIN, RENEW, LOGOUT = (f"/auth/browser/{name}/" for name in ("csrf", "login", "refresh", "logout"))
PAGE = "https://shop.example.com"
FOREIGN = "https://evil.example"
ACROSS = {"CSRF_TRUSTED_ORIGINS": [PAGE], "JWTAUTH": {"COOKIES": {"samesite": "None"}}}
"""Settings that send cookies from every site, so that only the CSRF check protects."""
ACROSS |= {"CSRF_COOKIE_SAMESITE": "None", "CSRF_COOKIE_SECURE": True}


def stored(browser):
    return RefreshToken.objects.get(pk=sid(browser))


def sid(browser):
    return sessions.find_by_any_token(browser.value(REFRESH)).pk


def me(browser):
    return browser.send("GET", "/auth/sessions/")


def assert_csrf_refused(response):
    assert response.status_code == 403
    assert response.json() == {"detail": "CSRF check failed", "code": "csrf_failed", "reason": "csrf"}
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


# CSRF


REFUSED = {
    "no-token": {"X-CSRFToken": None},
    "wrong-token": {"X-CSRFToken": "a" * 32},
    "odd-token": {"X-CSRFToken": "\xe4" * 64},
    "no-cookie": {"Cookie": None},
    "foreign-origin": {"Origin": FOREIGN},
    "origin-of-a-neighbour": {"Origin": "https://other.example.com"},
    "origin-over-http": {"Origin": "http://api.example.com"},
    "null-origin": {"Origin": "null"},
    "odd-origin": {"Origin": "https://[\x1b["},
    "no-origin-no-referer": {"Origin": None},
    "foreign-referer": {"Origin": None, "Referer": f"{FOREIGN}/https://api.example.com/"},
    "referer-over-http": {"Origin": None, "Referer": "http://api.example.com/"},
    "odd-referer": {"Origin": None, "Referer": "https://["},
}
