"""The rules of the fuzzing. The fuzzing itself is ``python -m tests.fuzz``."""

import os

import pytest

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.fuzz.settings":
    collect_ignore_glob = ["test_*.py"]  # the requests need its URLs and its database
else:
    from tests.fuzz import requests


@pytest.fixture
def world(django_db_blocker):
    """The project with one user, in a database of its own."""
    with django_db_blocker.unblock():
        yield requests.world()
