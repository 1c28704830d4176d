"""Settings of the issuer, and of the tests themselves: ``pytest --ds=tests.servers.settings tests/servers``.

Needs a database server: ``JWTAUTH_TEST_DATABASE=postgresql``. What else the environment decides says ``config.py``.
"""

import os

from tests.servers.config import jwtauth
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES as _DATABASES

ROOT_URLCONF = "tests.servers.issuer"
MIDDLEWARE = ["tests.servers.issuer.log_everything"]

DATABASES = {"default": {**_DATABASES["default"], "CONN_MAX_AGE": None, "TEST": {"NAME": "jwtauth_servers"}}}
if _name := os.environ.get("JWTAUTH_TEST_NAME"):
    DATABASES["default"]["NAME"] = _name

# All clients have one address and one user.
_unlimited = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
JWTAUTH = {"THROTTLE_RATES": _unlimited, **jwtauth()}
