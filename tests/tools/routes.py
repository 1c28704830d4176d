"""Routes for one test."""

from django.test import override_settings

from tests import urls


class WithRoutes:
    """Adds routes to those of the tests."""

    def __init__(self, *routes):
        module = type("Urls", (), {"urlpatterns": [*routes, *urls.urlpatterns]})
        self.override = override_settings(ROOT_URLCONF=module)

    def __enter__(self):
        self.override.enable()

    def __exit__(self, *args):
        self.override.disable()
