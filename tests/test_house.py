"""The rules of the house: what may import what, and what may not happen at import. Read from the source itself."""

import ast
import contextlib
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest
from django.contrib.admin import ModelAdmin
from django.core.management import call_command

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "django_jwtauth"
MAX_LINES = 450


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "migrations" not in path.parts and path.read_text()  # an empty __init__ is no room
}


def read_map():
    """Return the floor of each module, and which are public, as the design page says."""
    page = (ROOT / "docs" / "design.md").read_text()
    (text,) = re.findall(r"## The map\n.*?```text\n(.*?)```", page, re.DOTALL)
    floors, public, floor = {}, set(), None
    for word in text.split():
        if word.isdecimal():
            floor = int(word)
            continue
        name = word.removesuffix("*")
        assert name not in floors, name
        floors[name] = floor
        if word != name:
            public.add(name)
    return floors, public


FLOORS, PUBLIC = read_map()
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}
each_module = pytest.mark.parametrize("module", TREES)


def imports_of(module, tree):
    """Give the modules of ours that an ``import`` statement somewhere in the tree names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            is_package = FILES[module].name == "__init__.py"
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package]
            path = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*path, alias.name]) for alias in node.names]
            # Importing a module of a package does not count as importing the package's façade, which imports it.
            found = [name for name in names if name in FILES] or [".".join(path)]
            yield from (name for name in found if name in FILES)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            assert not any(name.partition(".")[0] == "django_jwtauth" for name in names), "ours are imported relatively"


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


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
    assert inside == ({"ready"} if module == "apps" else set())


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
    assert reads == ({"settings.AUTH_USER_MODEL"} if module == "models" else set())


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
    assert run(BROKEN_SETTINGS.format(modules=on_floors(*range(11)))) == ["imported"]


# A service that has nothing of ours but the package


ISSUING = """
import json, os, sys, threading
from wsgiref.simple_server import WSGIRequestHandler, make_server
from django.conf import settings
from tests import settings as base

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

def application(environ, start_response):
    return get_wsgi_application()(environ, start_response)

server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
issuer = f"http://127.0.0.1:{server.server_port}"
from django_jwtauth.keys import Key
names = [name for name in dir(base) if name.isupper()]
settings.configure(**{name: getattr(base, name) for name in names} | {
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    "JWTAUTH": {
        "ISSUER": issuer,
        "AUDIENCE": "orders",
        "SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}],
    },
})
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django_jwtauth import sessions

call_command("migrate", verbosity=0)
pair = sessions.start(get_user_model().objects.create_user("ada"))
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps([issuer, pair.access]), flush=True)
sys.stdin.readline()
print(sessions.revoke(pair.session), flush=True)
sys.stdin.readline()
server.shutdown()
server.server_close()
"""

SERVICE = """
import sys
from django.conf import settings
settings.configure(
    DATABASES={{}},
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={rest!r},
    JWTAUTH={jwtauth!r},
)
import django
django.setup()
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView
from django_jwtauth.authentication import StatelessJWTAuthentication

class View(APIView):
    authentication_classes = [StatelessJWTAuthentication]
    permission_classes = []

    def get(self, request):
        return Response(str(request.user))

def ask(raw):
    headers = {{"Authorization": f"Bearer {{raw}}"}} if raw else {{}}
    try:
        response = View.as_view()(RequestFactory().get("/", headers=headers))
    except ImproperlyConfigured as error:
        return f"{{type(error).__name__}}: {{error}}"
    return f"{{response.status_code}} {{response.data if response.status_code == 200 else response.data['reason']}}"

try:
    connections["default"].cursor()
except ImproperlyConfigured:
    pass  # so no query is possible
else:
    sys.exit("there is a database")
for line in sys.stdin:
    print(ask(line.strip()), flush=True)
assert not any(name.startswith(("django_jwtauth.models", "django.contrib.auth.models")) for name in sys.modules)
try:
    settings.SECRET_KEY
except ImproperlyConfigured:
    sys.exit(0)  # so it was not read either
"""


@contextlib.contextmanager
def conversation(code, **environment):
    """Run code in a process of its own, and give a function that sends it a line, and returns its answer."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )
    timer = threading.Timer(120, process.kill)
    timer.start()

    def say(line=None):
        if line is not None:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        yield say
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def service(issuer="https://auth.example.com", *, rest=None, jwtauth=None):
    """The code of a project with nothing but REST framework, and these settings."""
    trusted = {"TRUSTED_ISSUERS": {issuer: {"audience": "orders"}}}
    return SERVICE.format(
        rest={"UNAUTHENTICATED_USER": None} if rest is None else rest, jwtauth=trusted if jwtauth is None else jwtauth
    )


def test_a_service_without_app_database_and_secret_key_accepts_a_token_until_it_is_revoked(tmp_path):
    with conversation(ISSUING, DATABASE=str(tmp_path / "db.sqlite3")) as issuing:
        issuer, access = json.loads(issuing())
        with conversation(service(issuer)) as ask:
            assert ask(access) == "200 1"
            assert ask("") == "200 None"
            assert ask(access[:-10] + "A" * 10) == "401 invalid"
            assert issuing("revoke") == "1"
            deadline = time.monotonic() + 30  # the bound is four seconds, for a machine that has nothing else to do
            while (answer := ask(access)) == "200 1" and time.monotonic() < deadline:
                time.sleep(0.05)
            assert answer == "401 revoked"


@pytest.mark.parametrize("token", ["", "x"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [({"rest": {}}, "REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None"), ({"jwtauth": {}}, "JWTAUTH['TRUSTED_ISSUERS']")],
    ids=["nobody-is-nobody", "nobody-is-trusted"],
)
def test_a_service_whose_settings_cannot_work_says_so_at_the_first_request(changes, named, token):
    with conversation(service(**changes)) as ask:
        answer = ask(token)
    assert answer.startswith("ImproperlyConfigured: ")
    assert named in answer


# The form of the source


@each_module
def test_no_file_is_too_long_to_be_read_at_once(module):
    assert len(FILES[module].read_text().splitlines()) <= MAX_LINES


@each_module
def test_everything_public_has_a_docstring(module):
    def missing(parent, path):
        for node in getattr(parent, "body", []):
            is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if not is_definition or node.name.startswith("_") or node.name == "Meta":
                continue
            if not ast.get_docstring(node) and not is_override(module, parent, node):
                yield f"{path}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from missing(node, f"{path}{node.name}.")

    assert ast.get_docstring(TREES[module])
    assert list(missing(TREES[module], "")) == []


def is_override(module, parent, node):
    """Tell whether a method is one of Django's or REST framework's protocol, which is documented there."""
    cls = getattr(importlib.import_module(f"django_jwtauth.{module}"), getattr(parent, "name", ""), None)
    if cls is None:
        return False
    foreign = [base for base in cls.__mro__[1:] if not base.__module__.startswith("django_jwtauth")]
    if foreign == [object]:
        foreign = [ModelAdmin]  # a mixin for a project's own admin
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


def test_importing_the_package_does_nothing():
    assert (PACKAGE / "__init__.py").read_text() == ""


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
