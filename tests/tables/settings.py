"""Settings for these user models: ``USER_MODEL`` names one."""

import os

from tests.settings import PASSWORD_HASHERS, REST_FRAMEWORK, SECRET_KEY  # noqa: F401

ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.customusers.urls"
AUTH_USER_MODEL = f"tables.{os.environ['USER_MODEL']}"
AUTHENTICATION_BACKENDS = {
    "Person": ["django.contrib.auth.backends.ModelBackend"],
    "Customer": ["django.contrib.auth.backends.ModelBackend"],
    "Name": ["tests.tables.models.NameBackend"],
}[os.environ["USER_MODEL"]]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "django_jwtauth",
    "tests.tables",
]
JWTAUTH = {"CLAIMS_HOOKS": ["tests.tables.settings.tier"]}


def tier(user, *, request, session):
    """Claims of customers only: with an object of the wrong class, there are none."""
    return {"tier": user.tier} if hasattr(user, "tier") else {}
