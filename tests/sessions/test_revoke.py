"""All the ways a session ends, or is kept."""

import datetime
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from django_jwtauth import conf, sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken, RevokedReason
from tests.tools.http import bearer
from tests.tools.sessions import claims_of, now, refusal, row

SECOND = datetime.timedelta(seconds=1)


# Revoke


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        lambda session: session,
        lambda session: session.pk,
        lambda session: str(session.pk),
        lambda session: RefreshToken.objects.filter(pk=session.pk),
        lambda session: RefreshToken.objects.filter(revoked_at=None).exclude(user__username="bob"),
    ],
    ids=["row", "uuid", "str", "query", "query of living sessions"],
)
def test_a_session_can_be_named_in_four_ways(pair, received, name):
    bob = get_user_model().objects.create_user("bob")
    spared = sessions.start(bob)
    received.clear()
    assert sessions.revoke(name(pair.session), reason="stolen", by=bob) == 1
    stored = row(pair.session)
    assert (stored["revoked_reason"], stored["revoked_by_id"]) == ("stolen", bob.pk)
    assert abs(stored["revoked_at"] - now()) < 5 * SECOND
    assert row(spared.session)["revoked_at"] is None
    assert [(sent, args["session"], args["reason"], args["by"]) for sent, args in received] == [
        ("session_revoked", pair.session, "stolen", bob)
    ]


@pytest.mark.django_db
def test_a_row_that_was_given_shows_that_it_ended(pair):
    sessions.revoke(pair.session)
    assert pair.session.revoked_at is not None
    assert pair.session.revoked_reason == RevokedReason.ADMIN


@pytest.mark.django_db
def test_what_has_ended_stays_as_it_is(pair, received):
    sessions.revoke(pair.session, reason="first")
    before = row(pair.session)
    received.clear()
    assert sessions.revoke(pair.session, reason="second") == 0
    assert sessions.revoke(uuid.uuid4()) == 0
    assert sessions.revoke_all(pair.session.user) == 0
    assert row(pair.session) == before
    assert received == []


@pytest.mark.django_db
def test_revoke_all_ends_the_sessions_of_that_user_only(user):
    bob = get_user_model().objects.create_user("bob")
    pairs, spared = [sessions.start(user) for _ in range(3)], sessions.start(bob)
    assert sessions.revoke_all(user) == 3
    assert {row(pair.session)["revoked_reason"] for pair in pairs} == {"logout_all"}
    assert row(spared.session)["revoked_at"] is None


@pytest.mark.django_db
def test_a_reason_has_a_length(pair):
    for reason in ("r" * 256, "ü" * 256):
        with pytest.raises(ValueError, match="255"):
            sessions.revoke(pair.session, reason=reason)
        with pytest.raises(ValueError, match="255"):
            sessions.blacklist(pair.access, reason=reason)
    assert row(pair.session)["revoked_at"] is None
    assert sessions.revoke(pair.session, reason="ü" * 255) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "no uuid", "1234"])
def test_what_is_no_id_is_a_value_error(db, text):
    with pytest.raises(ValueError, match=r"UUID|hexadecimal"):
        sessions.revoke(text)


@pytest.mark.django_db(transaction=True)
def test_a_revocation_that_is_rolled_back_never_was(user):
    pair = sessions.start(user)
    with transaction.atomic():
        sessions.revoke_all(user)
        sessions.blacklist(pair.access)
        transaction.set_rollback(True)
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


# Keep


def _others(user, count=2):
    return [sessions.start(user) for _ in range(count)]


@pytest.mark.django_db
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("by", ["row", "id"])
def test_a_kept_session_outlives_the_new_password_and_the_others_end(user, client, order, by):
    mine, *others = _others(user, 3)
    someone_else = sessions.start(get_user_model().objects.create_user("bob"))
    name = mine.session if by == "row" else claims_of(mine.access)["sid"]
    user.set_password("new")
    with transaction.atomic():
        if order == "before":
            sessions.keep(name, user)
        user.save()
        if order == "after":
            sessions.keep(name, user)
    assert sessions.refresh(mine.refresh).refresh == mine.refresh
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(mine.access)).status_code == 200
    for other in others:
        assert refusal(other.refresh) == "revoked"
        assert row(other.session)["revoked_reason"] == "password_changed"
    assert row(someone_else.session)["revoked_at"] is None
    if by == "row":
        assert (mine.session.revoked_at, mine.session.revoked_reason) == (None, "")


@pytest.mark.django_db(transaction=True)
def test_keeping_long_after_the_save_brings_the_session_back_here_at_once(user, client):
    pair = sessions.start(user)
    user.set_password("new")
    user.save()
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 401
    sessions.keep(pair.session, user)
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("reason", [RevokedReason.LOGOUT, RevokedReason.PASSWORD_CHANGED, RevokedReason.REUSED])
def test_a_session_that_ended_otherwise_is_not_brought_back(user, pair, reason):
    sessions.revoke(pair.session, reason=reason)
    user.set_password("new")
    user.save()
    before = row(pair.session)
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, user)
    assert row(pair.session) == before


@pytest.mark.django_db
def test_only_the_object_that_was_saved_can_keep(user, pair):
    """Somebody else's change of the password, on another object, is none to be outlived."""
    elsewhere = get_user_model().objects.get()
    elsewhere.set_password("new")
    elsewhere.save()
    for candidate in (user, get_user_model().objects.get()):
        with pytest.raises(InvalidTokenError, match="revoked"):
            sessions.keep(pair.session, candidate)
    assert refusal(pair.refresh) == "revoked"


@pytest.mark.django_db
def test_nobody_keeps_a_session_of_someone_else(user, pair):
    bob = get_user_model().objects.create_user("bob")
    bobs = sessions.start(bob)
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, bob)
    assert row(pair.session)["revoked_at"] is None
    assert row(bobs.session)["revoked_at"] is None


# Blacklist


@pytest.mark.django_db
def test_a_blacklisted_token_is_refused_and_its_session_goes_on(pair, client):
    spared = sessions.refresh(pair.refresh)
    for _ in range(2):
        sessions.blacklist(pair.access, reason="lost")
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"
        assert client.get(path, **bearer(spared.access)).status_code == 200
    assert sessions.verify_refresh(pair.refresh)


@pytest.mark.django_db
def test_a_token_can_be_blacklisted_as_text_or_verified(pair):
    sessions.blacklist(conf.get_config().verifier.verify(pair.access))
    with pytest.raises(InvalidTokenError, match="wrong_type"):
        sessions.blacklist(pair.refresh)
