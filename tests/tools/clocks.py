"""Clocks that stand still."""

from types import SimpleNamespace


def stop_clock(monkeypatch, now):
    monkeypatch.setattr("django_jwtauth.throttling.time", SimpleNamespace(time=lambda: now))


class Clock:
    """A monotonic clock that stands still until it is told to go on."""

    now = 1000.0

    def __call__(self):
        return self.now
