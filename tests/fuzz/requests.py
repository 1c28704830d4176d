"""Requests that WSGI servers pass on, sent to the project in this process; and what holds for each answer.

The passwords and tokens of the user are not in the inputs: in their place are words like ``<access>``. So a request
without such a word that succeeds has been let in without a secret.
"""

import io
import json
import logging
import secrets
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.handlers.wsgi import WSGIRequest
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.db.models import F

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.test import reset_state

from .target import require

STATUSES = {200, 204, 304, 400, 401, 403, 404, 405, 406, 413, 415, 503}
"""What our endpoints answer. 503 is what they say to a request that cannot be served at the moment."""
SIGNED_IN = "Authorization: Bearer <access>"
CSRF = "Cookie: csrftoken=<csrf>\nX-CSRFToken: <csrf>"
BROWSER = "Cookie: csrftoken=<csrf>; __Host-jwtauth-access=<cookie-access>; __Secure-jwtauth-refresh=<cookie-refresh>"
BROWSER += "\nX-CSRFToken: <csrf>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a request goes."""

    method: str
    path: str
    body: str = ""
    """A good one."""
    headers: str = ""
    """Good ones."""
    needs: tuple[str, ...] = ()
    """A request that succeeds, or changes anything, has one of these words. Without any, all succeed."""
    may_succeed_without: bool = False
    """Whether a request that changes nothing may succeed all the same."""


ACCESS, BY_COOKIE = ("<access>",), ("<access>", "<cookie-access>")
REFRESH, ANY_TOKEN = ("<refresh>",), ("<access>", "<refresh>", "<cookie-access>", "<cookie-refresh>")
PASSWORD = '{"username": "ada", "password": "<password>", "scope": "", "resource": ""}'
ENDPOINTS = [
    Endpoint(method="POST", path="/auth/token/", body=PASSWORD, needs=("<password>", "<refresh>")),
    Endpoint(method="POST", path="/auth/token/refresh/", body='{"refresh": "<refresh>", "scope": ""}', needs=REFRESH),
    Endpoint(method="POST", path="/auth/token/verify/", body='{"token": "<access>"}', needs=ANY_TOKEN),
    Endpoint(method="POST", path="/auth/token/blacklist/", body='{"refresh": "<refresh>"}', needs=ANY_TOKEN),
    Endpoint(
        method="POST",
        path="/auth/token/revoke/",
        body="token=<refresh>&token_type_hint=access_token",
        needs=ANY_TOKEN,
        may_succeed_without=True,  # RFC 7009 section 2.2
    ),
    Endpoint(
        method="POST",
        path="/auth/token/introspect/",
        body="token=<refresh>&token_type_hint=refresh_token",
        headers=SIGNED_IN,
        needs=BY_COOKIE,
    ),
    Endpoint(method="POST", path="/auth/logout/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="POST", path="/auth/logout/all/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="GET", path="/auth/sessions/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="DELETE", path="/auth/sessions/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="DELETE", path="/auth/sessions/<sid>/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="OPTIONS", path="/auth/token/"),
    Endpoint(method="GET", path="/auth/browser/csrf/"),
    Endpoint(method="POST", path="/auth/browser/login/", body=PASSWORD, headers=CSRF, needs=("<password>",)),
    Endpoint(
        method="POST", path="/auth/browser/refresh/", body='{"scope": ""}', headers=BROWSER, needs=("<cookie-refresh>",)
    ),
    Endpoint(method="POST", path="/auth/browser/logout/", headers=BROWSER, needs=("<csrf>",)),
    Endpoint(method="GET", path="/stateful/", headers=SIGNED_IN, needs=ACCESS),
    Endpoint(method="POST", path="/stateless/", headers=SIGNED_IN, needs=ACCESS),
    Endpoint(method="POST", path="/cookie/", headers=BROWSER, needs=BY_COOKIE),
    Endpoint(method="GET", path="/stateless-cookie/", headers=BROWSER, needs=BY_COOKIE),
    Endpoint(method="POST", path="/plain/", headers=SIGNED_IN, needs=BY_COOKIE),
    Endpoint(method="GET", path="/.well-known/jwks.json"),
    Endpoint(method="GET", path="/.well-known/oauth-authorization-server"),
    Endpoint(method="GET", path="/.well-known/jwt-revocations"),
]


def name_of(number):
    """Return what stands for an endpoint, by its place in a list, at the beginning of an input."""
    return chr(ord("A") + number)


def chosen(name, endpoints):
    """Return the endpoint that the beginning of an input stands for: any bytes stand for one."""
    return endpoints[(name[0] - ord("A")) % len(endpoints) if name else 0]


def type_of(body):
    """Return the type of a good body."""
    return "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"


class Log(logging.Handler):
    """What the library has logged, as text."""

    def __init__(self):
        super().__init__()
        self._written = []

    def emit(self, record):
        """Keep a record."""
        self._written.append(record.getMessage())

    def take(self):
        """Return what was logged since the last time."""
        written = " ".join(self._written)
        self._written.clear()
        return written


class World:
    """The project with one user, who is signed in twice; the same for each request."""

    def __init__(self):
        call_command("migrate", verbosity=0)
        password = secrets.token_urlsafe(24)
        user = get_user_model().objects.create_user("ada", "ada@example.com", password)
        user.user_permissions.set(Permission.objects.filter(codename="introspect_token"))
        body, browser = sessions.start(user), sessions.start(user, transport="browser")
        # So that each refresh rotates.
        RefreshToken.objects.update(rotated_at=F("rotated_at") - timedelta(hours=1))
        self.words = {
            "<password>": password,
            "<access>": body.access,
            "<refresh>": body.refresh,
            "<cookie-access>": browser.access,
            "<cookie-refresh>": browser.refresh,
            "<csrf>": secrets.token_hex(16),
        }
        self.sid = str(body.session.pk)
        self.application = get_wsgi_application()
        self.errors = []
        got_request_exception.connect(self._note)
        self._memory = sqlite3.connect(":memory:")
        connection.connection.backup(self._memory)
        self._changes = connection.connection.total_changes
        self.log = Log()
        for name in ("django_jwtauth", "django_jwtauth.security"):
            logging.getLogger(name).addHandler(self.log)

    def _note(self, **about):
        self.errors.append(sys.exc_info()[1])

    def restore(self):
        """Make it as it was before a request. Tells whether anything had changed."""
        if connection.connection.total_changes == self._changes:
            return False
        self._memory.backup(connection.connection)
        self._changes = connection.connection.total_changes
        reset_state()
        return True

    def send(self, endpoint, *, query="", headers="", content_type="", body=b"", needs=None):
        """Send a request as bytes, check the answer, and return its status; 500 if it does not get to the project.

        Args:
            endpoint: Where it goes.
            query: The query of the URL.
            headers: The headers, one on each line.
            content_type: The type of the body.
            body: The body.
            needs: The words that let it succeed; by default those of the endpoint.

        Raises:
            BrokenRuleError: if a rule does not hold for it.
        """
        needs = endpoint.needs if needs is None else needs
        words = [word for word in self.words if word in headers or word.encode() in body or word in query]
        for word in words:
            secret = self.words[word]
            headers, query = headers.replace(word, secret), query.replace(word, secret)
            body = body.replace(word.encode(), secret.encode())
        path = endpoint.path.replace("<sid>", self.sid)
        environ = environment(endpoint.method, path, query, headers, content_type, body)
        if not is_a_request(environ):
            return 500
        status, answered, text = self.answer(environ)
        has_changed, written = self.restore(), self.log.take()
        if self.errors:
            raise self.errors.pop()
        require(status in STATUSES, f"the status is {status}")
        require(written.isprintable(), f"the log has {written!r}")
        logged = [word for word in words if self.words[word] in written]
        # Django names an origin that is none, where nobody puts a secret.
        require(not logged or "checking failed" in written, f"the log has {logged}")
        has_succeeded = status < 400
        if needs and not set(words) & set(needs):
            require(not has_changed, f"without a secret, {endpoint.method} {path} changed something")
            allowed = endpoint.may_succeed_without or endpoint.method == "OPTIONS"
            require(not has_succeeded or allowed, f"without a secret, {endpoint.method} {path} succeeded: {text!r}")
        if not has_succeeded:
            require(not has_changed, f"refused with {status}, and something changed")
            require_refusal(status, answered, text, is_ours=not path.startswith("/s") and path != "/cookie/")
            secrets_shown = [word for word in words if self.words[word].encode() in text]
            # With 415, REST framework repeats the media type, where nobody puts a secret.
            require(not secrets_shown or status == 415, f"a refusal shows {secrets_shown}")
        return status

    def answer(self, environ):
        """Return what the project answers: status, headers and body."""
        told = []
        with closing(self.application(environ, lambda status, headers: told.extend([status, headers]))) as response:
            text = b"".join(response)
        status, headers = told
        for name, value in headers:
            require("\n" not in name + value and "\r" not in name + value, "a header of the response has a line break")
        return int(status[:3]), dict(headers), text


def is_a_request(environ):
    """Tell whether Django can make a request of it. It cannot for some charsets, before any code of a project runs.

    With ``charset=uu`` and a query that is not ASCII, it raises ``LookupError``.
    """
    try:
        WSGIRequest(environ)
    except (LookupError, ValueError):
        return False
    return True


def environment(method, path, query, headers, content_type, body):
    """Return what a WSGI server passes on (PEP 3333): text is latin-1, and headers of one name are joined.

    Servers refuse NUL and CR in a header, or replace them by a space (RFC 9110 section 5.5).
    """
    headers, content_type = (text.translate({0: " ", 13: " "}) for text in (headers, content_type.replace("\n", " ")))
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": content_type,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for line in headers.split("\n"):
        name, colon, value = line.partition(":")
        if not colon or "_" in name:  # servers drop a name that could stand for another one
            continue
        key = name.strip().upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            key = f"HTTP_{key}"
            between = "; " if key == "HTTP_COOKIE" else ","
            value = between.join(filter(None, [environ.get(key, ""), value.strip()]))
        environ[key] = value.strip()
    return environ


def require_refusal(status, headers, text, *, is_ours):
    """A refusal is short, and says in JSON why; and with 401, how to sign in. REST framework's own has no code."""
    require(len(text) < 4000, f"a refusal of {len(text)} bytes")
    if status in (400, 401, 403, 413, 415, 503) and headers.get("Content-Type") == "application/json":
        json.loads(text)
    if status == 401:
        require(headers["WWW-Authenticate"].startswith('Bearer realm="api"'), headers)
        require({"detail", *(("code", "reason") if is_ours else ())} <= json.loads(text).keys(), text)


_worlds = []


def world():
    """Return the world of this process. It is made when it is first needed: a target may do without."""
    if not _worlds:
        _worlds.append(World())
    return _worlds[0]
