"""Races: real threads and processes, each with its own connection to the database."""

import os

import pytest

from tests.tools.threads import crowd_of_threads, put_sqlite_into_files

from . import hooks
from .crowd import OtherProcess

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.races.settings":
    collect_ignore_glob = ["test_*.py"]  # the other settings have a database in memory, which threads cannot share


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    put_sqlite_into_files(tmp_path_factory)


@pytest.fixture
def together():
    """Call functions at the same moment, each in a thread with a connection of its own; return their results."""
    with crowd_of_threads() as together:
        yield together


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
