"""The stock service."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from rest_framework.test import APIRequestFactory, force_authenticate

from example_project.stock import shelf
from example_project.stock.views import ItemView, StockView
from tests.tools.demo import CHECKOUT, MANAGE, free_port, get

# The stock service


@pytest.fixture
def stock(monkeypatch):
    """Sends requests to the stock service's views, with the claims of a token."""
    monkeypatch.setattr(shelf, "_quantities", {"tea": 3, "coffee": 0})

    def stock(method, item=None, groups=("warehouse",), **data):
        request = getattr(APIRequestFactory(), method)("/", data or None, format="json" if data else None)
        claims = {} if groups is None else {"groups": groups if isinstance(groups, str) else list(groups)}
        force_authenticate(request, SimpleNamespace(is_authenticated=True), SimpleNamespace(claims=claims))
        response = StockView.as_view()(request) if item is None else ItemView.as_view()(request, item=item)
        return response.status_code, response.data

    return stock


def test_stock_is_listed(stock):
    assert stock("get", groups=()) == (200, [{"item": "tea", "quantity": 3}, {"item": "coffee", "quantity": 0}])
    assert stock("get", "tea", groups=None) == (200, {"item": "tea", "quantity": 3})
    assert stock("get", "gold")[0] == 404


def test_warehouse_changes_a_quantity(stock):
    assert stock("patch", "tea", quantity=5) == (200, {"item": "tea", "quantity": 5})
    assert shelf.items() == {"tea": 5, "coffee": 0}


@pytest.mark.parametrize("groups", [None, (), ("customers",), "warehouse", "the warehouse"])
def test_others_do_not(stock, groups):
    assert stock("patch", "tea", groups=groups, quantity=5)[0] == 403
    assert shelf.items() == {"tea": 3, "coffee": 0}


@pytest.mark.parametrize(
    ("item", "data", "status"),
    [
        ("tea", {"quantity": -1}, 400),
        ("tea", {"quantity": 10**7}, 400),
        ("tea", {"quantity": "many"}, 400),
        ("tea", {"amount": 1}, 400),
        ("gold", {"quantity": 1}, 404),
    ],
)
def test_quantities_must_be_some_of_what_there_is(stock, item, data, status):
    assert stock("patch", item, **data)[0] == status
    assert shelf.items() == {"tea": 3, "coffee": 0}


WSGI = """
from example_project.stock.wsgi import application
from wsgiref.util import setup_testing_defaults
environ = {"PATH_INFO": "/api/stock/", "HTTP_HOST": "127.0.0.1"}
setup_testing_defaults(environ)
said = []
body = application(environ, lambda status, headers: said.append(status))
b"".join(body)
body.close()
print(said[0])
"""
ASGI = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from example_project.stock.asgi import application
async def ask():
    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "GET", "path": "/api/stock/", "headers": headers, "query_string": b""}
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": b""})
    start = await communicator.receive_output(10)
    await communicator.wait(60)
    print(start["status"], "Unauthorized")
asyncio.run(ask())
"""


@pytest.mark.parametrize("script", [WSGI, ASGI], ids=["wsgi", "asgi"])
def test_stock_service_is_an_application_that_loads_neither_database_nor_users(environment, script):
    script += """
import sys
from django.apps import apps
print([app.name for app in apps.get_app_configs()], "django_jwtauth.models" in sys.modules)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == [
        "401 Unauthorized",
        "['corsheaders', 'rest_framework', 'django_jwtauth.service'] False",
    ], done.stderr


def test_stock_service_is_served_by_runserver_too(environment):
    port = free_port()
    command = [*MANAGE, "runserver", "--noreload", "--settings", "example_project.stock.settings", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 120
            while (status := get(port, "/api/stock/")) is None:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert status == 401
        finally:
            server.kill()
