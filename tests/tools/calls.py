"""How many statements, and calls of functions, the paths take that are used most: ``python -m tests.tools.calls``.

A count is the same however fast the machine is and whatever else it does. It is taken in a process of its own, without
coverage and with fixed hashes. Each path runs some times before, so that what is made once does not count.

``--store`` writes the counts of this Python into the table of bounds.
"""

import argparse
import collections
import contextlib
import datetime
import gc
import json
import os
import platform
import secrets
import subprocess
import sys

import django
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.test import RequestFactory

from tests.tools.processes import ROOT

BOUNDS = ROOT / "tests" / "speed" / "bounds.json"
PACKAGE = "django_jwtauth"
OWN = ("__main__", __name__)
WARM_UP, REPEATS = 5, 3
PYTHON = ".".join(platform.python_version_tuple()[:2])


def count_calls(call):
    """Count the functions that a call enters: ours by name, others by package, those written in C by their caller."""
    found = collections.Counter()

    def profile(frame, event, argument):
        if event not in ("call", "c_call"):
            return
        module = frame.f_globals.get("__name__", "")
        ours = module.split(".")[0] == PACKAGE
        found[f"{module}:{frame.f_code.co_qualname}" if ours else ".".join(module.split(".")[:3])] += 1

    gc.collect()
    gc.disable()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
    return {name: number for name, number in sorted(found.items()) if name not in OWN}


def count_statements(call):
    from django.db import connection

    statements = []

    def execute(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        call()
    return len([sql for sql in statements if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE"))])


def count(prepare):
    """Count what a path takes, in the repetition that takes least."""
    for _ in range(WARM_UP):
        prepare()()
    statements = count_statements(prepare())
    found = min((count_calls(prepare()) for _ in range(REPEATS)), key=lambda calls: sum(calls.values()))
    return {"statements": statements, "calls": sum(found.values()), "by function": found}


def paths():
    """What is counted: by name, a function that prepares and returns the call."""
    from django.contrib.auth.models import User
    from rest_framework.request import Request

    from django_jwtauth import conf, sessions
    from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication

    user = User.objects.create_user("ada", password="correct horse")
    pair = sessions.start(user)
    known, state = pair.access, {"refresh": pair.refresh}
    requests, handler = RequestFactory(), BaseHandler()
    handler.load_middleware()

    def fresh():
        return sessions.start(user).access

    def verifying(raw):
        def prepare():
            token = raw()
            return lambda: conf.get_config().verifier.verify(token)

        return prepare

    def authenticating(authentication, raw):
        def prepare():
            request = Request(requests.get("/", HTTP_AUTHORIZATION=f"Bearer {raw()}"))
            used = authentication()
            return lambda: used.authenticate(request)

        return prepare

    def posting(path, body, keep=lambda data: None):
        def prepare():
            request = requests.post(path, body(), content_type="application/json")

            def call():
                response = handler.get_response(request)
                assert response.status_code == 200, response.content
                keep(response.data)

            return call

        return prepare

    credentials = {"username": "ada", "password": "correct horse"}
    return {
        "verify, a known token": verifying(lambda: known),
        "verify, a new token": verifying(fresh),
        "stateless, a known token": authenticating(StatelessJWTAuthentication, lambda: known),
        "stateless, a new token": authenticating(StatelessJWTAuthentication, fresh),
        "JWTAuthentication": authenticating(JWTAuthentication, lambda: known),
        "POST token/refresh/": posting("/auth/token/refresh/", lambda: state, keep=state.update),
        "POST token/": posting("/auth/token/", lambda: credentials),
        "POST token/verify/": posting("/auth/token/verify/", lambda: {"token": known}),
    }


def measure():
    """Set Django up, and count all paths."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    many = dict.fromkeys(("login", "login_address", "login_username", "refresh"), "1000000/min")
    hour = datetime.timedelta(hours=1)
    settings.JWTAUTH = {
        "SIGNING_KEYS": [{"alg": "HS256", "secret": secrets.token_bytes(32)}],
        "REFRESH_GRACE_PERIOD": datetime.timedelta(0),
        "REVOCATION_POLL_INTERVAL": hour,  # so that reading the list does not fall into a count
        "REVOCATION_MAX_STALENESS": 2 * hour,
        "THROTTLE_RATES": many,
    }
    settings.LOGGING_CONFIG = None
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return {name: count(prepare) for name, prepare in paths().items()}


SETTINGS = {"JWTAUTH_TEST_DATABASE": "sqlite", "JWTAUTH_TEST_REDIS": ""}


def counts():
    """Count in a new process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.calls"],
        cwd=ROOT,
        env={**inherited, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), **SETTINGS},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bounds():
    """The table of bounds: by version of Python, then by path."""
    return json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.tools.calls", description=__doc__)
    parser.add_argument("--store", action="store_true", help="write the counts into the table of bounds")
    if not parser.parse_args().store:
        with contextlib.redirect_stdout(sys.stderr):
            found = measure()
        json.dump(found, sys.stdout)
        return
    table = {**bounds(), PYTHON: counts()}
    BOUNDS.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
