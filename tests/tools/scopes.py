"""What the tests of scopes and audiences share: settings, a view that wants a scope, and another service's verifier."""

from datetime import timedelta

from django import urls
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.permissions import HasScope
from django_jwtauth.verifier import Verifier

MINUTE = timedelta(minutes=1)
TOKEN, REFRESH = "/auth/token/", "/auth/token/refresh/"
CREDENTIALS = {"username": "ada", "password": "correct horse"}
PUBLIC = "203.0.113.7"
R, W, X = "orders:read", "orders:write", "admin"
OWN, OWN2 = "https://api.example.com", "https://admin.example.com"
STOCK, ORDERS = "https://stock.example.com", "urn:example:orders"
INVALID_SCOPE, INVALID_TARGET = "invalid_scope", "invalid_target"
KEY = Key.generate("ES256")
PUBLIC_KEYS = KeySet([Key.from_pem(KEY.public_pem(), alg="ES256")])

state = {}
"""What the callables give, and what they were called with."""


class WhoAmI(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk)})


class Needs(APIView):
    """Wants the scope that the path names."""

    def get_permissions(self):
        return [IsAuthenticated(), HasScope(self.kwargs["scope"])()]

    def get(self, request, scope):
        return Response({"scope": sorted(request.auth.scopes)})


STATEFUL = {"authentication_classes": [JWTAuthentication]}
STATELESS = {"authentication_classes": [StatelessJWTAuthentication]}
urlpatterns = [
    urls.path("", urls.include("django_jwtauth.urls_well_known")),
    urls.path("auth/", urls.include("django_jwtauth.urls")),
    urls.path("whoami/", WhoAmI.as_view(**STATEFUL)),
    urls.path("stateless/", WhoAmI.as_view(**STATELESS)),
    urls.path("needs/stateful/<scope>/", Needs.as_view(**STATEFUL)),
    urls.path("needs/stateless/<scope>/", Needs.as_view(**STATELESS)),
]


def jwtauth(**more):
    """Return the setting."""
    keys = [{"alg": "ES256", "pem": KEY.private_pem()}]
    return {"SIGNING_KEYS": keys, "AUDIENCE": [OWN, OWN2], **more}


def allowed(user, *, request, session):
    """Gives what the test wants, or raises it; and remembers what it was called with."""
    state["called"] = (user, request, session)
    if isinstance(state["allowed"], Exception):
        raise state["allowed"]
    return state["allowed"]


def source(kind, names):
    """Return the setting that allows these names: given as they are, or computed."""
    state["allowed"] = names
    if names is None:
        return None
    return {"list": names, "callable": allowed, "dotted path": "tests.tools.scopes.allowed"}[kind]


KINDS = ["list", "callable", "dotted path"]
MODES = {"list": ("list", 0 * MINUTE), "callable": ("callable", MINUTE), "dotted path": ("dotted path", MINUTE)}
"""How the setting is given, and how old a session is when it is refreshed: rotated or not."""


def post(client, url, body, status=200):
    response = client.post(url, body, format="json")
    assert response.status_code == status, response.content
    return response.json()


def verifier(audience):
    """Somebody else's: it has our public key and nothing more."""
    return Verifier(issuer="django-jwtauth", audience=audience, keys=PUBLIC_KEYS)


def verdict(audience, raw):
    """Tell whether a token is good for an audience, or why not."""
    try:
        verifier(audience).verify(raw)
    except InvalidTokenError as error:
        return error.reason
    return "good"
