"""Settings of the example: a small orders API, signed in to with django_jwtauth. Copy what you need.

Its tokens are good for a second service too, which has settings of its own: ``example_project/stock/settings.py``.
A page of another origin calls both: ``example_project/page/``.

These environment variables are understood:

``DJANGO_DEBUG``
    ``0`` switches debugging off. It is on by default, since this is a demo.
``DJANGO_SECRET_KEY``
    The secret key; required once debugging is off.
``DEMO_ISSUER``
    The address of this service, which its tokens name as their issuer: other services find its keys there. Required
    once debugging is off. ``manage.py demo`` takes the address that it serves at.
``DEMO_SIGNING_KEY_FILE``
    A file with the ES256 key that signs access tokens; required once debugging is off. The demo makes one itself.
``DEMO_STOCK_URL``
    Where the start page says that the stock service is.
``DEMO_PAGE_URL``
    The origin of the page that may call this service. Once debugging is off there is none unless it is named.
``DEMO_DATABASE``, ``DEMO_REFRESH_GRACE_PERIOD``, ``DEMO_REVOCATION_POLL_INTERVAL``
    Another database file and shorter times (in seconds), for ``manage.py demo --check``.
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

# The key of the refresh tokens is derived from this one, and without JWTAUTH["SIGNING_KEYS"] that of the access tokens
# too: who knows it can sign in as anybody. So the key that everybody can read here is good for nothing but the demo.
_DEMO_SECRET_KEY = "django-insecure-demo-only-0a5c7Qm2xVtR9uZ4wYb8nKf1jLh3sDpE6gTq"  # noqa: S105
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", _DEMO_SECRET_KEY)
if SECRET_KEY == _DEMO_SECRET_KEY and not DEBUG:
    raise ImproperlyConfigured("Without DEBUG, set DJANGO_SECRET_KEY to a secret of your own.")

# Everything the demo writes is named demo.sqlite3…, and ignored by git.
DEMO_DATABASE = Path(os.environ.get("DEMO_DATABASE", BASE_DIR / "example_project" / "demo.sqlite3"))

ISSUER = os.environ.get("DEMO_ISSUER", "")
if not ISSUER:
    if not DEBUG:
        raise ImproperlyConfigured("Without DEBUG, set DEMO_ISSUER to the https URL of this service.")
    ISSUER = "http://127.0.0.1:8000"

ALLOWED_HOSTS = sorted({"127.0.0.1", "localhost", urlsplit(ISSUER).hostname or "localhost"})

# Cookies of the admin travel over https only, except in the demo.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG


# The page of another origin

PAGE_URL = os.environ.get("DEMO_PAGE_URL", "http://127.0.0.1:8002" if DEBUG else "")

CORS_ALLOWED_ORIGINS = [PAGE_URL] if PAGE_URL else []
CORS_URLS_REGEX = r"^/api/"  # not the admin, nor what is open to all origins by itself
CORS_ALLOW_CREDENTIALS = True  # cookies too
CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate"]  # what scripts read besides what they always can
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS  # may send cookies along with what changes something


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
    "example_project.demo",  # the command "manage.py demo"; leave it out of a project of yours
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",  # before all that may answer
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

# What signs access tokens. Others verify them by its public part, which .well-known/jwks.json hands out.
SIGNING_KEY_FILE = os.environ.get("DEMO_SIGNING_KEY_FILE", "")
if not SIGNING_KEY_FILE:
    if not DEBUG:
        raise ImproperlyConfigured(
            "Without DEBUG, set DEMO_SIGNING_KEY_FILE to a file with an ES256 private key of your own. "
            "manage.py jwtauth_generate_key --output FILE makes one."
        )
    SIGNING_KEY_FILE = KeyFile(path=Path(f"{DEMO_DATABASE}-key.pem"))

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

REST_FRAMEWORK = {
    # No SessionAuthentication beside it: the page sends all cookies, and whose token has run out would be answered as
    # who is signed in to the admin.
    # By the header, else by the cookie of the browser endpoints.
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_jwtauth.authentication.JWTCookieAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 20,
}

JWTAUTH = {
    "ISSUER": ISSUER,
    "AUDIENCE": "example-project",  # whom the tokens are for: this service, and others of the project
    "SIGNING_KEYS": [{"alg": "ES256", "file": SIGNING_KEY_FILE}],
    "CLAIMS": {"preferred_username": "username"},
    "CLAIMS_HOOKS": ["example_project.claims.add_groups"],
    "COOKIES": {"secure": not DEBUG},  # over http the demo could set no others
    # Both are the defaults, unless the environment says otherwise.
    "REFRESH_GRACE_PERIOD": timedelta(seconds=float(os.environ.get("DEMO_REFRESH_GRACE_PERIOD", "30"))),
    "REVOCATION_POLL_INTERVAL": timedelta(seconds=float(os.environ.get("DEMO_REVOCATION_POLL_INTERVAL", "2"))),
}


# Storage

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DEMO_DATABASE,
        "OPTIONS": {
            # Readers and the one writer do not wait for each other. SQLite's "synchronous" stays at FULL, as it is
            # by default: with NORMAL a power failure could undo the latest revocations.
            "init_command": "PRAGMA journal_mode=WAL",
            # A transaction takes the write lock when it begins, and waits for it; one that asks for it later fails
            # with "database is locked" if another connection has written meanwhile.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for that lock
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The throttles of sign-in and refresh count in this cache, so all processes must share it. Files are shared and need
# no server. They do not count atomically, though, nor does Django's DatabaseCache: requests at the very same moment
# may slip by a limit. In production use Redis or Valkey (django.core.cache.backends.redis.RedisCache).
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": f"{DEMO_DATABASE}-cache",
        "TIMEOUT": 3600,  # each count renews it, so it must be as long as the longest throttle window
    }
}


# Where the start page says that the other service is.
STOCK_URL = os.environ.get("DEMO_STOCK_URL", "http://127.0.0.1:8001")


# Shows sign-outs, revocations and stolen refresh tokens where the server runs.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"django_jwtauth": {"handlers": ["console"], "level": "INFO"}},
}

USE_TZ = True
TIME_ZONE = "UTC"
