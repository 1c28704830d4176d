"""Settings of the page: a small server with an origin of its own, which hands out static files and nothing else.

In production any web server or CDN takes its place. It has no database, no users, and no secrets.

These environment variables are understood:

``DEMO_PAGE_URL``
    The address of this server.
``DEMO_ISSUER``, ``DEMO_STOCK_URL``
    The addresses of the orders and of the stock service, which the page calls.
``DEMO_ACCOUNTS``
    JSON: the users whom the page proposes for the sign-in. ``manage.py demo`` names its own.
"""

import json
import os
import secrets
from urllib.parse import urlsplit

PAGE_URL = os.environ.get("DEMO_PAGE_URL") or "http://127.0.0.1:8002"
ISSUER = os.environ.get("DEMO_ISSUER") or "http://127.0.0.1:8000"
STOCK_URL = os.environ.get("DEMO_STOCK_URL") or "http://127.0.0.1:8001"
ACCOUNTS = json.loads(os.environ.get("DEMO_ACCOUNTS") or "[]")

SECRET_KEY = secrets.token_urlsafe(50)  # nothing is signed with it
ALLOWED_HOSTS = sorted({"127.0.0.1", "localhost", urlsplit(PAGE_URL).hostname or "localhost"})

INSTALLED_APPS = []
DATABASES = {}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",  # nosniff, Referrer-Policy, Cross-Origin-Opener-Policy
    "example_project.page.views.content_security_policy",
]
ROOT_URLCONF = "example_project.page.urls"
WSGI_APPLICATION = "example_project.page.wsgi.application"

# One line for each file is too many; what goes wrong is said.
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"django.server": {"level": "WARNING"}}}

USE_TZ = True
TIME_ZONE = "UTC"
