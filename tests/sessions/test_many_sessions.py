"""One time stands for all sessions of a user who has very many."""

import datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import sessions
from django_jwtauth.database import epoch
from django_jwtauth.models import NotBefore, RefreshToken
from django_jwtauth.sessions import _revoke
from tests.tools.not_before import access_of, bulk, later_than, listed, next_second, now, stateful, verdict

SECOND = datetime.timedelta(seconds=1)
MANY = _revoke.MANY_SESSIONS + 1
in_transactions = pytest.mark.django_db(transaction=True)


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
