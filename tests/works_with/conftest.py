"""These tests need the packages of the page "Works with", and settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.works_with.settings":
    collect_ignore_glob = ["test_*.py"]  # not those of the folders in this one


def pytest_configure(config):
    for category in ("DeprecationWarning", "PendingDeprecationWarning"):  # in other people's code
        config.addinivalue_line("filterwarnings", f"ignore::{category}")
