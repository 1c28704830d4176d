"""These tests need django-allauth, and settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.allauth.settings":
    collect_ignore_glob = ["test_*.py"]
