"""A real server that plays another issuer."""

import gc
import logging
import threading
import time

import pytest

from django_jwtauth._core import polling
from tests.tools.issuers import PATIENCE, Issuer, Server


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def issuer(server):
    return Issuer(server)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    """What comes after a failure is tested here; how long it takes, beside the module that decides that."""
    monkeypatch.setattr(polling, "FIRST_BACKOFF_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def _threads_end(caplog, server):
    """The threads that fetch have to end when nobody needs them any more."""
    before = set(threading.enumerate())
    yield
    # What is logged is kept by pytest, and with its tracebacks what failed.
    caplog.set_level(logging.CRITICAL, "django_jwtauth")
    caplog.get_records("call").clear()
    caplog.clear()
    deadline = time.monotonic() + PATIENCE
    for thread in set(threading.enumerate()) - before:
        while thread.name.endswith("(_poll)") and thread.is_alive():
            assert time.monotonic() < deadline
            gc.collect()  # again, if the thread was just reading, and so kept alive what is in a cycle
            thread.join(0.05)


@pytest.fixture
def warned(caplog):
    """Return the warnings since it was last asked."""
    caplog.set_level(logging.DEBUG, "django_jwtauth")

    def warned():
        messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert not [record for record in caplog.records if record.exc_info]  # nothing that was not thought of
        caplog.clear()
        return " ".join(messages)

    return warned
