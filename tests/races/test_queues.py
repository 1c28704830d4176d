"""Refreshes that wait longer than the window: for a row, or for a connection. They are judged by when they arrived."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from django_jwtauth import sessions, tokens
from django_jwtauth.models import RefreshToken

from .crowd import HOUR, age_all, aged_sessions, reason, refresh, stored

pytestmark = pytest.mark.django_db(transaction=True)
WINDOW = timedelta(seconds=2)
LONGER = 3.2
"""Longer than the window, and shorter than SQLite waits for a lock."""


@pytest.fixture(autouse=True)
def _short_window(settings):
    settings.JWTAUTH = {**settings.JWTAUTH, "REFRESH_GRACE_PERIOD": WINDOW}


def locking(pk, is_held, change):
    """Hold the row for longer than the window, and leave it as it was."""
    with transaction.atomic():
        row = RefreshToken.objects.filter(pk=pk)
        if change or connection.vendor == "sqlite":
            row.update(replays=0)
        else:
            row.select_for_update().get()
        is_held.set()
        time.sleep(LONGER)


def assert_one_session(pair, responses):
    """All got the same generation, and nobody was taken for a thief. But who comes late is one, as ever."""
    assert [response.status_code for response in responses] == [200] * len(responses), [r.content for r in responses]
    assert {tokens.read_refresh(response.json()["refresh"]).generation for response in responses} == {1}
    session = stored(pair)
    assert (session.generation, session.revoked_at) == (1, None)
    age_all()
    assert reason(refresh(pair.refresh)) == "reused"


@pytest.mark.parametrize("change", [False, True], ids=["locked", "changed"])
def test_of_two_that_wait_for_the_row_neither_is_a_thief(together, change):
    [pair] = aged_sessions(1)
    is_held = threading.Event()

    def wait_then_refresh(seconds):
        assert is_held.wait(60)
        time.sleep(seconds)
        return refresh(pair.refresh)

    _, *responses = together(
        lambda: locking(pair.session.pk, is_held, change),
        lambda: wait_then_refresh(0),
        lambda: wait_then_refresh(0.1),
        lambda: wait_then_refresh(LONGER - 0.4),  # comes when the others have waited for longer than the window
    )
    # The answers may get lost: the window begins when they are sent.
    assert refresh(pair.refresh).status_code == 200
    assert_one_session(pair, responses)


def test_one_that_waits_for_a_connection_is_no_thief(together):
    [pair] = aged_sessions(1)
    is_rotated = threading.Event()

    def rotate():
        response = refresh(pair.refresh)
        is_rotated.set()
        return response

    def wait(execute, *args):
        # As if there had been no connection until now.
        assert is_rotated.wait(60)
        time.sleep(LONGER)
        return execute(*args)

    def late():
        with connection.execute_wrapper(wait):
            return refresh(pair.refresh)

    assert_one_session(pair, together(rotate, late))


def test_one_that_was_sent_late_and_waits_is_a_thief_all_the_same(together):
    [pair] = aged_sessions(1)
    assert refresh(pair.refresh).status_code == 200
    time.sleep(LONGER)

    def wait(execute, *args):
        time.sleep(LONGER / 2)
        return execute(*args)

    def thief():
        with connection.execute_wrapper(wait):
            return refresh(pair.refresh)

    [response] = together(thief)
    assert reason(response) == "reused"


def test_a_wait_of_more_than_a_minute_is_not_believed(together, monkeypatch):
    [pair] = aged_sessions(1)
    sessions.refresh(pair.refresh)
    RefreshToken.objects.update(rotated_at=stored(pair).rotated_at - timedelta(seconds=65))
    real, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + ahead[0])

    def freeze(execute, *args):
        ahead[0] = HOUR.total_seconds()
        return execute(*args)

    with connection.execute_wrapper(freeze):
        assert reason(refresh(pair.refresh)) == "reused"


def test_without_a_window_the_second_is_reuse_however_long_it_has_waited(together, settings):
    settings.JWTAUTH = {**settings.JWTAUTH, "REFRESH_GRACE_PERIOD": timedelta(0)}
    [pair] = aged_sessions(1)
    is_held = threading.Event()

    def wait_then_refresh():
        assert is_held.wait(60)
        return refresh(pair.refresh)

    _, *responses = together(lambda: locking(pair.session.pk, is_held, True), wait_then_refresh, wait_then_refresh)
    assert sorted(response.status_code for response in responses) == [200, 401]
    assert stored(pair).revoked_reason == "reused"
