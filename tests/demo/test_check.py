"""``manage.py demo --check`` proves the story of the example project."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from example_project.demo.story import Stage, Story
from tests.tools.demo import MANAGE, assert_nothing_left, broken, manage

# Each test starts four servers.
pytestmark = pytest.mark.long


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
    assert done.stdout.endswith("Everything works as promised.\n")
    assert_nothing_left(done.stdout)
    assert not Path(environment["DEMO_DATABASE"]).exists()  # the demo's own database is not touched
    assert list(tmp_path.iterdir()) == []  # nor is the demo's own key


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
            "A refresh within REFRESH_GRACE_PERIOD",
            id="no-grace-period",
        ),
        pytest.param(
            "JWTAUTH = {**JWTAUTH, 'CLAIMS_HOOKS': []}",
            "The stateless view answers",
            id="no-claims-hook",
        ),
        pytest.param(
            "REST_FRAMEWORK = {**REST_FRAMEWORK, 'DEFAULT_PERMISSION_CLASSES': []}",
            "The orders API accepts the access token",
            id="open-to-everybody",
        ),
        pytest.param(
            "INSTALLED_APPS = [app for app in INSTALLED_APPS if not app.endswith(('jwtauth', 'accounts'))]",
            "The services start.",
            id="server-does-not-start",
        ),
        pytest.param(
            "JWTAUTH = {**JWTAUTH, 'AUDIENCE': 'orders-only'}",
            "The stock service, which has no database, accepts",
            id="for-one-service-only",
        ),
        pytest.param(
            "CORS_URLS_REGEX = '^/none/'",
            "Both services let scripts of the page's origin",
            id="no-other-origin",
        ),
        pytest.param(
            ONLY_ADA,
            "In the stock service the groups in the token decide",
            id="no-group-for-mary",
        ),
        pytest.param(NEW_KEY_AT_EACH_START, "Started again", id="key-is-not-kept"),
    ],
)
def test_check_fails_and_names_the_step_that_is_wrong(environment, tmp_path, settings, step):
    assert_wrong(broken(environment, tmp_path, settings), step)


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        pytest.param("raise RuntimeError", "The services start.", id="server-does-not-start"),
        pytest.param(
            OPEN_STOCK,
            "The stock service, which has no database, accepts",
            id="open-to-everybody",
        ),
        pytest.param(
            ANYBODY_CHANGES,
            "In the stock service the groups in the token decide",
            id="anybody-changes",
        ),
        pytest.param(
            "CORS_ALLOW_ALL_ORIGINS = True",
            "Both services let scripts of the page's origin",
            id="any-origin",
        ),
        pytest.param(NO_LIST, "Mary signs out of the orders service", id="no-revocation-list"),
        pytest.param(IMPATIENT, "With the orders service stopped", id="list-soon-too-old"),
    ],
)
def test_check_fails_where_the_stock_service_is_wrong(environment, tmp_path, settings, step):
    assert_wrong(broken(environment, tmp_path, stock=settings), step)


def assert_wrong(environment, step):
    done = manage(environment, "demo", "--check")
    assert done.returncode == 1
    assert f"\nFAILED {step}" in done.stdout, done.stdout
    assert "The log of manage.py demo --port" in done.stdout
    assert f"This step failed: {step}" in done.stderr
    assert_nothing_left(done.stdout)


def test_check_that_is_terminated_leaves_nothing(environment, tmp_path):
    environment = broken(environment, tmp_path)
    with subprocess.Popen([*MANAGE, "demo", "--check"], env=environment, stdout=subprocess.PIPE, text=True) as check:
        try:
            head = check.stdout.readline()
            assert check.stdout.readline() == "ok     The services start.\n"
            check.terminate()
            assert check.wait(60) == 128 + signal.SIGTERM
        finally:
            check.kill()
    assert_nothing_left(head)
