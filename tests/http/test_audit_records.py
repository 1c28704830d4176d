"""All records of the audit log together: no secret, no traceback in a flood, and each a line of its own."""

import json
import logging

import pytest
from rest_framework.test import APIClient

from django_jwtauth import sessions, signals
from tests.tools import docs, reports
from tests.tools.audit import LOGGER, header
from tests.tools.http import REFRESH, RIGHT, TOKEN, bearer
from tests.tools.throttles import PUBLIC, rates

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)
    return APIClient(REMOTE_ADDR=PUBLIC)


def test_no_record_of_any_endpoint_holds_a_token_or_a_password(client, caplog, monkeypatch):
    made = reports.recorded_tokens(monkeypatch)
    world = reports.World()
    seen = set()
    for name, call in (reports.calls(world) | reports.without_csrf(world)).items():
        APIClient(enforce_csrf_checks=True, raise_request_exception=False).generic(**call)
        for record in caplog.records:
            if record.name.startswith("django.db"):
                continue  # the project's own debugging
            text = f"{record.getMessage()} {vars(record)!r}"
            seen.add(getattr(record, "jwtauth_event", ""))
            assert world.password not in text, name
            for raw in {*made, *world.secrets}:
                parts = raw.split(".")[1:]  # the header is the same for all tokens
                assert not [part for part in parts if part in text], name
        caplog.clear()
    assert seen >= {"session_started", "sign_in_refused", "refresh_refused", "access_refused", "session_revoked"}


def test_a_flood_of_refused_requests_writes_no_traceback_and_one_short_line_each(client, user, caplog):
    raw = sessions.start(user).access
    caplog.clear()
    requests = [
        lambda: client.post(TOKEN, RIGHT | {"password": "wrong"}, format="json"),
        lambda: client.post(REFRESH, {"refresh": raw[:-4]}, format="json"),
        lambda: client.get("/whoami/", **bearer(f"{header('unknown')}.{raw.split('.', 1)[1]}")),
    ]
    count = 30
    with rates(login="5/min"):
        for request in requests * count:
            assert 400 <= request().status_code < 500
    assert "Traceback" not in caplog.text
    found = [record for record in caplog.records if record.name == LOGGER]
    names = [record.jwtauth_event for record in found]
    assert max(len(record.getMessage()) for record in found) < 200
    assert {name: names.count(name) for name in names} == {
        "sign_in_refused": 5,
        "throttled": count - 5,
        "refresh_refused": count,
        "access_refused": count,
        "unknown_key": 1,
    }


def test_each_line_is_a_json_object_whatever_clients_send(client, user, capsys, settings):
    """As the documentation sets it up."""
    found = docs.FENCE.findall(docs.page("docs/howto-monitoring.md"))
    (block,) = [block for block in found if "class JSONFormatter" in block]
    given = {}
    exec(block, given)
    handler = logging.StreamHandler()
    handler.setFormatter(given["JSONFormatter"]())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    evil = "x\r\n{}\u2028\x1b[2J"
    try:
        for name in ("ada", evil):
            client.post(TOKEN, {"username": name, "password": "wrong"}, format="json", headers={"User-Agent": evil})
        client.get("/whoami/", **bearer(f"{header(evil)}.e30.e30"))
        enforcing = APIClient(enforce_csrf_checks=True, headers={"Origin": "https://a\x1b[2J"})
        enforcing.post("/auth/browser/refresh/")
    finally:
        logger.removeHandler(handler)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    names = ["sign_in_refused", "sign_in_refused", "unknown_key", "access_refused", "csrf_failed"]
    assert [line["event"] for line in lines] == names
    assert all(line["logger"] == LOGGER and line["level"] in ("DEBUG", "WARNING") for line in lines)
    assert lines[2]["kid"] == "x\\r\\n{}\\u2028\\x1b[2J"


def fail(**kwargs):
    raise ZeroDivisionError


def test_a_failing_handler_or_receiver_breaks_no_request(client, user, monkeypatch):
    class Broken(logging.Handler):
        def emit(self, record):
            self.handleError(record)

    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = Broken()
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    signals.session_started.connect(fail)
    try:
        assert client.post(TOKEN, RIGHT, format="json").status_code == 200
    finally:
        logger.removeHandler(handler)
        signals.session_started.disconnect(fail)
