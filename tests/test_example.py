"""The example project: ``manage.py demo`` serves it, and ``manage.py demo --check`` proves its story."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from django_jwtauth import sessions
from example_project.demo import accounts
from example_project.demo.story import Story

CHECKOUT = Path(__file__).parents[1]
MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]
READ_BY_EXAMPLE = {"DJANGO_SETTINGS_MODULE", "DJANGO_DEBUG", "DJANGO_SECRET_KEY"}


@pytest.fixture
def environment(tmp_path):
    """The environment without what the tests' own settings put there, and with a database of its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in READ_BY_EXAMPLE}
    return {**inherited, "DEMO_DATABASE": str(tmp_path / "demo.sqlite3"), "PYTHONUNBUFFERED": "1"}


def manage(environment, *arguments):
    return subprocess.run([*MANAGE, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def broken(environment, tmp_path, settings):
    """Let manage.py use settings that differ from the example's."""
    lines = ["from datetime import timedelta", "from example_project.settings import *", settings]
    (tmp_path / "broken_settings.py").write_text("\n".join(lines))
    return {**environment, "DJANGO_SETTINGS_MODULE": "broken_settings", "PYTHONPATH": str(tmp_path)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def assert_nothing_left(output):
    """Neither the server of a check nor its directory."""
    port, directory = re.search(r"at http://127\.0\.0\.1:(\d+)/, with an empty database in (.+):", output).groups()
    assert Path(directory).parent == CHECKOUT / ".demo"
    assert not Path(directory).exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_story_holds(environment):
    done = manage(environment, "demo", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^ok     (.+)$", done.stdout, re.MULTILINE)
    assert steps == ["The server starts.", *(line for line, step in Story(0, grace_seconds=0).steps())]
    assert done.stdout.endswith("All is as promised.\n")
    assert_nothing_left(done.stdout)
    assert not Path(environment["DEMO_DATABASE"]).exists()  # the demo's own database is not touched


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
            "INSTALLED_APPS = [app for app in INSTALLED_APPS if app != 'django_jwtauth']",
            "The server starts.",
            id="server-does-not-start",
        ),
    ],
)
def test_check_fails_and_names_the_step_that_is_wrong(environment, tmp_path, settings, step):
    done = manage(broken(environment, tmp_path, settings), "demo", "--check")
    assert done.returncode == 1
    assert f"\nWRONG  {step}" in done.stdout
    assert "The server's log:" in done.stdout
    assert f"This step is wrong: {step}" in done.stderr
    assert_nothing_left(done.stdout)


def test_check_that_is_terminated_leaves_nothing(environment):
    with subprocess.Popen([*MANAGE, "demo", "--check"], env=environment, stdout=subprocess.PIPE, text=True) as check:
        try:
            head = check.stdout.readline()
            assert check.stdout.readline() == "ok     The server starts.\n"
            check.terminate()
            assert check.wait(30) == 128 + signal.SIGTERM
        finally:
            check.kill()
    assert_nothing_left(head)


@contextmanager
def serving(environment, tmp_path):
    """The demo, once it answers; with where it serves, and the file of what it says."""
    port, said = free_port(), tmp_path / "said"
    # A shell that runs us in the background lets its children ignore SIGINT, and theirs too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("w") as file:
        demo = subprocess.Popen([*MANAGE, "demo", "--port", str(port)], env=environment, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 30
        while get(port, "/") is None:
            assert demo.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield demo, port, said
    finally:
        demo.kill()
        demo.wait()


def get(port, path):
    """The status of a page, or ``None`` where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            response.read()  # or the server would complain of a broken pipe
            return response.status
    except ConnectionError:
        return None
    finally:
        connection.close()


def test_demo_serves_until_ctrl_c_and_again(environment, tmp_path):
    for _ in range(2):
        with serving(environment, tmp_path) as (demo, port, said):
            addresses = set(re.findall(rf"http://127\.0\.0\.1:{port}(/\S*)", said.read_text()))
            assert addresses >= {"/", "/admin/", "/api/orders/", "/api/auth/token/", "/api/auth/logout/all/"}
            assert {get(port, path) for path in addresses} <= {200, 302, 401, 405}
            assert get(port, "/static/admin/css/base.css") == 200
            demo.send_signal(signal.SIGINT)
            assert demo.wait(10) == 0
            assert "\nThe demo has ended.\n" in said.read_text()
            assert "Traceback" not in said.read_text()


def test_demo_says_that_the_port_is_taken_and_does_nothing(environment):
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = manage(environment, "demo", "--port", str(other.getsockname()[1]))
    assert done.returncode == 1
    assert "is taken by another program. Choose another one: manage.py demo --port" in done.stderr
    assert not Path(environment["DEMO_DATABASE"]).exists()


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--check"]], ids=" ".join)
def test_demo_does_not_run_in_production(environment, arguments):
    done = manage({**environment, "DJANGO_DEBUG": "0", "DJANGO_SECRET_KEY": "k" * 50}, *arguments)
    assert done.returncode == 1
    assert "only with DEBUG = True" in done.stderr
    assert not Path(environment["DEMO_DATABASE"]).exists()


def test_secret_key_of_the_demo_is_refused_in_production(environment):
    done = manage({**environment, "DJANGO_DEBUG": "0"}, "check")
    assert done.returncode == 1
    assert "DJANGO_SECRET_KEY" in done.stderr


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


def test_checks_find_nothing(environment):
    done = manage(environment, "check", "--fail-level", "DEBUG")
    assert done.returncode == 0, done.stderr


def test_deploy_checks_find_nothing_of_ours(environment, tmp_path):
    assert "(jwtauth." not in manage(environment, "check", "--deploy").stderr
    locmem = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}"
    assert "(jwtauth.W002)" in manage(broken(environment, tmp_path, locmem), "check", "--deploy").stderr


def test_no_migration_is_missing(environment):
    done = manage(environment, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout
