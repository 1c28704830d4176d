"""A request for each status that an endpoint answers."""

from datetime import timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import OperationalError, connection
from django.db.models import F
from django.test import override_settings
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools import browser_views, http
from tests.tools.cookie_jar import Browser
from tests.tools.database import database_away, failing_reads
from tests.tools.throttles import PUBLIC, rates
from tests.tools.well_known import CHANGES, JWKS, LIST, METADATA, jwtauth

REVOKE, INTROSPECT = "/auth/token/revoke/", "/auth/token/introspect/"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"  # without its boundary it cannot be read


class World:
    """A user, their session, and clients."""

    def __init__(self):
        self.client = APIClient(REMOTE_ADDR=PUBLIC)
        self.user = get_user_model().objects.create_user("ada", "ada@example.com", "correct horse")

    @cached_property
    def pair(self):
        return sessions.start(self.user)

    @cached_property
    def browser(self):
        """One that is signed in with cookies."""
        browser = Browser()
        assert browser.sign_in().status_code == 200
        return browser

    def post(self, url, data=None, **extra):
        return self.client.post(url, data or {}, format="json", **extra)

    def call(self, method, url, data=None, **extra):
        """Call with the access token."""
        extra.setdefault("headers", http.bearer(self.pair.access)["headers"])
        return getattr(self.client, method)(url, data, format="json", **extra)

    def own(self):
        return f"{http.SESSIONS}{self.pair.session.pk}/"

    def by_cookie(self, method, url, **changes):
        return self.browser.send(method.upper(), url, **changes)

    def unreadable(self, url, content_type=MULTIPART, **headers):
        """Send a form without its boundary. It is read for the CSRF token, unless there is the header."""
        headers |= {"Cookie": self.browser.cookies_for(url), "Origin": self.browser.origin}
        sent = {"content_type": content_type, "headers": headers, "secure": True, "SERVER_NAME": self.browser.host}
        return self.browser.client.post(url, b"x", **sent)

    def of_unknown_type(self, url):
        self.browser.get_csrf_token()
        return self.unreadable(url, "text/xml", **{"X-CSRFToken": self.browser.csrf_token})

    def may_introspect(self):
        self.user.user_permissions.add(Permission.objects.get(codename="introspect_token"))
        return self

    def oauth(self, url=http.TOKEN, **form):
        return self.client.post(url, urlencode(form), content_type=FORM)

    def outrun(self, signed_in, send):
        """Send a refresh of those who are signed in, while each UPDATE fails as if other refreshes came first."""
        RefreshToken.objects.update(rotated_at=F("rotated_at") - timedelta(hours=1))  # not within the grace period
        cause = OperationalError("could not serialize")
        cause.sqlstate = "40001"

        def refuse(execute, sql, params, many, context):
            if sql.startswith("UPDATE"):
                raise OperationalError("could not serialize") from cause
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse):
            return send()


LONG = {"refresh": "x" * 300_000}
NOTHING = "00000000-0000-0000-0000-000000000000"
XML = {"HTTP_ACCEPT": "application/xml"}


def throttled(send, **limits):
    with rates(**limits):
        send()
        return send()


def with_settings(send, **settings):
    with override_settings(**settings):
        return send()


def away(prepare, send):
    """Give a request that is sent while the database is away, and what is made ready for it before."""

    def call(world):
        prepare(world)
        with database_away():
            return send(world)

    return call


def pair(world):
    return world.pair


def browser(world):
    return world.browser.get_csrf_token()


def without_permission(world):
    return world.call("post", INTROSPECT, {"token": "x"})


def introspect(world, **data):
    return world.may_introspect().call("post", INTROSPECT, data)


def called(method, url, success):
    """Give what an endpoint answers that is called with an access token: by header, or by cookie."""
    named = url if callable(url) else lambda world: url
    found = {
        success: lambda world: world.call(method, named(world)),
        401: lambda world: world.call(method, named(world), headers=http.bearer("x")["headers"]),
        406: lambda world: world.call(method, named(world), **XML),
        503: away(pair, lambda world: world.call(method, named(world))),
    }
    if method == "post":
        found[400] = lambda world: world.unreadable(named(world))
    if method != "get":
        found[403] = lambda world: world.by_cookie(method, named(world), csrf=False)
    return found


def read(url, success, wrong=None):
    """Give what an endpoint answers that reads a body and needs no token."""
    return {
        200: success,
        503: away(pair, success),
        413: lambda world: world.post(url, LONG),
        400: lambda world: world.post(url),
        406: lambda world: world.post(url, **XML),
        415: lambda world: world.client.post(url, "<x/>", content_type="text/xml"),
        **({401: lambda world: world.post(url, wrong)} if wrong else {}),
    }


def by_browser(method, url, success, **more):
    return {
        success: lambda world: world.by_cookie(method, url, **more),
        406: lambda world: world.by_cookie(method, url, headers={"Accept": "application/xml"}),
    }


def unsafe(url):
    return {
        400: lambda world: world.unreadable(url),
        403: lambda world: world.by_cookie("post", url, csrf=False),
    }


WRONG = {**http.RIGHT, "password": "wrong"}
ES256 = {"JWTAUTH": jwtauth("ES256")}


def document(url, **more):
    def again(world):
        first = with_settings(lambda: world.client.get(url), **ES256)
        return with_settings(lambda: world.client.get(url, headers={"If-None-Match": first["ETag"]}), **ES256)

    return {200: lambda world: with_settings(lambda: world.client.get(url), **ES256), 304: again, **more}


def without_database(world, url):
    with failing_reads():
        return with_settings(lambda: world.client.get(url), **ES256)


def signed_document(url):
    """Return how each answer about what has been revoked is provoked."""
    return {
        **document(url),
        404: lambda world: world.client.get(url),
        503: lambda world: without_database(world, url),
    }


def signed_out(world):
    """The cookies of a browser that has a CSRF token and no refresh token."""
    return f"csrftoken={world.browser.value('csrftoken')}"


CSRF, LOGIN, RENEW, LOGOUT = browser_views.CSRF, browser_views.LOGIN, browser_views.RENEW, browser_views.LOGOUT
ANSWERS = {
    "jwtauth_sign_in": {
        **read(http.TOKEN, lambda world: world.post(http.TOKEN, http.RIGHT), wrong=WRONG),
        429: lambda world: throttled(lambda: world.post(http.TOKEN, WRONG), login="1/min"),
        503: lambda world: world.outrun(
            world.pair, lambda: world.oauth(grant_type="refresh_token", refresh_token=world.pair.refresh)
        ),
    },
    "jwtauth_refresh": {
        **read(
            http.REFRESH,
            lambda world: world.post(http.REFRESH, {"refresh": world.pair.refresh}),
            wrong={"refresh": "x"},
        ),
        429: lambda world: throttled(
            lambda: world.post(http.REFRESH, {"refresh": world.pair.refresh}), refresh="1/min"
        ),
        503: lambda world: world.outrun(world.pair, lambda: world.post(http.REFRESH, {"refresh": world.pair.refresh})),
    },
    "jwtauth_verify": read(
        http.VERIFY, lambda world: world.post(http.VERIFY, {"token": world.pair.access}), wrong={"token": "x"}
    ),
    "jwtauth_blacklist": read(
        http.BLACKLIST,
        lambda world: world.post(http.BLACKLIST, {"refresh": world.pair.refresh}),
        wrong={"refresh": "x"},
    ),
    "jwtauth_revoke": read(REVOKE, lambda world: world.post(REVOKE, {"token": world.pair.refresh})),
    "jwtauth_introspect": {
        **called("post", INTROSPECT, 200),
        200: lambda world: introspect(world, token=world.pair.access),
        400: introspect,
        403: without_permission,
        413: lambda world: world.may_introspect().call("post", INTROSPECT, LONG),
        415: lambda world: world.may_introspect().client.post(
            INTROSPECT, "<x/>", content_type="text/xml", **http.bearer(world.pair.access)
        ),
    },
    "jwtauth_sign_out": called("post", http.LOGOUT, 204),
    "jwtauth_sign_out_everywhere": called("post", http.LOGOUT_ALL, 200),
    "jwtauth_list_sessions": {
        **called("get", http.SESSIONS, 200),
        404: lambda world: world.call("get", f"{http.SESSIONS}?page=9"),
    },
    "jwtauth_end_other_sessions": called("delete", http.SESSIONS, 200),
    "jwtauth_end_session": {
        **called("delete", World.own, 204),
        404: lambda world: world.call("delete", f"{http.SESSIONS}{NOTHING}/"),
    },
    "jwtauth_browser_csrf": {
        **by_browser("get", CSRF, 200),
        403: lambda world: world.by_cookie("get", CSRF, headers={"Origin": browser_views.FOREIGN}),
    },
    "jwtauth_browser_sign_in": {
        **by_browser("post", LOGIN, 200, data=http.RIGHT),
        **unsafe(LOGIN),
        400: lambda world: world.by_cookie("post", LOGIN, data={}),
        401: lambda world: world.by_cookie("post", LOGIN, data=WRONG),
        413: lambda world: world.by_cookie("post", LOGIN, data=LONG),
        503: away(browser, lambda world: world.by_cookie("post", LOGIN, data=http.RIGHT)),
        415: lambda world: world.of_unknown_type(LOGIN),
        429: lambda world: throttled(lambda: world.by_cookie("post", LOGIN, data=WRONG), login="1/min"),
    },
    "jwtauth_browser_refresh": {
        **by_browser("post", RENEW, 200),
        **unsafe(RENEW),
        401: lambda world: world.by_cookie("post", RENEW, headers={"Cookie": signed_out(world)}),
        413: lambda world: world.by_cookie("post", RENEW, data=LONG),
        415: lambda world: world.of_unknown_type(RENEW),
        429: lambda world: throttled(lambda: world.by_cookie("post", RENEW), refresh="1/min"),
        503: lambda world: world.outrun(world.browser, lambda: world.by_cookie("post", RENEW)),
    },
    "jwtauth_browser_sign_out": {
        **by_browser("post", LOGOUT, 204),
        **unsafe(LOGOUT),
        503: away(browser, lambda world: world.by_cookie("post", LOGOUT)),
    },
    "jwtauth_keys": document(JWKS),
    "jwtauth_metadata": {**document(METADATA), 404: lambda world: world.client.get(METADATA)},
    "jwtauth_revocations": signed_document(LIST),
    "jwtauth_revocation_changes": signed_document(CHANGES),
}
"""By operation and status."""


def pair_of(world):
    return {"refresh": world.pair.refresh}


def challenge(user, *, request):
    return {"reason": "ask_twice", "question": 1}


def with_scopes(send):
    return with_settings(send, JWTAUTH={"SCOPES": ["a", "b"]})


MORE = {
    "jwtauth_sign_in": [
        lambda world: world.oauth(grant_type="password", **http.RIGHT),
        lambda world: world.oauth(grant_type="refresh_token", refresh_token=world.pair.refresh),
        lambda world: world.oauth(grant_type="refresh_token", refresh_token="x"),
        lambda world: world.oauth(grant_type="refresh_token"),
        lambda world: world.oauth(grant_type="password", **WRONG),
        lambda world: world.oauth(grant_type="password"),
        lambda world: world.oauth(grant_type="nonsense"),
        lambda world: throttled(lambda: world.oauth(grant_type="password", **WRONG), login="1/min"),
        lambda world: world.oauth(**http.RIGHT),
        lambda world: world.client.post(http.TOKEN, http.RIGHT, format="multipart"),
        lambda world: world.post(http.TOKEN, {**http.RIGHT, "scope": 'a"b'}),
        lambda world: world.post(http.TOKEN, {**http.RIGHT, "resource": "https://unknown.example"}),
        lambda world: world.post(http.TOKEN, {**http.RIGHT, "resource": ["a", "b"]}),
        lambda world: with_scopes(lambda: world.post(http.TOKEN, {**http.RIGHT, "scope": "a b"})),
        lambda world: with_scopes(lambda: world.oauth(grant_type="password", scope="a", **http.RIGHT)),
        lambda world: world.oauth(grant_type="password", scope='"', **http.RIGHT),
    ],
    "jwtauth_refresh": [
        lambda world: world.oauth(http.REFRESH, grant_type="refresh_token", refresh_token=world.pair.refresh),
        lambda world: with_scopes(lambda: world.post(http.REFRESH, {**pair_of(world), "scope": "c"})),
        lambda world: world.post(http.REFRESH, {"refresh": world.pair.access}),
    ],
    "jwtauth_verify": [lambda world: world.post(http.VERIFY, {"token": world.pair.refresh})],
    "jwtauth_revoke": [
        lambda world: world.oauth(REVOKE, token=world.pair.refresh, token_type_hint="refresh_token"),
        lambda world: world.oauth(REVOKE, token=world.pair.access),
    ],
    "jwtauth_introspect": [
        lambda world: introspect(world, token="x"),
        lambda world: introspect(world, token=world.pair.refresh, token_type_hint="refresh_token"),
        lambda world: world.by_cookie("post", INTROSPECT, csrf=False),
    ],
    "jwtauth_list_sessions": [
        lambda world: world.by_cookie("get", http.SESSIONS),
        lambda world: world.call("get", http.SESSIONS, headers={"Authorization": "Bearer a b"}),
    ],
    "jwtauth_browser_sign_in": [
        lambda world: with_scopes(lambda: world.by_cookie("post", LOGIN, data={**http.RIGHT, "scope": "a"})),
    ],
}
"""Answers with a status that is there already, and another body."""
