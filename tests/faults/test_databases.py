"""The database is stopped, killed, paused, or cuts its connections, while people use their sessions."""

import time

import pytest

from tests.servers.process import ask_every_worker, watch_refusals

from .project import (
    RECOVERY,
    REFRESH,
    STATEFUL,
    STATELESS,
    WORKERS,
    assert_nobody_lost,
    assert_recovery,
    make_due,
    people,
    statuses,
)

AWAY_SECONDS = 1.0


def stop(database):
    database.stop()
    time.sleep(AWAY_SECONDS)
    yield
    database.start()


def kill(database):
    database.kill()
    time.sleep(AWAY_SECONDS)
    yield
    database.start()


def pause(database):
    database.pause()
    time.sleep(AWAY_SECONDS)
    database.resume()
    yield


def cut(database):
    for _ in range(10):
        database.cut()
        time.sleep(AWAY_SECONDS / 10)
    yield


@pytest.mark.parametrize("fault", [stop, kill, pause, cut])
def test_clients_wait_and_go_on(database, project, fault):
    good = [project.sign_in() for _ in range(3)]
    ended = project.sign_in()
    # A worker that has never read the list cannot begin to while the database is away.
    ask_every_worker(project, good[0]["access"], path=STATELESS, workers=WORKERS)
    database.make_due()  # so that the next refresh rotates
    with project.reports_at_most_once_a_minute("The database is not available"), people(project, *good) as tabs:
        project.sign_out(ended)
        make_due(database, tabs)  # and the next one again, while the fault begins
        steps = fault(database)
        next(steps)
        if fault in (stop, kill):
            for answer in (
                project.ask("/auth/token/", username="ada", password="correct horse"),
                project.ask("/auth/token/revoke/", sent_token=good[0]["refresh"]),
                project.ask("/auth/token/verify/", sent_token=good[0]["access"]),
                project.ask("/users/"),
            ):
                assert (answer.status, answer.retry_after, answer.body["reason"]) == (503, "1", "unavailable")
        list(steps)
        over = time.monotonic()
        assert_recovery(tabs, over)
    assert_nobody_lost(project, tabs)
    if fault in (stop, kill):
        assert statuses(tabs, REFRESH, STATEFUL) == {200, 503}
    if fault is pause:
        assert statuses(tabs, REFRESH, STATEFUL) == {200}  # they have waited
    assert statuses(tabs, STATELESS) == {200}
    assert project.is_refused(ended)
    watch_refusals(project, ended["access"], since=over, path=STATELESS, bound=RECOVERY)
