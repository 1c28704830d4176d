"""Requests in one process: authenticating them, refreshes, sign-ins; against Simple JWT, knox and OAuth Toolkit."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from rest_framework.request import Request

from django_jwtauth.keys import Key
from django_jwtauth.secret import hidden

from . import project
from .measure import Call, Options, Row, Table, in_turns

KNOWN = {"HS256": "≤ 1/15", "ES256": "≤ 1/35", "EdDSA": "≤ 1/40"}


def run(options: Options) -> Iterator[Row | Table]:
    """Compare. On PostgreSQL the time that passes is measured, since the server works too."""
    with project.new_database(options.database):
        if options.database == "sqlite":  # nothing of it depends on the database
            yield from stateless(options)
        yield from authenticated(options)
        yield from endpoints(options)


def clock(options: Options) -> Callable[[], float]:
    """Return the clock."""
    return time.process_time if options.database == "sqlite" else time.perf_counter


def authenticating(name: str, authorization: str) -> Call:
    """Return what authenticates one request, and measures that."""
    from .views import CLASSES

    request = Request(RequestFactory().get("/", HTTP_AUTHORIZATION=authorization))
    authentication = CLASSES[name]()
    if authentication.authenticate(request) is None:
        raise AssertionError(name)
    return lambda: lambda: authentication.authenticate(request)


def stateless(options: Options) -> Iterator[Row]:
    """Compare the stateless classes, with a token that was seen before."""
    from . import peers

    for alg, goal in KNOWN.items():
        key = Key.generate(alg)
        form = {"secret": hidden(key._public).reveal()} if key.is_symmetric else {"pem": key.private_pem()}
        peers.let_simplejwt_sign_with(key)
        with override_settings(JWTAUTH={"SIGNING_KEYS": [{"alg": alg, **form}]}):
            found = peers.headers(peers.user())
            actions = {name: authenticating(name, found[name]) for name in ("stateless", "simplejwt-stateless")}
            times = in_turns(actions, rounds=options.rounds(40), calls=100)
        peers.clear()
        yield Row(
            name=f"authenticate, stateless, a known token, {alg}",
            ours=times["stateless"],
            peer=peers.SIMPLEJWT,
            theirs=times["simplejwt-stateless"],
            unit="µs",
            goal=goal,
        )
    peers.let_simplejwt_sign_with(Key.generate("HS256"))


def authenticated(options: Options) -> Iterator[Row]:
    """Compare the classes that load the user. Ours reads the session, the blacklist and the clock with it."""
    from . import peers

    headers = peers.headers(peers.user())
    names = {
        "simplejwt": (peers.SIMPLEJWT, "≤ 0.4"),
        "knox": (peers.KNOX, ""),
        "oauth-toolkit": (peers.OAUTH_TOOLKIT, ""),
    }
    actions = {name: authenticating(name, headers[name]) for name in ("session", *names)}
    times = in_turns(actions, rounds=options.rounds(40), calls=20, clock=clock(options))
    for name, (peer, goal) in names.items():
        yield Row(
            name="authenticate, with user and session",
            ours=times["session"],
            peer=peer,
            theirs=times[name],
            unit="µs",
            goal=goal,
            database=options.database,
        )


class Caller:
    """Sends requests through Django's handler, without a server."""

    def __init__(self) -> None:
        self.handler = BaseHandler()
        self.handler.load_middleware()
        self.requests = RequestFactory()

    def post(self, path: str, data: dict[str, Any]) -> HttpRequest:
        """Return a request."""
        return self.requests.post(path, data, content_type="application/json")

    def send(self, request: HttpRequest) -> Any:
        """Return the data of the response."""
        response: Any = self.handler.get_response(request)
        if response.status_code != 200:
            raise AssertionError(f"{request.path}: {response.status_code} {response.data}")
        return response.data


class Refreshing:
    """Exchanges a refresh token for the next one, again and again."""

    def __init__(self, caller: Caller, path: str, raw: str) -> None:
        self.caller, self.path, self.raw = caller, path, raw

    def __call__(self) -> Call:
        request = self.caller.post(self.path, {"refresh": self.raw})

        def call() -> None:
            self.raw = self.caller.send(request)["refresh"]

        return call


def endpoints(options: Options) -> Iterator[Row]:
    """Compare a refresh with rotation, and a sign-in. Hashing the password takes no time worth mentioning here."""
    from django_jwtauth import sessions

    from . import peers

    caller, user = Caller(), peers.user()
    credentials = {"username": user.get_username(), "password": peers.PASSWORD}

    def signing_in(path: str) -> Call:
        def prepare() -> Call:
            request = caller.post(path, credentials)
            return lambda: caller.send(request)

        return prepare

    actions: dict[str, Call] = {
        "refresh": Refreshing(caller, "/auth/token/refresh/", sessions.start(user).refresh),
        "their refresh": Refreshing(caller, "/simplejwt/refresh/", peers.simplejwt_refresh(user)),
        "sign-in": signing_in("/auth/token/"),
        "their sign-in": signing_in("/simplejwt/token/"),
    }
    times = in_turns(actions, rounds=options.rounds(300), clock=clock(options))
    refresh_goal = "≤ 1/4.5" if options.database == "sqlite" else "≤ 1/4"
    for name, title, goal in (
        ("refresh", "POST refresh, rotating", refresh_goal),
        ("sign-in", "POST sign-in", "≤ 0.8"),
    ):
        yield Row(
            name=title,
            ours=times[name],
            peer=peers.SIMPLEJWT,
            theirs=times[f"their {name}"],
            unit="µs",
            goal=goal,
            database=options.database,
        )
