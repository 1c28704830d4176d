"""A service that has nothing of ours but the package."""

import json
import time

import pytest

from tests.tools.processes import conversation

# Issuer and service are processes of their own.
pytestmark = pytest.mark.long

# A service that has nothing of ours but the package


ISSUING = """
import json, os, sys, threading
from wsgiref.simple_server import WSGIRequestHandler, make_server
from django.conf import settings
from tests import settings as base

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

def application(environ, start_response):
    return get_wsgi_application()(environ, start_response)

server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
issuer = f"http://127.0.0.1:{server.server_port}"
from django_jwtauth.keys import Key
names = [name for name in dir(base) if name.isupper()]
settings.configure(**{name: getattr(base, name) for name in names} | {
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    "JWTAUTH": {
        "ISSUER": issuer,
        "AUDIENCE": "orders",
        "SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}],
    },
})
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django_jwtauth import sessions

call_command("migrate", verbosity=0)
pair = sessions.start(get_user_model().objects.create_user("ada"))
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps([issuer, pair.access]), flush=True)
sys.stdin.readline()
print(sessions.revoke(pair.session), flush=True)
sys.stdin.readline()
server.shutdown()
server.server_close()
"""
SERVICE = """
import sys
from django.conf import settings
settings.configure(
    DATABASES={{}},
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={rest!r},
    JWTAUTH={jwtauth!r},
)
import django
django.setup()
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView
from django_jwtauth.authentication import StatelessJWTAuthentication

class View(APIView):
    authentication_classes = [StatelessJWTAuthentication]
    permission_classes = []

    def get(self, request):
        return Response(str(request.user))

def ask(raw):
    headers = {{"Authorization": f"Bearer {{raw}}"}} if raw else {{}}
    try:
        response = View.as_view()(RequestFactory().get("/", headers=headers))
    except ImproperlyConfigured as error:
        return f"{{type(error).__name__}}: {{error}}"
    return f"{{response.status_code}} {{response.data if response.status_code == 200 else response.data['reason']}}"

try:
    connections["default"].cursor()
except ImproperlyConfigured:
    pass  # so no query is possible
else:
    sys.exit("there is a database")
for line in sys.stdin:
    print(ask(line.strip()), flush=True)
assert not any(name.startswith(("django_jwtauth.models", "django.contrib.auth.models")) for name in sys.modules)
try:
    settings.SECRET_KEY
except ImproperlyConfigured:
    sys.exit(0)  # so it was not read either
"""


def service(issuer="https://auth.example.com", *, rest=None, jwtauth=None):
    """The code of a project with nothing but REST framework, and these settings."""
    trusted = {"TRUSTED_ISSUERS": {issuer: {"audience": "orders"}}}
    return SERVICE.format(
        rest={"UNAUTHENTICATED_USER": None} if rest is None else rest, jwtauth=trusted if jwtauth is None else jwtauth
    )


def test_a_service_without_app_database_and_secret_key_accepts_a_token_until_it_is_revoked(tmp_path):
    with conversation(ISSUING, DATABASE=str(tmp_path / "db.sqlite3")) as issuing:
        issuer, access = json.loads(issuing())
        with conversation(service(issuer)) as ask:
            assert ask(access) == "200 1"
            assert ask("") == "200 None"
            assert ask(access[:-10] + "A" * 10) == "401 invalid"
            assert issuing("revoke") == "1"
            deadline = time.monotonic() + 30  # the bound is four seconds, for a machine that has nothing else to do
            while (answer := ask(access)) == "200 1" and time.monotonic() < deadline:
                time.sleep(0.05)
            assert answer == "401 revoked"


@pytest.mark.parametrize("token", ["", "x"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [({"rest": {}}, "REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None"), ({"jwtauth": {}}, "JWTAUTH['TRUSTED_ISSUERS']")],
    ids=["nobody-is-nobody", "nobody-is-trusted"],
)
def test_a_service_whose_settings_cannot_work_says_so_at_the_first_request(changes, named, token):
    with conversation(service(**changes)) as ask:
        answer = ask(token)
    assert answer.startswith("ImproperlyConfigured: ")
    assert named in answer
