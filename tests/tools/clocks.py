"""Clocks that stand still."""

import time
from types import SimpleNamespace
from unittest import mock


def stop_clock(monkeypatch, now):
    monkeypatch.setattr("django_jwtauth.throttling.time", SimpleNamespace(time=lambda: now))
    monkeypatch.setattr("django_jwtauth.outages.stopwatch", SimpleNamespace(seconds=lambda: now))


def server(minutes):
    """An application server whose own clock is wrong; the database's is not."""
    here = time.time

    def there():
        return here() + minutes * 60

    return mock.patch("time.time", there)


class Clock:
    """A monotonic clock that stands still until it is told to go on."""

    now = 1000.0

    def __call__(self):
        return self.now
