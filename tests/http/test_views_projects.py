"""The endpoints in a project with settings of its own."""

import datetime
import os
import subprocess
import sys

import pytest
from django.db import connection, connections, transaction
from django.urls import path, resolve
from rest_framework.test import APIClient

from django_jwtauth import sessions, views
from django_jwtauth.models import RefreshToken
from tests.tools.http import REFRESH, RIGHT, TOKEN, assert_refused, bearer, urls_and_methods
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

HOUR = datetime.timedelta(hours=1)
# The project around it


HOSTILE_PROJECT = """
import django
from django.conf import settings

class Locked:
    def __init__(self, *args, **kwargs):
        raise AssertionError("a default class of the project reached our endpoints")

LISTS = "AUTHENTICATION PERMISSION THROTTLE PARSER RENDERER".split()
settings.REST_FRAMEWORK = {f"DEFAULT_{name}_CLASSES": ["__main__.Locked"] for name in LISTS} | {
    "DEFAULT_FILTER_BACKENDS": ["__main__.Locked"],
    "DEFAULT_VERSIONING_CLASS": "__main__.Locked",
    "DEFAULT_PAGINATION_CLASS": "__main__.Locked",
    "PAGE_SIZE": 1,
}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
get_user_model().objects.create_user("ada", password="correct horse")
client = Client()
tokens = client.post("/auth/token/", {"username": "ada", "password": "correct horse"}).json()
headers = {"Authorization": f"Bearer {tokens['access']}"}
refreshed = client.post("/auth/token/refresh/", {"refresh": tokens["refresh"]}, content_type="application/json")
verified = client.post("/auth/token/verify/", {"token": tokens["access"]})
listed = client.get("/auth/sessions/", headers=headers)
gone = client.post("/auth/logout/", headers=headers)
print(refreshed.status_code, verified.status_code, listed.status_code, gone.status_code)
"""


def test_a_projects_defaults_do_not_lock_sign_in():
    # In a process of its own: REST framework copies its defaults into classes while it is imported.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", HOSTILE_PROJECT], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["200", "200", "200", "204"], done.stderr


@pytest.mark.parametrize("accept", ["text/html", "application/xml, text/html;q=0.5"])
def test_a_client_that_takes_pages_only_gets_json(client, user, accept):
    response = client.post(TOKEN, RIGHT, headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert client.get("/whoami/", **bearer(response.json()["access"])).status_code == 200


def test_an_accept_header_that_cannot_be_satisfied_is_406_and_starts_no_session(client, user):
    response = client.post(TOKEN, RIGHT, headers={"Accept": "application/xml"})
    assert response.status_code == 406
    assert response["Cache-Control"] == "no-store"
    assert not RefreshToken.objects.exists()


class OverriddenDispatch(views.TokenRefreshView):
    """A view of a project that replaces ``dispatch`` altogether."""

    def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)


@each_row(
    "view",
    [resolve(url).func for url, method in urls_and_methods() if method == "get"] + [OverriddenDispatch.as_view()],
    ids=lambda view: view.cls.__name__,
)
def test_every_view_is_non_atomic_on_every_database_alias(view):
    assert view._non_atomic_requests == set(connections)


def test_views_stay_non_atomic_on_an_alias_that_is_configured_too(monkeypatch):
    monkeypatch.setitem(connections.settings, "replica", {**connections.settings["default"]})
    assert OverriddenDispatch.as_view()._non_atomic_requests == {"default", "replica"}


@pytest.mark.django_db(transaction=True)
def test_under_atomic_requests_reuse_revokes_although_it_is_answered_with_401(client, user, pair, age, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post(TOKEN, RIGHT).status_code == 200
    age(pair.session, HOUR)
    sessions.refresh(pair.refresh)
    RefreshToken.objects.filter(pk=pair.session.pk).update(rotated_at=pair.session.rotated_at - HOUR)
    for view in (REFRESH, "/overridden/"):
        RefreshToken.objects.update(revoked_at=None, revoked_reason="")
        with WithRoutes(path("overridden/", OverriddenDispatch.as_view())):
            assert_refused(client.post(view, {"refresh": pair.refresh}), "token_not_valid", "reused")
        assert RefreshToken.objects.get(pk=pair.session.pk).revoked_reason == "reused"


@pytest.mark.django_db(transaction=True)
def test_a_view_that_lost_its_mark_says_so(user, pair):
    with transaction.atomic(), pytest.raises(RuntimeError, match="non_atomic_requests"):
        APIClient().post(REFRESH, {"refresh": pair.refresh})
