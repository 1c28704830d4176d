"""All the ways a session ends, or is kept."""

import datetime
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken, RevokedReason
from tests.tools.http import bearer
from tests.tools.sessions import claims_of, now, refusal, row

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


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
    assert sessions.revoke(name(pair.session), reason="user", note="stolen", by=bob) == 1
    stored = row(pair.session)
    assert (stored["revoked_reason"], stored["revoked_note"], stored["revoked_by_id"]) == ("user", "stolen", bob.pk)
    assert abs(stored["revoked_at"] - now()) < 5 * SECOND
    assert row(spared.session)["revoked_at"] is None
    assert [(sent, args["session"], args["reason"], args["by"]) for sent, args in received] == [
        ("session_revoked", pair.session, "user", bob)
    ]


@pytest.mark.django_db
def test_a_row_that_was_given_shows_that_it_ended(pair):
    sessions.revoke(pair.session)
    assert pair.session.revoked_at is not None
    assert pair.session.revoked_reason == RevokedReason.ADMIN


@pytest.mark.django_db
def test_what_has_ended_stays_as_it_is(pair, received):
    sessions.revoke(pair.session, note="first")
    before = row(pair.session)
    received.clear()
    assert sessions.revoke(pair.session, reason="user", note="second") == 0
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
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"note": "r" * 256}, "at most 255 characters"),
        ({"note": "ü" * 256}, "at most 255 characters"),
        ({"reason": "stolen"}, "'stolen' is not one of logout, .*Words for people go into the note"),
        ({"reason": ""}, "'' is not one of"),
        ({"reason": "Reused"}, "'Reused' is not one of"),
    ],
    ids=["long", "long-not-ascii", "prose", "empty", "upper-case"],
)
def test_a_reason_is_one_of_the_choices_and_a_note_has_a_length(user, pair, words, message):
    calls = [
        lambda: sessions.revoke(pair.session, **words),
        lambda: sessions.revoke(RefreshToken.objects.all(), **words),
        lambda: sessions.revoke_all(user, **words),
        lambda: sessions.revoke_everyone(**words),
        lambda: sessions.blacklist(pair.access, **words),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
    assert row(pair.session)["revoked_at"] is None
    assert not BlacklistedToken.objects.exists()
    assert not NotBefore.objects.exists()


@pytest.mark.django_db
def test_a_note_may_be_as_long_as_its_column(pair):
    assert sessions.revoke(pair.session, note="ü" * 255) == 1
    assert row(pair.session)["revoked_note"] == "ü" * 255


@pytest.mark.django_db
def test_revoke_all_takes_several_users(user):
    users = [user, *(get_user_model().objects.create_user(name) for name in ("bob", "eve"))]
    pairs = [sessions.start(one) for one in users]
    assert sessions.revoke_all([]) == 0
    assert sessions.revoke_all(users[:2], note="breach") == 2
    assert sessions.revoke_all(get_user_model().objects.exclude(pk=users[2].pk)) == 0  # they have ended
    assert [row(pair.session)["revoked_note"] for pair in pairs] == ["breach", "breach", ""]


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


@pytest.mark.parametrize("in_test_case", [False, True])
def test_keep_needs_the_transaction_of_the_save(request, client, in_test_case):
    """Between two transactions, somebody may have been told that the session has ended."""
    request.getfixturevalue("db" if in_test_case else "transactional_db")
    user = get_user_model().objects.create_user("ada")
    pair = sessions.start(user)
    user.set_password("new")
    with pytest.raises(RuntimeError, match="must be called in the transaction"):
        sessions.keep(pair.session, user)
    user.save()
    assert client.post("/auth/token/blacklist/", {"refresh": pair.refresh}).status_code == 200
    with pytest.raises(RuntimeError, match="must be called in the transaction"):
        sessions.keep(pair.session, user)
    with transaction.atomic(), pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, user)
    assert row(pair.session)["revoked_reason"] == "password_changed"


@pytest.mark.django_db(transaction=True)
def test_what_a_committed_save_has_ended_is_not_kept_in_a_later_transaction(user, pair):
    user.set_password("new")
    with transaction.atomic():
        user.save()
    with transaction.atomic(), pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, user)


@pytest.mark.django_db
def test_a_password_is_stored_and_one_session_kept_in_one_step(user, client):
    mine, other = _others(user)
    user.set_password("new")
    user.first_name = "not stored"
    sessions.save_password(user, keep=mine.session)
    assert client.get("/whoami/", **bearer(mine.access)).status_code == 200
    assert row(other.session)["revoked_reason"] == "password_changed"
    stored = get_user_model().objects.get()
    assert (stored.check_password("new"), stored.first_name) == (True, "")
    user.set_password("newer")
    sessions.save_password(user)
    assert row(mine.session)["revoked_reason"] == "password_changed"


@pytest.mark.django_db
def test_a_password_is_not_stored_if_the_session_has_ended(user, pair):
    sessions.revoke(pair.session)
    user.set_password("new")
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.save_password(user, keep=pair.session)
    assert get_user_model().objects.get().check_password("correct horse")


@pytest.mark.django_db
def test_a_deleted_user_gets_no_password(user):
    get_user_model().objects.get().delete()
    user.set_password("new")
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.save_password(user)


@pytest.mark.django_db
def test_another_error_of_storing_a_password_stays_what_it_is(user, monkeypatch):
    user.set_password("new")
    user.password = None
    with pytest.raises(IntegrityError):
        sessions.save_password(user)


@pytest.mark.django_db
@pytest.mark.parametrize("reason", [RevokedReason.LOGOUT, RevokedReason.PASSWORD_CHANGED, RevokedReason.REUSED])
def test_a_session_that_ended_otherwise_is_not_brought_back(user, pair, reason):
    sessions.revoke(pair.session, reason=reason)
    user.set_password("new")
    user.save()
    before = row(pair.session)
    with transaction.atomic(), pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, user)
    assert row(pair.session) == before


@pytest.mark.django_db
def test_only_the_object_that_was_saved_can_keep(user, pair):
    """Somebody else's change of the password, on another object, is none to be outlived."""
    elsewhere = get_user_model().objects.get()
    elsewhere.set_password("new")
    elsewhere.save()
    for candidate in (user, get_user_model().objects.get()):
        with transaction.atomic(), pytest.raises(InvalidTokenError, match="revoked"):
            sessions.keep(pair.session, candidate)
    assert refusal(pair.refresh) == "revoked"


@pytest.mark.django_db
def test_nobody_keeps_a_session_of_someone_else(user, pair):
    bob = get_user_model().objects.create_user("bob")
    bobs = sessions.start(bob)
    with transaction.atomic(), pytest.raises(InvalidTokenError, match="revoked"):
        sessions.keep(pair.session, bob)
    assert row(pair.session)["revoked_at"] is None
    assert row(bobs.session)["revoked_at"] is None


# Blacklist


@pytest.mark.django_db
def test_a_blacklisted_token_is_refused_and_its_session_goes_on(pair, client):
    spared = sessions.refresh(pair.refresh)
    for _ in range(2):
        sessions.blacklist(pair.access, note="lost")
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"
        assert client.get(path, **bearer(spared.access)).status_code == 200
    assert sessions.verify_refresh(pair.refresh)


@pytest.mark.django_db
def test_what_has_expired_stays_as_it_is_and_goes_with_the_next_purge(user, client):
    now = RefreshToken.objects.now()
    ago = {"idle": {"rotated_at": now - 15 * DAY}, "too old": {"expires_at": now - DAY}}
    for changes in ago.values():
        RefreshToken.objects.filter(pk=sessions.start(user).session.pk).update(**changes)
    current, other = sessions.start(user), sessions.start(user)
    response = client.delete("/auth/sessions/", **bearer(current.access))
    assert response.json() == {"revoked": 1}
    assert list(RefreshToken.objects.filter(revoked_at__isnull=False)) == [other.session]
    assert sessions.revoke_all(user) == 1
    assert RefreshToken.objects.purgeable(now).count() == 2
    user.delete()
    assert RefreshToken.objects.purgeable(now).count() == 2
    assert RefreshToken.objects.unrevoked().count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "settings_of_it"),
    [
        ({"expires_at": -MINUTE}, {}),
        ({"rotated_at": -8 * MINUTE}, {"REFRESH_TOKEN_LIFETIME": MINUTE}),
    ],
    ids=["a server whose clock is behind", "access tokens outlive the session"],
)
def test_what_may_still_be_accepted_somewhere_is_listed(user, settings, changes, settings_of_it):
    settings.JWTAUTH = settings_of_it
    session = sessions.start(user).session
    now = RefreshToken.objects.now()
    RefreshToken.objects.filter(pk=session.pk).update(**{name: now + ago for name, ago in changes.items()})
    assert sessions.revoke(session) == 1
    assert str(session.pk) in revocation_cache.latest(max_age=10).value.sids


@pytest.mark.django_db
def test_a_token_can_be_blacklisted_as_text_or_verified(pair):
    sessions.blacklist(conf.get_config().verifier.verify(pair.access))
    with pytest.raises(InvalidTokenError, match="wrong_type"):
        sessions.blacklist(pair.refresh)
