"""Under Django's ``LoginRequiredMiddleware`` nothing of ours is redirected to a page for signing in."""

import pytest

from django_jwtauth import urls
from tests.tools.http import RIGHT, TOKEN, bearer
from tests.tools.products import each_row
from tests.tools.well_known import each_document, jwtauth


@pytest.fixture(autouse=True)
def _login_required(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    settings.LOGIN_URL = "/sign-in/"


@pytest.mark.django_db
@each_row("method", ["get", "head", "options", "post"])
@each_document
def test_the_public_documents_are_public(client, settings, url, method):
    settings.JWTAUTH = jwtauth("ES256")
    expected = {"get": 200, "head": 200, "options": 204, "post": 405}
    assert getattr(client, method)(url).status_code == expected[method]


@pytest.mark.django_db
@each_row("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_no_endpoint_is_redirected(client, pattern):
    url = "/auth/" + str(pattern.pattern).replace("<uuid:pk>", "0b0d3ae0-6c1c-4a8e-9a0e-3f2f6f7e6c11")
    for method in ("get", "post", "delete"):
        assert getattr(client, method)(url).status_code in (200, 204, 400, 401, 403, 405)


def test_signing_in_works(client, user):
    access = client.post(TOKEN, RIGHT).json()["access"]
    assert client.get("/whoami/", **bearer(access)).status_code == 200
