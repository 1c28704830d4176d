"""The example project: ``manage.py demo`` serves it, and ``manage.py demo --check`` proves its story."""

import http.client
import itertools
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from django_jwtauth import sessions
from django_jwtauth.keys import Key
from example_project.demo import accounts
from example_project.demo.management.commands.demo import _is_worth_a_line
from example_project.demo.story import Stage, Story
from example_project.key_file import KeyFile
from example_project.stock import shelf
from example_project.stock.views import ItemView, StockView

CHECKOUT = Path(__file__).parents[1]
MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]
OPTIONS = ("--port", "--stock-port", "--page-port")
READ_BY_EXAMPLE = ("DJANGO_SETTINGS_MODULE", "DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DEMO_")


@pytest.fixture
def environment(tmp_path):
    """The environment without what the tests' own settings put there, and with a database of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_EXAMPLE)}
    return {**inherited, "DEMO_DATABASE": str(tmp_path / "demo.sqlite3"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def production(environment, tmp_path):
    """The environment with all that the example must be told once debugging is off."""
    (tmp_path / "key.pem").write_text(Key.generate("ES256").private_pem())
    return {
        **environment,
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": "a-secret-of-ones-own-that-nobody-else-knows-0123456789",
        "DEMO_ISSUER": "https://orders.example.com",
        "DEMO_SIGNING_KEY_FILE": str(tmp_path / "key.pem"),
    }


def manage(environment, *arguments):
    return subprocess.run([*MANAGE, *arguments], env=environment, capture_output=True, text=True, timeout=180)


def broken(environment, tmp_path, orders="", *, stock=""):
    """Let manage.py use settings that differ from the example's, in the orders service or in the stock service."""
    quick = "PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']"
    environment = {**environment, "PYTHONPATH": str(tmp_path)}
    for variable, original, changes in (
        ("DJANGO_SETTINGS_MODULE", "example_project.settings", f"{quick}\n{orders}"),
        ("DEMO_STOCK_SETTINGS_MODULE", "example_project.stock.settings", stock),
    ):
        name = f"broken_{variable.lower()}"
        lines = ["import os", "from datetime import timedelta", f"from {original} import *", changes]
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
        environment[variable] = name
    return environment


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def assert_nothing_left(output):
    """Neither the servers of a check nor its directory."""
    address = r"http://127\.0\.0\.1:(\d+)/"
    *ports, directory = re.search(
        f"at {address}, {address} and {address}, with an empty database in (.+):", output
    ).groups()
    assert Path(directory).parent == CHECKOUT / ".demo"
    assert not Path(directory).exists()
    assert not any(map(is_taken, ports))


def test_story_holds(environment, tmp_path):
    done = manage(environment, "demo", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^ok     (.+?)( It took [0-9.]+ seconds\.)?$", done.stdout, re.MULTILINE)
    nowhere = Stage(
        orders_port=0,
        stock_port=0,
        page_port=0,
        second_stock_port=0,
        grace_seconds=0,
        poll_seconds=0,
        start=bool,
        stop=bool,
    )
    assert [line for line, took in steps] == ["The services start.", *(line for line, step in Story(nowhere).steps())]
    assert ["signs out" in line or "Started again" in line for line, took in steps] == [bool(took) for _, took in steps]
    assert done.stdout.endswith("All is as promised.\n")
    assert_nothing_left(done.stdout)
    assert list(tmp_path.iterdir()) == []  # the demo's own database and key are not touched


ONLY_ADA = """
def add_groups(user, *, request, session):
    return {"groups": ["customers"] if user.username == "ada" else []}
JWTAUTH = {**JWTAUTH, "CLAIMS_HOOKS": [f"{__name__}.add_groups"]}
"""
NEW_KEY_AT_EACH_START = """
from django_jwtauth.keys import Key
JWTAUTH = {**JWTAUTH, "SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}]}
"""
ANYBODY_CHANGES = (
    "import example_project.stock.permissions as p; p.WarehouseOrReadOnly.has_permission = lambda *a: True"
)
OPEN_STOCK = "REST_FRAMEWORK = {**REST_FRAMEWORK, 'DEFAULT_PERMISSION_CLASSES': []}"
NO_LIST = "JWTAUTH = {**JWTAUTH, 'TRUSTED_ISSUERS': {ISSUER: {'revocations_url': None}}}"
IMPATIENT = "JWTAUTH = {**JWTAUTH, 'REVOCATION_MAX_STALENESS': 2 * JWTAUTH['REVOCATION_POLL_INTERVAL']}"


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        pytest.param(
            "JWTAUTH = {**JWTAUTH, 'REFRESH_GRACE_PERIOD': timedelta(0)}",
            "Refreshed within REFRESH_GRACE_PERIOD",
            id="no-grace-period",
        ),
        pytest.param("JWTAUTH = {**JWTAUTH, 'CLAIMS_HOOKS': []}", "The stateless view answers", id="no-claims-hook"),
        pytest.param(
            "REST_FRAMEWORK = {**REST_FRAMEWORK, 'DEFAULT_PERMISSION_CLASSES': []}",
            "The orders API takes the access token",
            id="open-to-everybody",
        ),
        pytest.param(
            "INSTALLED_APPS = [app for app in INSTALLED_APPS if not app.endswith(('jwtauth', 'accounts'))]",
            "The services start.",
            id="server-does-not-start",
        ),
        pytest.param(
            "JWTAUTH = {**JWTAUTH, 'AUDIENCE': 'orders-only'}",
            "The stock service, which has no database, takes",
            id="for-one-service-only",
        ),
        pytest.param("CORS_URLS_REGEX = '^/none/'", "Both services let scripts of that origin", id="no-other-origin"),
        pytest.param(ONLY_ADA, "There the groups in the token decide", id="no-group-for-mary"),
        pytest.param(NEW_KEY_AT_EACH_START, "Started again", id="key-is-not-kept"),
    ],
)
def test_check_fails_and_names_the_step_that_is_wrong(environment, tmp_path, settings, step):
    assert_wrong(broken(environment, tmp_path, settings), step)


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        pytest.param("raise RuntimeError", "The services start.", id="server-does-not-start"),
        pytest.param(OPEN_STOCK, "The stock service, which has no database, takes", id="open-to-everybody"),
        pytest.param(ANYBODY_CHANGES, "There the groups in the token decide", id="anybody-changes"),
        pytest.param("CORS_ALLOW_ALL_ORIGINS = True", "Both services let scripts of that origin", id="any-origin"),
        pytest.param(NO_LIST, "Mary signs out of the orders service", id="no-revocation-list"),
        pytest.param(IMPATIENT, "With the orders service stopped", id="list-soon-too-old"),
    ],
)
def test_check_fails_where_the_stock_service_is_wrong(environment, tmp_path, settings, step):
    assert_wrong(broken(environment, tmp_path, stock=settings), step)


def assert_wrong(environment, step):
    done = manage(environment, "demo", "--check")
    assert done.returncode == 1
    assert f"\nWRONG  {step}" in done.stdout, done.stdout
    assert "The log of manage.py demo --port" in done.stdout
    assert f"This step is wrong: {step}" in done.stderr
    assert_nothing_left(done.stdout)


def test_check_that_is_terminated_leaves_nothing(environment):
    with subprocess.Popen([*MANAGE, "demo", "--check"], env=environment, stdout=subprocess.PIPE, text=True) as check:
        try:
            head = check.stdout.readline()
            assert check.stdout.readline() == "ok     The services start.\n"
            check.terminate()
            assert check.wait(30) == 128 + signal.SIGTERM
        finally:
            check.kill()
    assert_nothing_left(head)


@contextmanager
def serving(environment, tmp_path):
    """The demo, once both services answer; with their ports, and the file of what it says."""
    port, stock_port, page_port, said = free_port(), free_port(), free_port(), tmp_path / "said"
    ports = ["--port", str(port), "--stock-port", str(stock_port), "--page-port", str(page_port)]
    command = [*MANAGE, "demo", *ports]
    # A shell that runs us in the background lets its children ignore SIGINT, and theirs too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("w") as file:
        demo = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 30
        while None in (get(port, "/"), get(stock_port, "/"), get(page_port, "/")):
            assert demo.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield SimpleNamespace(process=demo, port=port, stock_port=stock_port, page_port=page_port, said=said)
    finally:
        demo.kill()
        demo.wait()


def get(port, path):
    """The status of a page, or ``None`` where nobody listens."""
    answer = read(port, path)
    return answer and answer[0]


def read(port, path):
    """Status and body of a page, or ``None`` where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status, response.read()  # all of it, or the server would complain of a broken pipe
    except ConnectionError:
        return None
    finally:
        connection.close()


def wait_until_ended(port):
    deadline = time.monotonic() + 30
    while is_taken(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_demo_serves_until_ctrl_c_and_again(environment, tmp_path):
    for _ in range(2):
        with serving(environment, tmp_path) as demo:
            port, stock_port, page_port, text = demo.port, demo.stock_port, demo.page_port, demo.said.read_text()
            addresses = set(re.findall(rf"http://127\.0\.0\.1:{port}(/\S*)", text))
            assert addresses >= {"/", "/admin/", "/api/orders/", "/api/auth/token/", "/api/auth/logout/all/"}
            assert {get(port, path) for path in addresses} <= {200, 302, 401, 405}
            assert get(port, "/static/admin/css/base.css") == 200
            addresses = set(re.findall(rf"http://127\.0\.0\.1:{stock_port}(/\S*)", text))
            assert addresses == {"/", "/api/stock/", "/api/stock/tea/"}
            assert {path: get(stock_port, path) for path in addresses} == {
                "/": 200,
                "/api/stock/": 401,
                "/api/stock/tea/": 401,
            }
            # Both agree on where the tokens come from, and people are shown where both are.
            issuer = f"http://127.0.0.1:{port}"
            metadata = json.loads(read(port, "/.well-known/oauth-authorization-server")[1])
            assert (metadata["issuer"], metadata["jwks_uri"]) == (issuer, f"{issuer}/.well-known/jwks.json")
            assert json.loads(read(stock_port, "/")[1])["accepts_tokens_of"] == issuer
            assert f'href="http://127.0.0.1:{stock_port}/"'.encode() in read(port, "/")[1]
            assert f'href="http://127.0.0.1:{page_port}/"'.encode() in read(port, "/")[1]
            assert f"http://127.0.0.1:{page_port}/\n" in text
            config = json.loads(read(page_port, "/config.json")[1])
            assert (config["issuer"], config["stock"]) == (issuer, f"http://127.0.0.1:{stock_port}")
            assert [account["username"] for account in config["accounts"]] == ["ada", "mary", "admin"]
            demo.process.send_signal(signal.SIGINT)
            assert demo.process.wait(10) == 0
            assert not is_taken(stock_port)
            assert not is_taken(page_port)
            assert "\nThe demo has ended.\n" in demo.said.read_text()
            assert "Traceback" not in demo.said.read_text()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, id="terminated"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
    ],
)
def test_stock_service_and_page_end_with_the_demo(environment, tmp_path, number, status):
    with serving(environment, tmp_path) as demo:
        demo.process.send_signal(number)
        assert demo.process.wait(10) == status
        wait_until_ended(demo.stock_port)
        wait_until_ended(demo.page_port)


DIES = """
import threading, time
from pathlib import Path
def die():
    while not Path({path!r}).exists():
        time.sleep(0.05)
    os._exit(7)
threading.Thread(target=die, daemon=True).start()
"""


def test_demo_ends_with_the_stock_service_and_says_so(environment, tmp_path):
    sign = tmp_path / "die"
    with serving(broken(environment, tmp_path, stock=DIES.format(path=str(sign))), tmp_path) as demo:
        sign.touch()
        assert demo.process.wait(20) == 1
        assert not is_taken(demo.port)
        assert not is_taken(demo.page_port)
        assert demo.said.read_text().endswith("The stock service has ended, with 7, and so the demo ends.\n")


@pytest.mark.parametrize(
    ("level", "request_line", "shown"),
    [
        (logging.INFO, "GET /.well-known/jwt-revocations HTTP/1.1", False),
        (logging.ERROR, "GET /.well-known/jwt-revocations HTTP/1.1", True),
        (logging.INFO, "GET /.well-known/jwks.json HTTP/1.1", True),
        (logging.INFO, "POST /api/auth/logout/ HTTP/1.1", True),
    ],
)
def test_polls_of_the_stock_service_are_not_worth_a_line(level, request_line, shown):
    record = logging.LogRecord("django.server", level, "", 0, '"%s" %s %s', (request_line, "200", "1"), None)
    assert _is_worth_a_line(record) is shown


@pytest.mark.parametrize("option", OPTIONS)
def test_demo_says_that_a_port_is_taken_and_does_nothing(environment, tmp_path, option):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = {name: str(free_port()) for name in OPTIONS} | {option: str(server.getsockname()[1])}
        done = manage(environment, "demo", *itertools.chain(*ports.items()))
    assert done.returncode == 1
    assert f"is taken by another program. Choose another one: manage.py demo {option} NUMBER" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        (("8765", "8765", "8766"), "They need three ports"),
        (("8765", "8766", "8765"), "They need three ports"),
        (("0", "8765", "8766"), "Port 0 cannot be used"),
        (("8765", "65536", "8766"), "Port 65536 cannot be used"),
        (("8765", "8766", "65536"), "Port 65536 cannot be used"),
    ],
)
def test_demo_says_that_ports_are_none(environment, tmp_path, ports, message):
    done = manage(environment, "demo", *itertools.chain(*zip(OPTIONS, ports, strict=True)))
    assert done.returncode == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--check"]], ids=" ".join)
def test_demo_does_not_run_in_production(production, arguments):
    done = manage(production, *arguments)
    assert done.returncode == 1
    assert "only with DEBUG = True" in done.stderr
    assert not Path(production["DEMO_DATABASE"]).exists()


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DEMO_ISSUER", "DEMO_SIGNING_KEY_FILE"])
def test_what_is_the_demo_s_is_refused_in_production(production, name):
    done = manage({key: value for key, value in production.items() if key != name}, "check")
    assert done.returncode == 1
    assert f"ImproperlyConfigured: Without DEBUG, set {name} to " in done.stderr


@pytest.mark.parametrize("given", [{}, {"DEMO_ISSUER": ""}], ids=["unset", "empty"])
def test_stock_service_must_be_told_its_issuer_in_production(environment, given):
    done = manage(
        {**environment, "DJANGO_DEBUG": "0", **given}, "check", "--settings", "example_project.stock.settings"
    )
    assert done.returncode == 1
    assert "ImproperlyConfigured: Without DEBUG, set DEMO_ISSUER to " in done.stderr


def test_accounts_are_made_once_and_their_sessions_go_on(db):
    accounts.ensure(accounts.ADA)
    session = sessions.start(User.objects.get(username="ada")).session
    accounts.ensure(accounts.ADA)
    session.refresh_from_db()
    assert session.revoked_at is None
    assert User.objects.get().check_password(accounts.ADA.password)


def test_accounts_have_the_printed_password_again(db):
    accounts.ensure(accounts.ADMIN)
    admin = User.objects.get()
    admin.set_password("another")
    admin.is_active = False
    admin.save()
    accounts.ensure(accounts.ADMIN)
    admin.refresh_from_db()
    assert admin.check_password(accounts.ADMIN.password)
    assert admin.is_active
    assert admin.is_superuser


@pytest.mark.parametrize("settings", [f"example_project.{name}settings" for name in ("", "stock.", "page.")])
def test_checks_find_nothing(environment, settings):
    done = manage(environment, "check", "--fail-level", "DEBUG", "--settings", settings)
    assert done.returncode == 0, done.stderr


def test_deploy_checks_find_nothing_of_ours(environment, production, tmp_path):
    for mode in (environment, production):
        done = manage(mode, "check", "--deploy")
        assert done.returncode == 0, done.stderr
        assert "(jwtauth." not in done.stderr
    locmem = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}"
    assert "(jwtauth.W002)" in manage(broken(environment, tmp_path, locmem), "check", "--deploy").stderr


def test_no_migration_is_missing(environment):
    done = manage(environment, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout


# The key


PRINT_KID = """
import sys
from pathlib import Path
from django_jwtauth.keys import Key
from example_project.key_file import KeyFile
file = KeyFile(path=Path(sys.argv[1]))
sys.stdin.read()
sys.stdout.write(Key.load({"alg": "ES256", "file": file}).kid)
"""


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    path = tmp_path / "key.pem"
    command = [sys.executable, "-c", PRINT_KID, str(path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    try:
        for process in processes:
            process.stdin.close()  # now all of them go
        kids = {process.stdout.read() for process in processes}
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    assert kids == {Key.load({"alg": "ES256", "file": path}).kid}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_who_is_late_takes_the_key_that_is_there(tmp_path):
    path = tmp_path / "key.pem"
    file = KeyFile(path=path)
    first = Key.load({"alg": "ES256", "file": file}).kid
    file._make()  # has not seen the file before
    assert Key.load({"alg": "ES256", "file": file}).kid == first
    assert list(tmp_path.iterdir()) == [path]


def test_key_of_the_demo_is_made_beside_its_database_and_kept(environment, tmp_path):
    assert manage(environment, "check").returncode == 0
    path = tmp_path / "demo.sqlite3-key.pem"
    pem = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert manage(environment, "check").returncode == 0
    assert path.read_text() == pem


def test_key_file_that_cannot_be_read_is_a_clear_error(environment, tmp_path):
    done = manage({**environment, "DEMO_SIGNING_KEY_FILE": str(tmp_path / "nowhere.pem")}, "check")
    assert done.returncode == 1
    assert "(jwtauth.E001) JWTAUTH['SIGNING_KEYS'][0]: The key file cannot be read: No such file" in done.stderr


# The stock service


@pytest.fixture
def stock(monkeypatch):
    """Sends requests to the stock service's views, with the claims of a token."""
    monkeypatch.setattr(shelf, "_quantities", {"tea": 3, "coffee": 0})

    def stock(method, item=None, groups=("warehouse",), **data):
        request = getattr(APIRequestFactory(), method)("/", data or None, format="json" if data else None)
        claims = {} if groups is None else {"groups": groups if isinstance(groups, str) else list(groups)}
        force_authenticate(request, SimpleNamespace(is_authenticated=True), SimpleNamespace(claims=claims))
        response = StockView.as_view()(request) if item is None else ItemView.as_view()(request, item=item)
        return response.status_code, response.data

    return stock


def test_stock_is_listed(stock):
    assert stock("get", groups=()) == (200, [{"item": "tea", "quantity": 3}, {"item": "coffee", "quantity": 0}])
    assert stock("get", "tea", groups=None) == (200, {"item": "tea", "quantity": 3})
    assert stock("get", "gold")[0] == 404


def test_warehouse_changes_a_quantity(stock):
    assert stock("patch", "tea", quantity=5) == (200, {"item": "tea", "quantity": 5})
    assert shelf.items() == {"tea": 5, "coffee": 0}


@pytest.mark.parametrize("groups", [None, (), ("customers",), "warehouse", "the warehouse"])
def test_others_do_not(stock, groups):
    assert stock("patch", "tea", groups=groups, quantity=5)[0] == 403
    assert shelf.items() == {"tea": 3, "coffee": 0}


@pytest.mark.parametrize(
    ("item", "data", "status"),
    [
        ("tea", {"quantity": -1}, 400),
        ("tea", {"quantity": 10**7}, 400),
        ("tea", {"quantity": "many"}, 400),
        ("tea", {"amount": 1}, 400),
        ("gold", {"quantity": 1}, 404),
    ],
)
def test_quantities_must_be_some_of_what_there_is(stock, item, data, status):
    assert stock("patch", item, **data)[0] == status
    assert shelf.items() == {"tea": 3, "coffee": 0}


WSGI = """
from example_project.stock.wsgi import application
from wsgiref.util import setup_testing_defaults
environ = {"PATH_INFO": "/api/stock/", "HTTP_HOST": "127.0.0.1"}
setup_testing_defaults(environ)
said = []
body = application(environ, lambda status, headers: said.append(status))
b"".join(body)
body.close()
print(said[0])
"""
ASGI = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from example_project.stock.asgi import application
async def ask():
    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "GET", "path": "/api/stock/", "headers": headers, "query_string": b""}
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": b""})
    start = await communicator.receive_output(10)
    await communicator.wait(10)
    print(start["status"], "Unauthorized")
asyncio.run(ask())
"""


@pytest.mark.parametrize("script", [WSGI, ASGI], ids=["wsgi", "asgi"])
def test_stock_service_is_an_application_that_loads_neither_database_nor_users(environment, script):
    script += """
import sys
from django.apps import apps
print([app.name for app in apps.get_app_configs()], "django_jwtauth.models" in sys.modules)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["401 Unauthorized", "['corsheaders', 'rest_framework'] False"], done.stderr


ASK_PAGE = """
import sys, wsgiref.util
from example_project.page.wsgi import application
for host, path in (argument.split("/", 1) for argument in sys.argv[1:]):
    environ = {"PATH_INFO": f"/{path}", "HTTP_HOST": host}
    wsgiref.util.setup_testing_defaults(environ)
    said = []
    body = application(environ, lambda status, headers: said.append((status, dict(headers))))
    (status, headers), content = said[0], b"".join(body)
    body.close()
    names = ("Location", "Content-Type", "Content-Security-Policy", "X-Content-Type-Options")
    print(status.split()[0], *(headers.get(name) for name in names), sep="|")
"""


def test_page_is_at_one_address_and_hands_out_its_files_only(environment):
    address = "127.0.0.1:8002"
    paths = ["", "page.css", "jwtauth.js", "icon.svg", "views.py", "../views.py", "..", "nothing.js"]
    asked = [f"{address}/{path}" for path in paths] + ["localhost:8002/", "example.com/"]
    command = [sys.executable, "-W", "error", "-c", ASK_PAGE, *asked]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60)
    answers = [line.split("|") for line in done.stdout.splitlines()]
    assert [answer[0] for answer in answers] == ["200"] * 4 + ["404"] * 4 + ["302", "400"], done.stderr
    types = ["text/html", "text/css", "text/javascript", "image/svg+xml"]
    assert [answer[2] for answer in answers[:4]] == [f"{kind}; charset=utf-8" for kind in types]
    assert answers[8][1] == f"http://{address}/"
    for *_, policy, sniff in answers[:9]:
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "connect-src 'self' http://127.0.0.1:8000 http://127.0.0.1:8001;" in policy
        assert sniff == "nosniff"


def test_page_runs_under_its_policy():
    static = CHECKOUT / "example_project" / "page" / "static"
    html = (static / "index.html").read_text()
    assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", html)
    assert set(re.findall(r'(?:src|href)="([\w.]+)"', html)) <= {path.name for path in static.iterdir()}


def test_stock_service_is_served_by_runserver_too(environment):
    port = free_port()
    command = [*MANAGE, "runserver", "--noreload", "--settings", "example_project.stock.settings", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 30
            while (status := get(port, "/api/stock/")) is None:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert status == 401
        finally:
            server.kill()
