"""Settings of a small project that issues tokens: ``pytest --ds=tests.interop.settings tests/interop``.

The tests run it in processes of its own, and say by ``JWTAUTH_INTEROP`` what differs: a JSON object with ``database``,
the name of an SQLite file; ``jwtauth``, the ``JWTAUTH`` setting, its durations in seconds; ``settings``, all others.
"""

import json
import os
from datetime import timedelta

_given = json.loads(os.environ.get("JWTAUTH_INTEROP", "{}"))

SECRET_KEY = "tests-only-secret-key-of-good-length-0123456789"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "tests.interop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_jwtauth"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _given.get("database", ":memory:")}}

JWTAUTH = {
    name: timedelta(seconds=value) if type(value) is int and name != "NUM_PROXIES" else value
    for name, value in _given.get("jwtauth", {}).items()
}
globals().update(_given.get("settings", {}))
