"""The form of the source, and what it may not do."""

import ast
import importlib
import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.management import call_command

from tests.tools.house import FILES, MAX_LINES, PACKAGE, TREES, each_module
from tests.tools.processes import ROOT


@each_module
def test_no_file_is_too_long_to_be_read_at_once(module):
    assert len(FILES[module].read_text().splitlines()) <= MAX_LINES


@each_module
def test_everything_public_has_a_docstring(module):
    def missing(parent, path):
        for node in getattr(parent, "body", []):
            is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if not is_definition or node.name.startswith("_") or node.name == "Meta" or is_overload(node):
                continue
            if not ast.get_docstring(node) and not is_override(module, parent, node):
                yield f"{path}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from missing(node, f"{path}{node.name}.")

    assert ast.get_docstring(TREES[module])
    assert list(missing(TREES[module], "")) == []


def is_overload(node):
    return any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)


def imported(module):
    """Import a module. The admin of an app that is not installed here must not stay on the site of other tests."""
    found = importlib.import_module(f"django_jwtauth.{module}")
    for model in [model for model in admin.site._registry if model._meta.app_label not in apps.app_configs]:
        admin.site.unregister(model)
    return found


def is_override(module, parent, node):
    """Tell whether a method is one of Django's or REST framework's protocol, or of a base of ours: documented there."""
    cls = getattr(imported(module), getattr(parent, "name", ""), None)
    if cls is None:
        return False
    ours = [base for base in cls.__mro__[1:] if base.__module__.startswith("django_jwtauth")]
    if any(getattr(vars(base).get(node.name), "__doc__", None) for base in ours):
        return True
    foreign = [base for base in cls.__mro__[1:] if base not in ours]
    if foreign == [object]:
        foreign = UserAdmin.__mro__  # a mixin for a project's own admin of users
    handlers = getattr(cls, "http_method_names", ())  # of a view, whose own docstring says what it does
    return node.name in handlers or any(node.name in vars(base) for base in foreign)


@each_module
def test_values_are_frozen_slotted_keyword_only_dataclasses(module):
    decorators = [
        decorator
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator)
    ]
    for decorator in decorators:
        assert isinstance(decorator, ast.Call), f"line {decorator.lineno}"
        given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
        assert given.items() >= {"frozen": True, "slots": True, "kw_only": True}.items(), f"line {decorator.lineno}"


WRITES = {"save", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "delete"}
WRITERS = {
    "management.commands.jwtauth_purge": {"delete"},  # rows that nothing needs any more
    # Their own tables, and those of Simple JWT.
    "contrib.simplejwt.exchange": {"save", "update", "update_or_create"},
    "contrib.simplejwt.moving": {"bulk_create", "delete"},
    "contrib.simplejwt.tables": {"bulk_create", "update"},
}


@each_module
def test_only_sessions_writes_our_tables(module):
    """``update()`` is also a method of dicts, so it counts where a query is in sight: as a call on a call or a name."""
    if module.startswith("sessions"):
        return
    written = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, text = node.func.attr, ast.unparse(node.func.value)
            if name in WRITES or (name == "update" and ("objects" in text or "filter" in text or "rows" in text)):
                written.add(name)
    assert written == WRITERS.get(module, set())


def test_importing_the_package_does_nothing():
    docstring, version = ast.parse((PACKAGE / "__init__.py").read_text()).body
    assert isinstance(docstring.value, ast.Constant)
    assert isinstance(version.value, ast.Constant)
    assert version.targets[0].id == "__version__"


def documents():
    return [path for pattern in ("*.md", "docs/**/*.md", "*.toml", "*.ini", "*.yaml") for path in ROOT.glob(pattern)]


def test_no_document_names_a_package_index_of_ones_own():
    pattern = re.compile(r"(?:index-url|extra-index|find-links)|https?://(?:127\.|10\.|192\.168\.|localhost)\S*/simple")
    found = [f"{path.name}: {match[0]}" for path in documents() for match in pattern.finditer(path.read_text())]
    assert documents()
    assert found == []


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", "django_jwtauth", check=True, dry_run=True, verbosity=0)
