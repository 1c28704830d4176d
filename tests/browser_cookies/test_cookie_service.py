"""A service without a database and our app accepts the access cookie of another service's sign-in."""

import json

import pytest

from tests.tools.cookie_jar import ACCESS
from tests.tools.issuers import AUDIENCE, Issuer, Server
from tests.tools.processes import conversation

TOKEN = "a" * 32
SERVICE = """
import json, sys
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["orders.example.com"],
    REST_FRAMEWORK={{"UNAUTHENTICATED_USER": None}},
    JWTAUTH={{"TRUSTED_ISSUERS": {{{issuer!r}: {{"audience": {audience!r}, "allow_http": True}}}}}},
)
import django
django.setup()
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView
from django_jwtauth.authentication import StatelessJWTCookieAuthentication

class View(APIView):
    authentication_classes = [StatelessJWTCookieAuthentication]
    permission_classes = []

    def get(self, request):
        return Response(str(request.user))

    post = get

for line in sys.stdin:
    method, headers = json.loads(line)
    request = RequestFactory(SERVER_NAME="orders.example.com").generic(method, "/", headers=headers, secure=True)
    response = View.as_view()(request)
    print(f"{{response.status_code}} {{response.data if response.status_code == 200 else response.data['reason']}}")
    sys.stdout.flush()
assert not any(name.startswith(("django_jwtauth.models", "django.contrib.auth.models")) for name in sys.modules)
"""


@pytest.fixture
def issuer():
    server = Server()
    yield Issuer(server)
    server.stop()


def test_it_takes_the_cookie_and_checks_unsafe_methods(issuer):
    cookie = f"{ACCESS}={issuer.token()}"
    unsafe = {"Cookie": f"{cookie}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN, "Origin": "https://orders.example.com"}
    asked = {
        "200 1": [
            ("GET", {"Cookie": cookie}),
            ("POST", unsafe),
            ("POST", {"Authorization": f"Bearer {issuer.token()}"}),
        ],
        "200 None": [("GET", {}), ("POST", {}), ("GET", {"Cookie": f"{ACCESS}="})],
        "403 csrf": [
            ("POST", {"Cookie": cookie}),
            ("POST", {**unsafe, "X-CSRFToken": "b" * 32}),
            ("POST", {**unsafe, "Origin": "https://evil.example"}),
        ],
        "401 invalid": [
            ("GET", {"Cookie": f"{cookie}; {cookie}"}),
            ("GET", {"Cookie": f"{cookie}x"}),
            ("GET", {"Cookie": f"{ACCESS}={Issuer(issuer.server, '/other').token()}"}),
            ("POST", {**unsafe, "Authorization": "Bearer x"}),
        ],
        "401 wrong_audience": [("GET", {"Cookie": f"{ACCESS}={issuer.token(aud='https://stock.example')}"})],
    }
    with conversation(SERVICE.format(issuer=issuer.url, audience=AUDIENCE)) as ask:
        for answer, requests in asked.items():
            for request in requests:
                assert (ask(json.dumps(request)), request) == (answer, request)
