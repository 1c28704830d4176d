"""The revocation list of a process: what is on it, and how fresh it is."""

import datetime
import itertools
import threading
import types
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth._core import polling
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.local_list import Entries
from django_jwtauth.models import BlacklistedToken, RefreshToken
from django_jwtauth.revocation_cache import LocalRevocations
from django_jwtauth.sessions._revoke import revoke_rows
from tests.tools.audit import told
from tests.tools.database import failing_reads
from tests.tools.http import bearer
from tests.tools.issuers import PATIENCE
from tests.tools.not_before import bulk
from tests.tools.polling import put
from tests.tools.processes import run_script
from tests.tools.revocation_cache import entries, hold, now, revoked_row

SECOND = datetime.timedelta(seconds=1)


# How fresh

# Each rule holds in tests too, where another test's list means nothing.
EVERYWHERE = pytest.mark.parametrize("testing", [True, False], ids=["in tests", "in a server"], indirect=True)


@pytest.fixture
def testing(request, monkeypatch):
    monkeypatch.setattr(revocation_cache, "is_testing", lambda: request.param)


@EVERYWHERE
@pytest.mark.django_db
def test_a_fresh_list_is_used_as_it_is(testing, user, clock, django_assert_num_queries):
    known = revocation_cache.LocalRevocations()
    entries(known)
    sid = revoked_row(user, now())
    clock.now += 2
    with django_assert_num_queries(0):
        assert sid not in entries(known)
    clock.now += 0.001
    with django_assert_num_queries(1):
        assert sid in entries(known)
    with django_assert_num_queries(0):
        assert sid in entries(known)


@EVERYWHERE
@pytest.mark.django_db
def test_a_process_that_revokes_reads_its_list_anew(testing, user, clock, django_assert_num_queries):
    known = revocation_cache.LocalRevocations()
    entries(known)
    sid = revoked_row(user, now())
    known.mark_stale()
    clock.now += 0.001
    assert sid in entries(known)
    with django_assert_num_queries(0):
        entries(known)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("long", "revocations"),
    [(50, 50), pytest.param(None, 10_000, marks=pytest.mark.long)],
    ids=["short", "long"],
)
def test_where_the_list_is_long_one_reading_serves_many_revocations(user, clock, monkeypatch, long, revocations):
    """One account that signs in and revokes again and again must not keep the process busy copying the list."""
    if long is not None:
        monkeypatch.setattr(revocation_cache, "LONG_LIST", long)
    known, readings = revocation_cache.LocalRevocations(), []
    rows = bulk(user, revocation_cache.LONG_LIST)
    RefreshToken.objects.filter(pk=rows[0].pk).update(revoked_at=now())
    assert len(entries(known)) == 1
    sessions.revoke_all(user)
    known.mark_stale()
    clock.now += 0.001
    assert len(entries(known)) == len(rows)  # the list was short: what this process revokes acts at once
    read = known.read
    monkeypatch.setattr(known, "read", lambda last: readings.append(1) or read(last))
    # Only this clock counts: reading a long list takes real seconds.
    monkeypatch.setattr(polling, "process_time", float)
    monkeypatch.setattr(polling, "time", types.SimpleNamespace(time=float))
    known.fresh(interval=0, patience=0)
    readings.clear()
    began = clock.now
    for _ in range(revocations):
        clock.now += 5 / revocations
        known.mark_stale()
        entries(known)
    assert clock.now - began == pytest.approx(5)
    assert 4 <= len(readings) <= 6


def _during_the_read(known, action):
    """Call ``entries(known)``, and ``action`` while that is reading."""

    def execute(execute, sql, params, many, context):
        if "UNION ALL" in sql:
            action()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        return entries(known)


@pytest.mark.django_db
def test_while_one_request_reads_the_others_use_the_list_they_have(user, clock):
    known, found = revocation_cache.LocalRevocations(), []
    entries(known)
    sid = revoked_row(user, now())
    clock.now += 3  # between once and twice the interval
    other = threading.Thread(target=lambda: found.append(entries(known)), daemon=True)

    def meanwhile():
        other.start()
        other.join(PATIENCE)

    assert sid in _during_the_read(known, meanwhile)
    assert len(found) == 1  # it came back before the reading was done, and without a connection of its own
    assert sid not in found[0]


@pytest.mark.django_db
def test_past_twice_the_interval_everyone_waits_for_the_one_that_reads(user, clock):
    known, found, waited = revocation_cache.LocalRevocations(), [], []
    entries(known)
    sid = revoked_row(user, now())
    clock.now += 4.001
    other = threading.Thread(target=lambda: found.append(entries(known)), daemon=True)

    def meanwhile():
        other.start()
        other.join(timeout=0.1)
        waited.append(other.is_alive())

    assert sid in _during_the_read(known, meanwhile)
    other.join(PATIENCE)
    assert waited == [True]
    assert sid in found[0]  # by the first one's reading; this thread has no database


@pytest.mark.django_db
def test_with_the_database_away_the_list_is_used_until_it_is_too_old(user, pair, client, clock, caplog):
    sid = revoked_row(user, now())
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    with failing_reads() as database:
        clock.now += 299
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
        assert database.attempts == 1
        clock.now += 2
        response = client.get("/stateless/", **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (503, "stale")
    clock.now += 10
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    assert sid in revocation_cache.latest(max_age=10).value.sids
    assert {about["event"] for about in told(caplog)} == {"revocations_unreadable"}


@pytest.mark.django_db
def test_failing_open_what_was_known_to_be_revoked_stays_refused(user, pair, client, clock, settings):
    settings.JWTAUTH = {"REVOCATION_FAIL_OPEN": True}
    ended = sessions.start(user)
    sessions.revoke(ended.session)
    with failing_reads():
        # Never read at all: everything passes, which is what the setting says.
        assert client.get("/stateless/", **bearer(ended.access)).status_code == 200
    clock.now += 1
    assert client.get("/stateless/", **bearer(ended.access)).status_code == 401
    with failing_reads():
        clock.now += 100_000
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
        assert client.get("/stateless/", **bearer(ended.access)).json()["reason"] == "revoked"


@pytest.mark.django_db
def test_a_list_that_was_never_read_refuses_everyone(pair, client, clock):
    with failing_reads():
        assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "stale"


@pytest.mark.django_db
def test_failing_reads_are_tried_less_and_less_often(clock):
    known = revocation_cache.LocalRevocations()
    entries(known)
    times = []
    with failing_reads() as database:
        for _ in range(400):
            clock.now += 0.25
            before = database.attempts
            entries(known)
            if database.attempts > before:
                times.append(clock.now)
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert pauses[:6] == [0.5, 1, 2, 4, 8, 10]
        assert set(pauses[6:]) == {10}
    clock.now += 10
    entries(known)
    with failing_reads() as database:
        clock.now += 2.25
        entries(known)
        clock.now += 0.5
        entries(known)
        assert database.attempts == 2  # one success, and it begins anew


# What is on it


@pytest.mark.django_db
def test_both_kinds_come_in_one_query_in_the_words_of_tokens(user, pair, django_assert_num_queries):
    other = sessions.start(user)
    sessions.blacklist(pair.access)
    sessions.revoke(other.session)
    jti = conf.get_config().verifier.verify(pair.access).jti
    with django_assert_num_queries(1):
        listed = entries(revocation_cache.LocalRevocations())
    assert set(listed) == {jti, str(other.session.pk)}
    assert all(str(uuid.UUID(key)) == key for key in listed if key != jti)
    assert all(abs(at - now()) < 60 * SECOND for at in listed.values())


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["session", "token"])
def test_entries_stay_until_every_token_they_concern_has_expired(user, pair, kind):
    """The lifetime of an access token (5 min), twice the leeway (10 s), and 5 minutes for clocks that differ."""
    keys = {}
    for seconds in (0, 300, 605, 615, 1000):
        at = now() - seconds * SECOND
        if kind == "session":
            keys[seconds] = revoked_row(user, at)
        else:
            keys[seconds] = f"jti {seconds}"
            BlacklistedToken.objects.create(jti=keys[seconds], user=user, expires_at=at, created_at=at)
    assert set(entries(revocation_cache.LocalRevocations())) == {keys[seconds] for seconds in (0, 300, 605)}


@pytest.mark.django_db
def test_entries_leave_when_their_time_is_over(user, clock, settings):
    sid = revoked_row(user, now() - 400 * SECOND)
    known = revocation_cache.LocalRevocations()
    assert sid in entries(known)
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": SECOND}  # nothing older than 311 seconds matters now
    clock.now += 3
    assert sid not in entries(known)


@pytest.mark.django_db
@pytest.mark.parametrize("behind", [5, 55])
def test_what_commits_late_is_found_by_the_next_reading(user, clock, behind):
    newest = now()
    first = revoked_row(user, newest)
    known = revocation_cache.LocalRevocations()
    entries(known)
    late = revoked_row(user, newest - behind * SECOND)
    clock.now += 3
    assert {first, late} <= set(entries(known))


@pytest.mark.django_db
def test_what_commits_even_later_is_found_within_a_minute(user, clock):
    newest = now()
    first = revoked_row(user, newest)
    known = revocation_cache.LocalRevocations()
    entries(known)
    late = revoked_row(user, newest - 65 * SECOND)
    clock.now += 3
    assert late not in entries(known)  # an incremental reading: only what is new, and the overlap
    assert first in entries(known)
    clock.now += 57
    assert {first, late} <= set(entries(known))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seconds", [5, 90], ids=["short", "long"])
@pytest.mark.parametrize("kind", ["revoked", "blacklisted", "deleted"])
def test_what_is_revoked_in_a_long_transaction_acts_at_the_first_reading_after_it(user, pair, clock, kind, seconds):
    known, bob = revocation_cache.LocalRevocations(), get_user_model().objects.create_user("bob")
    earlier = sessions.start(bob).session
    bob.delete()
    revoked_at = RefreshToken.objects.get(pk=earlier.pk).revoked_at
    with transaction.atomic():
        past = now() - seconds * SECOND
        if kind == "revoked":
            assert revoke_rows(RefreshToken.objects.filter(user=user), reason="admin", now=past) == 1
        elif kind == "blacklisted":
            sessions.blacklist(pair.access)
            BlacklistedToken.objects.update(created_at=past)
        else:
            user.delete()
            RefreshToken.objects.filter(pk=pair.session.pk).update(revoked_at=past)
        hour_ago = revoked_at - 3600 * SECOND
        RefreshToken.objects.filter(pk=earlier.pk).update(revoked_at=hour_ago)
        entries(known)
        clock.now += seconds
    # Another process, which has just read everything, and a revocation that was committed before this one.
    begins_at = known.latest.value.begins_at
    other = Entries(None, begins_at=begins_at, length=known.latest.value.part_length)
    other.add(0, str(uuid.uuid4()), now())
    put(known, other.as_list(not_before=0, begins_at=begins_at, fully_read_at=clock.now))
    clock.now += 3
    assert len(entries(known)) == 2
    assert RefreshToken.objects.get(pk=earlier.pk).revoked_at == hour_ago


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_ends_so_many_sessions_that_it_takes_long_acts_at_the_first_reading_after_it(user, clock):
    sessions.start(user)
    past = now() - 90 * SECOND

    def slow(execute, sql, params, many, context):
        clock.now += 90 if sql.startswith("UPDATE") else 0
        return execute(sql, params, many, context)

    with connection.execute_wrapper(slow):
        assert revoke_rows(RefreshToken.objects.filter(user=user), reason="admin", now=past) == 1
    assert RefreshToken.objects.get().revoked_at > past + 80 * SECOND


@pytest.mark.django_db
def test_each_reading_keeps_what_was_known(user, clock):
    known, sids = revocation_cache.LocalRevocations(), set()
    for age in (500, 300, 100, 0):
        sids.add(revoked_row(user, now() - age * SECOND))
        clock.now += 61
        assert sids <= set(entries(known))
        clock.now += 3
        assert sids <= set(entries(known))


@pytest.mark.django_db
def test_nothing_that_may_still_be_listed_can_be_purged(user, settings):
    settings.JWTAUTH = {"PURGE_REVOKED_AFTER": datetime.timedelta(0)}
    for seconds in (0, 300, 605, 615, 1000):
        at = now() - seconds * SECOND
        revoked_row(user, at)
        BlacklistedToken.objects.create(jti=f"jti {seconds}", user=user, expires_at=at, created_at=at)
    listed = set(entries(revocation_cache.LocalRevocations()))
    assert len(listed) == 6
    assert not listed & {str(session.pk) for session in RefreshToken.objects.purgeable(now())}
    assert not listed & {token.jti for token in BlacklistedToken.objects.purgeable(now())}
    assert RefreshToken.objects.purgeable(now()).count() == BlacklistedToken.objects.purgeable(now()).count() == 2


def test_a_fork_gets_a_list_of_its_own(tmp_path):
    """Even where the parent was reading at that moment, so that its lock is never released in the child."""
    script = """
        import os, signal, sys, time
        import django
        from django.conf import settings
        from tests import settings as base

        names = [name for name in dir(base) if name.isupper()]
        settings.configure(**{name: getattr(base, name) for name in names} | {
            "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
        })
        django.setup()
        from django.core.management import call_command
        from django.contrib.auth import get_user_model
        from django.db import connection
        from django_jwtauth import conf, revocation_cache, sessions

        call_command("migrate", verbosity=0)
        pair = sessions.start(get_user_model().objects.create_user("ada"))
        token = conf.get_config().verifier.verify(pair.access)
        revocation_cache.check(token)
        connection.close()

        revocation_cache._list._lock.acquire()  # as a thread does that is reading
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            began = time.monotonic()
            sessions.revoke(token.sid)
            try:
                revocation_cache.check(token)
            except Exception as error:
                sys.exit(7 if error.reason == "revoked" and time.monotonic() - began < 15 else 8)
            sys.exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    """
    run_script(script, timeout=60, DATABASE=str(tmp_path / "db.sqlite3"))


def test_a_reading_under_way_cannot_bring_back_what_was_dropped(monkeypatch):
    """A session is kept while another thread reads the list that still has it."""
    revocations = LocalRevocations()
    entered, go = threading.Event(), threading.Event()
    kept = str(uuid.uuid4())
    readings = [[("sid", kept, timezone.now())], []]

    def slow(since, oldest):
        entered.set()
        assert go.wait(60)
        return readings.pop(0)

    monkeypatch.setattr(revocation_cache, "_revoked_since", slow)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(entries(revocations)))
    thread.start()
    assert entered.wait(60)
    revocations.mark_stale(removed=True)
    go.set()
    thread.join()
    assert [list(answer) for answer in answers] == [[kept]]
    assert list(entries(revocations)) == []


@pytest.mark.django_db(transaction=True)
def test_a_session_kept_in_a_transaction_is_off_the_list_when_it_commits(user, pair):
    token = conf.get_config().verifier.verify(pair.access)
    user.set_password("another one")
    with transaction.atomic():
        user.save()
        sessions.keep(pair.session, user)
        # A request in this transaction would read the list here, and may have found the session on it.
        hold(**{token.sid: timezone.now()})
        with pytest.raises(InvalidTokenError):
            revocation_cache.check(token)
    revocation_cache.check(token)
