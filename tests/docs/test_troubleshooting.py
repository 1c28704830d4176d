"""The page "Troubleshooting": somebody who makes one of these mistakes is told so, in the words of the page."""

import inspect
import json
import re
import sys
import time
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks as django_checks
from django.db import transaction
from django.db.models import F
from django.test import override_settings
from django.urls import include, path
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.conf import InvalidSettingsError
from django_jwtauth.errors import JWTAuthError
from django_jwtauth.keys import Key, b64url_decode
from django_jwtauth.models import RefreshToken
from tests.tools.cookie_jar import Browser
from tests.tools.docs import page
from tests.tools.issuers import AUDIENCE, Answer, Issuer, Server
from tests.tools.processes import run_script
from tests.tools.routes import WithRoutes

pytestmark = pytest.mark.django_db
ROWS = re.findall(r"^\| (?!what you see|---)(.+?) \| `(.+?)` \| .+ \|$", page("docs/troubleshooting.md"), re.MULTILINE)
PEM = Key.generate("ES256").private_pem()
ASYMMETRIC = {"ISSUER": "https://auth.example.com", "SIGNING_KEYS": [{"alg": "ES256", "pem": PEM}]}
CLASSES = ["rest_framework.authentication.BasicAuthentication", "django_jwtauth.authentication.JWTAuthentication"]


def two_parameters(user, request):
    return {}


class Open(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({})


class Basic(Open):
    authentication_classes = [BasicAuthentication]


class Undecided(APIView):
    authentication_classes = [JWTAuthentication]


def checked(*routes, **changes):
    """Return what `manage.py check --deploy` says."""
    urls = {"ROOT_URLCONF": type("Urls", (), {"urlpatterns": routes})} if routes else {}
    with override_settings(**urls, **changes):
        found = django_checks.run_checks(include_deployment_checks=True)
    return " ".join(f"{message.id} {message.msg} {message.hint}" for message in found)


def answered(url="/whoami/", **headers):
    return APIClient().get(url, headers=headers).content.decode()


def signed_in(**body):
    return APIClient().post("/auth/token/", body).content.decode()


def raised(action):
    with pytest.raises((TypeError, RuntimeError, JWTAuthError, InvalidSettingsError)) as caught:
        action()
    return str(caught.value)


def expired(pair):
    """Return the token as it will be in an hour."""
    claims = json.loads(b64url_decode(pair.access.split(".")[1].encode()))
    claims |= {"iat": int(time.time()) - 3600, "exp": int(time.time()) - 3300}
    return jws.sign(claims, typ="at+jwt", key=conf.get_config().signing_keys.signing_key)


def refresh_by_the_first_token(pair):
    for _ in range(2):
        RefreshToken.objects.update(rotated_at=F("rotated_at") - timedelta(minutes=5))
        answer = APIClient().post("/auth/token/refresh/", {"refresh": pair.refresh})
    return answer.content.decode()


def ask_another_server(pair):
    with override_settings(SECRET_KEY="another-secret-key-of-good-length-0123456789"):
        return answered(Authorization=f"Bearer {pair.access}")


def ask_an_open_view(pair):
    with WithRoutes(path("open/", Open.as_view())):
        return answered("/open/", Authorization=f"Bearer {expired(pair)}")


def post_without_the_slash():
    middleware = ["django.middleware.common.CommonMiddleware"]
    with override_settings(DEBUG=True, APPEND_SLASH=True, MIDDLEWARE=middleware):
        return raised(lambda: APIClient().post("/auth/token", {"username": "ada", "password": "correct horse"}))


def include_the_urls_only():
    return run_script(f"""
        import django
        from django.conf import settings

        settings.configure(INSTALLED_APPS={["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]})
        django.setup()
        try:
            import django_jwtauth.urls
        except RuntimeError as error:
            print(error)
    """)


def sign_in_inactive():
    get_user_model().objects.update(is_active=False)
    return signed_in(username="ada", password="correct horse")


def post_without_csrf_token():
    browser = Browser()
    browser.sign_in()
    return browser.log_out(csrf=False).content.decode()


def ask_a_service(trusted, audience=AUDIENCE, answer=None):
    """Ask a service that trusts a real issuer."""
    server = Server()
    try:
        issuer = Issuer(server)
        server.answers.update({issuer.jwks_path: answer} if answer else {})
        entry = {"audience": audience, "revocations_url": None, "jwks_url": server.url + issuer.jwks_path}
        with override_settings(JWTAUTH={"TRUSTED_ISSUERS": {trusted(issuer.url): entry}}):
            said = answered("/stateless/", Authorization=f"Bearer {issuer.token()}")
            conf.forget()
        return said
    finally:
        server.stop()


def as_a_service(monkeypatch):
    is_installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django_jwtauth" and is_installed(name))


def ask_with_a_slash_too_many(monkeypatch):
    as_a_service(monkeypatch)
    return ask_a_service(lambda url: f"{url}/")


def a_service_of_stateful_views(monkeypatch):
    as_a_service(monkeypatch)
    return checked(path("api/", Undecided.as_view()))


def read_simple_jwt(monkeypatch):
    monkeypatch.delitem(sys.modules, "rest_framework_simplejwt", raising=False)
    return checked(SIMPLE_JWT={"ACCESS_TOKEN_LIFETIME": 1})


def use_a_broken_key():
    with override_settings(JWTAUTH={"SIGNING_KEYS": [{"alg": "ES256", "pem": PEM.replace("\n", r"\n")}]}):
        return raised(conf.get_config)


def in_a_transaction(pair):
    with transaction.atomic():
        return raised(lambda: sessions.refresh(pair.refresh))


MISTAKES = [
    # The API answers 401
    lambda: checked(path("api/", Basic.as_view())),
    lambda pair: answered(Authorization=f"Token {pair.access}"),
    lambda pair: answered(Authorization=f"Bearer Bearer {pair.access}"),
    lambda pair: answered(Authorization=f"Bearer {pair.refresh}"),
    lambda pair: answered(Authorization=f"Bearer {expired(pair)}"),
    ask_an_open_view,
    refresh_by_the_first_token,
    ask_another_server,
    lambda: checked(REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": CLASSES}),
    lambda: checked(MIDDLEWARE=["django_jwtauth.middleware.JWTMiddleware", *settings.MIDDLEWARE]),
    # The API lets everybody in
    lambda: checked(path("api/", Undecided.as_view()), REST_FRAMEWORK={}),
    # Signing in fails
    lambda: signed_in(email="ada@example.com", password="correct horse"),
    post_without_the_slash,
    sign_in_inactive,
    lambda: checked(USE_X_FORWARDED_HOST=True),
    lambda: checked(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}),
    # Cookies
    post_without_csrf_token,
    lambda: checked(JWTAUTH={"COOKIES": {"samesite": "None"}}),
    # Other services
    lambda caplog: ask_a_service(lambda url: url, answer=Answer(status=404)) and caplog.text,
    lambda: checked(path("api/auth/", include("django_jwtauth.urls_well_known")), JWTAUTH=ASYMMETRIC),
    lambda: ask_a_service(lambda url: url, audience="stock"),
    ask_with_a_slash_too_many,
    lambda: checked(JWTAUTH={"AUDIENCE": ["orders", "stock"]}),
    a_service_of_stateful_views,
    # Settings and code
    include_the_urls_only,
    lambda: checked(JWTAUTH={"ACCESS_TOKEN_LIFETIMES": 1}),
    read_simple_jwt,
    use_a_broken_key,
    lambda: checked(JWTAUTH={"CLAIMS_HOOKS": [f"{__name__}.two_parameters"]}),
    lambda: raised(lambda: sessions.start("ada")),
    in_a_transaction,
]


def test_each_row_has_its_mistake():
    assert len(ROWS) == len(MISTAKES) >= 20


@pytest.mark.parametrize(
    "number", range(len(ROWS)), ids=[f"{number}-{words}" for number, (_, words) in enumerate(ROWS)]
)
def test_who_makes_the_mistake_is_told(pair, monkeypatch, caplog, number):
    make = MISTAKES[number]
    given = {"pair": pair, "monkeypatch": monkeypatch, "caplog": caplog}
    assert ROWS[number][1] in make(*[given[name] for name in inspect.signature(make).parameters])
