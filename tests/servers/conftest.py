"""Real servers: an issuer on a real database, and services that trust it, each in processes of its own."""

import contextlib
import os
import sys

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.servers.settings":
    collect_ignore_glob = ["test_*.py"]  # they need a database server, and packages the others do without
else:
    from .process import AUDIENCE, POLL_SECONDS, Server, make_issuer, new_key, running


@pytest.fixture(scope="session")
def database(django_db_blocker):
    """The name of a database of their own, with one user in it."""
    (connection,) = connections.all()
    former = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
        get_user_model().objects.create_user("ada", password="correct horse")
        connection.close()
        yield name
        connection.creation.destroy_test_db(former, verbosity=0)


@pytest.fixture(scope="session")
def es256():
    """The key of the issuers."""
    return new_key()


@pytest.fixture(scope="session")
def issuer(database, es256, tmp_path_factory):
    """An issuer under gunicorn, with two workers."""
    with running(make_issuer(tmp_path_factory.mktemp("issuer"), database, es256)) as server:
        server.ask("/.well-known/jwks.json")
        yield server


@pytest.fixture
def serve(tmp_path):
    """Start a service that trusts an issuer."""
    with contextlib.ExitStack() as stack:

        def serve(command, issuer, *, remote=None, **settings):
            trust = {
                "AUDIENCE": AUDIENCE,
                "TRUSTED_ISSUERS": {issuer.url: {}},
                "REVOCATION_POLL_INTERVAL": POLL_SECONDS,
                **settings,
            }
            server = Server(
                command,
                tmp_path,
                settings=trust,
                remote=remote,
                DJANGO_SETTINGS_MODULE="tests.servers.stock_settings",
            )
            return stack.enter_context(running(server))

        yield serve


@pytest.fixture
def figure(record_property, request, capsys):
    """Tell a figure that was measured."""

    def figure(name, values):
        values = sorted(values)
        text = f"{name}: {len(values)} measured, median {values[len(values) // 2]:.2f} s, most {values[-1]:.2f} s"
        record_property(name, text)
        with capsys.disabled():
            sys.stdout.write(f"\n    {text}\n")

    return figure
