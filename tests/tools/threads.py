"""Threads that act at the same moment, each with a connection of its own, and databases that they can share."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

CROWD = 12


def put_sqlite_into_files(tmp_path_factory):
    """Give SQLite a file to test with."""
    for alias in connections:
        if connections[alias].vendor == "sqlite":
            file = tmp_path_factory.mktemp(alias) / "races.sqlite3"
            connections[alias].settings_dict["TEST"]["NAME"] = str(file)


@contextlib.contextmanager
def crowd_of_threads():
    """Give a function that calls others at the same moment, each in a thread of its own, and returns their results."""
    with ThreadPoolExecutor(CROWD) as pool:

        def together(*functions):
            barrier = threading.Barrier(len(functions))

            def call(function):
                barrier.wait(timeout=30)
                return function()

            return [future.result(timeout=60) for future in [pool.submit(call, function) for function in functions]]

        yield together
        together(*[connections.close_all] * CROWD)
