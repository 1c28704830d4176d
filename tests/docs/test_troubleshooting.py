"""The page "Troubleshooting": somebody who makes one of these mistakes is told so, in the words of the page."""

import asyncio
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
from django.contrib.auth.decorators import login_required
from django.core import checks as django_checks
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.db.models import F
from django.test import override_settings
from django.urls import NoReverseMatch, include, path, reverse
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication, JWTCookieAuthentication
from django_jwtauth.conf import InvalidSettingsError
from django_jwtauth.errors import JWTAuthError
from django_jwtauth.keys import Key, b64url_decode
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import HasScope
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


class ByCookie(Open):
    authentication_classes = [JWTCookieAuthentication]


class Careless(Open):
    def get(self, request):
        return Response({"session": request.auth.sid})


class ForReaders(Open):
    permission_classes = [HasScope("orders:read")]


@login_required
def plain(request):
    raise AssertionError("nobody is signed in")


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
    return issued(pair, -3600)


def issued(pair, seconds):
    """Return the token as it would be if it were issued at another time."""
    claims = json.loads(b64url_decode(pair.access.split(".")[1].encode()))
    now = int(time.time()) + seconds
    claims |= {"iat": now, "exp": now + 300}
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


def sign_in_by_force(user):
    client = APIClient()
    client.force_login(user)
    return client.get("/whoami/").content.decode()


def authenticate_by_force(user):
    client = APIClient()
    client.force_authenticate(user)
    with WithRoutes(path("readers/", ForReaders.as_view())):
        return client.get("/readers/").content.decode()


def send_it_elsewhere(pair):
    answers = [APIClient().post("/whoami/", {"access": pair.access}), APIClient().get(f"/whoami/?token={pair.access}")]
    said = {answer.content.decode() for answer in answers}
    return " ".join(said) if len(said) == 1 else ""


def send_something_else(pair):
    said = {answered(Authorization=f"Bearer {word}") for word in ("undefined", f'"{pair.access}"')}
    return " ".join(said) if len(said) == 1 else ""


def ask_a_plain_view(pair):
    with WithRoutes(path("plain/", plain)):
        return APIClient().get("/plain/", headers={"Authorization": f"Bearer {pair.access}"})["Location"]


def ask_a_careless_view():
    with WithRoutes(path("careless/", Careless.as_view())), pytest.raises(AttributeError) as caught:
        answered("/careless/")
    return str(caught.value)


def sign_in_from_a_phone():
    """Call the server of a developer by its name in the network."""
    browser = Browser(host="dev.example.com", scheme="http")
    with override_settings(DEBUG=True), pytest.raises(AssertionError, match="Secure"):  # it would drop the cookie
        browser.sign_in()


def refresh_by_cookie_elsewhere():
    browser = Browser()
    with override_settings(JWTAUTH={"COOKIES": {"refresh_path": "/v2/auth/"}}):
        browser.sign_in()
        return browser.refresh().content.decode()


def ask_by_cookie():
    browser = Browser()
    browser.sign_in()
    return browser.send("GET", "/whoami/").content.decode()


def let_other_origins_call():
    apps_here = ["corsheaders", *settings.INSTALLED_APPS]
    origins = ["https://app.example.com"]
    return checked(path("api/", ByCookie.as_view()), INSTALLED_APPS=apps_here, CORS_ALLOWED_ORIGINS=origins)


def reverse_without_the_namespace():
    with pytest.raises(NoReverseMatch) as caught:
        reverse("token")
    return str(caught.value)


def start_in_a_coroutine(user):
    async def start():
        sessions.start(user)

    with pytest.raises(SynchronousOnlyOperation) as caught:
        asyncio.run(start())
    return str(caught.value)


PROJECT = """
    from django.conf import settings
    settings.configure(
        DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_jwtauth", {app}],
        AUTH_USER_MODEL={model!r},
        SECRET_KEY="only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    )
    import django
    django.setup()
    from django.core.management import call_command
"""


def forget_to_migrate():
    project = PROJECT.format(database=":memory:", app="", model="auth.User")
    return run_script(f"""{project}
    from django.contrib.auth import get_user_model
    from django.db import DatabaseError
    from django_jwtauth import sessions
    call_command("migrate", "auth", verbosity=0)
    user = get_user_model().objects.create_user("ada")
    try:
        sessions.start(user)
    except DatabaseError as error:
        print(error)
    """)


def change_the_user_model(tmp_path):
    database = str(tmp_path / "db.sqlite3")
    project = PROJECT.format(database=database, app="", model="auth.User")
    run_script(f"{project}\n    call_command('migrate', verbosity=0)")
    project = PROJECT.format(database=database, app="'tests.customusers'", model="customusers.Person")
    return run_script(f"""{project}
    try:
        call_command("migrate", verbosity=0)
    except Exception as error:
        print(error)
    """)


def use_a_short_secret():
    with override_settings(JWTAUTH={"SIGNING_KEYS": [{"alg": "HS256", "secret": "short"}]}):
        return raised(conf.get_config)


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
    send_it_elsewhere,
    sign_in_by_force,
    authenticate_by_force,
    send_something_else,
    lambda pair: answered(Authorization=f"Bearer Bearer {pair.access}"),
    lambda pair: answered(Authorization=f"Bearer {pair.refresh}"),
    lambda pair: answered(Authorization=f"Bearer {expired(pair)}"),
    ask_an_open_view,
    refresh_by_the_first_token,
    lambda pair: APIClient().post("/auth/token/refresh/", {"token": pair.refresh}).content.decode(),
    ask_another_server,
    lambda: checked(REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": CLASSES}),
    lambda: checked(MIDDLEWARE=["django_jwtauth.middleware.JWTMiddleware", *settings.MIDDLEWARE]),
    ask_a_plain_view,
    lambda: checked(path("api/", Open.as_view(permission_classes=[HasScope]))),
    # The API lets everybody in
    lambda: checked(path("api/", Undecided.as_view()), REST_FRAMEWORK={}),
    ask_a_careless_view,
    # Signing in fails
    lambda: signed_in(email="ada@example.com", password="correct horse"),
    post_without_the_slash,
    forget_to_migrate,
    lambda: APIClient().post("/auth/token/", "{}", content_type="text/plain").content.decode(),
    lambda: checked(AUTHENTICATION_BACKENDS=["django_jwtauth.authentication.JWTAuthentication"]),
    sign_in_inactive,
    lambda: checked(USE_X_FORWARDED_HOST=True),
    lambda: checked(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}),
    # Cookies
    post_without_csrf_token,
    lambda caplog: sign_in_from_a_phone() or caplog.text,
    refresh_by_cookie_elsewhere,
    ask_by_cookie,
    let_other_origins_call,
    lambda: checked(JWTAUTH={"COOKIES": {"samesite": "None"}}),
    # Other services
    lambda caplog: ask_a_service(lambda url: url, answer=Answer(status=404)) and caplog.text,
    lambda: checked(path("api/auth/", include("django_jwtauth.urls_well_known")), JWTAUTH=ASYMMETRIC),
    lambda: ask_a_service(lambda url: url, audience="stock"),
    ask_with_a_slash_too_many,
    lambda pair: answered("/stateless/", Authorization=f"Bearer {issued(pair, 3600)}"),
    lambda: checked(JWTAUTH={"AUDIENCE": ["orders", "stock"]}),
    a_service_of_stateful_views,
    # Settings and code
    include_the_urls_only,
    change_the_user_model,
    lambda: checked(*(path(f"{version}/auth/", include("django_jwtauth.urls")) for version in ("v1", "v2"))),
    reverse_without_the_namespace,
    start_in_a_coroutine,
    lambda: checked(JWT_AUTH={"ACCESS_TOKEN_LIFETIME": timedelta(minutes=1)}),
    lambda: checked(JWTAUTH={"ACCESS_TOKEN_LIFETIMES": 1}),
    read_simple_jwt,
    use_a_short_secret,
    use_a_broken_key,
    lambda: checked(JWTAUTH={"CLAIMS_HOOKS": [f"{__name__}.two_parameters"]}),
    lambda: raised(lambda: sessions.start("ada")),
    in_a_transaction,
]


IN_PROCESSES = (forget_to_migrate, change_the_user_model)


def test_each_row_has_its_mistake():
    assert len(ROWS) == len(MISTAKES) >= 50


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{number}-{words}", marks=[pytest.mark.long] if make in IN_PROCESSES else [])
        for number, ((_, words), make) in enumerate(zip(ROWS, MISTAKES, strict=False))
    ],
)
def test_who_makes_the_mistake_is_told(user, pair, monkeypatch, caplog, tmp_path, number):
    make = MISTAKES[number]
    given = {"user": user, "pair": pair, "monkeypatch": monkeypatch, "caplog": caplog, "tmp_path": tmp_path}
    assert ROWS[number][1] in make(*[given[name] for name in inspect.signature(make).parameters])
