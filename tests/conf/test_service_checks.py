"""The checks for the commonest mistakes, and those of a service that issues no tokens."""

import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import api_view
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.schemas import get_schema_view
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_jwtauth import checks, route_checks, service_checks
from django_jwtauth.authentication import (
    JWTAuthentication,
    StatelessJWTAuthentication,
    StatelessJWTCookieAuthentication,
)
from django_jwtauth.decorators import jwt_required
from django_jwtauth.keys import Key
from django_jwtauth.permissions import HasScope, RecentLogin
from django_jwtauth.views import TokenView
from tests.tools.processes import ROOT
from tests.tools.products import each_row

ES256 = {
    "ISSUER": "https://auth.example.com",
    "SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}],
}


class Own(JWTAuthentication):
    pass


class Orders(APIView):
    authentication_classes = [BasicAuthentication]

    def get(self, request):
        return Response({})


class CodeView(TokenView):
    """It signs users in with a code, so it looks at no token."""


class ByToken(Orders):
    authentication_classes = [Own]


class ByCookie(Orders):
    authentication_classes = [StatelessJWTCookieAuthentication]


class Decided(ByToken):
    permission_classes = [AllowAny]


class DecidedLater(ByToken):
    def get_permissions(self):
        return [AllowAny()]


class Sets(ViewSet):
    authentication_classes = [StatelessJWTAuthentication]

    def list(self, request):
        return Response({})


@api_view()
def function(request):
    return Response({})


def plain(request):
    return HttpResponse()


def urls(*routes):
    return override_settings(ROOT_URLCONF=type("Urls", (), {"urlpatterns": routes}))


def ids(check, *routes, **changes):
    with urls(*routes), override_settings(**changes):
        return [(message.id.partition(".")[2], message.msg) for message in check(app_configs=None)]


# W030: no view takes our tokens


def test_views_that_take_other_credentials_only_are_reported():
    routes = [path("api/", include([path(f"{number}/", Orders.as_view()) for number in range(5)]))]
    ((number, message),) = ids(service_checks.check_use, *routes)
    assert number == "W030"
    assert "'/api/0/', '/api/1/', '/api/2/' and 2 more use other" in message
    assert "'/one/' uses other" in ids(service_checks.check_use, path("one/", Orders.as_view()))[0][1]


@each_row(
    "routes",
    [
        [],
        [path("plain/", plain), path("auth/", include("django_jwtauth.urls")), path("schema/", get_schema_view())],
        [path("a/", Orders.as_view()), path("b/", ByToken.as_view())],
        [path("a/", Orders.as_view()), path("b/", Orders.as_view(authentication_classes=[Own]))],
        [path("a/", Orders.as_view()), path("plain/", jwt_required(plain))],
        [path("code/", CodeView.as_view()), path("open/", Orders.as_view(authentication_classes=[]))],
    ],
    ids=["nothing", "not the project's", "another view", "by as_view", "decorated", "no credentials"],
)
def test_where_a_view_takes_them_nothing_is_reported(routes):
    assert ids(service_checks.check_use, *routes) == []


def test_under_the_middleware_nothing_is_reported(settings):
    middleware = [*settings.MIDDLEWARE, "django_jwtauth.middleware.JWTMiddleware"]
    assert ids(service_checks.check_use, path("a/", Orders.as_view()), MIDDLEWARE=middleware) == []


def test_without_routes_nothing_is_said(settings):
    settings.ROOT_URLCONF = None
    assert service_checks.check_use() == service_checks.check_permissions() == []


# W031: open by default


def open_by_default(*routes, **rest):
    return ids(service_checks.check_permissions, *routes, REST_FRAMEWORK=rest)


def test_views_that_are_open_because_nobody_thought_of_it_are_reported():
    router = DefaultRouter()
    router.register("sets", Sets, basename="sets")
    routes = [path("a/", ByToken.as_view(permission_classes=[])), path("b/", Decided.as_view()), path("c/", plain)]
    routes += [path("d/", DecidedLater.as_view()), path("e/", Orders.as_view()), path("", include(router.urls))]
    ((number, message),) = open_by_default(*routes)
    assert number == "W031"
    assert "sets/" in message
    assert not any(f"'/{letter}/'" in message for letter in "abcde")


def test_a_middleware_that_would_be_overruled_is_reported(settings):
    assert service_checks.check_middleware() == []
    ours = "django_jwtauth.middleware.JWTMiddleware"
    assert ids(service_checks.check_middleware, MIDDLEWARE=[*settings.MIDDLEWARE, ours]) == []
    assert ids(service_checks.check_middleware, MIDDLEWARE=[ours]) == []
    ((number, _),) = ids(service_checks.check_middleware, MIDDLEWARE=[ours, *settings.MIDDLEWARE])
    assert number == "E034"


def test_whoever_has_decided_gets_no_warning():
    assert open_by_default(path("e/", Orders.as_view())) == []
    given = ["rest_framework.permissions.AllowAny"]
    assert open_by_default(path("a/", ByToken.as_view()), DEFAULT_PERMISSION_CLASSES=given) == []
    assert len(open_by_default(path("f/", function))) == 1  # a view function takes the default classes


# W032, W033: what other services need


@each_row(
    ("issuer", "routes", "words"),
    [
        ("https://auth.example.com", [], "at /.well-known/jwks.json, where there are none."),
        (
            "https://auth.example.com",
            [path("api/auth/", include("django_jwtauth.urls_well_known"))],
            "none: they are at '/api/auth/.well-known/jwks.json'.",
        ),
        ("https://example.com/auth", [], "at /auth/.well-known/jwks.json"),
        ("https://auth.example.com", [path("", include("django_jwtauth.urls_well_known"))], ""),
        ("https://example.com/auth", [path("auth/", include("django_jwtauth.urls_well_known"))], ""),
        ("https://example.com/auth", [path("", include("django_jwtauth.urls_well_known"))], ""),  # behind a proxy
    ],
)
def test_keys_that_nobody_finds_are_reported(issuer, routes, words):
    found = ids(route_checks.check_documents, *routes, JWTAUTH={**ES256, "ISSUER": issuer})
    assert [number for number, _ in found] == ["W032"] * bool(words)
    assert all(words in message for _, message in found)


def tenant_settings(tenant):
    return {}


@pytest.mark.parametrize(
    "jwtauth",
    [{}, {"NONSENSE": 1}, {**ES256, "TENANT": lambda: "a", "TENANT_SETTINGS": tenant_settings}],
    ids=["a secret", "wrong", "tenants"],
)
def test_where_no_keys_are_published_or_known_nothing_is_said(jwtauth):
    assert ids(route_checks.check_documents, JWTAUTH=jwtauth) == []


@each_row(
    ("jwtauth", "expected"),
    [
        ({"AUDIENCE": ["a", "b"]}, ["W033"]),
        ({"AUDIENCES": ["https://stock.example.com"]}, ["W033"]),
        ({"AUDIENCES": lambda user, *, request, session: []}, ["W033"]),
        ({"AUDIENCE": "a"}, []),
        ({}, []),
        ({**ES256, "AUDIENCE": ["a", "b"]}, []),
        ({"AUDIENCE": ["a", "b"], "TENANT": lambda: "a", "TENANT_SETTINGS": tenant_settings}, []),
        ({"NONSENSE": 1}, []),
    ],
)
def test_tokens_for_others_that_are_signed_with_a_secret_are_reported(jwtauth, expected):
    assert [number for number, _ in ids(checks.check_audiences, JWTAUTH=jwtauth)] == expected


# E031, E034, E036, W034


@each_row(
    ("source", "words"),
    [
        ("nowhere.Class", "cannot be imported: No module named 'nowhere'"),
        ("rest_framework.authentication.BasicAuthentication", "is not one of our"),
        (BasicAuthentication, "is not one of our"),
        (Own, ""),
        ("django_jwtauth.authentication.StatelessJWTAuthentication", ""),
    ],
)
def test_a_class_that_cannot_be_used_is_reported(source, words):
    found = ids(service_checks.check_authentication_class, JWTAUTH={"AUTHENTICATION_CLASS": source})
    assert [number for number, _ in found] == ["E031"] * bool(words)
    assert all(words in message for _, message in found)


def test_with_wrong_settings_the_other_checks_are_silent(settings):
    settings.JWTAUTH = {"NONSENSE": 1}
    silent = [service_checks.check_authentication_class, service_checks.check_service, service_checks.check_cookies]
    assert [check() for check in silent] == [[]] * 3


def test_our_class_among_those_that_check_passwords_is_reported(settings):
    assert checks.check_backends() == []
    ours = f"{__name__}.Own"
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, ours]
    (message,) = checks.check_backends()
    assert (message.id, "JWTAuthentication" in message.msg) == ("jwtauth.E036", True)


def test_settings_that_nobody_reads_are_reported(settings, monkeypatch):
    monkeypatch.delitem(sys.modules, "rest_framework_simplejwt", raising=False)
    assert service_checks.check_unread_settings() == []
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": 1}
    (message,) = service_checks.check_unread_settings()
    assert message.id == "jwtauth.W034"
    monkeypatch.setitem(sys.modules, "rest_framework_simplejwt", service_checks)  # somebody has imported it
    assert service_checks.check_unread_settings() == []


@pytest.mark.parametrize("name", ["JWT_AUTH", "DJANGO_JWTAUTH", "DJANGO_JWT_AUTH"])
def test_settings_under_another_name_are_reported(settings, name):
    setattr(settings, name, {"ACCESS_TOKEN_LIFETIME": 1})
    ((number, message),) = ids(service_checks.check_unread_settings)
    assert (number, message) == ("W034", f"Nothing reads the setting {name}.")


@pytest.mark.parametrize("given", [{"JWT_SECRET_KEY": "x"}, {}, "ACCESS_TOKEN_LIFETIME"])
def test_settings_of_another_package_are_not(settings, given):
    settings.JWT_AUTH = given
    assert service_checks.check_unread_settings() == []


# E035: what REST framework could not call


@pytest.mark.parametrize(
    ("attribute", "given", "words"),
    [
        ("authentication_classes", Own, "'/a/': Own is not in a list."),
        ("authentication_classes", "django_jwtauth.Own", "'/a/': 'django_jwtauth.Own' is not in a list."),
        ("authentication_classes", ["django_jwtauth.Own"], "'/a/': 'django_jwtauth.Own' is a text, and not a class."),
        ("authentication_classes", (Own(),), "'/a/': Own() is an object, and not a class."),
        ("permission_classes", AllowAny, "'/a/': AllowAny is not in a list."),
        ("permission_classes", [AllowAny, HasScope], "'/a/': HasScope must be called."),
        ("permission_classes", [RecentLogin], "'/a/': RecentLogin must be called."),
    ],
)
def test_classes_that_cannot_be_called_are_reported(attribute, given, words):
    wrong = type("Wrong", (ByToken,), {attribute: given})
    for view in (wrong.as_view(), ByToken.as_view(**{attribute: given})):
        found = ids(service_checks.check_view_classes, path("a/", view), path("b/", ByToken.as_view()))
        assert found == [("E035", f"{attribute} of {words}")]
        with urls(path("a/", view)):  # the other checks go on
            assert service_checks.check_use() is not None
            assert service_checks.check_permissions() == []


@pytest.mark.parametrize("given", [[], (), [HasScope("a") & AllowAny, ~HasScope("a")], [lambda: AllowAny()]])
def test_what_can_be_called_is_not(given):
    assert ids(service_checks.check_view_classes, path("a/", ByToken.as_view(permission_classes=given))) == []


def test_classes_that_a_view_computes_are_not_judged():
    computed = type("Computed", (ByToken,), {"authentication_classes": property(lambda view: [Own])})
    assert ids(service_checks.check_view_classes, path("a/", computed.as_view())) == []
    assert ids(service_checks.check_use, path("a/", computed.as_view())) == []


def test_a_default_that_is_no_list_is_no_obstacle(settings):
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ("django_jwtauth.authentication.JWTAuthentication")}
    assert service_checks.check_authentication_classes() == []


# W035: cookies, and pages of other origins

ORIGIN = "https://app.example.com"
CORS = {
    "INSTALLED_APPS": ["corsheaders", *django_settings.INSTALLED_APPS],
    "CORS_ALLOWED_ORIGINS": [ORIGIN],
    "CORS_ALLOW_CREDENTIALS": True,
    "CSRF_TRUSTED_ORIGINS": [ORIGIN],
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.example.com"]}, []),
        ({"CORS_ALLOWED_ORIGINS": [], "CORS_ALLOW_CREDENTIALS": False}, []),
        ({"INSTALLED_APPS": django_settings.INSTALLED_APPS, "CSRF_TRUSTED_ORIGINS": []}, []),
        ({"CORS_ALLOW_CREDENTIALS": False}, ["browsers hide the responses"]),
        ({"CSRF_TRUSTED_ORIGINS": ["https://example.com"]}, [f"the CSRF check refuses {ORIGIN}."]),
        (
            {"CORS_ALLOW_CREDENTIALS": False, "CSRF_TRUSTED_ORIGINS": []},
            ["browsers hide the responses", f"the CSRF check refuses {ORIGIN}."],
        ),
    ],
)
def test_pages_of_other_origins_that_cannot_use_cookies_are_reported(changes, words):
    found = ids(service_checks.check_cors, path("a/", ByCookie.as_view()), **{**CORS, **changes})
    assert [number for number, _ in found] == ["W035"] * len(words)
    assert all(word in message for word, (_, message) in zip(words, found, strict=True))


def test_where_no_view_takes_cookies_nothing_is_said_of_other_origins():
    changes = {**CORS, "CORS_ALLOW_CREDENTIALS": False}
    routes = [path("a/", ByToken.as_view()), path("auth/", include("django_jwtauth.urls"))]
    assert ids(service_checks.check_cors, *routes, **changes) == []


# A service


SERVICE = """
import sys
from django.conf import settings
settings.configure(
    DATABASES={{}},
    ROOT_URLCONF="__main__",
    INSTALLED_APPS=["rest_framework", "django_jwtauth.service"],
    REST_FRAMEWORK={rest!r},
    JWTAUTH={jwtauth!r},
)
import django
django.setup()
from django.core.management import call_command
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView
from django_jwtauth import authentication

class Orders(APIView):
    authentication_classes = [getattr(authentication, {cls!r})]

    def get(self, request):
        return Response({{}})

urlpatterns = [path("orders/", Orders.as_view())]
call_command("check", deploy=True, fail_level="CRITICAL")
assert not any(name.startswith("django_jwtauth.models") for name in sys.modules)
"""
REST = {"UNAUTHENTICATED_USER": None, "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}
TRUSTED = {"TRUSTED_ISSUERS": {"https://auth.example.com": {"audience": "https://orders.example.com"}}}


SERVICES = {
    "right": (REST, TRUSTED, "StatelessJWTAuthentication", set()),
    "nobody": (REST, {}, "StatelessJWTAuthentication", {"E032"}),
    "stateful": (REST, TRUSTED, "JWTAuthentication", {"E030"}),
    "default": ({**REST, "DEFAULT_AUTHENTICATION_CLASSES": []}, TRUSTED, "StatelessJWTAuthentication", set()),
    "open": ({"UNAUTHENTICATED_USER": None}, TRUSTED, "StatelessJWTAuthentication", {"W031"}),
    "anonymous": ({}, TRUSTED, "StatelessJWTAuthentication", {"E033", "W031"}),
    "misspelled": (REST, {"TRUSTED_ISSUER": {}}, "StatelessJWTAuthentication", {"E001"}),
    "risky": (
        REST,
        {
            "TRUSTED_ISSUERS": {"https://a.example.com": {"audience": "o", "allow_http": True}},
            "REVOCATION_FAIL_OPEN": True,
        },
        "StatelessJWTAuthentication",
        {"W005", "W007"},
    ),
    "cookies": (
        REST,
        {**TRUSTED, "COOKIES": {"domain": "example.com"}},
        "StatelessJWTCookieAuthentication",
        {"W009"},
    ),
}
# Each is a process. What the checks find is tested above, in this one.
AT_ONCE = ("anonymous",)


@pytest.mark.parametrize(
    ("rest", "jwtauth", "cls", "expected"),
    [
        pytest.param(*service, id=name, marks=[] if name in AT_ONCE else [pytest.mark.long])
        for name, service in SERVICES.items()
    ],
)
def test_a_service_without_tables_gets_its_checks(rest, jwtauth, cls, expected):
    code = SERVICE.format(rest=rest, jwtauth=jwtauth, cls=cls)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = done.stderr + done.stdout
    found = {word.strip("():?")[8:] for word in said.split() if word.strip("():?").startswith("jwtauth.")}
    assert found == expected, said


def test_in_an_issuer_the_checks_of_a_service_are_silent():
    assert service_checks.check_service() == []
    registered = django_checks.registry.registry.get_checks(include_deployment_checks=True)
    assert {*service_checks.CHECKS, *service_checks.DEPLOY_CHECKS} <= set(registered)
