"""Calls of all endpoints that carry passwords and tokens, faults that make them fail, and what may be in no report."""

import base64
import contextlib
import functools
import json
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.core.cache.backends.base import BaseCache
from django.db import connection
from django.test import Client

from django_jwtauth import sessions
from django_jwtauth._core import jws

FORM = "application/x-www-form-urlencoded"
BROWSER = "/auth/browser/"
ACCESS_COOKIE, REFRESH_COOKIE = "__Host-jwtauth-access", "__Secure-jwtauth-refresh"


def recorded_tokens(monkeypatch):
    """Return a list that gets each token that is made from now on."""
    made, sign = [], jws.sign

    def recording_sign(*args, **kwargs):
        raw = sign(*args, **kwargs)
        made.append(raw)
        return raw

    monkeypatch.setattr(jws, "sign", recording_sign)
    return made


# What the requests are


@dataclass
class World:
    """A user with a random password, and tokens of all kinds."""

    password: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self):
        self.user = get_user_model().objects.create_user("ada", password=self.password)
        self.user.user_permissions.set(Permission.objects.filter(codename="introspect_token"))
        self.pair = sessions.start(self.user)
        self.browser = sessions.start(self.user, transport="browser")

    @property
    def secrets(self):
        return [self.password, *(getattr(pair, name) for pair in (self.pair, self.browser) for name in PAIR)]


PAIR = ("access", "refresh")


def call(url, body=None, *, method="POST", kind="json", token="", cookies=None, is_forged=False):
    """Return the arguments of Client.generic()."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if url.startswith(BROWSER) and not is_forged:
        headers |= {"X-CSRFToken": "c" * 32, "Origin": "https://testserver"}
        cookies = {**(cookies or {}), "csrftoken": "c" * 32}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    match kind:
        case "json":
            data, kind = json.dumps(body), "application/json"
        case "form":
            data, kind = urlencode(body or {}), FORM
        case "multipart":
            parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in body.items()]
            data, kind = "".join(parts) + "--b--\r\n", "multipart/form-data; boundary=b"
        case _:
            data = body
    return {"method": method, "path": url, "data": data, "content_type": kind, "headers": headers, "secure": True}


def calls(world):
    """Return the calls by name: good ones, and such as are refused."""
    access, refresh = world.pair.access, world.pair.refresh
    cookies = {ACCESS_COOKIE: world.browser.access, REFRESH_COOKIE: world.browser.refresh}
    credentials = {"username": "ada", "password": world.password}
    wrong = {"username": "ada", "password": world.password + "?"}
    damaged = f"{refresh[:-6]}AAAAAA"
    found = {}
    for kind in ("json", "form", "multipart"):
        found |= {
            f"sign-in {kind}": call("/auth/token/", credentials, kind=kind),
            f"sign-in refused {kind}": call("/auth/token/", wrong, kind=kind),
            f"refresh {kind}": call("/auth/token/refresh/", {"refresh": refresh}, kind=kind),
            f"refresh damaged {kind}": call("/auth/token/refresh/", {"refresh": damaged}, kind=kind),
            f"browser sign-in {kind}": call(f"{BROWSER}login/", credentials, kind=kind),
        }
    grant = {"grant_type": "password", **credentials}
    found |= {
        "grant password": call("/auth/token/", grant, kind="form"),
        "grant refresh": call("/auth/token/", {"grant_type": "refresh_token", "refresh_token": refresh}, kind="form"),
        "wrong field": call("/auth/token/", {"username": refresh, "token": [refresh], "device": {"access": access}}),
        "not an object": call("/auth/token/refresh/", refresh),
        "a list": call("/auth/token/refresh/", [refresh]),
        "cut off": call("/auth/token/refresh/", f'{{"refresh": "{refresh}', kind="application/json"),
        "not UTF-8": call("/auth/token/", f"password={world.password}", kind=f"{FORM}; charset=odd"),
        "cut off form": call("/auth/token/", f"--b{world.password}", kind="multipart/form-data; boundary=b"),
        "another type": call("/auth/token/", world.password, kind="text/plain"),
        "verify access": call("/auth/token/verify/", {"token": access}),
        "verify refresh": call("/auth/token/verify/", {"token": refresh}),
        "blacklist": call("/auth/token/blacklist/", {"refresh": refresh}),
        "revoke access": call("/auth/token/revoke/", {"token": access}, kind="form"),
        "revoke refresh": call("/auth/token/revoke/", {"token": refresh}, kind="form"),
        "introspect": call("/auth/token/introspect/", {"token": access}, kind="form", token=world.browser.access),
        "introspect refresh": call(
            "/auth/token/introspect/",
            {"token": refresh, "token_type_hint": "refresh_token"},
            kind="form",
            token=world.browser.access,
        ),
        "logout": call("/auth/logout/", token=access),
        "logout all": call("/auth/logout/all/", token=access),
        "sessions": call("/auth/sessions/", method="GET", token=access),
        "end sessions": call("/auth/sessions/", method="DELETE", token=access),
        "whoami": call("/whoami/", method="GET", token=access),
        "whoami stateless": call("/stateless/", method="GET", token=access),
        "whoami damaged": call("/whoami/", method="GET", token=f"{access[:-6]}AAAAAA"),
        "whoami stateless damaged": call("/stateless/", method="GET", token=f"{access[:-6]}AAAAAA"),
        "whoami with a refresh token": call("/whoami/", method="GET", token=refresh),
        "two words": call("/whoami/", method="GET", token=f"{access} {access}"),
        "browser refresh": call(f"{BROWSER}refresh/", cookies=cookies, kind="form"),
        "browser logout": call(f"{BROWSER}logout/", cookies=cookies, kind="form"),
        "two cookies": call(
            f"{BROWSER}refresh/", cookies={**cookies, f"{ACCESS_COOKIE}=1; {REFRESH_COOKIE}": refresh}, kind="form"
        ),
        "sessions by cookie": call("/auth/sessions/", method="GET", cookies=cookies),
    }
    return found


def without_csrf(world):
    """Return calls that the CSRF check refuses."""
    return {
        f"forged {kind}": call(
            f"{BROWSER}login/", {"username": "ada", "password": world.password}, kind=kind, is_forged=True
        )
        for kind in ("json", "form", "multipart")
    }


# What fails


def fail(*args, **kwargs):
    raise ZeroDivisionError


def failing_hook(user, *, request, session):
    raise ZeroDivisionError


def failing_handler(exc, context):
    raise ZeroDivisionError


class FailingBackend(ModelBackend):
    def authenticate(self, request, **kwargs):
        pw = kwargs["password"]
        raise ZeroDivisionError(len(pw))


class FailingCache(BaseCache):
    def __init__(self, location, params):
        super().__init__(params)

    def add(self, key, value, timeout=0, version=None):
        raise ConnectionError("The cache is away.")

    get = incr = set = add


class FailingMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        raise ZeroDivisionError(response.status_code)


def endless(self, attrs):
    return endless(self, attrs)


def out_of_memory(*args, **kwargs):
    raise MemoryError


@contextlib.contextmanager
def database_away():
    """Have the driver fail to connect. Only outside of transactions."""
    live, name = connection.connection, connection.settings_dict["NAME"]
    connection.connection, connection.settings_dict["NAME"] = None, "/nowhere/db.sqlite3"
    try:
        yield
    finally:
        connection.connection, connection.settings_dict["NAME"] = live, name


def only_writes_fail(execute, sql, params, many, context):
    if sql.startswith(("INSERT", "UPDATE")):
        raise ZeroDivisionError
    return execute(sql, params, many, context)


def by_setting(settings, monkeypatch):
    settings.JWTAUTH = {"NONSENSE": 1, "SIGNING_KEYS": [{"alg": "HS256", "secret": KEYS[0]}]}


def by_weak_key(settings, monkeypatch):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "HS384", "secret": KEYS[1]}]}


def by_unknown_failure_of_a_key(settings, monkeypatch):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "HS256", "secret": KEYS[0]}, {"alg": "ES256", "pem": KEYS[1]}]}
    monkeypatch.setattr("django_jwtauth.keys.check_secret", out_of_memory)


def by_hook(settings, monkeypatch):
    settings.JWTAUTH = {"CLAIMS_HOOKS": [f"{__name__}.failing_hook"]}


def by_backend(settings, monkeypatch):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.FailingBackend"]


def by_receiver(settings, monkeypatch):
    monkeypatch.setattr("django.contrib.auth.signals.user_logged_in.send", fail)
    monkeypatch.setattr("django.contrib.auth.signals.user_login_failed.send", fail)
    monkeypatch.setattr("django.contrib.auth.signals.user_logged_out.send", fail)


def by_serializer(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.serializers.CharField.to_internal_value", fail)


def by_memory(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.serializers.Serializer.validate", out_of_memory)


def by_recursion(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.serializers.Serializer.validate", endless)


def by_throttle(settings, monkeypatch):
    monkeypatch.setattr("django_jwtauth.throttling._network", fail)
    monkeypatch.setattr("django_jwtauth.throttling.RefreshThrottle._verified_sid", fail)


def by_cache(settings, monkeypatch):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.FailingCache"}}
    by_response(settings, monkeypatch)


def by_handler(settings, monkeypatch):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": f"{__name__}.failing_handler"}


def by_response(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.response.Response.__init__", fail)


def by_renderer(settings, monkeypatch):
    monkeypatch.setattr("rest_framework.renderers.JSONRenderer.render", fail)


def by_cookies(settings, monkeypatch):
    monkeypatch.setattr("django_jwtauth.cookies.Cookies._path", fail)  # one cookie is set, the other one is not yet


def by_middleware(settings, monkeypatch):
    settings.MIDDLEWARE = [f"{__name__}.FailingMiddleware", *settings.MIDDLEWARE]


FAULTS = [
    by_setting,
    by_weak_key,
    by_unknown_failure_of_a_key,
    by_hook,
    by_backend,
    by_receiver,
    by_serializer,
    by_memory,
    by_recursion,
    by_throttle,
    by_cache,
    by_handler,
    by_response,
    by_renderer,
    by_cookies,
    by_middleware,
]
KEYS = [secrets.token_hex(20), secrets.token_hex(20)]  # not in the source, which reports quote


def client(**kwargs):
    return Client(raise_request_exception=False, **kwargs)


# What may be in no report

SIZE = 12


@functools.cache
def parts_of(value):
    encoded = (base64.b64encode(value[shift:].encode()).decode().rstrip("=")[:-2] for shift in range(3))
    return {each[start : start + SIZE] for each in (value, *encoded) for start in range(0, len(each) - SIZE, SIZE)}


def leaks(text, *values):
    """Return the secrets that a text shows a part of, as it is or in base64."""
    found = set()
    for value in set(map(str, values)):
        if any(part in text for part in parts_of(value)):
            found.add(value)
    return found


def around(text, *values):
    """Return what stands around the first secret in a text, for the message of a test."""
    places = [text.find(value[start : start + SIZE]) for value in map(str, values) for start in range(0, 400, SIZE)]
    start = min((place for place in places if place > 0), default=0)
    return text[max(start - 300, 0) : start + 60]
