"""The metadata (RFC 8414)."""

import types

import pytest
from django.test.utils import override_script_prefix
from django.urls import include, path

from django_jwtauth import views, well_known
from tests.tools.products import each_row
from tests.tools.well_known import ISSUER, JWKS, METADATA, jwtauth

# Metadata


ALWAYS = {"response_types_supported": []}
ENDPOINTS = {
    "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
    "token_endpoint": f"{ISSUER}/auth/token/",
    "revocation_endpoint": f"{ISSUER}/auth/token/revoke/",
    "introspection_endpoint": f"{ISSUER}/auth/token/introspect/",
    "jwt_revocations_uri": f"{ISSUER}/.well-known/jwt-revocations",
}


def test_the_metadata_have_exactly_these_members(http):
    assert http.get(METADATA).json() == {
        "issuer": ISSUER,
        **ENDPOINTS,
        **ALWAYS,
        "grant_types_supported": ["password", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
    }


@pytest.mark.parametrize(
    ("issuer", "inserted"),
    [
        ("https://example.com/auth", "/auth"),
        ("https://example.com/auth/", "/auth"),
        ("https://example.com/a/b", "/a/b"),
        ("https://example.com:8443", ""),
        ("https://example.com/", ""),
        ("http://127.0.0.1:8000", ""),
    ],
)
def test_an_issuer_with_a_path_is_found_by_the_inserted_and_the_plain_form(http, settings, issuer, inserted):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    origin = "/".join(issuer.split("/")[:3])
    for url in {METADATA, METADATA + inserted}:
        response = http.get(url)
        assert response.status_code == 200
        # To the letter (RFC 8414 section 3.3); and what it leads to, by the urls of the project.
        assert response.json()["issuer"] == issuer
        assert response.json()["jwks_uri"] == f"{origin}/.well-known/jwks.json"


@each_row("issuer", [ISSUER, "https://example.com/auth", "https://example.com/auth/"])
@each_row("path", ["/", "/other", "/auth/", "/auth/more", "/AUTH", "//auth", "/.", "/auth%0A", "%0A"])
def test_any_other_inserted_path_is_not_found(http, settings, issuer, path):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    response = http.get(METADATA + path)
    assert response.status_code == 404
    if path not in ("/auth%0A", "%0A"):  # where no view of ours is
        assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "issuer",
    ["django-jwtauth", "auth.example.com", "urn:example:auth", "https://[a", "https:a", "ftp://example.com", "/a"],
)
def test_an_issuer_that_is_no_url_has_no_metadata(http, settings, issuer):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    for url in (METADATA, METADATA + "/a"):
        response = http.get(url)
        assert response.status_code == 404
        assert response["Access-Control-Allow-Origin"] == "*"
    assert http.get(JWKS).status_code == 200


def urlconf(*patterns):
    module = types.ModuleType("urlconf")
    module.urlpatterns = list(patterns)
    return module


WELL_KNOWN = path("", include("django_jwtauth.urls_well_known"))


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([WELL_KNOWN], {"jwks_uri", "jwt_revocations_uri"}),
        ([path("x", well_known.metadata), path("api/", include("django_jwtauth.urls"))], set(ENDPOINTS) - {"jwks_uri"}),
        ([path("x", well_known.metadata)], set()),
    ],
    ids=["no-endpoints", "no-key-set", "nothing"],
)
def test_what_a_project_did_not_include_is_not_in_the_metadata(http, settings, patterns, left):
    settings.ROOT_URLCONF = urlconf(*patterns)
    if "token_endpoint" in left:
        left = left - {"jwt_revocations_uri"}
    found = http.get(METADATA if patterns == [WELL_KNOWN] else "/x").json()
    assert found.keys() & ENDPOINTS.keys() == left
    assert "" not in found.values()
    assert found["issuer"] == ISSUER
    assert found.items() >= ALWAYS.items()
    assert ("grant_types_supported" in found) == ("token_endpoint" in left)
    methods = {
        name.removesuffix("_auth_methods_supported") for name in found if name.endswith("_auth_methods_supported")
    }
    assert methods == {name for name in left if name.endswith("_endpoint")}


def test_without_sign_in_by_password_the_only_grant_is_the_refresh(http, settings):
    settings.ROOT_URLCONF = urlconf(WELL_KNOWN, path("api/", include("django_jwtauth.urls_without_sign_in")))
    found = http.get(METADATA).json()
    assert found["token_endpoint"] == f"{ISSUER}/api/token/refresh/"
    assert found["grant_types_supported"] == ["refresh_token"]


@pytest.mark.parametrize(
    ("view", "endpoint", "grants"),
    [
        (views.TokenView.as_view(oauth_grants=()), "token/refresh/", ["refresh_token"]),
        (type("Mine", (views.TokenView,), {}).as_view(), "token/", ["password", "refresh_token"]),
        (type("Mine", (views.TokenView,), {"oauth_grants": ("password",)}).as_view(), "token/", ["password"]),
        (type("Mine", (views.TokenView,), {"oauth_grants": ()}).as_view(), "token/refresh/", ["refresh_token"]),
        (lambda request: None, "token/refresh/", ["refresh_token"]),
    ],
)
def test_the_view_that_answers_decides_which_grants_there_are(http, settings, view, endpoint, grants):
    settings.ROOT_URLCONF = urlconf(WELL_KNOWN, path("api/token/", view), path("api/", include("django_jwtauth.urls")))
    found = http.get(METADATA).json()
    assert (found["token_endpoint"], found["grant_types_supported"]) == (f"{ISSUER}/api/{endpoint}", grants)


def test_a_prefix_of_the_server_is_part_of_the_urls(http):
    with override_script_prefix("/app/"):
        found = http.get(METADATA).json()
    assert found["token_endpoint"] == f"{ISSUER}/app/auth/token/"
    assert found["grant_types_supported"] == ["password", "refresh_token"]


def test_the_metadata_name_the_urls_of_the_project(http, settings):
    settings.ROOT_URLCONF = urlconf(WELL_KNOWN, path("api/v1/", include("django_jwtauth.urls")))
    assert http.get(METADATA).json()["token_endpoint"] == f"{ISSUER}/api/v1/token/"
