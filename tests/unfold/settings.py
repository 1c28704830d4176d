"""The settings of the tests, with django-unfold: ``pytest --ds=tests.unfold.settings tests/unfold``."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = ["unfold", *_APPS]
ROOT_URLCONF = "tests.unfold.urls"
STATIC_URL = "/static/"
