"""What the schema says, and that drf-spectacular has nothing to complain about."""

import io
import json
import re
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.views import SpectacularAPIView
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import refusals
from django_jwtauth.views import SafeJSONParser, TokenView
from tests.tools.docs import FENCE, first_words, page, section
from tests.tools.http import bearer
from tests.tools.processes import ROOT
from tests.tools.routes import WithRoutes

from . import urls
from .provoked import FORM
from .written import FOR_CLIENTS, operations, written

(PASTED,) = [block for block in FENCE.findall(page("docs/openapi.md")) if "inline_serializer" in block]
exec(PASTED, pasted := {})

OURS = [path("auth/", include("django_jwtauth.urls"))]
PROJECTS = {
    "our endpoints": OURS,
    "without sign-in": [path("auth/", include("django_jwtauth.urls_without_sign_in"))],
    "the documents": [path("", include("django_jwtauth.urls_well_known"))],
    "twice": [*OURS, path("v2/auth/", include("django_jwtauth.urls", namespace="second"))],
    "a project": urls.urlpatterns,
    "the view of the page": [path("orders/", pasted["Orders"].as_view())],
}
SETTINGS = {
    "none": {},
    "scopes": {"JWTAUTH": {"SCOPES": ["a", "b"], "AUDIENCES": ["https://orders.example"]}},
    "cookies": {"JWTAUTH": {"COOKIES": {"domain": "example.com", "access_name": "my-access"}}},
    "tenants": {"JWTAUTH": {"TENANT": "tests.openapi.settings.nobody"}},
    "challenge": {"JWTAUTH": {"SIGN_IN_CHALLENGE": "tests.openapi.settings.nobody"}},
    "handler": {"EXCEPTION_HANDLER": "tests.openapi.settings.nobody"},
}
SPECTACULAR = {
    "as it is": {},
    "3.1": {"OAS_VERSION": "3.1.0"},
    "split": {"COMPONENT_SPLIT_REQUEST": True, "SCHEMA_PATH_PREFIX": "/"},
}


def with_settings(settings, given):
    """Set these, of which one belongs to REST framework."""
    for name, value in given.items():
        if name == "EXCEPTION_HANDLER":
            settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, name: value}
        else:
            setattr(settings, name, value)


@pytest.mark.parametrize(
    ("project", "given", "spectacular"),
    [
        *((project, "none", spectacular) for project in PROJECTS for spectacular in SPECTACULAR),
        *(("a project", given, "as it is") for given in SETTINGS if given != "none"),
    ],
)
def test_the_schema_is_valid_and_without_warnings(settings, project, given, spectacular):
    with_settings(settings, SETTINGS[given])
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": PROJECTS[project]})
    out = io.StringIO()
    with patched_settings(SPECTACULAR[spectacular]):
        call_command("spectacular", format="openapi-json", validate=True, fail_on_warn=True, stdout=out)
    assert json.loads(out.getvalue())["paths"]


# How a request is authenticated

HEADER, COOKIE = {"JWTAuthentication": []}, {"JWTCookieAuthentication": []}
STATELESS_HEADER, STATELESS_COOKIE = {"StatelessJWTAuthentication": []}, {"StatelessJWTCookieAuthentication": []}
CSRF = {"JWTAuthCSRF": []}


@pytest.mark.parametrize(
    ("url", "reading", "writing"),
    [
        ("/orders/", [HEADER], [HEADER]),
        ("/stateless/", [STATELESS_HEADER], [STATELESS_HEADER]),
        ("/cookie/", [HEADER, COOKIE], [HEADER, COOKIE | CSRF]),
        (
            "/stateless-cookie/",
            [STATELESS_HEADER, STATELESS_COOKIE],
            [STATELESS_HEADER, STATELESS_COOKIE | CSRF],
        ),
        ("/own/", [HEADER, COOKIE], [HEADER, COOKIE | CSRF]),
        ("/bearer/", [{"BearerAuthentication": []}], [{"BearerAuthentication": []}]),
    ],
)
def test_a_view_of_the_project_has_the_schemes_of_its_class_and_no_status_that_it_does_not_name(url, reading, writing):
    methods = written(urls.urlpatterns)["paths"][url]
    assert methods["get"]["security"] == reading
    assert methods["post"]["security"] == writing
    assert [list(each["responses"]) for each in methods.values()] == [["200"], ["200"]]


def test_the_schemes_are_those_that_requests_really_use(settings):
    settings.JWTAUTH = {"COOKIES": {"domain": "example.com"}}
    settings.CSRF_HEADER_NAME = "HTTP_X_TICKET"
    schemes = written(urls.urlpatterns)["components"]["securitySchemes"]
    about = {
        name: {key: value for key, value in each.items() if key != "description"} for name, each in schemes.items()
    }
    header = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    cookie = {"type": "apiKey", "in": "cookie", "name": "__Secure-jwtauth-access"}
    assert about == {
        "BearerAuthentication": header,
        "JWTAuthentication": header,
        "StatelessJWTAuthentication": header,
        "JWTCookieAuthentication": cookie,
        "StatelessJWTCookieAuthentication": cookie,
        "JWTAuthRefreshCookie": {**cookie, "name": "__Secure-jwtauth-refresh"},
        "JWTAuthCSRF": {"type": "apiKey", "in": "header", "name": "X-Ticket"},
    }
    assert all(each["description"] for each in schemes.values())


def test_the_header_of_the_csrf_token_is_written_as_django_writes_it():
    assert written(OURS)["components"]["securitySchemes"]["JWTAuthCSRF"]["name"] == "X-CSRFToken"


@pytest.mark.parametrize(
    ("version", "url", "method", "expected"),
    [
        ("3.1.0", "/scopes/", "get", [{"JWTAuthentication": ["a", "b"]}]),
        ("3.1.0", "/scopes/", "post", [HEADER]),
        ("3.0.3", "/scopes/", "get", [HEADER]),
        (
            "3.1.0",
            "/any-scope/",
            "get",
            [{name: [scope]} for name in (*HEADER, *COOKIE) for scope in ("a", "b")],
        ),
    ],
)
def test_scopes_stand_where_the_version_of_openapi_has_a_place_for_them(version, url, method, expected):
    assert written(urls.urlpatterns, OAS_VERSION=version)["paths"][url][method]["security"] == expected


# Our endpoints


def answers(schema, url, method="post"):
    return list(schema["paths"][url][method]["responses"])


def test_an_endpoint_has_all_of_its_answers():
    schema = written()
    assert answers(schema, "/auth/token/") == ["200", "400", "401", "406", "413", "415", "429", "503"]
    assert answers(schema, "/auth/logout/") == ["204", "400", "401", "403", "406", "503"]
    assert answers(schema, "/auth/token/introspect/") == ["200", "400", "401", "403", "406", "413", "415", "503"]
    assert answers(schema, "/auth/sessions/", "get") == ["200", "401", "404", "406", "503"]


def test_people_find_words_for_everything():
    for name, operation in operations(written()).items():
        if name.startswith("jwtauth_"):
            assert operation["summary"]
            assert operation["description"].endswith(".")
            assert len(operation["tags"]) == 1
            said = [answer["description"] for answer in operation["responses"].values()]
            assert all(said), name
            assert "No response body" not in said, name
            assert all(parameter["description"] for parameter in operation.get("parameters", ())), name


def test_people_find_words_for_each_body_and_each_reason():
    schemas = written(OURS)["components"]["schemas"]
    assert [name for name, schema in schemas.items() if name.startswith("JWT") and not schema.get("description")] == []
    for name in ("JWTSession", "JWTTokenPair", "JWTRefusal"):
        members = schemas[name]["properties"].items()
        assert [member for member, about in members if not about.get("description") and "$ref" not in about] == [], name
    meanings = re.findall(r"^\* `(\w+)`: \w.+", schemas["JWTReason"]["description"], re.MULTILINE)
    assert meanings == schemas["JWTReason"]["enum"]


def test_codes_and_reasons_are_those_of_the_code():
    schemas = written(OURS)["components"]["schemas"]
    not_allowed = ["invalid_scope", "invalid_target"]
    assert schemas["JWTReason"]["enum"] == [*refusals.MESSAGES, *not_allowed]
    assert sorted(schemas["JWTCode"]["enum"]) == sorted(first_words(section(page("docs/endpoints.md"), "### Codes")))


def test_a_project_that_refuses_sign_ins_by_its_own_rules_may_have_its_own_words(settings):
    def reason():
        schema = written(OURS)
        (said,) = operations(schema)["jwtauth_sign_in"]["responses"]["401"]["content"].values()
        return schema["components"]["schemas"][said["schema"]["$ref"].rpartition("/")[2]]["properties"]["reason"]

    known = {"$ref": "#/components/schemas/JWTReason"}
    assert reason() == known
    settings.JWTAUTH = {"SIGN_IN_CHALLENGE": "tests.openapi.settings.nobody"}
    assert reason() == {"anyOf": [known, {"type": "string"}]}
    settings.JWTAUTH = {}
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "tests.tools.backends.Anybody"]
    assert reason() == {"anyOf": [known, {"type": "string"}]}


def test_what_a_handler_of_the_project_makes_of_refusals_is_not_known(settings):
    with_settings(settings, SETTINGS["handler"])
    schema = written(OURS)
    for operation in operations(schema).values():
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                assert (int(status) < 300) == ("properties" in content["schema"] or "$ref" in content["schema"])


def test_a_user_name_has_the_name_of_its_field(monkeypatch):
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "email")
    schemas = written(OURS)["components"]["schemas"]
    assert set(schemas["JWTCredentials"]["properties"]) == {"email", "password", "scope", "resource"}
    # An OAuth client always says username.
    assert {"email", "username", "password"} <= set(schemas["JWTCredentialsErrors"]["properties"])


# Views that a project derives from ours


def derived(url, **settings):
    return written(urls.urlpatterns, **settings)["paths"][url]["post"]


def test_a_derived_view_is_described_as_ours_with_its_own_fields_and_an_id_of_its_own():
    schema = written(urls.urlpatterns)
    said = schema["paths"]["/code/"]["post"]
    assert said["operationId"] == "jwtauth_sign_in_code"
    assert said["summary"] == "Sign in"
    assert schema["paths"]["/auth/token/"]["post"]["operationId"] == "jwtauth_sign_in"
    assert "code" in schema["components"]["schemas"]["CodeErrors"]["properties"]


def test_its_permissions_throttles_and_classes_say_what_it_answers():
    assert list(derived("/strict-logout/")["responses"]) == ["204", "400", "401", "403", "406", "429", "503"]
    every = derived("/stateless-logout/")
    assert list(every["responses"]) == ["204", "400", "401", "403", "406", "503"]
    assert every["security"] == [STATELESS_HEADER, STATELESS_COOKIE | CSRF]


def test_what_a_project_says_of_its_view_comes_first():
    said = derived("/plain-refresh/")
    assert (said["summary"], said["tags"], list(said["responses"])) == ("Go on", ["mine"], ["200"])
    assert said["operationId"] == "jwtauth_refresh_plain_refresh"
    assert said["requestBody"]["content"]["application/json"] == said["requestBody"]["content"][FORM]
    said = derived("/tagged-logout/")
    assert (said["summary"], said["tags"], list(said["responses"])[:2]) == ("Sign out", ["mine"], ["204", "400"])


def test_of_a_view_that_is_none_of_ours_nothing_is_said():
    said = derived("/nobody/")
    assert (said["operationId"], list(said["responses"])) == ("nobody_create", ["200"])


def test_the_projects_way_to_describe_all_views_comes_first(monkeypatch):
    class Numbered(AutoSchema):
        def get_tags(self):
            return ["all", *super().get_tags()]

    monkeypatch.setattr(APIView, "schema", Numbered())
    said = derived("/code/")
    assert (said["tags"], said["summary"]) == (["all", "Authentication"], "Sign in")


def test_an_extension_of_the_project_comes_first(monkeypatch):
    monkeypatch.setattr(OpenApiAuthenticationExtension, "_registry", [*OpenApiAuthenticationExtension._registry])

    class Own(OpenApiAuthenticationExtension):
        target_class = "tests.openapi.urls.OwnAuthentication"
        name = "own"

        def get_security_definition(self, auto_schema):
            return {"type": "http", "scheme": "bearer"}

    assert derived("/own/")["security"] == [{"own": []}]
    assert derived("/cookie/")["security"] == [HEADER, COOKIE | CSRF]


def test_a_method_that_a_project_adds_is_the_projects():
    methods = written(urls.urlpatterns)["paths"]["/with-more/"]
    assert list(methods) == ["get"]  # it has hidden ours
    assert (methods["get"]["operationId"], list(methods["get"]["responses"])) == ("with_more_retrieve", ["200"])


def test_a_view_that_takes_other_bodies_has_those():
    plain = type("JSONOnly", (TokenView,), {"parser_classes": [SafeJSONParser]})
    for schema in (written([path("auth/token/", plain.as_view())]), written(OURS, **FOR_CLIENTS)):
        said = schema["paths"]["/auth/token/"]["post"]
        assert list(said["requestBody"]["content"]) == ["application/json"]
        (answer,) = said["responses"]["200"]["content"].values()
        assert answer["schema"] == {"$ref": "#/components/schemas/JWTTokenPair"}


def test_a_view_routed_twice_has_two_ids():
    ids = operations(written(PROJECTS["twice"]))
    assert "jwtauth_end_session" in ids
    assert "jwtauth_end_session_v2_auth_sessions_id" in ids


# The page of the project


@pytest.mark.django_db
@pytest.mark.parametrize("public", [True, False])
def test_the_schema_is_served(client, pair, public):
    view = SpectacularAPIView.as_view(serve_public=public, permission_classes=[])
    with WithRoutes(path("schema/", view)):
        shown = APIClient().get("/schema/?format=json").json()["paths"]
        assert "/auth/token/" in shown
        assert ("/auth/logout/" in shown) is public
        assert "/auth/logout/" in client.get("/schema/?format=json", **bearer(pair.access)).json()["paths"]


# When it is there, and when not


LOADED = """
import sys
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=[
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
    "django.contrib.sessions", "rest_framework", *{apps!r},
])
import django
django.setup()
{code}
ours = "django_jwtauth.contrib.spectacular."
print(*sorted(name.removeprefix(ours) for name in sys.modules if name.startswith((ours, "drf_spectacular.openapi"))))
"""


def loaded(*apps, code=""):
    command = [sys.executable, "-W", "error", "-c", LOADED.format(apps=apps, code=code)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


def test_a_project_without_drf_spectacular_loads_nothing_of_it():
    assert loaded("django_jwtauth") == []


@pytest.mark.parametrize("apps", [("django_jwtauth", "drf_spectacular"), ("drf_spectacular", "django_jwtauth")])
def test_a_project_with_it_need_not_import_anything(apps):
    names = ["authentication", "bodies", "documents", "drf_spectacular.openapi", "endpoints", "operations"]
    assert loaded(*apps) == names


def test_a_service_without_our_app_imports_the_schemes_by_themselves():
    (line,) = re.findall(r"`(import django_jwtauth\S+)`", page("docs/openapi.md"))
    code = f"{line}\nassert 'django_jwtauth.models' not in sys.modules"
    assert "authentication" in loaded("drf_spectacular", code=code)


def test_settings_that_cannot_be_used_are_no_obstacle_to_the_checks():
    code = "settings.JWTAUTH = {'NONSENSE': 1}\nfrom django.core import checks\nassert checks.run_checks()"
    assert "endpoints" in loaded("django_jwtauth", "drf_spectacular", code=code)
