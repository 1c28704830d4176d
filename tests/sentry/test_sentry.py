"""Sentry's SDK sends no password, token or key, whatever fails: by its defaults, and with the documented lines."""

import pytest
import sentry_sdk
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test import RequestFactory
from sentry_sdk.transport import Transport

from tests.tools import reports
from tests.tools.docs import FENCE, page

COOKIE_CALLS = ("browser refresh", "browser logout", "two cookies", "sessions by cookie")


class Box(Transport):
    """Keeps what would be sent."""

    def __init__(self, options=None):
        super().__init__(options)
        self.texts = []

    def capture_envelope(self, envelope):
        self.texts.append(envelope.serialize().decode())


@pytest.fixture
def start(transactional_db):
    """Start the SDK, and return where its events arrive."""

    def start(**options):
        box = Box()
        sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=box, **options)
        return box

    # Sent for each request, they would close the connection that holds the tables.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield start
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
    sentry_sdk.init()


@pytest.fixture
def made(monkeypatch):
    return reports.recorded_tokens(monkeypatch)


def send(request):
    """Pass a request to the application as a server does, and return the status."""
    statuses = []
    environ = RequestFactory().generic(**request).environ
    response = WSGIHandler()(environ, lambda status, headers: statuses.append(status))
    b"".join(response)
    response.close()
    return int(statuses[0].split()[0])


def assert_nothing_sent(box, world, made):
    secrets = {*world.secrets, *reports.KEYS, *map(str, made)}
    shown = [reports.around(text, *secrets) for text in box.texts if reports.leaks(text, *secrets)]
    assert shown == []


@pytest.mark.parametrize("fault", reports.FAULTS, ids=lambda fault: fault.__name__)
def test_by_its_defaults(start, settings, monkeypatch, made, fault):
    world, box = reports.World(), start()
    with monkeypatch.context() as patch:
        fault(settings, patch)
        statuses = [send(request) for request in (reports.calls(world) | reports.without_csrf(world)).values()]
    assert len(box.texts) >= statuses.count(500) > 0
    assert_nothing_sent(box, world, made)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the driver is made to fail by its file name")
def test_while_the_database_is_away(start, made):
    world, box = reports.World(), start()
    with reports.database_away():
        statuses = [send(request) for request in reports.calls(world).values()]
    assert len(box.texts) >= statuses.count(500)
    assert "OperationalError" in "".join(box.texts)
    assert_nothing_sent(box, world, made)


def test_while_the_database_cannot_be_written(start, made):
    world, box = reports.World(), start()
    with connection.execute_wrapper(reports.only_writes_fail):
        statuses = [send(request) for request in reports.calls(world).values()]
    assert len(box.texts) >= statuses.count(500) > 0
    assert_nothing_sent(box, world, made)


@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")
@pytest.mark.parametrize("fault", [reports.by_handler, reports.by_response, reports.by_weak_key])
def test_with_personal_data_only_our_cookies_are_sent(start, settings, monkeypatch, made, fault):
    world, box = reports.World(), start(send_default_pii=True)
    found = reports.calls(world)
    with monkeypatch.context() as patch:
        fault(settings, patch)
        for name in found.keys() - set(COOKIE_CALLS):
            send(found[name])
        assert_nothing_sent(box, world, made)
        for name in COOKIE_CALLS:
            send(found[name])
    shown = reports.leaks("".join(box.texts), *world.secrets)
    assert {str(world.browser.access), str(world.browser.refresh)} <= shown


def documented_scrubber():
    """Make the one that the documentation shows."""
    (code,) = (code for code in FENCE.findall(page("docs/security.md")) if "EventScrubber" in code)
    names = {}
    exec(code.partition("sentry_sdk.init(")[0], names)
    return names["scrubber"]


@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")
@pytest.mark.parametrize("fault", [reports.by_handler, reports.by_response, reports.by_weak_key])
@pytest.mark.parametrize("is_new", [False, True], ids=["send_default_pii", "data_collection"])
def test_with_personal_data_and_the_documented_lines_nothing_is_sent(start, settings, monkeypatch, made, fault, is_new):
    # The newer way to say what is collected excludes scrubbers, and hides what is called auth or token by itself.
    options = {"data_collection": {}} if is_new else {"send_default_pii": True, "event_scrubber": documented_scrubber()}
    world, box = reports.World(), start(**options)
    with monkeypatch.context() as patch:
        fault(settings, patch)
        for request in (reports.calls(world) | reports.without_csrf(world)).values():
            send(request)
    assert box.texts
    assert_nothing_sent(box, world, made)
