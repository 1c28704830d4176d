"""What may import what, and what may not happen at import. Read from the source itself."""

import ast
import os
import subprocess
import sys

from tests.tools.house import FILES, FLOORS, TREES, each_module, functions
from tests.tools.processes import ROOT


def imports_of(module, tree):
    """Give the modules of ours that an ``import`` statement somewhere in the tree names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            is_package = FILES[module].name == "__init__.py"
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package]
            path = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*path, alias.name]) for alias in node.names]
            # Importing a module of a package is not importing the package's façade, which imports the module.
            found = [name for name in names if name in FILES] or [".".join(path)]
            yield from (name for name in found if name in FILES)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            assert not any(name.partition(".")[0] == "django_jwtauth" for name in names), "ours are imported relatively"


def test_every_module_is_on_the_map():
    assert FLOORS.keys() == FILES.keys()


@each_module
def test_imports_go_down_only(module):
    upwards = [name for name in imports_of(module, TREES[module]) if FLOORS[name] > FLOORS[module]]
    assert upwards == []


def test_imports_make_no_cycle():
    # AppConfig.ready() imports at last what needs the apps to be loaded; nothing imports `apps`.
    graph = {module: set(imports_of(module, tree)) for module, tree in TREES.items()}
    while leaves := {module for module, names in graph.items() if not names}:
        graph = {module: names - leaves for module, names in graph.items() if module not in leaves}
    assert graph == {}


@each_module
def test_nothing_is_imported_inside_a_function_but_by_ready(module):
    inside = {
        function.name
        for function in functions(TREES[module])
        if not isinstance(function, ast.Lambda)
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    }
    assert inside == ({"ready"} if module.rpartition(".")[2] == "apps" else set())


def run_at_import(tree):
    """Give the nodes that run while a module is imported: all but the bodies of functions."""
    todo = list(ast.iter_child_nodes(tree))
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif not isinstance(node, ast.Lambda):
            todo += ast.iter_child_nodes(node)


@each_module
def test_no_setting_is_read_at_import(module):
    reads = set()
    for node in run_at_import(TREES[module]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings":
            reads.add(f"settings.{node.attr}")
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "get_config",
            "get_user_model",
        ):
            reads.add(ast.unparse(node))
    # A foreign key needs the user model while its class is made; Django has no other way.
    assert reads == ({"settings.AUTH_USER_MODEL"} if module.rpartition(".")[2] == "models" else set())


def run(code, **environment):
    """Run code in a process of its own, with no settings unless they are given."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def on_floors(*floors):
    return [f"django_jwtauth.{module}" for module, floor in FLOORS.items() if floor in floors]


WITHOUT_DJANGO = """
import sys, importlib
sys.modules["django"] = sys.modules["rest_framework"] = None  # importing either raises
for name in {modules!r}:
    importlib.import_module(name)

import time
from django_jwtauth._core import jws
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.verifier import Verifier

key, now = Key.generate("ES256"), int(time.time())
claims = dict(iss="i", sub="1", aud="a", client_id="c", iat=now, exp=now + 60, jti="j", sid="s")
raw = jws.sign(claims, typ="at+jwt", key=key)
print(Verifier(issuer="i", audience="a", keys=KeySet([key])).verify(raw).subject)
"""


def test_the_verifier_and_what_is_below_it_need_no_django():
    modules = on_floors(0, 1, 2)
    assert run(WITHOUT_DJANGO.format(modules=modules)) == ["1"]


WITHOUT_SETTINGS = """
import importlib
from django.conf import settings
for name in {modules!r}:
    importlib.import_module(name)
print(settings.configured)
"""


def test_the_lower_floors_and_the_settings_import_without_configured_settings():
    modules = [*on_floors(0, 1, 2, 3), "django_jwtauth.request_info", "django_jwtauth.revocation_cache"]
    assert run(WITHOUT_SETTINGS.format(modules=modules)) == ["False"]


WITHOUT_THE_APP = """
import sys, importlib
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=["rest_framework"])
import django
django.setup()
for name in ("conf", "revocation_cache", "authentication", "permissions"):
    importlib.import_module(f"django_jwtauth.{name}")
print("rest_framework.views" in sys.modules, "django_jwtauth.models" in sys.modules)
"""


def test_the_authentication_classes_import_without_the_app_and_before_rest_frameworks_views():
    assert run(WITHOUT_THE_APP) == ["False", "False"]


WITH_DRF_SPECTACULAR = "django_jwtauth.contrib.spectacular."
"""What is imported only where that is installed: tests/openapi does."""
BROKEN_SETTINGS = """
import importlib
from django.conf import settings
settings.configure(
    SECRET_KEY="",  # reading it raises
    JWTAUTH={{"NONSENSE": object()}},
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
        "django.contrib.sessions", "rest_framework", "django_jwtauth",
    ],
)
import django
django.setup()
for name in {modules!r}:
    importlib.import_module(name)
print("imported")
"""


def test_every_module_imports_although_the_settings_cannot_be_used():
    # So manage.py can run the checks, which say what is wrong.
    modules = [name for name in on_floors(*range(11)) if not name.startswith(WITH_DRF_SPECTACULAR)]
    assert run(BROKEN_SETTINGS.format(modules=modules)) == ["imported"]
