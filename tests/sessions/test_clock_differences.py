"""Clocks that are ten minutes apart: a process accepts what it issued, as long as it says, and until it is revoked."""

import datetime
import time

import jwt
import pytest
from django.core.management import call_command

from django_jwtauth import checks, conf, revocation_cache, sessions
from django_jwtauth._core.clock import MAX_AGE_SECONDS, IssuerClock, issuer_clock
from django_jwtauth.models import RefreshToken
from tests.tools.clocks import server
from tests.tools.http import TOKEN, bearer

AHEAD, BEHIND = 10, -10
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
def test_it_never_comes_from_the_future_and_never_lives_longer_than_the_session(user, settings, minutes):
    settings.JWTAUTH = {"SESSION_LIFETIME": datetime.timedelta(seconds=100)}
    with server(minutes):
        pair = sessions.start(user)
        here = time.time()
    claims = unverified(pair.access)
    assert claims["iat"] <= min(here, time.time())
    assert 98 <= claims["exp"] - claims["iat"] <= 100
    assert 98 <= pair.expires_in <= 100


def test_what_was_revoked_stays_on_the_list_of_a_process_that_is_ahead(user, client):
    with server(AHEAD):
        pair = sessions.start(user)
        two_minutes_ago = RefreshToken.objects.now() - datetime.timedelta(minutes=2)
        RefreshToken.objects.update(revoked_at=two_minutes_ago, revoked_reason="admin")
        revocation_cache.forget()
        response = client.get("/stateless/", **bearer(pair.access))
    assert (response.status_code, response.json()["reason"]) == (401, "revoked")


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
        assert issuer_clock.ahead() == 0
    assert caplog.records == []


@pytest.mark.parametrize(
    ("wall", "monotonic", "expected"),
    [(0, 0, 600), (60, 60, 600), (-600, 0, 0), (3600, 0, 0), (MAX_AGE_SECONDS + 1, MAX_AGE_SECONDS + 1, 0)],
    ids=["at once", "a minute later", "the clock was set right", "the machine slept", "long ago"],
)
def test_an_observation_is_worth_nothing_once_the_clock_has_jumped(monkeypatch, wall, monotonic, expected):
    clock, now, running = IssuerClock(), time.time(), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "monotonic", lambda: running)
    clock.observe(now - 600, leeway=5)
    monkeypatch.setattr(time, "time", lambda: now + wall)
    monkeypatch.setattr(time, "monotonic", lambda: running + monotonic)
    assert (clock.ahead(), clock()) == (expected, now + wall - expected)


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
