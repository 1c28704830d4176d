"""These tests need node and npm, and settings of their own, so that they run where both are."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.client.settings":
    collect_ignore_glob = ["test_*.py"]
