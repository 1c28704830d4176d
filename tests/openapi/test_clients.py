"""Clients that are generated from the schema: they are compiled, and used with a running server."""

import compileall
import importlib
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import clear_url_caches

from . import urls
from .written import FOR_CLIENTS, written

HERE = Path(__file__).parent
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("user")]


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The file with the schema, alone in a directory."""
    file = tmp_path_factory.mktemp("client") / "schema.json"
    file.write_text(json.dumps(written(urls.urlpatterns, **FOR_CLIENTS)))
    return file


@pytest.fixture
def server(settings, live_server):
    settings.ROOT_URLCONF = "tests.openapi.urls"
    settings.JWTAUTH = {"REFRESH_GRACE_PERIOD": timedelta(0)}  # each refresh gives another token
    clear_url_caches()
    return live_server.url


def test_typescript(schema, server):
    directory = schema.parent
    for name in ("package.json", "tsconfig.json", "client.ts"):
        shutil.copy(HERE / name, directory)
    run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=directory)
    run("npx", "openapi-typescript", "schema.json", "-o", "schema.d.ts", cwd=directory)
    run("npx", "tsc", "--project", "tsconfig.json", cwd=directory)
    said = json.loads(run("node", "out/client.js", server, "ada", "correct horse", cwd=directory))
    assert said == {
        "wrong": "credentials",
        "seconds": 300,
        "called": "new",
        "same": False,
        "sessions": [{"current": True, "device": "node"}],
        "unknown": 404,
        "left": 204,
        "after": "revoked",
        "incomplete": {"token": ["This field may not be blank."]},
        "types": ["token_not_valid", "nonsense", "undefined"],
    }


@pytest.fixture
def package(schema, monkeypatch):
    """The package that is generated, imported."""
    directory = schema.parent
    command = ["openapi-python-client", "generate", "--path", schema.name, "--meta", "none"]
    run(*command, "--output-path", "generated", "--overwrite", cwd=directory)
    assert compileall.compile_dir(directory / "generated", quiet=1)
    monkeypatch.syspath_prepend(directory)
    yield lambda name: importlib.import_module(f"generated.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated"]:
        del sys.modules[name]


def test_python(package, server):
    client, models = package("client"), package("models")
    anybody = client.Client(base_url=server)
    sign_in, refresh = (package(f"api.authentication.jwtauth_{name}") for name in ("sign_in", "refresh"))

    refused = sign_in.sync(client=anybody, body=models.JWTCredentials(username="ada", password="wrong"))
    assert isinstance(refused, models.JWTRefusal)
    assert (refused.code, refused.reason) == (models.JWTCode.NO_ACTIVE_ACCOUNT, models.JWTReason.CREDENTIALS)

    pair = sign_in.sync(client=anybody, body=models.JWTCredentials(username="ada", password="correct horse"))
    assert isinstance(pair, models.JWTTokenPair)
    pair = refresh.sync(client=anybody, body=models.JWTRefreshRequest(refresh=pair.refresh))
    assert isinstance(pair, models.JWTTokenPair)

    client = client.AuthenticatedClient(base_url=server, token=pair.access)
    called = package("api.orders.orders_retrieve").sync(client=client)
    assert (called.code, called.reason) == ("new", "gift")
    list_sessions = package("api.sessions.jwtauth_list_sessions")
    (session,) = list_sessions.sync(client=client).results
    assert session.current

    assert package("api.authentication.jwtauth_sign_out").sync_detailed(client=client).status_code == 204
    refused = list_sessions.sync(client=client)
    assert isinstance(refused, models.JWTRefusal)
    assert (refused.code, refused.reason) == (models.JWTCode.TOKEN_NOT_VALID, models.JWTReason.REVOKED)
