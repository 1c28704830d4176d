"""What all tests share."""

import hypothesis
import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from rest_framework.test import APIClient

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.models import RefreshToken
from tests.tools.clocks import stop_clock

# A few examples of each property at once, and many in `tox -e long`. A busy machine is no failure.
hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("long", max_examples=400, deadline=None)
hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _clean_process_state():
    """What a process remembers between requests: throttle counts, the revocation list, verified tokens."""
    cache.clear()
    revocation_cache.forget()
    conf.forget()


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
