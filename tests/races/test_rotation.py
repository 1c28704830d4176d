"""Of refreshes at the same moment one rotates, and all of them get what it made."""

from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from rest_framework.test import APIClient

from django_jwtauth import sessions, signals
from django_jwtauth.database import database_now
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.threads import CROWD

from .crowd import age_all, aged_sessions, assert_nothing_is_alive, reason, refresh, some, stored, users

pytestmark = pytest.mark.django_db(transaction=True)
BOTH_DATABASES = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def atomic_requests(monkeypatch):
    def switch_on(alias):
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)

    return switch_on


@contextmanager
def sessions_sent_by(signal):
    seen = []

    def receiver(session, **kwargs):
        seen.append(session.pk)

    signal.connect(receiver)
    yield seen
    signal.disconnect(receiver)


@pytest.fixture
def reused():
    """The sessions that ``refresh_token_reused`` was sent for."""
    with sessions_sent_by(signals.refresh_token_reused) as seen:
        yield seen


@pytest.fixture
def revoked():
    """The sessions that ``session_revoked`` was sent for."""
    with sessions_sent_by(signals.session_revoked) as seen:
        yield seen


def assert_one_rotates(together, *, threads, rounds, url="/auth/token/refresh/"):
    for pair in aged_sessions(rounds):
        responses = together(*[lambda token=pair.refresh: refresh(token, url)] * threads)
        assert [response.status_code for response in responses] == [200] * threads
        [successor] = {response.json()["refresh"] for response in responses}
        assert successor != pair.refresh
        assert len({response.json()["access"] for response in responses}) == threads
        session = stored(pair)
        assert session.generation == 1
        assert session.revoked_at is None
        assert session.replays == threads - 1


@pytest.mark.parametrize("threads", [2, CROWD])
def test_one_rotates_and_all_get_its_token(together, threads):
    assert_one_rotates(together, threads=threads, rounds=some(100))


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(80)), (CROWD, some(20))])
@pytest.mark.parametrize("url", ["/auth/token/refresh/", "/own-dispatch/"])
def test_one_rotates_under_atomic_requests(together, atomic_requests, url, threads, rounds):
    atomic_requests("default")
    assert_one_rotates(together, threads=threads, rounds=rounds, url=url)


@BOTH_DATABASES
@pytest.mark.parametrize(("threads", "rounds"), [(2, some(80)), (CROWD, some(20))])
def test_one_rotates_on_a_second_database_with_atomic_requests(together, atomic_requests, settings, threads, rounds):
    atomic_requests("other")
    settings.DATABASE_ROUTERS = ["tests.races.router.OurTablesAndUsers"]
    assert_one_rotates(together, threads=threads, rounds=rounds)
    assert not RefreshToken.objects.using("default").exists()


def test_refresh_in_a_transaction_fails_loudly_and_spends_nothing(atomic_requests):
    atomic_requests("default")
    [pair] = aged_sessions(1)
    before = RefreshToken.objects.values().get()
    with pytest.raises(RuntimeError, match="inside a transaction"):
        refresh(pair.refresh, "/without-wraps/")
    answer = APIClient(raise_request_exception=False).post("/without-wraps/", {"refresh": pair.refresh})
    assert answer.status_code == 500
    assert RefreshToken.objects.values().get() == before
    assert refresh(pair.refresh).status_code == 200
    assert stored(pair).generation == 1


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(75)), (CROWD, some(25))])
def test_without_a_window_one_rotates_and_the_others_are_reuse(together, settings, reused, threads, rounds):
    settings.JWTAUTH = {**settings.JWTAUTH, "REFRESH_GRACE_PERIOD": 0 * database_now("default").resolution}
    for pair in aged_sessions(rounds):
        responses = together(*[lambda token=pair.refresh: refresh(token)] * threads)
        winners = [response.json() for response in responses if response.status_code == 200]
        assert len(winners) == 1
        reasons = [reason(response) for response in responses if response.status_code != 200]
        assert "reused" in reasons
        assert set(reasons) <= {"reused", "revoked"}
        session = stored(pair)
        assert (session.generation, session.revoked_reason) == (1, "reused")
        assert reused == [session.pk]
        reused.clear()
        assert_nothing_is_alive([pair.access, winners[0]["access"]], [pair.refresh, winners[0]["refresh"]])


def twice_rotated_sessions(count):
    """Return sessions that are due again, as pairs: the present token, and one that was rotated away."""
    first = aged_sessions(count)
    second = [sessions.refresh(pair.refresh) for pair in first]
    age_all()
    return list(zip(second, first, strict=True))


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(100)), (CROWD, some(25))])
def test_reuse_beside_an_honest_refresh_ends_the_session_once(together, reused, revoked, threads, rounds):
    for honest, stolen in twice_rotated_sessions(rounds):
        calls = [lambda token=token: refresh(token) for token in [stolen.refresh, honest.refresh] * (threads // 2)]
        responses = together(*calls)
        assert {reason(response) for response in responses[0::2]} <= {"reused", "revoked"}
        answers = [response.json() for response in responses[1::2] if response.status_code == 200]
        assert all(reason(response) == "revoked" for response in responses[1::2] if response.status_code != 200)
        assert stored(honest).revoked_reason == "reused"
        assert reused == [honest.session.pk]
        assert revoked == [honest.session.pk]
        reused.clear()
        revoked.clear()
        assert_nothing_is_alive(
            [honest.access, *(answer["access"] for answer in answers)],
            {stolen.refresh, honest.refresh, *(answer["refresh"] for answer in answers)},
        )


@pytest.mark.parametrize("threads", [2, CROWD])
def test_reuse_at_once_is_detected_once(together, reused, revoked, threads):
    for honest, stolen in twice_rotated_sessions(some(50)):
        reasons = [reason(response) for response in together(*[lambda token=stolen.refresh: refresh(token)] * threads)]
        assert "reused" in reasons
        assert set(reasons) <= {"reused", "revoked"}
        assert reused == [honest.session.pk]
        assert revoked == [honest.session.pk]
        reused.clear()
        revoked.clear()


def sign_in(username):
    return APIClient().post("/auth/token/", {"username": username, "password": "correct horse"}, format="json")


def test_session_survives_a_hash_upgrade_at_sign_in(together):
    owners = users(some(100), hasher="md5")
    for owner, pair in zip(owners, aged_sessions(len(owners), *owners), strict=True):
        signed_in, refreshed = together(
            lambda name=owner.username: sign_in(name), lambda token=pair.refresh: refresh(token)
        )
        assert signed_in.status_code == 200, signed_in.content
        assert refreshed.status_code == 200, refreshed.content
        assert get_user_model().objects.get(pk=owner.pk).password.startswith("pbkdf2_sha256$")
        session = stored(pair)
        assert (session.generation, session.revoked_at) == (1, None)
        assert APIClient().get("/whoami/", **bearer(refreshed.json()["access"])).status_code == 200
        assert refresh(refreshed.json()["refresh"]).status_code == 200


@pytest.mark.parametrize("limit", [1, 3])
def test_session_limit_is_soft_but_never_ends_the_newest(together, settings, limit):
    settings.JWTAUTH = {**settings.JWTAUTH, "MAX_SESSIONS_PER_USER": limit}
    for owner in users(some(50)):
        responses = together(*[lambda name=owner.username: sign_in(name)] * (CROWD // 2))
        assert [response.status_code for response in responses] == [200] * (CROWD // 2)
        started = RefreshToken.objects.filter(user=owner)
        newest = started.latest("created_at").created_at
        if started.filter(created_at=newest).count() == 1:  # SQLite's clock knows milliseconds only
            assert started.get(created_at=newest).revoked_at is None
        assert sign_in(owner.username).status_code == 200
        assert started.filter(revoked_at=None).count() <= limit
