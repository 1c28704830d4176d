"""The stateless class on an event loop: no query runs there, and nothing waits for one but the first request."""

import asyncio
import datetime
import threading
import time

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.refusals import Unavailable
from tests.tools.issuers import PATIENCE
from tests.tools.polling import no_threads, thread_of
from tests.tools.revocation_cache import make_list_old
from tests.tools.travel import TRAVELS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_connection_is_left(monkeypatch):
    """Django never closes a connection to a database in memory. Those of threads would be left behind."""

    def close():
        close_old_connections()
        if threading.current_thread() is not threading.main_thread():
            for connection in connections.all(initialized_only=True):
                BaseDatabaseWrapper.close(connection)

    monkeypatch.setattr(revocation_cache, "close_old_connections", close)


@pytest.fixture(autouse=True)
def _no_thread_is_left(_no_connection_is_left):
    yield
    thread = thread_of(revocation_cache._list)
    revocation_cache.forget()
    if thread is not None:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def server(monkeypatch):
    """A process that runs no tests."""
    monkeypatch.setattr(revocation_cache, "is_testing", lambda: False)


def authenticate(raw):
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {raw}"})
    return StatelessJWTAuthentication().authenticate(Request(request))


def on_loop(*calls):
    async def main():
        return [call() for call in calls]

    return asyncio.run(main())


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert condition()


@pytest.mark.parametrize("age", [None, 3, 60], ids=["first use", "due", "overdue"])
def test_it_works(user, pair, age):
    if age is not None:
        authenticate(pair.access)
        make_list_old(age)
    ((found, token),) = on_loop(lambda: authenticate(pair.access))
    assert (found.pk, token.sid) == (str(user.pk), str(pair.session.pk))


def test_a_revocation_acts(pair):
    on_loop(lambda: authenticate(pair.access))
    sessions.revoke(pair.session)
    make_list_old(60)
    with pytest.raises(Exception, match="revoked"):
        on_loop(lambda: authenticate(pair.access))


def test_while_the_list_is_fresh_there_is_no_thread(pair):
    authenticate(pair.access)
    on_loop(lambda: authenticate(pair.access))
    assert thread_of(revocation_cache._list) is None


def test_while_the_thread_reads_the_loop_goes_on_with_the_list_it_has(pair, monkeypatch):
    authenticate(pair.access)
    make_list_old(3)
    gate, reading, read = threading.Event(), threading.Event(), revocation_cache._list.read

    def slow(last):
        reading.set()
        assert gate.wait(PATIENCE)
        return read(last)

    monkeypatch.setattr(revocation_cache._list, "read", slow)
    try:
        assert len(on_loop(*[lambda: authenticate(pair.access)] * 5)) == 5
        assert reading.wait(PATIENCE)
    finally:
        gate.set()
    wait_for(lambda: revocation_cache._list.age() < 2)


def test_after_a_revocation_by_this_process_the_loop_does_not_wait(pair, monkeypatch):
    authenticate(pair.access)
    other = sessions.start(pair.session.user)
    sessions.revoke(other.session)
    monkeypatch.setattr(revocation_cache._list._changed, "wait_for", None)
    on_loop(lambda: authenticate(pair.access))
    wait_for(lambda: str(other.session.pk) in revocation_cache._list.latest.value.sids)


def test_a_source_that_fails_is_not_waited_for(pair, monkeypatch):
    authenticate(pair.access)
    make_list_old(60)
    monkeypatch.setattr(revocation_cache._list, "_failed", 3)
    revocation_cache._list._retry_at = time.monotonic() + 60
    on_loop(lambda: authenticate(pair.access))  # the list is not older than REVOCATION_MAX_STALENESS
    make_list_old(600)
    with pytest.raises(Exception, match="stale"):
        on_loop(lambda: authenticate(pair.access))


@pytest.mark.parametrize("hangs_in", ["read", "run_once"], ids=["the query", "the connection"])
@pytest.mark.parametrize("age", [None, 60], ids=["first use", "overdue"])
def test_a_database_that_hangs_stops_the_loop_once(pair, monkeypatch, age, hangs_in):
    if age is not None:
        authenticate(pair.access)
        make_list_old(age)
    monkeypatch.setattr(revocation_cache, "LOOP_WAIT_SECONDS", 0.25)
    gate, original = threading.Event(), getattr(revocation_cache._list, hangs_in)

    def hanging(*args):
        assert gate.wait(PATIENCE)
        return original(*args)

    monkeypatch.setattr(revocation_cache._list, hangs_in, hanging)

    def ask():
        try:
            authenticate(pair.access)
        except Unavailable:
            return 503
        return 200

    began = time.monotonic()
    try:
        answers = on_loop(*[ask] * 20)
        took = time.monotonic() - began
    finally:
        gate.set()
    assert answers == [503 if age is None else 200] * 20
    assert 0.2 < took < 18 * 0.25  # once, and not twenty times
    wait_for(lambda: revocation_cache._list.age() < 2)


def test_where_threads_cannot_run_it_says_so_at_once(pair, monkeypatch):
    no_threads(monkeypatch)
    with pytest.raises(SynchronousOnlyOperation):
        on_loop(lambda: authenticate(pair.access))


def test_the_thread_goes_on_as_long_as_it_is_needed(pair, server, settings):
    settings.JWTAUTH = {"REVOCATION_POLL_INTERVAL": datetime.timedelta(milliseconds=1)}
    known = revocation_cache._list
    on_loop(lambda: authenticate(pair.access))
    attempts = known._attempts
    wait_for(lambda: known._attempts > attempts + 3)
    thread = thread_of(known)
    known._used_on_loop -= revocation_cache.LOOP_IDLE_SECONDS
    thread.join(PATIENCE)
    assert thread_of(known) is None
    on_loop(lambda: authenticate(pair.access))
    assert thread_of(known) is not thread


def test_a_thread_that_is_asked_again_while_it_is_about_to_end_goes_on(pair):
    known = revocation_cache._list
    known._requested = True
    assert known.stops(known._wake) is False
    known._requested = False
    assert known.stops(known._wake) is True


def test_what_was_forgotten_does_not_come_back(pair, monkeypatch):
    known, read = revocation_cache._list, revocation_cache._list.read

    def forgetting(last):
        found = read(last)
        known.forget()
        return found

    monkeypatch.setattr(known, "read", forgetting)
    with pytest.raises(InvalidTokenError, match="stale"):
        known.usable()
    assert known.latest is None


@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS)
def test_the_thread_travels_with_the_test(user, travel):
    """freezegun shows some threads the real time."""
    for moment in ("2040-01-01T00:00:00Z", "2020-01-01T00:00:00Z"):
        with travel(moment) as clock:
            pair = sessions.start(user)
            assert on_loop(lambda: authenticate(pair.access))  # noqa: B023 - called at once
            sessions.revoke(pair.session)
            clock.shift(10)  # more than two intervals, so that it is waited for
            with pytest.raises(InvalidTokenError, match="revoked"):
                on_loop(lambda: authenticate(pair.access))  # noqa: B023
    pair = sessions.start(user)
    assert on_loop(lambda: authenticate(pair.access))
