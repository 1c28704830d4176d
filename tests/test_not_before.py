"""One time in place of many ids: everyone, or a user with very many sessions, is signed out."""

import datetime
import io
import logging
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import conf, revocation_cache, sessions, signals, tokens
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.database import database_now, epoch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import NotBefore, RefreshToken
from django_jwtauth.sessions import _revoke

from .conftest import bearer
from .test_revocation import Clock

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
MANY = _revoke.MANY_SESSIONS + 1
in_transactions = pytest.mark.django_db(transaction=True)


def now():
    return database_now("default")


def later_than(moment):
    """Wait until the database's clock has gone on; SQLite's counts milliseconds."""
    while now() <= moment:
        pass


def next_second(moment):
    while int(epoch(now())) <= int(epoch(moment)):
        pass


def bulk(user, count, **times):
    """So many sessions, made in one go."""
    at = now()
    rows = [
        RefreshToken(user=user, created_at=at, rotated_at=at, auth_time=at, expires_at=at + 90 * DAY)
        for _ in range(count)
    ]
    for row in rows:
        row.bind(user)
        for name, value in times.items():
            setattr(row, name, value)
    RefreshToken.objects.bulk_create(rows, batch_size=500)
    return rows


def access_of(session):
    """An access token of a session that is known only from its row."""
    return tokens.mint_access(session, now=now(), request=None).raw


def verdict(raw, cls=StatelessJWTAuthentication):
    try:
        cls().authenticate_token(raw)
    except InvalidTokenError as error:
        return error.reason
    return "accepted"


def stateful(raw):
    return verdict(raw, JWTAuthentication)


def listed():
    """What a process lists that has just been started."""
    return revocation_cache.LocalRevocations().current()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


_in_the_middle = []


def interfere(user, *, request, session):
    """A claims hook: between the reading of a row and its UPDATE."""
    if _in_the_middle:
        _in_the_middle.pop()()
    return {}


@pytest.fixture
def in_the_middle(settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.test_not_before.interfere"]}
    yield _in_the_middle
    _in_the_middle.clear()


# Everyone


@in_transactions
def test_everyone_is_refused_at_once(client, user):
    pairs = [sessions.start(user), sessions.start(get_user_model().objects.create_user("bob"))]
    for pair in pairs:
        assert (stateful(pair.access), verdict(pair.access)) == ("accepted", "accepted")
    sessions.revoke_everyone(reason="breach", by=user)
    for pair in pairs:
        for path in ("/whoami/", "/stateless/"):
            response = client.get(path, **bearer(pair.access))
            assert (response.status_code, response.json()["reason"]) == (401, "revoked")
        refused = client.post("/auth/token/refresh/", {"refresh": pair.refresh})
        assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
        for raw in (pair.access, pair.refresh):
            assert client.post("/auth/token/verify/", {"token": raw}).status_code == 401
    (entry,) = NotBefore.objects.all()
    assert (entry.user, entry.subject, entry.reason, entry.revoked_by) == (None, "", "breach", user)
    assert str(entry) == f"* {entry.not_before}"


@in_transactions
def test_who_signs_in_afterwards_is_accepted_at_once_and_without_a_database_from_the_next_second_on(user):
    sessions.start(user)
    sessions.revoke_everyone()
    entry = NotBefore.objects.get()
    later_than(entry.not_before)
    pair = sessions.start(user)
    token = conf.get_config().verifier.verify(pair.access)
    assert stateful(pair.access) == "accepted"
    in_the_same_second = token.claims["iat"] <= int(epoch(entry.not_before))
    assert verdict(pair.access) == ("revoked" if in_the_same_second else "accepted")
    next_second(entry.not_before)
    renewed = sessions.refresh(pair.refresh)
    assert (stateful(renewed.access), verdict(renewed.access)) == ("accepted", "accepted")


@in_transactions
def test_it_is_one_row_and_a_constant_number_of_statements_however_many_there_are(user):
    counts = []
    for number in (1, 5000):
        bulk(user, number)
        later_than(now())
        with CaptureQueriesContext(connection) as queries:
            sessions.revoke_everyone()
        counts.append(len(queries))
        assert not RefreshToken.objects.live(now()).exists()
    assert counts == [4, 4]  # the time, the row, the time once more, and the row
    assert NotBefore.objects.count() == 2
    # The sessions' own rows are as they were.
    assert not RefreshToken.objects.filter(revoked_at__isnull=False).exists()
    with CaptureQueriesContext(connection) as queries:
        found = listed()
    assert len(queries) == 1
    assert (list(found.sids), list(found.jtis), found.subs) == ([], [], {})
    assert found.not_before == int(epoch(NotBefore.objects.latest("not_before").not_before))


@in_transactions
def test_the_usual_calls_cost_what_they_did(client, user, age, django_assert_num_queries):
    sessions.revoke_everyone()
    later_than(NotBefore.objects.get().not_before)
    with django_assert_num_queries(2):
        pair = sessions.start(user)
    with django_assert_num_queries(4):
        assert client.post("/auth/token/", {"username": "ada", "password": "correct horse"}).status_code == 200
    with django_assert_num_queries(1):
        assert stateful(pair.access) == "accepted"
    age(pair.session, HOUR)
    NotBefore.objects.update(not_before=pair.session.created_at - DAY)
    with django_assert_num_queries(2):
        sessions.refresh(pair.refresh)


@in_transactions
def test_sessions_that_were_signed_out_show_as_ended_everywhere(client, user, admin_client):
    old = sessions.start(user)
    sessions.revoke_everyone()
    later_than(NotBefore.objects.get().not_before)
    new = sessions.start(user)
    shown = client.get("/auth/sessions/", **bearer(new.access)).json()["results"]
    assert [session["id"] for session in shown] == [str(new.session.pk)]
    assert set(RefreshToken.objects.live(now())) == {new.session}
    assert set(RefreshToken.objects.not_signed_out()) == {new.session}
    page = f"/admin/django_jwtauth/refreshtoken/{old.session.pk}/change/"
    assert "revoked: " in admin_client.get(page).content.decode()
    shown = admin_client.get(page.replace(str(old.session.pk), str(new.session.pk))).content.decode()
    assert "jwtauth-active" in shown
    # They have ended; ending them once more ends nothing, and tells nobody.
    assert sessions.revoke(old.session) == 0
    assert client.post("/auth/token/blacklist/", {"refresh": old.refresh}).status_code == 200
    assert client.delete("/auth/sessions/", **bearer(new.access)).json() == {"revoked": 0}
    assert sessions.revoke_all(user) == 1
    assert RefreshToken.objects.get(pk=old.session.pk).revoked_at is None


@in_transactions
def test_a_session_that_was_signed_out_cannot_be_kept(user):
    pair = sessions.start(user)
    sessions.revoke_everyone()
    user.set_password("new")
    user.save()
    with pytest.raises(InvalidTokenError) as caught:
        sessions.keep(pair.session, user)
    assert caught.value.reason == "revoked"


@in_transactions
def test_the_session_limit_counts_living_sessions_only(user, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 1}
    old = sessions.start(user).session
    sessions.revoke_everyone()
    later_than(NotBefore.objects.get().not_before)
    sessions.start(user)
    old.refresh_from_db()
    assert (old.revoked_at, old.revoked_reason) == (None, "")


@in_transactions
def test_no_signal_is_sent_and_a_warning_is_logged(user, caplog):
    sessions.start(user)
    sent = []

    def receiver(sender, **kwargs):
        sent.append(sender)

    signals.session_revoked.connect(receiver)
    try:
        with caplog.at_level(logging.INFO, "django_jwtauth.security"):
            sessions.revoke_everyone(reason="breach\nsecond line")
    finally:
        signals.session_revoked.disconnect(receiver)
    assert sent == []
    assert caplog.messages[-1] == "Everyone was signed out: 'breach\\nsecond line'."


@in_transactions
def test_a_reason_that_is_too_long_is_refused_and_nobody_is_signed_out(pair):
    with pytest.raises(ValueError, match="255"):
        sessions.revoke_everyone(reason="x" * 256)
    assert not NotBefore.objects.exists()
    assert stateful(pair.access) == "accepted"


@in_transactions
def test_inside_a_transaction_it_acts_when_that_commits(user, pair):
    with transaction.atomic():
        sessions.revoke_everyone()
        before = NotBefore.objects.get().not_before
        # Minted while the transaction was open, so by somebody who could not know; and it is covered all the same.
        later_than(before + SECOND)
        raw = access_of(pair.session)
    assert NotBefore.objects.get().not_before > before + SECOND
    assert (stateful(raw), verdict(raw)) == ("revoked", "revoked")


@in_transactions
@pytest.mark.parametrize("depth", ["outer", "savepoint"])
def test_rolled_back_it_signs_nobody_out(pair, depth, caplog):
    assert verdict(pair.access) == "accepted"

    def fail():
        with transaction.atomic():
            sessions.revoke_everyone()
            raise KeyError

    with transaction.atomic():
        if depth == "savepoint":
            with pytest.raises(KeyError):
                fail()
    if depth == "outer":
        with pytest.raises(KeyError):
            fail()
    assert not NotBefore.objects.exists()
    assert (stateful(pair.access), verdict(pair.access)) == ("accepted", "accepted")
    assert sessions.refresh(pair.refresh)
    assert "signed out" not in caplog.text


@in_transactions
def test_a_second_time_signs_out_who_came_between(user):
    sessions.revoke_everyone()
    later_than(NotBefore.objects.get().not_before)
    pair = sessions.start(user)
    assert stateful(pair.access) == "accepted"
    sessions.revoke_everyone()
    assert (stateful(pair.access), verdict(pair.access)) == ("revoked", "revoked")
    assert listed().not_before == max(int(epoch(entry.not_before)) for entry in NotBefore.objects.all())


# Everyone, while a refresh is under way


@in_transactions
def test_a_refresh_under_way_does_not_rotate(user, age, in_the_middle):
    pair = sessions.start(user)
    age(pair.session, HOUR)
    in_the_middle.append(sessions.revoke_everyone)
    with pytest.raises(InvalidTokenError) as caught:
        sessions.refresh(pair.refresh)
    assert caught.value.reason == "revoked"
    assert in_the_middle == []
    assert RefreshToken.objects.get().generation == 0


@in_transactions
def test_what_a_repeated_refresh_under_way_mints_is_refused(user, in_the_middle):
    """Inside the grace period nothing is written, so nothing can be lost; but what was minted is worthless."""
    pair = sessions.start(user)
    in_the_middle.append(sessions.revoke_everyone)
    late = sessions.refresh(pair.refresh)
    assert in_the_middle == []
    assert (stateful(late.access), verdict(late.access)) == ("revoked", "revoked")
    with pytest.raises(InvalidTokenError):
        sessions.refresh(late.refresh)


@in_transactions
def test_a_sign_in_under_way_is_signed_out_too(user, in_the_middle):
    in_the_middle.append(sessions.revoke_everyone)
    pair = sessions.start(user)
    assert (stateful(pair.access), verdict(pair.access)) == ("revoked", "revoked")
    with pytest.raises(InvalidTokenError):
        sessions.refresh(pair.refresh)


# A user with very many sessions


@in_transactions
@pytest.mark.parametrize("count", [_revoke.MANY_SESSIONS, MANY])
def test_above_a_limit_one_time_stands_for_all_sessions_of_a_user(user, count):
    rows = bulk(user, count)
    other = sessions.start(get_user_model().objects.create_user("bob"))
    raws = [access_of(row) for row in (rows[0], rows[-1])]
    assert [verdict(raw) for raw in raws] == ["accepted"] * 2
    assert sessions.revoke_all(user, reason="left", by=other.session.user) == count
    assert [(verdict(raw), stateful(raw)) for raw in raws] == [("revoked", "revoked")] * 2
    assert (verdict(other.access), stateful(other.access)) == ("accepted", "accepted")
    found = listed()
    if count == MANY:
        entry = NotBefore.objects.get()
        assert (entry.user, entry.subject, entry.reason, entry.revoked_by) == (
            user,
            str(user.pk),
            "left",
            other.session.user,
        )
        assert str(entry) == f"{user.pk} {entry.not_before}"
        assert (list(found.sids), found.subs) == ([], {str(user.pk): int(epoch(entry.not_before))})
        assert found.not_before == 0
    else:
        assert not NotBefore.objects.exists()
        assert (set(found.sids), found.subs) == ({str(row.pk) for row in rows}, {})


@in_transactions
def test_it_takes_a_constant_number_of_statements(user):
    counts = []
    for number in (MANY, 2000):
        bulk(user, number)
        with CaptureQueriesContext(connection) as queries:
            assert sessions.revoke_all(user) == number
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


@in_transactions
def test_the_user_may_sign_in_again(user):
    bulk(user, MANY)
    sessions.revoke_all(user)
    entry = NotBefore.objects.get()
    pair = sessions.start(user)
    assert stateful(pair.access) == "accepted"  # their time says nothing of sessions that began later
    next_second(entry.not_before)
    renewed = sessions.refresh(pair.refresh)
    assert (stateful(renewed.access), verdict(renewed.access)) == ("accepted", "accepted")
    # What is revoked later is listed by its id again.
    sessions.revoke(pair.session)
    assert list(listed().sids) == [str(pair.session.pk)]


@in_transactions
def test_what_was_revoked_before_stays_listed_by_its_id(user):
    rows = bulk(user, MANY + 1)
    sessions.revoke(rows[0])
    later_than(RefreshToken.objects.get(pk=rows[0].pk).revoked_at)
    sessions.revoke_all(user)
    assert list(listed().sids) == [str(rows[0].pk)]


@in_transactions
def test_a_user_of_many_sessions_can_be_deactivated_and_deleted(user):
    rows = bulk(user, MANY)
    raw = access_of(rows[0])
    subject = str(user.pk)
    user.is_active = False
    user.save()
    assert (verdict(raw), stateful(raw)) == ("revoked", "revoked")
    assert (NotBefore.objects.get().reason, listed().subs.keys()) == ("user_inactive", {subject})
    user.delete()
    # The time stays without the user; and the sessions, which are nobody's now, are listed one by one.
    assert NotBefore.objects.get().user is None
    assert (set(listed().sids), listed().subs.keys()) == ({str(row.pk) for row in rows}, {subject})
    assert (verdict(raw), stateful(raw)) == ("revoked", "revoked")


@in_transactions
def test_inside_a_transaction_the_time_of_a_user_is_that_of_the_commit(user):
    """Until then another connection reads the row as it was, and a repeated refresh writes nothing that would wait."""
    rows = bulk(user, MANY)
    with transaction.atomic():
        sessions.revoke_all(user)
        assert not NotBefore.objects.exists()  # until then, the ids are listed
        later_than(RefreshToken.objects.first().revoked_at + SECOND)
        raw = access_of(rows[0])
    assert NotBefore.objects.exists()
    assert (stateful(raw), verdict(raw)) == ("revoked", "revoked")


@in_transactions
def test_a_running_process_remembers_the_time_of_a_deleted_user_until_it_reads_the_ids(user, clock):
    rows = bulk(user, MANY)
    raw = access_of(rows[0])
    sessions.revoke_all(user)
    at = now() - 100 * SECOND
    RefreshToken.objects.update(revoked_at=at)
    NotBefore.objects.update(created_at=at)
    sessions.revoke(sessions.start(get_user_model().objects.create_user("bob")).session)
    clock.now += 1
    assert verdict(raw) == "revoked"
    user.delete()
    for seconds in (1, 3, 61, 3):  # the third is a full reading
        clock.now += seconds
        assert verdict(raw) == "revoked"


@in_transactions
def test_where_subjects_may_change_a_former_one_is_covered_too(user, settings):
    settings.JWTAUTH = {"SUBJECT_FIELD": "username"}
    rows = bulk(user, MANY)
    raw = access_of(rows[0])
    user.username, user.is_active = "somebody who left", False
    user.save()
    assert (stateful(raw), verdict(raw)) == ("revoked", "revoked")
    assert len(listed().sids) == MANY


@in_transactions
def test_whoever_revoked_may_be_deleted(user):
    sessions.revoke_everyone(by=user)
    user.delete()
    assert NotBefore.objects.get().revoked_by is None


# What is on the list, and for how long


def entry_of(age, user=None):
    at = now() - age
    return NotBefore.objects.create(user=user, subject=str(user.pk) if user else "", not_before=at, created_at=at)


@pytest.mark.django_db
def test_the_list_holds_the_latest_time_of_each_subject_and_of_everyone(user, clock):
    bob = get_user_model().objects.create_user("bob")
    times = [entry_of(minutes * MINUTE) for minutes in (3, 1, 2)]
    of_user = [entry_of(minutes * MINUTE, user) for minutes in (2, 4)]
    of_bob = entry_of(MINUTE, bob)
    found = listed()
    assert found.not_before == int(epoch(times[1].not_before))
    assert found.subs == {
        str(user.pk): int(epoch(of_user[0].not_before)),
        str(bob.pk): int(epoch(of_bob.not_before)),
    }


@pytest.mark.django_db
def test_a_time_leaves_the_list_when_all_tokens_it_concerns_have_expired(user, clock):
    """The lifetime of an access token (5 min), twice the leeway (10 s), and 5 minutes for clocks that differ."""
    entry_of(611 * SECOND)
    entry_of(611 * SECOND, user)
    found = listed()
    assert (found.not_before, found.subs) == (0, {})
    inside = entry_of(600 * SECOND)
    assert listed().not_before == int(epoch(inside.not_before))


@pytest.mark.django_db
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "incremental"])
def test_another_processs_times_are_found_within_the_interval(user, pair, clock, whole):
    assert verdict(pair.access) == "accepted"
    if not whole:
        sessions.revoke(sessions.start(user).session)
        clock.now += 1
        assert verdict(pair.access) == "accepted"
    entry_of(-SECOND, user)
    assert verdict(pair.access) == "accepted"  # read a moment ago
    clock.now += 61 if whole else 2.001
    assert verdict(pair.access) == "revoked"


# The purge


def purge():
    call_command("jwtauth_purge", stdout=io.StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([9 * MINUTE], [0]),
        ([400 * DAY], [0]),  # the last one stays for ever: it judges sessions however old they are
        ([400 * DAY, 40 * DAY, 11 * MINUTE], [2]),
        ([11 * MINUTE, 400 * DAY, 9 * MINUTE], [2]),
        ([3 * MINUTE, 9 * MINUTE], [0, 1]),
    ],
)
def test_of_the_times_of_everyone_the_last_one_is_kept(ages, kept):
    entries = [entry_of(age) for age in ages]
    purge()
    assert set(NotBefore.objects.all()) == {entries[index] for index in kept}


@pytest.mark.django_db
def test_the_times_of_users_are_kept_as_long_as_they_are_listed(user):
    entries = [entry_of(age, user) for age in (9 * MINUTE, 11 * MINUTE, 40 * DAY)]
    purge()
    assert list(NotBefore.objects.all()) == entries[:1]
    assert listed().subs == {str(user.pk): int(epoch(entries[0].not_before))}


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 100])
def test_times_are_purged_in_batches_too(user, batch):
    for age in range(1, 6):
        entry_of(age * DAY)
        entry_of(age * DAY, user)
    out = io.StringIO()
    call_command("jwtauth_purge", "--dry-run", stdout=out)
    assert "times of signing out everyone: 9 would be deleted" in out.getvalue()
    out = io.StringIO()
    call_command("jwtauth_purge", f"--batch-size={batch}", stdout=out)
    assert "times of signing out everyone: 9 deleted" in out.getvalue()
    assert NotBefore.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "kept"), [(29 * DAY, True), (31 * DAY, False)], ids=["signed-out-recently", "signed-out-long-ago"]
)
def test_sessions_that_were_signed_out_are_purged_like_revoked_ones(user, settings, age, kept):
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 80 * DAY}
    (session,) = bulk(user, 1, created_at=now() - 50 * DAY)
    (newer,) = bulk(user, 1)
    entry_of(age)
    purge()
    assert RefreshToken.objects.filter(pk=session.pk).exists() is kept
    assert RefreshToken.objects.filter(pk=newer.pk).exists()


@pytest.mark.django_db
def test_a_session_stays_signed_out_when_older_times_are_purged(user):
    (session,) = bulk(user, 1, created_at=now() - 5 * DAY)
    for age in (4 * DAY, DAY):
        entry_of(age)
    purge()
    assert NotBefore.objects.count() == 1
    assert not RefreshToken.objects.filter(pk=session.pk).not_signed_out().exists()
    assert stateful(access_of(session)) == "revoked"


def test_the_names_of_times_are_for_people():
    moment = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    assert str(NotBefore(subject=str(uuid.UUID(int=1)), not_before=moment)).startswith("00000000-0000")
