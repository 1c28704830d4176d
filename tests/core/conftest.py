"""Values that are kept in memory, and where they come from."""

import gc
import threading
import weakref

import pytest

from tests.tools.issuers import PATIENCE
from tests.tools.polling import NEVER, PolledNumber, Source


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
    gc.collect()
    assert [reference() for reference in made] == [None] * len(made)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
