"""Settings of the second service: a stock of goods that accepts the access tokens of the orders service.

It has no database and no users. Only JWTAUTH and REST_FRAMEWORK below concern django_jwtauth.

These environment variables are read:

``DJANGO_DEBUG``
    ``0`` turns debugging off. It is on by default, because this is a demo.
``DEMO_ISSUER``
    The address of the orders service, as its tokens name it; required when debugging is off.
``DEMO_PAGE_URL``
    The origin of the page that may call this service. When debugging is off, no page may unless this is set.
``DEMO_REVOCATION_POLL_INTERVAL``
    A shorter time (in seconds), for ``manage.py demo --check``.
"""

import os
import secrets
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() in ("1", "true", "yes", "on")

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or secrets.token_urlsafe(50)  # this service signs nothing with it

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
SECURE_SSL_REDIRECT = not DEBUG

# django_jwtauth itself is for services that issue tokens. Nor is there django.contrib.auth.
INSTALLED_APPS = ["corsheaders", "rest_framework", "django_jwtauth.service"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {}

ROOT_URLCONF = "example_project.stock.urls"
WSGI_APPLICATION = "example_project.stock.wsgi.application"


# The page on another origin

PAGE_URL = os.environ.get("DEMO_PAGE_URL", "http://127.0.0.1:8002" if DEBUG else "")

CORS_ALLOWED_ORIGINS = [PAGE_URL] if PAGE_URL else []
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = True  # lets the page send its token in a cookie, which is authenticated below
CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate"]
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS


# Authentication

ISSUER = os.environ.get("DEMO_ISSUER", "")
if not ISSUER:
    if not DEBUG:
        raise ImproperlyConfigured("Without DEBUG, set DEMO_ISSUER to the https URL of the orders service.")
    ISSUER = "http://127.0.0.1:8000"

JWTAUTH = {
    "AUDIENCE": "example-project",  # the audience that the orders service writes into its tokens
    "COOKIES": {"secure": not DEBUG},  # the same as in the orders service
    "TRUSTED_ISSUERS": {ISSUER: {}},  # the issuer itself says where its keys and its revocation list are
    # The default, unless the environment sets it.
    "REVOCATION_POLL_INTERVAL": timedelta(seconds=float(os.environ.get("DEMO_REVOCATION_POLL_INTERVAL", "2"))),
}

REST_FRAMEWORK = {
    # By the header, else by the cookie, which browsers send to every port of the host that set it.
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_jwtauth.authentication.StatelessJWTCookieAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,  # there is no AnonymousUser without django.contrib.auth
}


# Log when the keys or the revocation list cannot be fetched.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"django_jwtauth": {"handlers": ["console"], "level": "INFO"}},
}

USE_TZ = True
TIME_ZONE = "UTC"
