"""The public documents: who may read them, and how caches may keep them."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_jwtauth import revocation_cache
from tests.tools.products import each_row
from tests.tools.well_known import CHANGES, DOCUMENTS, LIST, each_document

# All four


@pytest.mark.django_db
@each_document
def test_a_document_is_public_and_may_be_kept_by_caches(http, url):
    content_type, max_age, is_weak = DOCUMENTS[url]
    response = http.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == content_type
    # A list that is old hides revocations, but keys that are old still verify.
    stale = ", must-revalidate" if url in (LIST, CHANGES) else ""
    assert response["Cache-Control"] == f"public, max-age={max_age}{stale}"
    assert response["ETag"].startswith('W/"' if is_weak else '"')
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Expose-Headers"] == "ETag"
    # Whoever asks gets the same.
    assert "Vary" not in response
    assert not response.cookies


@pytest.mark.django_db
@each_document
def test_it_needs_no_middleware_and_no_permission(http, settings, url):
    settings.MIDDLEWARE = []
    settings.REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"]}
    response = http.get(url, headers={"Origin": "https://app.example.com", "Authorization": "Bearer nonsense"})
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.django_db
@each_document
@each_row("form", ["{}", "W/{}", "W/{}, {}", '"other", {}', "*"])
def test_who_has_it_already_gets_a_304(http, clock, url, form):
    first = http.get(url)
    tag = first["ETag"].removeprefix("W/")
    response = http.get(url, headers={"If-None-Match": form.format(tag, tag)})
    assert response.status_code == 304
    assert response.content == b""
    assert response["ETag"] == first["ETag"]
    assert response["Cache-Control"] == first["Cache-Control"]
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
@each_document
@each_row("tag", ['"other"', "nonsense", ""])
def test_who_has_another_one_gets_it(http, url, tag):
    assert http.get(url, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.django_db
@each_document
def test_head_says_the_same_without_the_document(http, clock, url):
    get, head = http.get(url), http.head(url)
    assert head.status_code == 200
    assert head.content == b""
    names = ("Content-Type", "Cache-Control", "ETag", "Access-Control-Allow-Origin")
    assert [head[name] for name in names] == [get[name] for name in names]
    assert http.head(url, headers={"If-None-Match": get["ETag"]}).status_code == 304


@each_document
@each_row("method", ["post", "put", "patch", "delete", "trace"])
def test_other_methods_are_refused_for_pages_to_see(url, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(url)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert response["Access-Control-Allow-Origin"] == "*"


@each_document
def test_a_preflight_request_is_answered(http, url):
    headers = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "if-none-match",
    }
    response = http.options(url, headers=headers)
    assert response.status_code == 204
    assert response.content == b""
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert response["Access-Control-Allow-Headers"] == "If-None-Match"
    assert response["Access-Control-Max-Age"] == "86400"


@pytest.mark.django_db
@each_document
def test_the_host_of_the_request_changes_nothing(http, clock, url):
    """Or whoever asks first would decide what a cache tells the others (A-44)."""
    usual = http.get(url)
    evil = http.get(
        url,
        headers={"Host": "evil.example.net", "X-Forwarded-Host": "evil.example.net", "X-Forwarded-Proto": "http"},
    )
    assert evil.content == usual.content
    assert evil["ETag"] == usual["ETag"]
    assert b"evil" not in evil.content


ODD_QUERIES = ["since=-1", "since=1&since=2", f"n={9 * 10**99}", "x=%00%ff%0d%0a", "é=ü", "&&==", "a" * 4000]


@pytest.mark.django_db
@pytest.mark.parametrize("url", [LIST, CHANGES])
def test_a_query_changes_nothing_and_costs_nothing(http, clock, url):
    """There are no parameters, so nobody can make a cache keep a document that only they wanted (A-44)."""
    usual = http.get(url)
    with CaptureQueriesContext(connection) as queries:
        for query in ODD_QUERIES:
            response = http.get(url, QUERY_STRING=query)
            assert (response.content, response["ETag"]) == (usual.content, usual["ETag"])
    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
@each_document
def test_atomic_requests_open_no_transaction(http, settings, monkeypatch, url):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    revocation_cache.forget()
    with CaptureQueriesContext(connection) as queries:
        assert http.get(url).status_code == 200
    assert len(queries) == (1 if url in (LIST, CHANGES) else 0)
    assert not any(query["sql"].startswith(("BEGIN", "SAVEPOINT")) for query in queries)
