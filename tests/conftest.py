"""What all tests share."""

import gc
import os
import sys

import hypothesis
import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.backends.signals import connection_created
from rest_framework.test import APIClient

from django_jwtauth import conf, outages, revocation_cache, sessions
from django_jwtauth._core import events
from django_jwtauth.models import RefreshToken
from tests.tools.clocks import stop_clock

# Some tests start processes: these find compiled modules, even where the environment asks Python to keep none.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A few examples of each property at once, and many in `tox -e long`. A busy machine is no failure.
hypothesis.settings.register_profile("quick", max_examples=10, deadline=None)
hypothesis.settings.register_profile("long", max_examples=200, deadline=None)
hypothesis.settings.load_profile("quick")


def _reverse_rows(connection, **kwargs):
    """Let SQLite return rows that nobody has ordered in the opposite order; so no test can depend on it."""
    connection.connection.execute("PRAGMA reverse_unordered_selects = ON")


if os.environ.get("JWTAUTH_TEST_ROWS") == "reversed":
    connection_created.connect(_reverse_rows)


@pytest.hookimpl(tryfirst=True)
def pytest_collection():
    """Thousands of tests are collected, and all of them stay: the garbage collector would look through them in vain."""
    gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _clean_process_state():
    """What a process remembers between requests: throttle counts, the revocation list, verified tokens."""
    cache.clear()
    revocation_cache.forget()
    conf.forget()
    outages.forget()
    events.forget()


@pytest.fixture(autouse=True)
def _no_window_ends(monkeypatch):
    """Hold the time: windows are fixed, and a test must not run across the end of one."""
    stop_clock(monkeypatch, 1_900_000_000.0)


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("ada", "ada@example.com", "correct horse")


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def pair(user):
    return sessions.start(user)


@pytest.fixture
def age(db):
    """Make a session look as if it had last been refreshed some time ago."""

    def age(session, by):
        RefreshToken.objects.filter(pk=session.pk).update(rotated_at=session.rotated_at - by)
        session.refresh_from_db()

    return age
