"""Settings of a user's project, which the type checkers read."""

SECRET_KEY = "only for a type checker, which signs nothing with it"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "django_jwtauth",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "tests.typed.shop.urls"
JWTAUTH = {"CLAIMS_HOOKS": ["tests.typed.shop.hooks.tenant"]}
USE_TZ = True
