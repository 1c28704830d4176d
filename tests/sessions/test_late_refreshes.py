"""A refresh that has waited is judged by when it arrived, and its window begins when it is answered."""

import datetime

import pytest
from django.db import OperationalError, connection

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.sessions import age_of_code, change, now, refresh_token, refusal, row

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = datetime.timedelta(seconds=1)


def waiting(clock, seconds, *, before):
    """A hook of Django's around each statement: the first one of a kind waits."""
    left = [seconds]

    def wrapper(execute, sql, *args):
        if left and sql.startswith(before):
            clock.now += left.pop()
        return execute(sql, *args)

    return connection.execute_wrapper(wrapper)


def rotated_ago(pair, seconds):
    """Let somebody else have exchanged the token some time ago."""
    change(pair.session, generation=1, rotated_at=now() - seconds * SECOND)


@pytest.mark.parametrize(
    ("ago", "waited", "outcome"),
    [(40, 20, "replay"), (40, 5, "reused"), (89, 3600, "replay"), (95, 3600, "reused"), (40, 0, "reused")],
    ids=["before the end of the window", "after it", "more than a minute", "that is not believed", "at once"],
)
def test_what_counts_is_when_the_token_arrived(pair, clock, ago, waited, outcome):
    rotated_ago(pair, ago)
    with waiting(clock, waited, before="SELECT"):
        if outcome == "reused":
            assert refusal(pair.refresh) == "reused"
        else:
            assert sessions.refresh(pair.refresh).refresh == refresh_token(pair.session, 1)
    assert (row(pair.session)["revoked_at"] is None) is (outcome == "replay")


def test_an_older_token_is_reuse_however_long_it_has_waited(pair, clock):
    change(pair.session, generation=2, rotated_at=now() - 40 * SECOND)
    with waiting(clock, 50, before="SELECT"):
        assert refusal(pair.refresh) == "reused"


def test_without_a_window_waiting_helps_nobody(pair, clock, settings):
    settings.JWTAUTH = {"REFRESH_GRACE_PERIOD": 0 * SECOND}
    rotated_ago(pair, 40)
    with waiting(clock, 50, before="SELECT"):
        assert refusal(pair.refresh) == "reused"


def test_who_asks_first_waits_for_nothing(pair, clock):
    rotated_ago(pair, 40)
    with waiting(clock, 50, before="SELECT"), pytest.raises(InvalidTokenError, match="reused"):
        sessions.verify_refresh(pair.refresh)


def test_a_token_that_was_seen_as_the_present_one_was_not_exchanged_before(pair, between, clock):
    """While it waits for the row, another request rotates, and stores the time at which that one had begun."""
    age_of_code(pair)
    between(lambda session: change(session, generation=1, rotated_at=now() - 90 * SECOND))
    assert sessions.refresh(pair.refresh).refresh == refresh_token(pair.session, 1)
    assert row(pair.session)["replays"] == 1


def test_the_window_of_a_rotation_that_has_waited_begins_when_it_is_answered(pair, clock, django_assert_num_queries):
    age_of_code(pair)
    with waiting(clock, 0.4, before="UPDATE"), django_assert_num_queries(2):
        first = sessions.refresh(pair.refresh)
    age_of_code(pair)
    with waiting(clock, 40, before="UPDATE"), django_assert_num_queries(4):
        second = sessions.refresh(first.refresh)
    stored = row(pair.session)
    assert stored["rotated_at"] == second.session.rotated_at
    assert stored["last_seen_on"] == second.session.last_seen_on
    assert sessions.refresh(first.refresh).refresh == second.refresh == refresh_token(pair.session, 2)


def test_a_session_that_ends_meanwhile_stays_as_it_is(pair, clock):
    age_of_code(pair)

    def end(execute, sql, *args):
        result = execute(sql, *args)
        if sql.startswith("UPDATE") and clock.now < 1040:
            clock.now += 40
            RefreshToken.objects.update(revoked_at=now())
        return result

    with connection.execute_wrapper(end):
        given = sessions.refresh(pair.refresh)
    assert row(pair.session)["rotated_at"] == given.session.rotated_at
    assert refusal(given.refresh) == "revoked"


def test_a_database_that_goes_away_after_the_rotation_takes_nothing_back(pair, clock):
    age_of_code(pair)

    def fail(execute, sql, *args):
        if clock.now >= 1040:
            raise OperationalError("gone")
        result = execute(sql, *args)
        clock.now += 40 * sql.startswith("UPDATE")
        return result

    with connection.execute_wrapper(fail):
        given = sessions.refresh(pair.refresh)
    assert given.refresh == refresh_token(pair.session, 1)
