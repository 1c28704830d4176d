"""Settings of the servers that meet the faults, and of the tests: ``pytest --ds=tests.faults.settings tests/faults``.

``JWTAUTH_FAULTS_DATABASE``  the entry in ``DATABASES``, as JSON
``JWTAUTH_FAULTS_REDIS``     the cache
``JWTAUTH_FAULTS_CLOCK``     by how many seconds the clock of this process is wrong
``JWTAUTH_FAULTS_PAGES``     a file with the number of pages that fit on SQLite's disk
"""

import json
import os
import time
from datetime import timedelta
from pathlib import Path

from tests.servers.config import jwtauth
from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.faults.urls"
MIDDLEWARE = ["tests.servers.issuer.log_everything", "django_jwtauth.middleware.DatabaseOutageMiddleware"]

if _database := os.environ.get("JWTAUTH_FAULTS_DATABASE"):
    DATABASES = {"default": {**json.loads(_database), "CONN_MAX_AGE": None}}
if _pages := os.environ.get("JWTAUTH_FAULTS_PAGES"):
    DATABASES["default"]["OPTIONS"] = {"init_command": f"PRAGMA max_page_count={Path(_pages).read_text()}"}
if _redis := os.environ.get("JWTAUTH_FAULTS_REDIS"):
    _options = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    _backend = "django.core.cache.backends.redis.RedisCache"
    CACHES = {"default": {"BACKEND": _backend, "LOCATION": _redis, "OPTIONS": _options}}

_offset = float(os.environ.get("JWTAUTH_FAULTS_CLOCK", "0"))
if _offset:
    _right = time.time
    time.time = lambda: _right() + _offset

JWTAUTH = {
    "THROTTLE_RATES": dict.fromkeys(["login", "login_address", "login_username", "refresh"]),
    # Longer than any fault lasts on a busy machine, and shorter than the hour that makes a session due.
    "REFRESH_GRACE_PERIOD": timedelta(minutes=10),
    **jwtauth(),
}
