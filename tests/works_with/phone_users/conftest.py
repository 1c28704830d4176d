"""These tests need settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.works_with.phone_users.settings":
    collect_ignore_glob = ["test_*.py"]
