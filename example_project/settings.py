"""Settings of the example: a small orders API whose users sign in with django_jwtauth. Copy what you need.

A second service accepts its tokens too, and has its own settings: ``example_project/stock/settings.py``.
A page on another origin calls both: ``example_project/page/``.

These environment variables are read:

``DJANGO_DEBUG``
    ``0`` turns debugging off. It is on by default, because this is a demo.
``DJANGO_SECRET_KEY``
    The secret key; required when debugging is off.
``DEMO_ISSUER``
    The address of this service, which its tokens name as their issuer: other services find its keys there. Required
    when debugging is off. ``manage.py demo`` uses the address that it serves at.
``DEMO_SIGNING_KEY_FILE``
    A file with the ES256 key that signs access tokens; required when debugging is off. The demo generates one itself.
``DEMO_STOCK_URL``
    The address of the stock service that the start page links to.
``DEMO_PAGE_URL``
    The origin of the page that may call this service. When debugging is off, no page may unless this is set.
``DEMO_DATABASE``, ``DEMO_REFRESH_GRACE_PERIOD``, ``DEMO_REVOCATION_POLL_INTERVAL``
    Another database file and shorter times (in seconds), for ``manage.py demo --check``.
``DEMO_RECENT_LOGIN``
    How many seconds a sign-in counts as recent, which cancelling an order requires: 300 by default.
``DEMO_STOCK_SETTINGS_MODULE``
    Other settings for the stock service that ``manage.py demo`` starts.
"""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from example_project.key_file import KeyFile

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() in ("1", "true", "yes", "on")

# The key of the refresh tokens is derived from this one, and so is that of the access tokens without
# JWTAUTH["SIGNING_KEYS"]: anyone who knows it can sign in as anybody. Everybody can read this one, so it is only for
# the demo.
_DEMO_SECRET_KEY = "django-insecure-demo-only-0a5c7Qm2xVtR9uZ4wYb8nKf1jLh3sDpE6gTq"  # noqa: S105
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", _DEMO_SECRET_KEY)
if SECRET_KEY == _DEMO_SECRET_KEY and not DEBUG:
    raise ImproperlyConfigured("Without DEBUG, set DJANGO_SECRET_KEY to a secret of your own.")

# The names of all files that the demo writes begin with demo.sqlite3, and git ignores them.
DEMO_DATABASE = Path(os.environ.get("DEMO_DATABASE", BASE_DIR / "example_project" / "demo.sqlite3"))

ISSUER = os.environ.get("DEMO_ISSUER", "")
if not ISSUER:
    if not DEBUG:
        raise ImproperlyConfigured("Without DEBUG, set DEMO_ISSUER to the https URL of this service.")
    ISSUER = "http://127.0.0.1:8000"

ALLOWED_HOSTS = sorted({"127.0.0.1", "localhost", urlsplit(ISSUER).hostname or "localhost"})

# Cookies of the admin are sent over https only, except in the demo.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG


# The page on another origin

PAGE_URL = os.environ.get("DEMO_PAGE_URL", "http://127.0.0.1:8002" if DEBUG else "")

CORS_ALLOWED_ORIGINS = [PAGE_URL] if PAGE_URL else []
CORS_URLS_REGEX = r"^/api/"  # not the admin, nor the documents that are open to all origins anyway
CORS_ALLOW_CREDENTIALS = True  # for cookies
CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate"]  # scripts cannot read these by default
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS  # may send cookies with requests that change something


# Apps

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "django_jwtauth",
    "example_project.accounts",
    "example_project.orders",
    "example_project.demo",  # the command "manage.py demo"; leave it out of your own project
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",  # before everything that may answer
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
STATIC_URL = "static/"


# Authentication

# Signs access tokens. Other services verify them with its public part, which .well-known/jwks.json publishes.
SIGNING_KEY_FILE = os.environ.get("DEMO_SIGNING_KEY_FILE", "")
if not SIGNING_KEY_FILE:
    if not DEBUG:
        raise ImproperlyConfigured(
            "Without DEBUG, set DEMO_SIGNING_KEY_FILE to a file with an ES256 private key of your own. "
            "manage.py jwtauth_generate_key --output FILE generates one."
        )
    SIGNING_KEY_FILE = KeyFile(path=Path(f"{DEMO_DATABASE}-key.pem"))

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

REST_FRAMEWORK = {
    # By the header, else by the cookie of the browser endpoints. Do not add SessionAuthentication: the page sends all
    # cookies, so once the token has expired, requests would be authenticated as the user signed in to the admin.
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_jwtauth.authentication.JWTCookieAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 20,
}

JWTAUTH = {
    "ISSUER": ISSUER,
    "AUDIENCE": "example-project",  # accepted by this service and the other services of the project
    "SIGNING_KEYS": [{"alg": "ES256", "file": SIGNING_KEY_FILE}],
    "CLAIMS": {"preferred_username": "username"},
    "CLAIMS_HOOKS": ["example_project.claims.add_groups"],
    "COOKIES": {"secure": not DEBUG},  # over http, browsers accept no other cookies from the demo
    # Both are the defaults, unless the environment sets them.
    "REFRESH_GRACE_PERIOD": timedelta(seconds=float(os.environ.get("DEMO_REFRESH_GRACE_PERIOD", "30"))),
    "REVOCATION_POLL_INTERVAL": timedelta(seconds=float(os.environ.get("DEMO_REVOCATION_POLL_INTERVAL", "2"))),
}


# Storage

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DEMO_DATABASE,
        "OPTIONS": {
            # Readers and the one writer do not wait for each other. SQLite's "synchronous" stays at its default, FULL:
            # with NORMAL a power failure could undo the latest revocations.
            "init_command": "PRAGMA journal_mode=WAL",
            # A transaction takes the write lock when it begins, and waits for it. A transaction that asked for it later
            # would fail with "database is locked" if another connection had written in the meantime.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for that lock
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The throttles of sign-in and refresh count in this cache, so all processes must share it. Files need no server. In
# production use Redis or Valkey (django.core.cache.backends.redis.RedisCache).
CACHES = {
    "default": {
        "BACKEND": "example_project.cache.CountingFileCache",
        "LOCATION": f"{DEMO_DATABASE}-cache",
        "TIMEOUT": 3600,  # each count renews it, so it must be as long as the longest throttle window
    }
}


# The start page links to the other service.
STOCK_URL = os.environ.get("DEMO_STOCK_URL", "http://127.0.0.1:8001")


# How recent a sign-in must be to cancel an order.
RECENT_LOGIN = timedelta(seconds=float(os.environ.get("DEMO_RECENT_LOGIN", "300")))


# Log sign-outs, revocations and stolen refresh tokens to the console.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"django_jwtauth": {"handlers": ["console"], "level": "INFO"}},
}

USE_TZ = True
TIME_ZONE = "UTC"
