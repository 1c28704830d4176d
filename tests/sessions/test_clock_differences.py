"""Clocks that are ten minutes apart: a process accepts what it issued, as long as it says, and until it is revoked."""

import datetime
import time

import jwt
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from django_jwtauth import checks, conf, grants, revocation_cache, sessions, tokens, users
from django_jwtauth._core.clock import MAX_AGE_SECONDS, IssuerClock, issuer_clock, stopwatch, sure_difference
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import NotBefore, RefreshToken
from django_jwtauth.test import Issuer
from tests.tools.clocks import server
from tests.tools.database import failing_reads
from tests.tools.http import TOKEN, bearer

AHEAD, BEHIND = 10, -10
MINUTE = datetime.timedelta(minutes=1)
both = pytest.mark.parametrize("minutes", [AHEAD, BEHIND], ids=["ahead", "behind"])
RIGHT = {"username": "ada", "password": "correct horse"}


@pytest.fixture(autouse=True)
def _no_observation():
    issuer_clock.forget()
    yield
    issuer_clock.forget()


def unverified(raw):
    return jwt.decode(raw, options={"verify_signature": False})


@both
def test_a_token_works_where_it_was_issued(user, client, minutes):
    with server(minutes):
        first = client.post(TOKEN, RIGHT).json()
        for answer in (first, client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()):
            assert 299 <= answer["expires_in"] <= 300
            for path in ("/whoami/", "/stateless/"):
                assert client.get(path, **bearer(answer["access"])).status_code == 200
            assert client.post("/auth/token/verify/", {"token": answer["access"]}).status_code == 200
            assert client.post("/auth/token/verify/", {"token": answer["refresh"]}).status_code == 200


@both
def test_it_is_accepted_exactly_as_long_as_it_says(user, minutes):
    verify = conf.get_config().verifier.verify
    with server(minutes):
        pair = sessions.start(user)
        judged_at = issuer_clock()
        assert unverified(pair.access)["exp"] - int(judged_at) == pytest.approx(pair.expires_in, abs=1)
        verify(pair.access, now=judged_at + pair.expires_in - 1)


@both
def test_it_is_issued_at_the_right_time_and_never_lives_longer_than_the_session(user, settings, minutes):
    settings.JWTAUTH = {"SESSION_LIFETIME": datetime.timedelta(seconds=100)}
    with server(minutes):
        pair = sessions.start(user)
    claims = unverified(pair.access)
    assert time.time() - 30 <= claims["iat"] <= time.time()
    assert 70 <= claims["exp"] - claims["iat"] <= 100
    assert 70 <= pair.expires_in <= 100


def test_what_was_revoked_stays_on_the_list_of_a_process_that_is_ahead(user, client):
    with server(AHEAD):
        pair = sessions.start(user)
        two_minutes_ago = RefreshToken.objects.now() - datetime.timedelta(minutes=2)
        RefreshToken.objects.update(revoked_at=two_minutes_ago, revoked_reason="admin")
        revocation_cache.forget()
        response = client.get("/stateless/", **bearer(pair.access))
    assert (response.status_code, response.json()["reason"]) == (401, "revoked")


@both
def test_it_works_on_every_other_server(user, client, minutes):
    with server(minutes):
        pair = sessions.start(user)
    for others in (0, minutes):  # on the same machine, too, where another process has not compared the clocks yet
        for path in ("/whoami/", "/stateless/"):
            issuer_clock.forget()
            with server(others):
                assert client.get(path, **bearer(pair.access)).status_code == (401 if others > 0 else 200)
        issuer_clock.forget()
        with server(others):
            response = client.post("/auth/token/verify/", {"token": pair.access})
            assert response.status_code == (401 if others > 0 else 200)


def test_a_process_that_is_behind_reads_a_new_token_too(user):
    with server(BEHIND):
        pair = sessions.start(user)
        issuer_clock.forget()
        assert tokens.read_access(pair.access).sid == str(pair.session.pk)
    issuer_clock.forget()
    with pytest.raises(InvalidTokenError, match="wrong_type"):
        tokens.read_access(pair.refresh)


def test_a_token_from_the_future_costs_one_statement_an_hour(user, client, django_assert_num_queries):
    with server(BEHIND):
        pair = sessions.start(user)
        issuer_clock.forget()
        client.get("/stateless/", **bearer(pair.access))
        with django_assert_num_queries(0):
            assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    # Where the clocks agree, such a token stays refused.
    with server(AHEAD):
        issuer_clock.forget()
        later = tokens.mint_access(pair.session, now=RefreshToken.objects.now() + 2 * MINUTE, request=None).raw.reveal()
    issuer_clock.forget()
    with django_assert_num_queries(1):
        for _ in range(2):
            assert client.get("/stateless/", **bearer(later)).json()["reason"] == "not_yet_valid"


def test_a_token_from_the_future_is_refused_while_the_database_is_away(user, client):
    with server(BEHIND):
        pair = sessions.start(user)
        issuer_clock.forget()

        def away(*args):
            raise OperationalError("The database is away.")

        with connection.execute_wrapper(away):
            assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "not_yet_valid"


@pytest.mark.parametrize("minutes", [AHEAD, BEHIND, -4 / 60, 0])
def test_who_signs_in_after_everyone_was_signed_out_is_not_refused(user, client, minutes):
    sessions.revoke_everyone()
    NotBefore.objects.update(not_before=RefreshToken.objects.now() - datetime.timedelta(seconds=1.5))
    with server(minutes):
        pair = sessions.start(user)
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    issuer_clock.forget()
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 200


# What takes long is no fast clock


class Slow:
    """A clock that jumps when a test says so, as if something had taken that long."""

    def __init__(self, monkeypatch):
        self.passed, wall, running = 0.0, time.time, time.monotonic
        monkeypatch.setattr(time, "time", lambda: wall() + self.passed)
        monkeypatch.setattr(stopwatch, "seconds", lambda: running() + self.passed)

    def take(self, seconds):
        self.passed += seconds


def test_slow_hooks_and_backends_are_no_fast_clock(user, client, monkeypatch, caplog):
    pair, slow = sessions.start(user), Slow(monkeypatch)
    admitted, scope = users.load, grants.scope

    def load(*args, **kwargs):
        slow.take(100)
        return admitted(*args, **kwargs)

    def slow_scope(*args, **kwargs):
        slow.take(100)
        return scope(*args, **kwargs)

    monkeypatch.setattr(users, "load", load)
    monkeypatch.setattr(grants, "scope", slow_scope)
    sessions.start(user)
    assert issuer_clock.difference() == 0
    slow.passed = 0.0
    sessions.refresh(pair.refresh)
    assert issuer_clock.difference() == 0
    slow.passed = 0.0
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    assert issuer_clock.difference() == 0
    assert "ahead" not in caplog.text


def test_a_slow_database_is_no_wrong_clock(user, pair, monkeypatch, caplog):
    slow = Slow(monkeypatch)

    def execute(execute, sql, params, many, context):
        slow.take(50)
        try:
            return execute(sql, params, many, context)
        finally:
            slow.take(50)

    # The database's clock is the machine's, which has not jumped: as it looks to a process that waits for both.
    with connection.execute_wrapper(execute):
        RefreshToken.objects.with_clock().get(pk=pair.session.pk)
    assert issuer_clock.difference() == 0


@pytest.mark.parametrize(("asked", "answered", "expected"), [(0, 9, 0), (3, 9, 3), (-9, -2, -2), (-9, 1, 0)], ids=str)
def test_what_may_have_been_waiting_is_no_difference(asked, answered, expected):
    assert sure_difference(0.0, asked=asked, answered=answered) == expected


@both
def test_a_warning_says_so_once_until_the_clocks_agree_again(user, caplog, minutes):
    words = "600 seconds ahead of" if minutes == AHEAD else "600 seconds behind"
    for _ in range(2):
        with server(minutes):
            sessions.start(user)
            sessions.start(user)
        sessions.start(user)
    messages = [record.getMessage() for record in caplog.records if record.name == "django_jwtauth"]
    assert len(messages) == 2
    assert all(f"The clock of this process is {words} the database's." in message for message in messages)


def test_within_the_leeway_nothing_is_said_and_nothing_corrected(user, caplog):
    with server(3 / 60):
        sessions.start(user)
        assert issuer_clock.difference() == 0
    assert caplog.records == []


@pytest.mark.parametrize(
    ("wall", "monotonic", "expected"),
    [(0, 0, 600), (60, 60, 600), (-600, 0, 0), (3600, 0, 0), (MAX_AGE_SECONDS + 1, MAX_AGE_SECONDS + 1, 0)],
    ids=["at once", "a minute later", "the clock was set right", "the machine slept", "long ago"],
)
def test_an_observation_is_worth_nothing_once_the_clock_has_jumped(monkeypatch, wall, monotonic, expected):
    clock, now, running = IssuerClock(), time.time(), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(stopwatch, "seconds", lambda: running)
    clock.observe(now - 600, asked=now, answered=now, leeway=5)
    monkeypatch.setattr(time, "time", lambda: now + wall)
    monkeypatch.setattr(stopwatch, "seconds", lambda: running + monotonic)
    assert (clock.difference(), clock()) == (expected or None, now + wall - expected)


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "words"), [(AHEAD, "600 seconds ahead of"), (BEHIND, "600 seconds behind")])
def test_a_check_compares_the_clocks(minutes, words, capsys):
    with server(minutes):
        (message,) = checks.check_clocks(databases=["default"])
        call_command("check", databases=["default"])
    assert message.id == "jwtauth.W020"
    assert words in message.msg
    assert message.hint
    assert "jwtauth.W020" in capsys.readouterr().err


@pytest.mark.django_db
def test_the_check_is_silent_where_clocks_agree_and_where_no_database_may_be_asked(settings):
    assert checks.check_clocks(databases=["default"]) == []
    with server(AHEAD):
        assert checks.check_clocks() == []
        settings.JWTAUTH = {"NONSENSE": 1}
        assert checks.check_clocks(databases=["default"]) == []


def refused(client, raw):
    response = client.get("/stateless/", **bearer(raw))
    return response.status_code == 401 and response.json()["reason"] == "revoked"


def revoke_elsewhere(session, *, minutes_ago):
    """Another server revokes; so this one must read it."""
    at = RefreshToken.objects.now() - datetime.timedelta(minutes=minutes_ago)
    RefreshToken.objects.filter(pk=session.pk).update(revoked_at=at, revoked_reason="admin")


def test_what_was_read_before_the_clocks_were_compared_is_read_again_afterwards(user, client):
    """The entry is too old for the list by the wrong clock, and not by the right one."""
    pair = sessions.start(user)
    revoke_elsewhere(pair.session, minutes_ago=2)
    issuer_clock.forget()
    with server(AHEAD):
        revocation_cache.forget()
        client.get("/stateless/", **bearer(pair.access))  # taken for expired
        assert str(pair.session.pk) not in revocation_cache.latest(max_age=10).value.sids
        sessions.start(user)  # now the difference is known
        assert refused(client, pair.access)


def test_a_clock_that_is_set_forward_while_the_process_runs_loses_no_entry(user, client):
    pair = sessions.start(user)
    revoke_elsewhere(pair.session, minutes_ago=2)
    assert refused(client, pair.access)
    with server(AHEAD):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 401
        revocation_cache.latest(max_age=0)
        sessions.start(user)
        assert refused(client, pair.access)


def test_a_list_that_does_not_reach_back_is_not_used_if_the_database_is_away(user, client):
    pair, other = sessions.start(user), sessions.start(user)
    revoke_elsewhere(other.session, minutes_ago=2)
    issuer_clock.forget()
    with server(AHEAD):
        revocation_cache.forget()
        revocation_cache.latest(max_age=10)
        sessions.start(user)
        with failing_reads():
            assert client.get("/stateless/", **bearer(pair.access)).status_code == 503


def test_a_token_of_another_issuer_asks_no_database(client, settings, django_assert_num_queries, db):
    """It says nothing about our clock, and its issuer could have us ask whenever it likes."""
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {"https://auth.example.com": {"audience": "orders"}}}
    with Issuer("https://auth.example.com") as issuer, django_assert_num_queries(0):
        response = client.get("/stateless/", headers=issuer.headers("42", fault="not_yet_valid"))
    assert response.json()["reason"] == "not_yet_valid"
