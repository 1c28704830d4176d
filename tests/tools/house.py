"""The source of the library."""

import ast
import re

import pytest

from tests.tools.processes import ROOT

MAX_LINES = 450
PACKAGE = ROOT / "django_jwtauth"


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "migrations" not in path.parts and path.read_text()  # an empty __init__.py is no room
}
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}
each_module = pytest.mark.parametrize("module", TREES)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


def read_map():
    """Return the floor of each module, and the public ones, as the design page says."""
    page = (ROOT / "docs" / "design.md").read_text()
    (text,) = re.findall(r"## The map\n.*?```text\n(.*?)```", page, re.DOTALL)
    floors, public, floor = {}, set(), None
    for word in text.split():
        if word.isdecimal():
            floor = int(word)
            continue
        name = word.removesuffix("*")
        assert name not in floors, f"{name} is on the map twice"
        floors[name] = floor
        if word != name:
            public.add(name)
    return floors, public


FLOORS, PUBLIC = read_map()
