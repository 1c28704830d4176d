"""Real servers that are stopped, killed and paused. For an issuer that is gone, see ``tests/servers``."""

import contextlib
import os

import pytest

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.faults.settings":
    collect_ignore_glob = ["test_*.py"]  # they need the programs of the servers, and packages the others do without
else:
    from tests.servers.process import running

    from .databases import MariaDB, PostgreSQL, Redis
    from .project import PREPARE, Project


@pytest.fixture(scope="session")
def daemon():
    """Start a server that is removed at the end."""
    with contextlib.ExitStack() as stack:

        def daemon(kind):
            made = kind()
            stack.callback(made.remove)
            made.start()
            return made

        yield daemon


@pytest.fixture(scope="session", params=["PostgreSQL", "MariaDB"])
def database(request, daemon):
    """A database server of our own."""
    return daemon({"PostgreSQL": PostgreSQL, "MariaDB": MariaDB}[request.param])


@pytest.fixture(scope="session")
def project(database, tmp_path_factory):
    """The project on that database, with one user."""
    with running(Project(tmp_path_factory.mktemp("project"), database.settings())) as server:
        server.shell(PREPARE)
        yield server


@pytest.fixture
def redis(daemon):
    """A Redis of our own."""
    return daemon(Redis)


@pytest.fixture
def sqlite(tmp_path):
    """The entry in ``DATABASES`` for a file."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database"), "OPTIONS": {}}


@pytest.fixture
def serve(tmp_path):
    """Start the project on any database."""
    with contextlib.ExitStack() as stack:

        def serve(database, *, prepare=True, **environment):
            server = stack.enter_context(running(Project(tmp_path, database, **environment)))
            if prepare:
                server.shell(PREPARE)
            return server

        yield serve
