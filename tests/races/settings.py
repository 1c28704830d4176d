"""Settings of the race tests: ``pytest --ds=tests.races.settings tests/races``.

Threads and processes need connections of their own, so SQLite gets a file (``conftest.py`` says where). Besides
``JWTAUTH_TEST_DATABASE`` the environment decides:

``JWTAUTH_TEST_JOURNAL``    SQLite's journal: ``delete`` (its default) or ``wal``
``JWTAUTH_TEST_ISOLATION``  on PostgreSQL and MariaDB: ``read committed`` (Django's default) or ``repeatable read``
``JWTAUTH_TEST_ATOMIC``     ``1`` for ``ATOMIC_REQUESTS``
``JWTAUTH_TEST_NAME``       set by the tests for processes they start: the name of their database
"""

import os
from datetime import timedelta

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES as _DATABASES

ROOT_URLCONF = "tests.races.urls"

_journal = os.environ.get("JWTAUTH_TEST_JOURNAL", "delete")
_isolation = os.environ.get("JWTAUTH_TEST_ISOLATION", "read committed")
_atomic = os.environ.get("JWTAUTH_TEST_ATOMIC") == "1"


def _database(alias, **changes):
    database = {**_DATABASES["default"], "CONN_MAX_AGE": None, **changes}
    options = dict(database.get("OPTIONS", {}))
    if database["ENGINE"].endswith("sqlite3"):
        options["init_command"] = f"PRAGMA journal_mode={_journal}"
    elif database["ENGINE"].endswith("postgresql"):
        from psycopg import IsolationLevel

        options["isolation_level"] = IsolationLevel[_isolation.upper().replace(" ", "_")]
    else:
        options["isolation_level"] = _isolation
    # Each environment its own, so that they can run side by side.
    name = f"test_races_{alias}_{_isolation.replace(' ', '_')}{'_atomic' * _atomic}"
    return {**database, "OPTIONS": options, "TEST": {"NAME": name}}


DATABASES = {
    "default": _database("default", ATOMIC_REQUESTS=_atomic),
    # For the test that puts our tables, and the users, on another database.
    "other": _database("other"),
}
if _name := os.environ.get("JWTAUTH_TEST_NAME"):
    DATABASES["default"]["NAME"] = _name


class FastPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """The preferred hasher, so that hashes of the other one are upgraded at sign-in."""

    iterations = 1


PASSWORD_HASHERS = [
    "tests.races.settings.FastPBKDF2PasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]

JWTAUTH = {"REVOCATION_POLL_INTERVAL": timedelta(seconds=0.2)}
