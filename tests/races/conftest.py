"""Races: real threads and processes, each with its own connection to the database."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from . import hooks
from .crowd import CROWD, OtherProcess

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.races.settings":
    collect_ignore_glob = ["test_*.py"]  # the other settings have a database in memory, which threads cannot share


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """Give SQLite a file to test with."""
    for alias in connections:
        if connections[alias].vendor == "sqlite":
            file = tmp_path_factory.mktemp(alias) / "races.sqlite3"
            connections[alias].settings_dict["TEST"]["NAME"] = str(file)


@pytest.fixture
def together():
    """Call functions at the same moment, each in a thread with a connection of its own; return their results."""
    with ThreadPoolExecutor(CROWD) as pool:

        def together(*functions):
            barrier = threading.Barrier(len(functions))

            def call(function):
                barrier.wait(timeout=30)
                return function()

            return [future.result(timeout=60) for future in [pool.submit(call, function) for function in functions]]

        yield together
        together(*[connections.close_all] * CROWD)


@pytest.fixture
def between():
    """What shall happen between the reading and the writing of a refresh; needs ``hooks.interrupt`` in the settings."""
    yield hooks.between
    hooks.between.clear()


@pytest.fixture
def new_process(transactional_db):
    process = OtherProcess()
    yield process
    process.end()


@pytest.fixture(scope="module")
def other_process(django_db_setup):
    """The same process for all tests of a module: what it remembers must not make it wrong."""
    process = OtherProcess()
    yield process
    process.end()
