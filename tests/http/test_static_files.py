"""The client module among the static files of a project."""

from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import call_command
from django.template import Context, Template

import django_jwtauth

SOURCE = Path(django_jwtauth.__file__).parent / "static" / "django_jwtauth" / "jwtauth.js"
TAG = Template("{% load static %}{% static 'django_jwtauth/jwtauth.js' %}")


class ManifestStorage(ManifestStaticFilesStorage):
    """The names of files have their hashes, and so have imports of modules: Django reads them, in comments too."""

    support_js_module_import_aggregation = True


@pytest.fixture
def collected(settings, tmp_path):
    """A project that collects its static files here."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.staticfiles"]
    settings.STATIC_URL, settings.STATIC_ROOT = "/static/", tmp_path
    return tmp_path


@pytest.mark.parametrize(
    "storage", ["django.contrib.staticfiles.storage.StaticFilesStorage", f"{__name__}.ManifestStorage"]
)
def test_a_template_names_the_client_module(settings, collected, storage):
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    call_command("collectstatic", interactive=False, verbosity=0)
    address = TAG.render(Context())
    assert address.startswith("/static/django_jwtauth/jwtauth.")
    assert (address == "/static/django_jwtauth/jwtauth.js") is ("Manifest" not in storage)
    assert (collected / address.removeprefix("/static/")).read_bytes() == SOURCE.read_bytes()
