"""The source of the library."""

import ast

import pytest

from tests.tools.processes import ROOT

MAX_LINES = 450
PACKAGE = ROOT / "django_jwtauth"
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py" and "migrations" not in path.parts
}
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}
each_module = pytest.mark.parametrize("module", TREES)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
