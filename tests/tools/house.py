"""The source of the library."""

import ast
import re

from tests.tools.processes import ROOT

MAX_LINES = 450
PACKAGE = ROOT / "django_jwtauth"


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    # An empty __init__.py is no room, and that of the package only has the version.
    if "migrations" not in path.parts and path.read_text()
    if path != PACKAGE / "__init__.py"
}
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}


def each(names):
    """Have a test of one name be one of all: a test for each of hundreds would take longer to start than to run."""

    def decorate(test):
        def of_all():
            failures = {}
            for name in names:
                try:
                    test(name)
                except AssertionError as error:
                    failures[name] = str(error)
            assert failures == {}

        of_all.__name__, of_all.__module__, of_all.__doc__ = test.__name__, test.__module__, test.__doc__
        return of_all

    return decorate


each_module = each(TREES)


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
