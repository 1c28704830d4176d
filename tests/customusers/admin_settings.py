"""The same project with an admin of its own."""

from tests.customusers.settings import *  # noqa: F403
from tests.customusers.settings import INSTALLED_APPS as _APPS
from tests.settings import MIDDLEWARE, TEMPLATES  # noqa: F401

ROOT_URLCONF = "tests.customusers.admin_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    *_APPS,
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.messages",
    "django.contrib.sessions",
]
