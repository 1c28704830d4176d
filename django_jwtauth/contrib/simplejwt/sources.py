"""What the source files of a project take from Simple JWT, where neither its URLs nor its settings tell. They are read,
not imported."""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings

from .translation import PACKAGE

_OURS = "django_jwtauth"
_NOT_THEIR_OWN = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
_LIKE_A_DICT = {"get", "payload"}


def findings() -> list[str]:
    """Return a sentence for each file of the project that uses a token or a module of Simple JWT."""
    return [line for path in sorted(_files()) for line in _findings_in(path)]


def _files() -> set[Path]:
    """Return the source files of the project's own apps, and those beside its URL configuration."""
    folders = {Path(app.path) for app in apps.get_app_configs() if app.name.partition(".")[0] not in (_OURS, PACKAGE)}
    urls = sys.modules.get(str(settings.ROOT_URLCONF))
    if urls is not None and urls.__file__:
        folders.add(Path(urls.__file__).parent)
    return {file for folder in folders if not _NOT_THEIR_OWN & {*folder.parts} for file in _python_files(folder)}


def _python_files(folder: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in _NOT_THEIR_OWN and not name.startswith(".")]
        yield from (Path(parent, name) for name in files if name.endswith(".py"))


def _findings_in(path: Path) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):
        return  # a template of a source file, for example
    name = os.path.relpath(path)
    if lines := sorted({node.lineno for node in nodes if isinstance(node, ast.expr) and _reads_a_dict(node)}):
        yield (
            f"{name}, {_numbers(lines)}: request.auth is read like a dict. From step 1 on, its claims are in "
            "request.auth.claims."
        )
    statements = [node for node in nodes if isinstance(node, ast.stmt)]
    modules = {module: node.lineno for node in statements for module in _imported(node)}
    for module, line in sorted(modules.items()):
        yield (
            f"{name}, {_numbers([line])}: imports {module}. For what becomes of it, see the page "
            '"Migrating from Simple JWT".'
        )


def _numbers(lines: list[int]) -> str:
    return f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}"


def _reads_a_dict(node: ast.expr) -> bool:
    """Tell whether it is ``request.auth["x"]``, ``request.auth.get("x")``, ``request.auth.payload`` or
    ``"x" in request.auth``."""
    if isinstance(node, ast.Compare):
        pairs = zip(node.ops, node.comparators, strict=True)
        return any(isinstance(op, ast.In | ast.NotIn) and _is_auth(right) for op, right in pairs)
    is_dicts = isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr in _LIKE_A_DICT)
    return is_dicts and _is_auth(node.value)  # type: ignore[attr-defined]  # both have it


def _is_auth(node: ast.expr) -> bool:
    """Tell whether it is ``request.auth``, of whatever holds the request."""
    if not isinstance(node, ast.Attribute) or node.attr != "auth":
        return False
    return getattr(node.value, "id", getattr(node.value, "attr", "")) == "request"


def _imported(node: ast.stmt) -> list[str]:
    """Return the modules of Simple JWT that are imported. Its views are left out: the URLs show where they are used."""
    names: list[str] = []
    if isinstance(node, ast.ImportFrom) and not node.level:
        from_package = node.module == PACKAGE
        names = [f"{PACKAGE}.{each.name}" for each in node.names] if from_package else [str(node.module)]
    elif isinstance(node, ast.Import):
        names = [each.name for each in node.names]
    return [name for name in names if f"{name}.".startswith(f"{PACKAGE}.") and name != f"{PACKAGE}.views"]
