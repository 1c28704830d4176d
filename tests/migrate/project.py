"""A project on its way from Simple JWT to us, and the service that takes its tokens. Each release is a process.

``JWTAUTH_TEST_RELEASE`` says which one this process runs, ``JWTAUTH_TEST_VARIANT`` how the project used Simple JWT,
``JWTAUTH_TEST_FILE`` where the database is, and ``JWTAUTH_TEST_ISSUER`` at which port the service finds the project.
"""

import os
from datetime import timedelta

from tests.settings import *  # noqa: F403

RELEASE = os.environ.get("JWTAUTH_TEST_RELEASE", "step 2")
VARIANT = os.environ.get("JWTAUTH_TEST_VARIANT", "default")
_FILE = os.environ.get("JWTAUTH_TEST_FILE", "x")
# Simple JWT writes after reading in one transaction: on SQLite, two servers then need the lock from the beginning.
_OPTIONS = {"timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA synchronous=OFF"}
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _FILE, "OPTIONS": _OPTIONS, "CONN_MAX_AGE": None}
}
ROOT_URLCONF = "tests.migrate.project_urls"
DEBUG_PROPAGATE_EXCEPTIONS = False

OURS, SIMPLE = "django_jwtauth.authentication", "rest_framework_simplejwt.authentication"
_without_us = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
_bridge, _old_tables = "django_jwtauth.contrib.simplejwt", "rest_framework_simplejwt.token_blacklist"
INSTALLED_APPS = {
    "before": [*_without_us, _old_tables],
    "step 1": [*_without_us, _old_tables, "django_jwtauth", _bridge],
    "step 2": [*_without_us, "django_jwtauth", _bridge],
    "after": [*_without_us, "django_jwtauth"],
    "service before": _without_us,
    "service": _without_us,
}[RELEASE]
MIDDLEWARE = []
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": {
        "before": [f"{SIMPLE}.JWTAuthentication"],
        "service before": [f"{SIMPLE}.JWTStatelessUserAuthentication"],
        "service": [f"{OURS}.StatelessJWTAuthentication", f"{SIMPLE}.JWTStatelessUserAuthentication"],
    }.get(RELEASE, [f"{OURS}.JWTAuthentication"])
}

# Not secret: it is there for this test only.
PRIVATE = os.environ.get("JWTAUTH_TEST_PRIVATE", "")
PUBLIC = os.environ.get("JWTAUTH_TEST_PUBLIC", "")
_rs256 = {"ALGORITHM": "RS256", "VERIFYING_KEY": PUBLIC}
SIMPLE_JWT = {
    "default": {},
    "rotating": {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True},
    "sliding": {"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)},
    "second service": _rs256 if RELEASE.startswith("service") else {**_rs256, "SIGNING_KEY": PRIVATE},
    "own serializer": {
        "ALGORITHM": "HS512",
        "SIGNING_KEY": "k" * 64,
        "CHECK_REVOKE_TOKEN": True,
        "AUDIENCE": "shop",
        "ISSUER": "https://shop.example",
        "USER_ID_FIELD": "username",
        "USER_ID_CLAIM": "sub",
        "TOKEN_OBTAIN_SERIALIZER": "tests.migrate.own.NamedSerializer",
    },
}[VARIANT]
JWTAUTH = {
    "REFRESH_GRACE_PERIOD": timedelta(minutes=10),
    "THROTTLE_RATES": {"login_address": None, "login": None, "refresh": None},
    "CLAIMS": {"name": "username"},
    "ISSUER": "https://shop.example",
    "AUDIENCE": "shop",
    "IGNORE_FOREIGN_TOKENS": RELEASE == "service",
}
if VARIANT == "second service" and RELEASE != "service":
    JWTAUTH["SIGNING_KEYS"] = [{"alg": "RS256", "pem": PRIVATE}]
if RELEASE == "service":
    _url = f"http://127.0.0.1:{os.environ['JWTAUTH_TEST_ISSUER']}/.well-known/"
    _issuer = {"jwks_url": f"{_url}jwks.json", "revocations_url": f"{_url}jwt-revocations", "allow_http": True}
    JWTAUTH = {**JWTAUTH, "ISSUER": "orders", "TRUSTED_ISSUERS": {"https://shop.example": _issuer}}
JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01"}
