"""The admin as django-unfold shows it."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.unfold.settings":
    collect_ignore_glob = ["test_*.py"]  # they need django-unfold
