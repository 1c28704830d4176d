"""Everyone is signed out, by one time in place of many ids."""

import datetime
import logging

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import conf, sessions, signals
from django_jwtauth.database import epoch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import NotBefore, RefreshToken
from tests.tools.http import bearer
from tests.tools.not_before import DAY, access_of, bulk, later_than, listed, next_second, now, stateful, verdict

HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)
in_transactions = pytest.mark.django_db(transaction=True)
_in_the_middle = []


def interfere(user, *, request, session):
    """A claims hook: between the reading of a row and its UPDATE."""
    if _in_the_middle:
        _in_the_middle.pop()()
    return {}


@pytest.fixture
def in_the_middle(settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.sessions.test_everyone.interfere"]}
    yield _in_the_middle
    _in_the_middle.clear()


# Everyone


@in_transactions
def test_everyone_is_refused_at_once(client, user):
    pairs = [sessions.start(user), sessions.start(get_user_model().objects.create_user("bob"))]
    for pair in pairs:
        assert (stateful(pair.access), verdict(pair.access)) == ("accepted", "accepted")
    sessions.revoke_everyone(note="breach", by=user)
    for pair in pairs:
        for path in ("/whoami/", "/stateless/"):
            response = client.get(path, **bearer(pair.access))
            assert (response.status_code, response.json()["reason"]) == (401, "revoked")
        refused = client.post("/auth/token/refresh/", {"refresh": pair.refresh})
        assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
        for raw in (pair.access, pair.refresh):
            assert client.post("/auth/token/verify/", {"token": raw}).status_code == 401
    (entry,) = NotBefore.objects.all()
    assert (entry.reason, entry.note, entry.revoked_by) == ("admin", "breach", user)
    assert str(entry) == str(entry.not_before)


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
    assert (list(found.sids), list(found.jtis)) == ([], [])
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
    with pytest.raises(InvalidTokenError) as caught:
        sessions.save_password(user, keep=pair.session)
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
            sessions.revoke_everyone(note="breach\nsecond line")
    finally:
        signals.session_revoked.disconnect(receiver)
    assert sent == []
    assert caplog.messages[-1] == "Everyone was signed out: event=everyone_signed_out reason=admin"


@in_transactions
def test_whoever_signed_everyone_out_may_be_deleted(user):
    sessions.revoke_everyone(by=user)
    user.delete()
    assert NotBefore.objects.get().revoked_by is None


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
