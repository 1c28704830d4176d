"""What the page on monitoring tells people to paste, as it stands there."""

import io
import json
import logging.config
import re
import socket
import sys
from types import ModuleType

import pytest

from django_jwtauth import sessions
from django_jwtauth._core import events
from tests.tools.docs import FENCE, page

pytestmark = pytest.mark.django_db
PAGE = page("docs/howto-monitoring.md")
BLOCKS = FENCE.findall(PAGE)
NAME = re.compile(r"# project/(\w+)\.py\n")


@pytest.fixture
def project(monkeypatch):
    """The modules of the page."""
    found = {}
    for block in BLOCKS:
        if name := NAME.match(block):
            module = found[name[1]] = ModuleType(f"project.{name[1]}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(block, f"docs/howto-monitoring.md: {name[1]}", "exec"), vars(module))
    return found


@pytest.fixture
def logged(project, monkeypatch):
    """Logging as in the settings of the page; with what was printed, and what StatsD has got."""
    (block,) = [block for block in BLOCKS if "LOGGING = {" in block]
    exec(block, given := {})
    monkeypatch.setitem(sys.modules, "project", package := ModuleType("project"))
    vars(package).update(project)
    statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    statsd.bind(("127.0.0.1", 0))
    statsd.settimeout(30)
    printed = io.StringIO()
    given["LOGGING"]["handlers"]["console"]["stream"] = printed
    given["LOGGING"]["handlers"]["counts"]["port"] = statsd.getsockname()[1]
    logger = logging.getLogger("django_jwtauth")
    before = logger.handlers[:], logger.level, logger.propagate
    logging.config.dictConfig(given["LOGGING"])
    yield lambda: (printed.getvalue(), statsd.recv(1024).decode())
    for handler in logger.handlers:
        if hasattr(handler, "socket"):
            handler.socket.close()
    logger.handlers[:], logger.level, logger.propagate = before
    statsd.close()


def test_an_event_is_a_line_of_json_and_a_count(user, pair, logged):
    sessions.start(user)
    sessions.revoke_all(user)
    printed, started = logged()
    _, revoked = logged()
    assert (started, revoked) == ("jwtauth.session_started:1|c", "jwtauth.session_revoked:2|c")
    first, last = map(json.loads, printed.splitlines())
    assert {name: first[name] for name in ("level", "event", "user")} == {
        "level": "INFO",
        "event": "session_started",
        "user": str(user.pk),
    }
    assert (last["event"], last["count"]) == ("session_revoked", 2)
    assert pair.access not in printed


def test_other_records_are_written_too_and_not_counted(logged):
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("django_jwtauth").exception("It broke.")
    logging.getLogger("django_jwtauth").error("Sent.", extra={"jwtauth_event": "last"})
    printed, counted = logged()
    assert counted == "jwtauth.last:1|c"
    assert "ValueError: broken" in json.loads(printed.splitlines()[0])["traceback"]


def test_the_figures_count_sessions(project, user, pair):
    sessions.revoke(sessions.start(user).session, reason="admin")
    assert project["figures"].figures() == {"live": 1, "ended": {"admin": 1}}


def test_the_page_names_events_that_there_are():
    named = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert named <= set(events.EVENTS)
    assert len(named) > 5
