"""Settings for Simple JWT's own tests: those of its conftest, with our endpoints behind its names.

The tests run in a process in which ``tests`` is Simple JWT's package. So nothing here imports ours.
"""

SECRET_KEY = "not very secret in tests, but long enough"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
ROOT_URLCONF = "their_urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "django_jwtauth",
    "django_jwtauth.contrib.simplejwt",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SIMPLE_JWT = {"BLACKLIST_AFTER_ROTATION": True}
JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01"}
