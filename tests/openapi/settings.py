"""Settings of a project whose schema drf-spectacular writes: it only adds that to those of the other tests."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS
from tests.settings import REST_FRAMEWORK as _REST_FRAMEWORK

INSTALLED_APPS = [*_APPS, "drf_spectacular"]
STATIC_URL = "/static/"
REST_FRAMEWORK = {**_REST_FRAMEWORK, "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}


def nobody(*args, **kwargs):
    """Stand where a function is needed that is not called."""
    raise NotImplementedError
