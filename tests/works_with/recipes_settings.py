"""Settings of the project of the page "Async": a server, in a process of its own, with SQLite in a file."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "channels", "strawberry_django"]
ROOT_URLCONF = "tests.works_with.recipes_urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("JWTAUTH_TEST_FILE", ":memory:"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
