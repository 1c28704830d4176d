"""Values that are kept in memory, and where they come from."""

import gc
import threading
import time
import weakref

import pytest

from tests.tools.issuers import PATIENCE
from tests.tools.polling import NEVER, PolledNumber, Source


@pytest.fixture(autouse=True, scope="module")
def _quick_collections():
    """Leave out of the many garbage collections below what all earlier tests have left."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def source():
    source = Source()
    yield source
    source.gate.set()


@pytest.fixture
def poll(source):
    """Make polled values, whose threads have to end."""
    made = []

    def poll(*, interval=NEVER, timeout=PATIENCE):
        polled = PolledNumber(source, interval=interval, timeout=timeout)
        made.append(weakref.ref(polled))
        return polled

    before = set(threading.enumerate())
    yield poll
    source.gate.set()
    deadline = time.monotonic() + PATIENCE
    gc.collect()
    while any(reference() is not None for reference in made):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a thread that is just reading holds on to it
        gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
