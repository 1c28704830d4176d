"""``REFRESH_RETRY_PERIOD`` with real threads: what decides is the row, and nobody waits for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction
from django.db.models import F
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.threads import CROWD

from .crowd import HOUR, age_all, aged_sessions, reason, refresh, some, stored

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _retry_period(settings):
    settings.JWTAUTH = {**settings.JWTAUTH, "REFRESH_RETRY_PERIOD": 12 * HOUR}


def lost_responses(count):
    """Return sessions whose token has been exchanged a minute ago: the pair before and the pair that was got for it."""
    former = aged_sessions(count)
    present = [sessions.refresh(pair.refresh) for pair in former]
    RefreshToken.objects.update(rotated_at=F("rotated_at") - MINUTE)
    return list(zip(former, present, strict=True))


def whoami(access):
    return APIClient().get("/whoami/", **bearer(access))


def assert_late_token_is_reuse(pair):
    age_all()
    assert reason(refresh(pair.refresh)) == "reused"


def test_of_many_first_requests_all_succeed_and_it_is_noted(together):
    for former, present in lost_responses(some(25)):
        responses = together(*[partial(whoami, present.access)] * CROWD)
        assert [response.status_code for response in responses] == [200] * CROWD
        assert stored(former).unseen_since is None
        assert_late_token_is_reuse(former)


@pytest.mark.parametrize("threads", [2, CROWD])
def test_all_tabs_of_a_client_that_wakes_up_get_the_same_token(together, threads):
    for former, present in lost_responses(some(25)):
        responses = together(*[partial(refresh, former.refresh)] * threads)
        assert [response.status_code for response in responses] == [200] * threads
        session = stored(former)
        assert (session.generation, session.retried_generation, session.replays) == (1, 1, threads)
        for response in responses:
            assert sessions.verify_refresh(response.json()["refresh"]) == session
            assert whoami(response.json()["access"]).status_code == 200
        assert whoami(present.access).status_code == 200
        assert_late_token_is_reuse(former)


def test_a_late_token_beside_a_request_with_its_successor_is_accepted_before_it_or_reuse(together):
    """Whichever comes first. In no order is it both: accepted, and not reuse the next time."""
    outcomes = set()
    for former, present in lost_responses(some(50)):
        late, request = together(partial(refresh, former.refresh), partial(whoami, present.access))
        session = stored(former)
        outcomes.add(late.status_code)
        if late.status_code == 200:
            assert request.status_code == 200
            assert (session.retried_generation, session.revoked_at) == (1, None)
            assert_late_token_is_reuse(former)
        else:
            assert reason(late) == "reused"
            assert session.revoked_reason == "reused"
    assert outcomes <= {200, 401}


def test_a_late_token_beside_a_refresh_with_its_successor_never_forks_the_session(together):
    for former, present in lost_responses(some(50)):
        late, next_one = together(partial(refresh, former.refresh), partial(refresh, present.refresh))
        session = stored(former)
        if late.status_code == 401:
            assert reason(late) == "reused"
            assert session.revoked_reason == "reused"
            continue
        assert next_one.status_code == 200
        # Within the new grace period, what both have got leads to one token.
        found = {refresh(response.json()["refresh"]).json()["refresh"] for response in (late, next_one)}
        assert len(found) == 1


def test_nobody_is_held_up_by_a_lock_on_the_row():
    """A transaction that is ending the session, for example. The next request notes what this one could not."""
    # SQLite has one writer at a time. It is waited for, for as long as its option "timeout" says.
    [(former, present)] = lost_responses(1)
    is_locked, is_done = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                RefreshToken.objects.filter(pk=former.session.pk).update(replays=0)
                is_locked.set()
                assert is_done.wait(timeout=60)
        finally:
            connections.close_all()

    def call():
        try:
            return whoami(present.access).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold)
        assert is_locked.wait(timeout=30)
        try:
            assert pool.submit(call).result(timeout=30) == 200
            assert stored(former).unseen_since is not None
        finally:
            is_done.set()
        holding.result(timeout=30)
    assert whoami(present.access).status_code == 200
    assert stored(former).unseen_since is None


def test_a_process_whose_settings_are_still_the_old_ones_notes_it_too(other_process):
    [(former, present)] = lost_responses(1)
    assert other_process.ask("stateful", token=present.access) == ""
    assert_late_token_is_reuse(former)
