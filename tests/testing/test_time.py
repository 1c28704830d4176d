"""While freezegun or time-machine holds the clock of the process, the database's clock follows it."""

import io
import sys
import time
from datetime import UTC, datetime, timedelta

import freezegun
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_jwtauth import checks, compiled, conf, revocation_cache, sessions
from django_jwtauth._core.clock import clock_holder, issuer_clock, stopwatch
from django_jwtauth._core.revocation_list import SignedList
from django_jwtauth.database import database_now, epoch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from django_jwtauth.test import make_token
from tests.tools.admin import LIST, browser, superuser
from tests.tools.clocks import server
from tests.tools.http import REFRESH, RIGHT, SESSIONS, TOKEN, VERIFY, bearer
from tests.tools.issuers import PATIENCE, Issuer, Server, read_anew
from tests.tools.processes import run_script
from tests.tools.throttles import attempt, rates
from tests.tools.well_known import jwtauth

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
moments = pytest.mark.parametrize("moment", [PAST, FUTURE], ids=["past", "future"])


def statuses(client, access):
    return [client.get(path, **bearer(access)).status_code for path in ("/whoami/", "/stateless/")]


def refusal(client, access, path="/whoami/"):
    return client.get(path, **bearer(access)).json().get("reason")


def refresh(client, raw):
    response = client.post(REFRESH, {"refresh": raw})
    return response.json()["refresh"] if response.status_code == 200 else response.json()["reason"]


@moments
@pytest.mark.parametrize("tick", [False, True], ids=["frozen", "ticking"])
def test_everything_works_at_another_time(user, client, travel, moment, tick):
    with travel(moment, tick=tick):
        tokens = client.post(TOKEN, RIGHT).json()
        assert 299 <= tokens["expires_in"] <= 300
        assert statuses(client, tokens["access"]) == [200, 200]
        assert refresh(client, tokens["refresh"]) == tokens["refresh"]
        assert client.post(VERIFY, {"token": tokens["access"]}).status_code == 200
        assert client.get(SESSIONS, **bearer(tokens["access"])).json()["results"][0]["current"] is True
        session = RefreshToken.objects.get()
        assert session.created_at.year == session.last_seen_on.year == moment.year
        assert abs(epoch(database_now("default")) - moment.timestamp()) < 60


@moments
def test_times_are_exactly_those_of_the_frozen_clock(user, travel, moment):
    with travel(moment):
        session = sessions.start(user).session
        assert (session.created_at, session.expires_at) == (moment, moment + 90 * DAY)
        sessions.revoke(session)
        assert session.revoked_at == database_now("default") == RefreshToken.objects.now() == moment


def test_a_session_goes_through_its_life(user, client, travel):
    with travel(PAST) as clock:
        first = client.post(TOKEN, RIGHT).json()
        clock.shift(10 * SECOND)
        assert refresh(client, first["refresh"]) == first["refresh"]  # in the window
        clock.shift(MINUTE)
        second = refresh(client, first["refresh"])
        assert second != first["refresh"]
        assert refresh(client, first["refresh"]) == second  # a replay
        clock.shift(5 * MINUTE)
        assert [refusal(client, first["access"], path) for path in ("/whoami/", "/stateless/")] == ["expired"] * 2
        assert refresh(client, first["refresh"]) == "reused"
        assert refresh(client, second) == "revoked"


def test_a_session_ends_when_it_is_idle(user, client, travel):
    with travel(PAST) as clock:
        raw = client.post(TOKEN, RIGHT).json()["refresh"]
        clock.move_to(PAST + 14 * DAY - SECOND)
        raw = refresh(client, raw)
        clock.move_to(PAST + 29 * DAY)
        assert refresh(client, raw) == "expired"
        assert not RefreshToken.objects.live().exists()


def test_a_session_ends_in_the_end(user, client, travel):
    with travel(PAST) as clock:
        raw = client.post(TOKEN, RIGHT).json()["refresh"]
        for day in range(10, 90, 10):
            clock.move_to(PAST + day * DAY)
            raw = refresh(client, raw)
        clock.move_to(PAST + 90 * DAY - 100 * SECOND)
        answer = client.post(REFRESH, {"refresh": raw}).json()
        assert (answer["expires_in"], answer["refresh_expires_in"]) == (100, 100)
        clock.move_to(PAST + 90 * DAY + MINUTE)
        assert refresh(client, answer["refresh"]) == "expired"


@moments
def test_nothing_of_another_time_is_used_in_the_present(user, client, travel, moment):
    present = sessions.start(user)
    assert statuses(client, present.access) == [200, 200]
    with travel(moment):
        there = sessions.start(user)
        assert statuses(client, there.access) == [200, 200]
        sessions.revoke(there.session)
        assert statuses(client, there.access) == [401, 401]
    assert statuses(client, present.access) == [200, 200]
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/stateless/", **bearer(present.access)).status_code == 200
    assert len(queries) == 0  # the list is remembered again
    sessions.revoke(present.session)
    assert statuses(client, present.access) == [401, 401]


@moments
def test_coming_back_the_list_is_read_anew(user, client, travel, moment):
    """Also if another process has revoked something, which this one cannot know."""
    pair = sessions.start(user)
    with travel(moment):
        revocation_cache.latest(max_age=1)
        revocation_cache._list.usable()
    RefreshToken.objects.update(revoked_at=database_now("default"), revoked_reason="admin")
    assert statuses(client, pair.access) == [401, 401]


def test_going_a_little_back_nothing_that_was_revoked_meanwhile_is_missed(user, client, travel):
    with travel(FUTURE) as clock:
        pair, other = sessions.start(user), sessions.start(user)
        clock.shift(4 * MINUTE)
        sessions.revoke(other.session)
        assert statuses(client, pair.access) == [200, 200]
        clock.move_to(FUTURE + MINUTE)
        RefreshToken.objects.filter(pk=pair.session.pk).update(
            revoked_at=database_now("default"), revoked_reason="admin"
        )
        clock.move_to(FUTURE + 4 * MINUTE + 3 * SECOND)
        assert statuses(client, pair.access) == [401, 401]


def test_travels_may_be_nested(user, client, travel):
    with travel(PAST):
        pair = sessions.start(user)
        with travel(FUTURE):
            assert statuses(client, sessions.start(user).access) == [200, 200]
            assert refusal(client, pair.access) == "expired"
        assert statuses(client, pair.access) == [200, 200]
        assert sessions.start(user).session.created_at > pair.session.created_at


# While time stands still


def test_what_comes_later_is_later(user, client, travel, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    with travel(FUTURE):
        pairs = [sessions.start(user) for _ in range(5)]
        assert [client.get("/whoami/", **bearer(pair.access)).status_code for pair in pairs] == [401] * 3 + [200] * 2
        assert RefreshToken.objects.live().count() == 2


def test_everyone_is_signed_out_and_may_sign_in_again(user, client, travel):
    with travel(FUTURE) as clock:
        before = sessions.start(user)
        sessions.revoke_everyone()
        after = sessions.start(user)
        assert statuses(client, before.access) == [401, 401]
        # Times in tokens are whole seconds: without a database, the new one cannot be told from an old one.
        assert statuses(client, after.access) == [200, 401]
        clock.shift(MINUTE)
        assert statuses(client, sessions.refresh(after.refresh).access) == [200, 200]


def test_revocation_acts_although_no_time_passes(user, client, travel):
    with travel(FUTURE):
        pairs = [sessions.start(user) for _ in range(3)]
        assert [statuses(client, pair.access) for pair in pairs] == [[200, 200]] * 3
        sessions.revoke(pairs[0].session)
        assert statuses(client, pairs[0].access) == [401, 401]
        sessions.blacklist(pairs[1].access)
        assert statuses(client, pairs[1].access) == [401, 401]
        assert statuses(client, pairs[2].access) == [200, 200]
        user.set_password("new")
        user.save()
        assert statuses(client, pairs[2].access) == [401, 401]


def test_statements_stay_the_same(user, client, travel):
    def numbers():
        found = []
        pair = sessions.start(user)
        for call in (
            lambda: client.get("/whoami/", **bearer(pair.access)),
            lambda: client.post(REFRESH, {"refresh": pair.refresh}),
            lambda: client.post(TOKEN, RIGHT),
        ):
            call()
            with CaptureQueriesContext(connection) as queries:
                assert call().status_code == 200
            found.append([query["sql"].split()[0] for query in queries])
        return found

    usual = numbers()
    for tick in (False, True):
        compiled.forget()
        with travel(FUTURE, tick=tick):
            assert numbers() == usual
        assert numbers() == usual


# What else goes by the database's clock


def test_the_purge_goes_by_it_too(user, travel):
    with travel(PAST) as clock:
        sessions.start(user)
        sessions.revoke(sessions.start(user).session)
        sessions.blacklist(sessions.start(user).access)
        sessions.revoke_everyone()
        clock.shift(29 * DAY)
        sessions.revoke_everyone()
        call_command("jwtauth_purge", stdout=io.StringIO())
        assert (RefreshToken.objects.count(), BlacklistedToken.objects.count()) == (1, 0)
        clock.shift(2 * DAY)
        call_command("jwtauth_purge", stdout=io.StringIO())
        assert (RefreshToken.objects.count(), NotBefore.objects.count()) == (0, 1)


@moments
def test_the_admin_shows_what_has_expired(user, travel, moment):
    def numbers():
        operator = browser(get_user_model().objects.get(username="root"))
        pages = [operator.get(LIST, {"status": status}) for status in ("active", "idle", "expired")]
        return [page.context["cl"].result_count for page in pages]

    superuser()
    with travel(moment) as clock:
        sessions.start(user)
        assert numbers() == [1, 0, 0]
        clock.shift(15 * DAY)
        assert numbers() == [0, 1, 0]
        clock.shift(76 * DAY)
        assert numbers() == [0, 0, 1]


def test_throttles_have_a_new_window(client, travel, monkeypatch, db):
    monkeypatch.undo()  # the clock of the throttles, which all other tests stop
    with rates(login="1/min"):
        assert [attempt(client), attempt(client)] == [401, 429]
        with travel(FUTURE) as clock:
            assert [attempt(client), attempt(client)] == [401, 429]
            clock.shift(MINUTE)
            assert [attempt(client), attempt(client)] == [401, 429]


def test_no_clock_is_said_to_be_wrong(user, client, travel, settings, caplog):
    settings.JWTAUTH = {"LEEWAY": timedelta(0)}
    for tick in (False, True):
        for moment in (PAST, FUTURE):
            with travel(moment, tick=tick):
                pair = sessions.start(user)
                assert statuses(client, pair.access) == [200, 200]
                assert conf.get_config().clock.difference() == 0.0
                assert checks.check_clocks(databases=["default"]) == []
    assert "clock" not in caplog.text
    settings.JWTAUTH = {}
    sessions.start(user)
    assert "clock" not in caplog.text


def test_a_clock_that_was_wrong_before_is_right_while_it_is_held(user, client, travel):
    issuer_clock.observe(time.time() - 600, asked=time.time(), answered=time.time(), leeway=5)
    assert issuer_clock.difference() > 500
    with travel(datetime.now(UTC)):
        assert issuer_clock.difference() == 0.0
        token = make_token(str(user.pk))
        assert client.get("/stateless/", **bearer(token)).status_code == 200
    issuer_clock.forget()


# Other services


@pytest.fixture
def issuer():
    server = Server()
    yield Issuer(server)
    server.stop()


@pytest.mark.parametrize("tick", [False, True], ids=["frozen", "ticking"])
def test_a_service_verifies_tokens_at_another_time_too(issuer, travel, tick):
    """Its threads read keys and list, and freezegun would show them the real time."""
    verifier = issuer.verifier(poll_interval=2 * SECOND, timeout=timedelta(seconds=PATIENCE))
    verifier.verify(issuer.token())
    for moment in (FUTURE, PAST):
        with travel(moment, tick=tick) as clock:
            assert verifier.verify(issuer.token()).issued_at.year in (moment.year, moment.year - 1)
            issuer.revoked["sids"] = ["session-1"]
            clock.shift(MINUTE)
            with pytest.raises(InvalidTokenError, match="revoked"):
                verifier.verify(issuer.token())
            issuer.revoked["sids"] = []
        assert verifier.verify(issuer.token())
        issuer.revoked["jtis"] = ["token-1"]
        read_anew(verifier.revocations)
        with pytest.raises(InvalidTokenError, match="revoked"):
            verifier.verify(issuer.token())
        issuer.revoked["jtis"] = []
        read_anew(verifier.revocations)


def test_a_list_from_the_future_is_not_kept(issuer):
    """Also where it is the machine's clock that has been set back."""
    verifier = issuer.verifier(poll_interval=10 * MINUTE)
    with server(5):
        verifier.verify(issuer.token())
    issuer.revoked["sids"] = ["session-1"]
    read_anew(verifier.revocations)
    with pytest.raises(InvalidTokenError, match="revoked"):
        verifier.verify(issuer.token())


def test_the_published_list_is_of_that_time(user, travel, settings):
    settings.JWTAUTH = jwtauth("ES256")
    keys = conf.get_config().signing_keys

    def published():
        raw = Client().get("/.well-known/jwt-revocations").content
        return SignedList.read(raw, issuer=conf.get_config().issuer, keys=keys, leeway=0, now=time.time())

    for moment in (PAST, FUTURE):
        with travel(moment) as clock:
            session = sessions.start(user).session
            assert published().issued_at == moment.timestamp()
            clock.shift(10 * SECOND)
            sessions.revoke(session)
            clock.shift(2 * SECOND)
            assert published().revoked.sids == {str(session.pk)}
    assert abs(published().issued_at - time.time()) < 60


# What holds the clock, and what does not


def test_nothing_holds_the_clock_of_a_server(db, monkeypatch):
    assert clock_holder() is None
    with server(5):
        assert clock_holder() is None
        assert epoch(database_now("default")) < time.time() - 200
    monkeypatch.delitem(sys.modules, "freezegun.api")
    with freezegun.freeze_time(FUTURE):  # which the library cannot see
        assert clock_holder() is None
        assert database_now("default").year < 2040


def test_no_test_runner_is_needed():
    """As in a script, or a notebook."""
    run_script(SCRIPT)


def test_nothing_holds_the_clock_of_modules_that_freezegun_ignores(user, client):
    with freezegun.freeze_time(FUTURE, ignore=["django_jwtauth", "rest_framework"]):
        assert clock_holder() is None
        assert sessions.start(user).session.created_at.year < 2040
        assert statuses(client, sessions.start(user).access) == [200, 200]


SCRIPT = """
    import django, os
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django_jwtauth import sessions
    from django_jwtauth.models import RefreshToken
    from tests.tools.travel import TRAVELS

    if connection.vendor != "sqlite":
        connection.settings_dict["TEST"]["NAME"] = "test_jwtauth_without_runner"
    connection.settings_dict["TEST"]["MIGRATE"] = False  # which is quicker
    connection.creation.create_test_db(verbosity=0, autoclobber=True)  # but no test environment
    try:
        user, client = get_user_model().objects.create_user("ada"), Client()

        def status(pair):
            return client.get("/stateless/", headers={"Authorization": f"Bearer {pair.access}"}).status_code

        for travel in TRAVELS.values():
            present = sessions.start(user)
            assert status(present) == 200
            for moment in ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"):
                with travel(moment) as clock:
                    pair = sessions.start(user)
                    assert pair.expires_in == 300
                    assert status(pair) == 200
                    clock.shift(60)
                    assert sessions.refresh(pair.refresh).refresh != pair.refresh
                    sessions.revoke(pair.session)
                    assert status(pair) == 401
                assert status(present) == 200
            RefreshToken.objects.filter(pk=present.session.pk).update(revoked_at=RefreshToken.objects.now())
            with travel("2040-01-01T00:00:00Z"):
                status(sessions.start(user))
            assert status(present) == 401
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)
"""


def test_the_stopwatch_goes_on(travel):
    before = stopwatch.seconds()
    with travel(FUTURE):
        assert 0 <= stopwatch.seconds() - before < 60
    assert 0 <= stopwatch.seconds() - before < 60


def test_after_the_travel_the_database_s_clock_is_its_own_again(pair, travel):
    with travel(FUTURE, tick=True):
        assert database_now("default").year == 2040
    assert abs(epoch(database_now("default")) - time.time()) < 60
    assert abs(epoch(RefreshToken.objects.with_clock().get().database_now) - time.time()) < 60
