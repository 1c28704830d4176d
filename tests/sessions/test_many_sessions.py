"""A user with very many sessions: each one is listed, in a constant number of statements."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import sessions
from django_jwtauth.models import NotBefore
from tests.tools.not_before import access_of, bulk, listed, stateful, verdict

MANY = 101
in_transactions = pytest.mark.django_db(transaction=True)


@in_transactions
def test_all_sessions_of_a_user_are_listed_however_many_end_at_once(user):
    rows = bulk(user, MANY)
    other = sessions.start(get_user_model().objects.create_user("bob"))
    raws = [access_of(row) for row in (rows[0], rows[-1])]
    assert [verdict(raw) for raw in raws] == ["accepted"] * 2
    assert sessions.revoke_all(user, by=other.session.user) == MANY
    assert [(verdict(raw), stateful(raw)) for raw in raws] == [("revoked", "revoked")] * 2
    assert (verdict(other.access), stateful(other.access)) == ("accepted", "accepted")
    assert set(listed().sids) == {str(row.pk) for row in rows}
    assert not NotBefore.objects.exists()


@in_transactions
def test_it_takes_a_constant_number_of_statements(user):
    counts = []
    for number in (MANY, 2000):
        bulk(user, number)
        with CaptureQueriesContext(connection) as queries:
            assert sessions.revoke_all(user) == number
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 7  # some are savepoints, and one locks the user


@in_transactions
def test_the_user_may_sign_in_again(user):
    bulk(user, MANY)
    sessions.revoke_all(user)
    pair = sessions.start(user)
    assert (stateful(pair.access), verdict(pair.access)) == ("accepted", "accepted")


@in_transactions
def test_such_a_user_can_be_deactivated_and_deleted(user):
    rows = bulk(user, MANY)
    raw = access_of(rows[0])
    user.is_active = False
    user.save()
    assert (verdict(raw), stateful(raw)) == ("revoked", "revoked")
    user.delete()
    assert set(listed().sids) == {str(row.pk) for row in rows}
    assert (verdict(raw), stateful(raw)) == ("revoked", "revoked")


@in_transactions
def test_an_access_token_minted_before_the_commit_is_covered(user):
    """Until then another connection reads the row as it was, and a repeated refresh writes nothing that would wait."""
    rows = bulk(user, MANY)
    with transaction.atomic():
        sessions.revoke_all(user)
        raw = access_of(rows[0])
    assert (stateful(raw), verdict(raw)) == ("revoked", "revoked")


@in_transactions
def test_where_subjects_may_change_a_former_one_is_covered_too(user, settings):
    settings.JWTAUTH = {"SUBJECT_FIELD": "username"}
    rows = bulk(user, MANY)
    raw = access_of(rows[0])
    user.username, user.is_active = "somebody who left", False
    user.save()
    assert (stateful(raw), verdict(raw)) == ("revoked", "revoked")
    assert len(listed().sids) == MANY
