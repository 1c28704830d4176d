"""Settings of the servers under load, and of the tests: ``pytest --ds=tests.load.settings tests/load``."""

from tests.faults.settings import *  # noqa: F403

ROOT_URLCONF = "tests.load.urls"
