"""A project in the middle of its move from Simple JWT: ``pytest --ds=tests.migrate.settings tests/migrate``.

The real package is installed, so that its own views stand for the servers that still run the old version.
"""

from tests.races.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _INSTALLED_APPS

INSTALLED_APPS = [
    *_INSTALLED_APPS,
    "rest_framework_simplejwt.token_blacklist",
    "django_jwtauth.contrib.simplejwt",
]
ROOT_URLCONF = "tests.migrate.urls"
SIMPLE_JWT = {}
JWTAUTH = {}
JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01"}
for _alias in DATABASES:  # noqa: F405
    DATABASES[_alias]["TEST"] = {"NAME": f"test_migrate_{_alias}"}  # noqa: F405
