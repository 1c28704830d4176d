"""The revocation list of a process whose database is paused: no request waits longer than is documented."""

import threading
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_jwtauth import revocation_cache, sessions
from tests.tools.http import bearer
from tests.tools.issuers import PATIENCE
from tests.tools.polling import no_threads
from tests.tools.revocation_cache import make_list_old

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = 0.25


@pytest.fixture
def paused(monkeypatch):
    """The statement that reads the list waits until this is set."""
    monkeypatch.setattr(revocation_cache, "WAIT_SECONDS", WAIT)
    gate, lent = threading.Event(), connections["default"]

    def execute(execute, sql, params, many, context):
        if "UNION ALL" in sql:
            assert gate.wait(PATIENCE)
        return execute(sql, params, many, context)

    with lent.execute_wrapper(execute):
        yield gate
        gate.set()
        wait_for(lambda: not revocation_cache._list._lock.locked())
    if connections["default"] is not lent:
        connections["default"].ensure_connection()  # a database in memory lives as long as it has a connection
        BaseDatabaseWrapper.close(lent)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert condition()


def timed(client, pair):
    began = time.monotonic()
    return client.get("/stateless/", **bearer(pair.access)).status_code, time.monotonic() - began


@pytest.mark.parametrize("age", [3, 60, None], ids=["due", "overdue", "never read"])
def test_no_request_waits_longer_than_that_and_only_the_first_ones_wait(pair, client, age, paused):
    if age is not None:
        paused.set()
        client.get("/stateless/", **bearer(pair.access))
        paused.clear()
        make_list_old(age)
    expected = 503 if age is None else 200
    answers = [timed(client, pair) for _ in range(40)]
    assert {status for status, took in answers} == {expected}
    assert sum(took for status, took in answers) < 36 * WAIT  # some waited once, and not each of the forty
    assert get_user_model().objects.count() == 1  # the connection was left behind; this thread has another one
    paused.set()
    wait_for(lambda: revocation_cache._list.age() < 2)
    assert timed(client, pair)[0] == 200


def test_a_transaction_is_not_left_behind(pair, client, paused):
    began = time.monotonic()
    threading.Timer(2 * WAIT, paused.set).start()
    with transaction.atomic():
        get_user_model().objects.create_user("bob")
        status = timed(client, pair)[0]
        assert time.monotonic() - began > 1.8 * WAIT
    assert status == 200
    assert get_user_model().objects.filter(username="bob").exists()


def test_where_threads_cannot_run_the_request_reads(pair, client, monkeypatch):
    no_threads(monkeypatch)
    sessions.revoke(pair.session)
    assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"


def test_an_error_of_the_project_is_raised_and_locks_nobody_out(pair, settings):
    class Router:
        def db_for_write(self, model, **hints):
            raise LookupError("no tenant")

    settings.DATABASE_ROUTERS = [Router()]
    for _ in range(2):
        with pytest.raises(LookupError, match="no tenant"):
            revocation_cache.latest(max_age=1)
    settings.DATABASE_ROUTERS = []
    assert revocation_cache.latest(max_age=1) is not None


def test_an_error_in_the_thread_is_raised_here(pair, monkeypatch):
    def broken(last):
        raise LookupError("a fault")

    monkeypatch.setattr(revocation_cache._list, "read", broken)
    with pytest.raises(LookupError, match="a fault"):
        revocation_cache.latest(max_age=1)
    assert not revocation_cache._list._lock.locked()
