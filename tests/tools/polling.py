"""A source of values that hangs and fails when a test says so."""

import threading
from concurrent.futures import ThreadPoolExecutor

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
