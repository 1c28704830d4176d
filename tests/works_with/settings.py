"""Settings of the tests with other packages: all of them at once, as far as they only add to a project."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS
from tests.settings import MIDDLEWARE, REST_FRAMEWORK, TEMPLATES  # noqa: F401

INSTALLED_APPS = [
    "jazzmin",
    *_APPS,
    "django.contrib.staticfiles",
    "auditlog",
    "axes",
    "channels",
    "corsheaders",
    "debug_toolbar",
    "dj_rest_auth",
    "django_filters",
    "django_prometheus",
    "djoser",
    "drf_spectacular",
    "drf_yasg",
    "graphene_django",
    "guardian",
    "hijack",
    "hijack.contrib.admin",
    "impersonate",
    "import_export",
    "knox",
    "oauth2_provider",
    "rest_framework.authtoken",
    "rest_framework_api_key",
    "rest_framework_simplejwt.token_blacklist",
    "reversion",
    "rules",
    "silk",
    "simple_history",
    "strawberry_django",
    "tests.works_with",
]
ROOT_URLCONF = "tests.works_with.urls"
STATIC_URL = "/static/"
# Tables are made from the models: running forty packages' migrations would take most of the time.
MIGRATION_MODULES = dict.fromkeys((name.rpartition(".")[2] for name in INSTALLED_APPS), None)
REST_AUTH = {"TOKEN_MODEL": None}
