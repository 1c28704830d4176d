"""Fixtures of the move."""

import os

import pytest
from django.apps import apps
from django.db.models import F

from tests.tools.threads import crowd_of_threads, put_sqlite_into_files

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.migrate.settings":
    collect_ignore_glob = ["test_*.py"]
    simplejwt = None
else:
    from tests.tools import simplejwt  # needs the package


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    put_sqlite_into_files(tmp_path_factory)


@pytest.fixture
def together():
    """Call functions at the same moment, each in a thread with a connection of its own; return their results."""
    with crowd_of_threads() as together:
        yield together


@pytest.fixture
def age(age):
    """Let time pass for a session, and for the old token that it began from."""

    def age_both(session, by):
        age(session, by)
        ExchangedToken = apps.get_model("jwtauth_simplejwt", "ExchangedToken")
        ExchangedToken.objects.filter(pk=session.pk).update(exchanged_at=F("exchanged_at") - by)

    return age_both


@pytest.fixture(autouse=True)
def _no_window_ends():
    """Time goes on: Simple JWT has no clock that could be held."""


@pytest.fixture
def old(user):
    """What the user got from Simple JWT."""
    return simplejwt.sign_in(user)
