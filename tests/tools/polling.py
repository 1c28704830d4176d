"""A source of values that hangs and fails when a test says so."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from django_jwtauth._core.polling import CachedValue, PolledValue
from tests.tools.issuers import PATIENCE

NEVER = 3600.0


class Source:
    """Where a value comes from; it may hang or fail."""

    def __init__(self):
        self.count = 0
        self.fails = False
        self.lasts = []
        self.reports = []
        self.reading = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def read(self, last):
        self.lasts.append(last)
        self.count += 1
        number = self.count
        self.reading.release()
        assert self.gate.wait(PATIENCE)
        if self.fails:
            raise LookupError(number)
        return number

    def wait_for_reading(self):
        assert self.reading.acquire(timeout=PATIENCE)


class FromSource:
    def __init__(self, source, **kwargs):
        self.source = source
        super().__init__(**kwargs)

    def read(self, last):
        return self.source.read(last)

    def report(self, error):
        self.source.reports.append(error.args)  # without its traceback, which would keep the value alive


class CachedNumber(FromSource, CachedValue):
    expected_errors = (LookupError,)


class PolledNumber(FromSource, PolledValue):
    pass


def together(count, function):
    """Call a function in so many threads at once."""
    barrier = threading.Barrier(count)

    def call(_):
        barrier.wait(PATIENCE)
        return function()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def no_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


# The inside of a cached value. Only these functions, and the tests of polling itself, look there.


def start_reading(polled):
    """Make its thread read now, without waiting for it."""
    with polled._changed:
        polled._wake_thread()


def wait_until(polled, condition):
    """Wait until a reading has made something true."""
    with polled._changed:
        assert polled._changed.wait_for(condition, PATIENCE)


def is_reading(polled):
    return polled._busy


def failures_of(polled):
    """How often in a row it could not be read."""
    return polled._failed


def thread_of(polled):
    return polled._thread


def locks_of(cached):
    return cached._lock, cached._changed


def stop_when_locked(polled):
    """Have it stopped while the next one to read waits for its turn."""

    class Lock:
        def __enter__(self):
            polled.forget()

        def __exit__(self, *error):
            pass

    polled._lock = Lock()


def let_pass(polled, seconds):
    """Make it look as if the last attempt to read had begun so much earlier."""
    polled._began -= seconds


def retry_now(cached):
    """Make it look as if the pause after a failure were over."""
    cached._retry_at = 0.0


def retry_later(cached, seconds):
    cached._retry_at = time.monotonic() + seconds


def retry_time(cached):
    """When it is tried again after a failure, on the monotonic clock."""
    return cached._retry_at


def put(cached, value):
    """Make it look as if the last reading had given this value, and return that reading."""
    cached._latest = replace(cached._latest, value=value)
    return cached._latest
