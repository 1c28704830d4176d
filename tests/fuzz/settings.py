"""Settings of the fuzzing: the same keys and addresses in each run, and nothing that counts requests."""

from datetime import timedelta

from tests.settings import *  # noqa: F403
from tests.tools.keys import RFC8037_ED25519

ROOT_URLCONF = "tests.fuzz.urls"
MIDDLEWARE = ["django_jwtauth.middleware.DatabaseOutageMiddleware"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"nobody": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["nobody"]},
}
JWTAUTH = {
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=12),  # so that it outlives the longest run
    "ISSUER": "https://auth.example.com",
    "NUM_PROXIES": 1,
    "REQUEST_START_HEADER": "X-Request-Start",
    "SIGNING_KEYS": [RFC8037_ED25519],
    "THROTTLE_RATES": dict.fromkeys(["login", "login_address", "login_username", "refresh"]),
}
