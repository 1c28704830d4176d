"""These tests need Sentry's SDK, which patches Django, and so settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.sentry.settings":
    collect_ignore_glob = ["test_*.py"]
