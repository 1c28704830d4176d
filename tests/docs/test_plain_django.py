"""What the page on plain Django tells people to paste, as it stands there."""

import re
import sys
from types import ModuleType

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path
from django.utils.module_loading import import_string

from django_jwtauth import sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from tests.tools.docs import FENCE, page
from tests.tools.http import bearer
from tests.tools.routes import WithRoutes

PAGE = "docs/plain-django.md"
BLOCKS = FENCE.findall(page(PAGE))


def block_with(words):
    (found,) = [block for block in BLOCKS if words in block]
    return found


@pytest.fixture
def project(monkeypatch, settings):
    """The modules of the page, its settings and routes for its views."""
    exec(block_with("MIDDLEWARE = ["), given := {})
    settings.MIDDLEWARE = given["MIDDLEWARE"]
    settings.LOGIN_URL = "/sign-in/"
    for block in BLOCKS:
        if name := re.match(r"# project/(\w+)\.py\n", block):
            module = ModuleType(f"project.{name[1]}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(block, f"{PAGE}: {name[1]}", "exec"), vars(module))
    plain, decorated = sys.modules["project.plain"], sys.modules["project.decorated"]
    routes = [path(f"{name}/", getattr(plain, name)) for name in ("profile", "add_user")]
    routes += [path(f"{name}/", getattr(decorated, name)) for name in ("orders", "stock", "news")]
    with WithRoutes(*routes, path("class/", decorated.Orders.as_view())):
        yield


def test_the_settings_of_a_service_name_a_class():
    exec(block_with("TRUSTED_ISSUERS"), given := {})
    assert import_string(given["JWTAUTH"]["AUTHENTICATION_CLASS"])


def test_views_under_the_middleware(project, client, user, pair):
    client = Client(headers=bearer(pair.access)["headers"])
    assert client.get("/profile/").json() == {"user": "ada", "token": True}
    assert Client().get("/profile/")["Location"] == "/sign-in/?next=/profile/"
    assert client.get("/add_user/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_user"))
    assert client.get("/add_user/").json() == {"by": "ada"}


@pytest.mark.django_db(transaction=True)
def test_decorated_views(project, user, pair):
    client = Client(headers=bearer(pair.access)["headers"])
    StatelessJWTAuthentication().authenticate_token(pair.access)  # no thread needs to read the list
    sid = str(pair.session.pk)
    assert client.get("/orders/").json() == {"user": "ada", "session": sid}
    assert client.get("/class/").json() == {"session": sid}
    assert client.get("/stock/").json() == {"user": str(user.pk)}
    assert [each.get("/news/").json()["for"] for each in (client, Client())] == ["ada", "everybody"]
    for url in ("/orders/", "/class/", "/stock/"):
        assert Client().get(url).json()["code"] == "not_authenticated"
    sessions.revoke(pair.session)
    assert client.get("/news/").json()["reason"] == "revoked"
