"""What happens between the statements of a refresh, and the signals that were sent."""

import pytest
from django.contrib.auth import get_user_model

from django_jwtauth import sessions, signals
from django_jwtauth._core.clock import stopwatch
from django_jwtauth.models import RefreshToken
from tests.tools.clocks import Clock
from tests.tools.sessions import ALL_SIGNALS, _interference


@pytest.fixture
def between(settings):
    """Let something happen in the middle of the next refreshes, once each."""
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.tools.sessions.interfere"]}
    yield lambda *actions: _interference.extend(actions)
    _interference.clear()


@pytest.fixture
def received():
    """The names and arguments of the signals that were sent."""
    calls = []

    def listen(name):
        def receiver(sender, signal, **kwargs):
            calls.append((name, kwargs))

        return receiver

    receivers = {name: listen(name) for name in ALL_SIGNALS}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, sender=RefreshToken)
    yield calls
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver, sender=RefreshToken)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "seconds", clock)
    return clock


@pytest.fixture
def staff(db):
    return get_user_model().objects.create_user("bob", password="battery staple", is_staff=True)


@pytest.fixture
def acting(user, staff):
    return sessions.start(user, actor=staff)


@pytest.fixture
def lasting(user, staff):
    return sessions.start(user, actor=staff, refreshable=True)
