"""Settings for a custom user model: ``DATABASE`` names the SQLite file, ``SUBJECT_FIELD`` the setting of ours."""

import os

from tests.settings import REST_FRAMEWORK, SECRET_KEY  # noqa: F401

ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.customusers.urls"
AUTH_USER_MODEL = "customusers.Person"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}}
INSTALLED_APPS = [
    "tests.customusers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "django_jwtauth",
]
JWTAUTH = {"SUBJECT_FIELD": os.environ.get("SUBJECT_FIELD", "pk")}
