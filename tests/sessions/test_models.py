"""The two tables: their words, what a deleted user leaves, and what they never show."""

import datetime
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, router
from django.db.models.deletion import Collector

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.database import database_now
from django_jwtauth.fields import HiddenField
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from tests.tools.database import WriterOnly

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)


def now():
    return database_now("default")


def test_a_deleted_user_leaves_rows_without_the_person(user, rf, client):
    request = rf.post("/", headers={"User-Agent": "curl/8"}, REMOTE_ADDR="192.0.2.7")
    living, ended = (sessions.start(user, request=request) for _ in range(2))
    sessions.revoke(ended.session, note="stolen", by=user)
    sessions.blacklist(living.access)
    ended_at = ended.session.revoked_at
    user.delete()
    for session in RefreshToken.objects.all():
        assert (session.user, session.ip_address, session.user_agent, session.revoked_by) == (None, None, "", None)
    living.session.refresh_from_db()
    assert living.session.revoked_reason == "user_deleted"
    assert abs(living.session.revoked_at - now()) < 5 * SECOND
    ended.session.refresh_from_db()
    assert (ended.session.revoked_at, ended.session.revoked_reason) == (ended_at, "admin")
    assert ended.session.revoked_note == "stolen"
    assert BlacklistedToken.objects.get().user is None


def test_users_deleted_in_batches_leave_no_session_off_the_list(db):
    """The collector calls REVOKE once for each batch; their updates must not get in each other's way."""
    users = [get_user_model().objects.create_user(f"user {number}") for number in range(3)]
    started = {str(sessions.start(user).session.pk) for user in users}
    collector = Collector(using="default")
    for user in users:
        collector.collect([user])
    collector.delete()
    assert RefreshToken.objects.filter(user=None, revoked_reason="user_deleted", revoked_at__isnull=False).count() == 3
    assert set(revocation_cache.LocalRevocations().usable().sids) == started


def test_only_a_deleted_users_rows_change(user):
    spared = sessions.start(get_user_model().objects.create_user("bob"))
    sessions.start(user)
    user.delete()
    before = spared.session.__dict__ | {"_state": None}
    spared.session.refresh_from_db()
    assert spared.session.revoked_at is None
    assert spared.session.user_id == before["user_id"]


@pytest.mark.parametrize(
    ("changes", "living"),
    [
        ({}, True),
        ({"rotated_at": -13 * DAY}, True),
        ({"rotated_at": -14 * DAY - SECOND}, False),
        ({"expires_at": SECOND * 60}, True),
        ({"expires_at": -SECOND}, False),
        ({"revoked_at": -SECOND}, False),
    ],
    ids=["fresh", "used lately", "idle", "ends soon", "expired", "revoked"],
)
def test_living_sessions_are_those_that_can_be_refreshed(pair, changes, living):
    moment = now()
    RefreshToken.objects.update(**{name: moment + delta for name, delta in changes.items()})
    assert RefreshToken.objects.live(moment).exists() == living
    session = RefreshToken.objects.with_clock().get()
    assert (session.refusal(moment, ends_at=session.idle_at) == "") == living


@pytest.mark.parametrize(
    ("changes", "purged"),
    [
        ({}, False),
        ({"rotated_at": -13 * DAY}, False),
        ({"rotated_at": -15 * DAY}, True),
        ({"expires_at": -SECOND}, True),
        ({"revoked_at": -29 * DAY}, False),
        ({"revoked_at": -29 * DAY, "expires_at": -20 * DAY}, False),
        ({"revoked_at": -31 * DAY}, True),
    ],
    ids=["living", "used lately", "idle", "expired", "revoked", "revoked and expired", "revoked long ago"],
)
def test_what_can_be_purged_serves_nobody(pair, changes, purged):
    moment = now()
    RefreshToken.objects.update(**{name: moment + delta for name, delta in changes.items()})
    assert RefreshToken.objects.purgeable(moment).exists() == purged


@pytest.mark.parametrize(("age", "purged"), [(0, False), (605, False), (615, True)])
def test_a_blacklisted_token_is_purged_when_it_has_expired_for_sure(pair, age, purged):
    sessions.blacklist(pair.access)
    BlacklistedToken.objects.update(created_at=now() - age * SECOND, expires_at=now() - age * SECOND)
    assert BlacklistedToken.objects.purgeable(now()).exists() == purged


def test_words_for_sets_of_sessions(user):
    bob = get_user_model().objects.create_user("bob")
    living, revoked, expired, other = (sessions.start(one).session for one in (user, user, user, bob))
    sessions.revoke(revoked)
    RefreshToken.objects.filter(pk=expired.pk).update(expires_at=now() - SECOND)
    assert set(RefreshToken.objects.of(user)) == {living, revoked, expired}
    assert set(RefreshToken.objects.unrevoked()) == {living, expired, other}
    assert set(RefreshToken.objects.live()) == set(RefreshToken.objects.live(now())) == {living, other}
    assert abs(RefreshToken.objects.now() - now()) < SECOND


@pytest.mark.parametrize("spell", [str.upper, lambda sid: sid.replace("-", ""), lambda sid: f"{sid}x", lambda sid: ""])
def test_a_session_is_found_by_its_id_as_tokens_write_it(pair, spell, django_assert_num_queries):
    sid = str(pair.session.pk)
    assert RefreshToken.objects.with_sid(sid).get() == pair.session
    with django_assert_num_queries(0):
        assert list(RefreshToken.objects.with_sid(spell(sid))) == []


@pytest.mark.parametrize("model", [RefreshToken, BlacklistedToken, NotBefore])
def test_rows_are_read_where_they_are_written(model, settings):
    """A replica may lag behind a revocation, and nobody should have to think of it."""
    settings.DATABASE_ROUTERS = [WriterOnly()]
    assert router.db_for_read(model) == "replica"
    assert model.objects.all().db == model.objects.filter(pk=None).db == "default"
    assert model.objects.using("other").db == model.objects.db_manager("other").all().db == "other"


def test_rows_name_themselves_by_their_public_ids_only(pair):
    sessions.blacklist(pair.access, note="lost")
    token = BlacklistedToken.objects.get()
    assert str(token) == token.jti
    assert str(pair.session) == str(pair.session.pk)
    assert bytes(pair.session.secret).hex() not in repr(pair.session)


def test_each_session_has_a_secret_of_its_own(user):
    secrets = {bytes(sessions.start(user).session.secret) for _ in range(3)}
    assert len(secrets) == 3
    assert {len(secret) for secret in secrets} == {32}


def test_each_generation_has_a_jti_that_only_the_secret_gives(user):
    one, other = (sessions.start(user).session for _ in range(2))
    ids = {session.jti(generation) for session in (one, other) for generation in range(50)}
    assert len(ids) == 100


def test_a_user_model_without_session_hashes_is_bound_to_nothing_that_changes(pair):
    """Django's own login() treats such users the same."""

    class Plain:
        is_active = True

    assert not hasattr(Plain, "get_session_auth_hash")
    pair.session.bind(Plain())
    assert pair.session.is_bound_to(Plain())
    assert not pair.session.is_bound_to(pair.session.user)
    assert not sessions.start(pair.session.user).session.is_bound_to(Plain())


def test_a_user_model_without_fallback_hashes_is_bound_to_the_present_one(pair):
    class Older:
        get_session_auth_hash = AbstractBaseUser.get_session_auth_hash
        _get_session_auth_hash = AbstractBaseUser._get_session_auth_hash
        password = pair.session.user.password

    assert pair.session.is_bound_to(Older())
    Older.password = "md5$another$hash"
    assert not pair.session.is_bound_to(Older())


@pytest.mark.parametrize("column", ["generation", "rotated_at", "auth_hash", "user_agent"])
def test_no_index_is_on_a_column_that_each_rotation_changes(db, column):
    """PostgreSQL would have to write every index of the table anew with each refresh."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, RefreshToken._meta.db_table)
    indexed = [constraint["columns"] for constraint in constraints.values() if constraint["index"]]
    assert indexed
    assert not any(column in columns for columns in indexed)


@pytest.mark.parametrize("model", [RefreshToken, BlacklistedToken, NotBefore])
def test_type_checkers_know_the_kind_of_each_column_and_whether_it_may_be_empty(model):
    """Except for what nobody should read, and an ``id`` that Django adds."""
    known = {name: kind for name, kind in model.__mro__[1].__annotations__.items() if not name.endswith("_id")}
    columns = [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, HiddenField) and not getattr(field, "auto_created", False)
    ]
    assert known.keys() == {field.name for field in columns}
    for field in columns:
        kind, empty = re.fullmatch(r"models\.(\w+)\[Any, .*?( \| None)?\]", known[field.name]).groups()
        assert (kind, bool(empty)) == (type(field).__name__, field.null), field.name
