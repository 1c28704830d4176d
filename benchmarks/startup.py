"""What an app adds to the start of a process. Each start is a process of its own, in turns."""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from .measure import Options, Row, Table
from .report import ROOT

_LIBRARIES = "import jwt, cryptography.hazmat.primitives.asymmetric.rsa, cryptography.hazmat.primitives.serialization\n"
_PROJECT = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="urls", USE_TZ=True, LOGGING_CONFIG=None,
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", {apps}],
    REST_FRAMEWORK={{"DEFAULT_AUTHENTICATION_CLASSES": [{authentication}]}},
)
django.setup()
import sys, types
from django.core.handlers.base import BaseHandler
from django.test import RequestFactory
urls = sys.modules["urls"] = types.ModuleType("urls")
urls.urlpatterns = []
from django.urls import path
from rest_framework.views import APIView
urls.urlpatterns.append(path("", APIView.as_view()))
handler = BaseHandler()
handler.load_middleware()
headers = {headers}
assert handler.get_response(RequestFactory().get("/", **headers)).status_code == {status}
"""
_HEADERS = '{"HTTP_AUTHORIZATION": "Bearer x.y.z"}'


def _project(app: str = "", authentication: str = "") -> str:
    named = [f'"{name}"' if name else "" for name in (app, authentication)]
    return _PROJECT.format(
        apps=named[0], authentication=named[1], headers=_HEADERS if app else "{}", status=401 if app else 405
    )


PROGRAMS = {
    "libraries": _LIBRARIES,
    "verifier": f"{_LIBRARIES}import django_jwtauth.verifier\n",
    "project": _project(),
    "ours": _project("django_jwtauth", "django_jwtauth.authentication.StatelessJWTAuthentication"),
    "theirs": _project(
        "rest_framework_simplejwt", "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"
    ),
}


def run(options: Options) -> Iterator[Row | Table]:
    """Compare."""
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with TemporaryDirectory() as compiled:
        for program in PROGRAMS.values():
            _seconds(program, compiled)  # the first start compiles the modules; a deployment does so once
        for _ in range(options.rounds(20)):
            for name, program in PROGRAMS.items():
                times[name].append(_seconds(program, compiled) * 1000)
    found = {name: statistics.median(values) for name, values in times.items()}
    yield Row(
        name="added to django.setup() and the first request",
        ours=found["ours"] - found["project"],
        peer="Simple JWT",
        theirs=found["theirs"] - found["project"],
        unit="ms",
    )
    added = found["verifier"] - found["libraries"]
    yield Table(
        title="Start of a process, processor time in ms",
        head=("what", "ms"),
        rows=(
            ("PyJWT and cryptography", f"{found['libraries']:.0f}"),
            ("`django_jwtauth.verifier` adds (goal: less than 60)", f"{added:.0f}"),
            ("Django and REST framework, with a first request", f"{found['project']:.0f}"),
            ("this library adds", f"{found['ours'] - found['project']:.0f}"),
            ("Simple JWT adds", f"{found['theirs'] - found['project']:.0f}"),
        ),
    )


def _seconds(program: str, compiled: str) -> float:
    """Return the processor time of a program.

    Args:
        program: Its source.
        compiled: The directory of the compiled modules.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = compiled
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, env=env, capture_output=True)  # noqa: S603 - our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
