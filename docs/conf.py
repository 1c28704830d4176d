"""Sphinx configuration. It needs the package, installed or in the parent directory, and no network."""

import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parent.parent))

import django_jwtauth

# autodoc imports the package, and its models need an app registry.
settings.configure(
    SECRET_KEY="only-for-building-the-documentation-0123456789",  # noqa: S106 - it signs nothing
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_jwtauth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

project = "django-jwtauth"
author = "The django-jwtauth developers"
copyright = "2026, The django-jwtauth developers"
release = django_jwtauth.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# Exceptions of Django and REST framework, whose documentation is not linked.
nitpick_ignore = [("py:exc", "PermissionDenied"), ("py:exc", "ValidationError"), ("py:exc", "ImproperlyConfigured")]

html_theme = "furo"
html_title = "django-jwtauth"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def _keep_prose(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from taking the text before a colon in an attribute's first line for its type."""
    if what in ("attribute", "property"):
        lines.insert(0, "\\ ")  # an escaped space, which is not shown


def setup(app: Any) -> None:
    """Connect the function above so that it runs before napoleon."""
    app.connect("autodoc-process-docstring", _keep_prose, priority=400)
