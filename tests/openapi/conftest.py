"""These tests need drf-spectacular, and settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.openapi.settings":
    collect_ignore_glob = ["test_*.py"]
