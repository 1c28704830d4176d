"""Settings of the page: a small server with an origin of its own, which serves static files and nothing else.

In production any web server or CDN can take its place. It has no database, no users, and no secrets.

These environment variables are read:

``DEMO_PAGE_URL``
    The address of this server.
``DEMO_ISSUER``, ``DEMO_STOCK_URL``
    The addresses of the orders service and the stock service, which the page calls.
``DEMO_ACCOUNTS``
    JSON: the users that the page offers for sign-in. ``manage.py demo`` sets its own users.
"""

import json
import os
import secrets
from urllib.parse import urlsplit

PAGE_URL = os.environ.get("DEMO_PAGE_URL") or "http://127.0.0.1:8002"
ISSUER = os.environ.get("DEMO_ISSUER") or "http://127.0.0.1:8000"
STOCK_URL = os.environ.get("DEMO_STOCK_URL") or "http://127.0.0.1:8001"
ACCOUNTS = json.loads(os.environ.get("DEMO_ACCOUNTS") or "[]")

SECRET_KEY = secrets.token_urlsafe(50)  # this server signs nothing with it
ALLOWED_HOSTS = sorted({"127.0.0.1", "localhost", urlsplit(PAGE_URL).hostname or "localhost"})

INSTALLED_APPS = []
DATABASES = {}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",  # nosniff, Referrer-Policy, Cross-Origin-Opener-Policy
    "example_project.page.views.content_security_policy",
]
ROOT_URLCONF = "example_project.page.urls"
WSGI_APPLICATION = "example_project.page.wsgi.application"

# Do not log each file, only what goes wrong.
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"django.server": {"level": "WARNING"}}}

USE_TZ = True
TIME_ZONE = "UTC"
