"""The rules of a session: how it starts, what each refresh leads to, and all the ways it ends."""

import datetime
import logging
import re
import sys
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction
from django.views.debug import ExceptionReporter

from django_jwtauth import conf, sessions, signals, tokens
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.database import database_now
from django_jwtauth.errors import ClaimsHookError, InvalidTokenError, RefreshConflictError
from django_jwtauth.models import RefreshToken, RevokedReason

from .conftest import bearer

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)
ALL_SIGNALS = ("session_started", "session_refreshed", "session_revoked", "refresh_token_reused")

_interference = []


def interfere(user, *, request, session):
    """A claims hook. It runs between the reading of a row and its UPDATE: where another request may come between."""
    if _interference:
        _interference.pop(0)(session)
    return {}


@pytest.fixture
def between(settings):
    """Let something happen in the middle of the next refreshes, once each."""
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.test_sessions.interfere"]}
    yield lambda *actions: _interference.extend(actions)
    _interference.clear()


@pytest.fixture
def received():
    """The names and arguments of the signals that were sent."""
    calls = []

    def listen(name):
        def receiver(sender, signal, **kwargs):
            calls.append((name, kwargs))

        return receiver

    receivers = {name: listen(name) for name in ALL_SIGNALS}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, sender=RefreshToken)
    yield calls
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver, sender=RefreshToken)


def row(session):
    return RefreshToken.objects.filter(pk=session.pk).values().get()


def change(session, **changes):
    RefreshToken.objects.filter(pk=session.pk).update(**changes)


def now():
    return database_now("default")


def refresh_token(session, generation):
    session.refresh_from_db()
    session.generation = generation
    return tokens.mint_refresh(session).raw


def claims_of(access):
    return conf.get_config().verifier.verify(access).claims


def refusal(raw):
    with pytest.raises(InvalidTokenError) as caught:
        sessions.refresh(raw)
    return caught.value.reason


def age_of_code(pair, by=HOUR):
    change(pair.session, rotated_at=row(pair.session)["rotated_at"] - by)


# Start


@pytest.mark.django_db
def test_a_session_starts_with_one_row_and_tokens_that_work(user, rf):
    request = rf.get("/", headers={"User-Agent": "curl/8"}, REMOTE_ADDR="192.0.2.7")
    pair = sessions.start(user, request=request, amr=["pwd", "otp"], acr="silver", scope="orders:read orders:write")
    stored = RefreshToken.objects.get()
    assert stored == pair.session
    assert stored.user == user
    assert stored.generation == stored.replays == 0
    assert stored.created_at == stored.rotated_at == stored.auth_time
    assert stored.expires_at - stored.created_at == datetime.timedelta(days=90)
    assert (stored.ip_address, stored.user_agent, stored.transport) == ("192.0.2.7", "curl/8", "body")
    assert (stored.revoked_at, stored.revoked_reason, stored.revoked_by) == (None, "", None)
    assert claims_of(pair.access)["sid"] == str(stored.pk)
    assert sessions.verify_refresh(pair.refresh) == stored
    assert "access" not in repr(pair).replace("access_", "")
    assert pair.refresh not in repr(pair)


@pytest.mark.django_db
def test_a_session_can_start_without_a_request(pair):
    assert (pair.session.ip_address, pair.session.user_agent) == (None, "")


@pytest.mark.django_db
def test_a_session_can_start_inside_a_transaction(user):
    with transaction.atomic():
        pair = sessions.start(user)
    assert sessions.verify_refresh(pair.refresh)


@pytest.mark.django_db
def test_an_inactive_user_gets_no_session(user):
    user.is_active = False
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.start(user)
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db
def test_the_lifetimes_of_a_pair_are_in_seconds(user, settings):
    settings.JWTAUTH = {
        "ACCESS_TOKEN_LIFETIME": datetime.timedelta(minutes=7),
        "REFRESH_TOKEN_LIFETIME": DAY,
    }
    pair = sessions.start(user)
    assert 418 <= pair.expires_in <= 420
    assert 86398 <= pair.refresh_expires_in <= 86400


@pytest.mark.django_db
def test_the_session_lifetime_bounds_both_tokens(user, settings):
    settings.JWTAUTH = {"SESSION_LIFETIME": 100 * SECOND}
    pair = sessions.start(user)
    assert 97 <= pair.expires_in <= 100
    assert 97 <= pair.refresh_expires_in <= 100
    assert abs(claims_of(pair.access)["exp"] - int(pair.session.expires_at.timestamp())) <= 1


@pytest.mark.django_db
def test_a_rotation_does_not_lengthen_the_session(pair):
    change(pair.session, rotated_at=now() - HOUR, expires_at=now() + 60 * SECOND)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    assert renewed.expires_in <= 60
    assert renewed.refresh_expires_in <= 60


@pytest.mark.django_db
def test_of_too_many_sessions_the_oldest_end(user, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    someone_else = sessions.start(get_user_model().objects.create_user("bob"))
    pairs = []
    for days_ago in (3, 2, 1, 0):
        pairs.append(sessions.start(user))
        change(pairs[-1].session, created_at=now() - days_ago * DAY)
    reasons = [row(pair.session)["revoked_reason"] for pair in pairs]
    assert reasons == ["session_limit", "session_limit", "", ""]
    assert row(someone_else.session)["revoked_at"] is None


@pytest.mark.django_db
def test_sessions_that_are_over_do_not_count_for_the_limit(user, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    idle, kept = sessions.start(user), sessions.start(user)
    change(idle.session, rotated_at=now() - 15 * DAY)
    sessions.start(user)
    assert row(idle.session)["revoked_at"] is None
    assert row(kept.session)["revoked_at"] is None


# Refresh: the table of rotation. Columns: the token's generation against the row's, the row's age, the window.

REPEAT, ROTATE, REPLAY = "repeat", "rotate", "replay"
TABLE = [
    ("present, fresh", 0, 0 * SECOND, 30, REPEAT),
    ("present, just inside", 0, 20 * SECOND, 30, REPEAT),
    ("present, past the window", 0, 31 * SECOND, 30, ROTATE),
    ("present, old", 0, 13 * DAY, 30, ROTATE),
    ("present, rotated in the future", 0, -HOUR, 30, REPEAT),
    ("previous, fresh", -1, 0 * SECOND, 30, REPLAY),
    ("previous, just inside", -1, 20 * SECOND, 30, REPLAY),
    ("previous, rotated in the future", -1, -HOUR, 30, REPLAY),
    ("previous, past the window", -1, 31 * SECOND, 30, "reused"),
    ("second last, fresh", -2, 0 * SECOND, 30, "reused"),
    ("first, old", -5, HOUR, 30, "reused"),
    ("next, fresh", 1, 0 * SECOND, 30, "ahead"),
    ("next, old", 1, HOUR, 30, "ahead"),
    ("far ahead", 1000, HOUR, 30, "ahead"),
    ("no window: present, fresh", 0, 0 * SECOND, 0, ROTATE),
    ("no window: present, rotated in the future", 0, -HOUR, 0, ROTATE),
    ("no window: present, old", 0, HOUR, 0, ROTATE),
    ("no window: previous, fresh", -1, 0 * SECOND, 0, "reused"),
    ("no window: next", 1, 0 * SECOND, 0, "ahead"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("step", "age", "window", "outcome"), [case[1:] for case in TABLE], ids=[c[0] for c in TABLE])
def test_each_generation_and_age_has_its_outcome(pair, settings, step, age, window, outcome):
    settings.JWTAUTH = {"REFRESH_GRACE_PERIOD": window * SECOND}
    change(pair.session, generation=5, rotated_at=now() - age)
    raw = refresh_token(pair.session, 5 + step)
    before = row(pair.session)

    # Asking first tells the same, but for what was superseded, and changes nothing.
    if outcome in (REPEAT, ROTATE):
        assert sessions.verify_refresh(raw) == pair.session
    else:
        with pytest.raises(InvalidTokenError, match="reused" if outcome == REPLAY else outcome):
            sessions.verify_refresh(raw)
    assert row(pair.session) == before

    if outcome in ("reused", "ahead"):
        assert refusal(raw) == outcome
    else:
        given = sessions.refresh(raw)
        assert claims_of(given.access)["sid"] == str(pair.session.pk)
        assert given.refresh == refresh_token(pair.session, 6 if outcome == ROTATE else 5)
    after = row(pair.session)
    changed = {name for name, value in after.items() if value != before[name]}
    assert (
        changed
        == {
            REPEAT: set(),
            ROTATE: {"generation", "rotated_at"},
            REPLAY: {"replays"},
            "reused": {"revoked_at", "revoked_reason"},
            "ahead": set(),
        }[outcome]
    )
    if outcome == ROTATE:
        assert after["generation"] == 6
        assert abs(after["rotated_at"] - now()) < 5 * SECOND
    if outcome == REPLAY:
        assert after["replays"] == 1
    if outcome == "reused":
        assert after["revoked_reason"] == RevokedReason.REUSED


# What stands against a session, in the order in which it is found out.

OBSTACLES = {
    "invalid": lambda session: change(session, secret=b"another secret, 32 bytes long ..."),
    "revoked": lambda session: change(session, revoked_at=now(), revoked_reason="admin"),
    "session_expired": lambda session: change(session, expires_at=now() - SECOND),
    "user_inactive": lambda session: get_user_model().objects.update(is_active=False),
    "password_changed": lambda session: get_user_model().objects.update(password="md5$another$hash"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("generation", [3, 4, 5, 6], ids=["reused", "previous", "present", "ahead"])
@pytest.mark.parametrize("first", range(len(OBSTACLES)), ids=list(OBSTACLES))
def test_the_first_obstacle_names_the_reason_and_nothing_changes(pair, received, first, generation):
    """With an obstacle all later ones are there too; and none of them is hidden by the generation, or by reuse."""
    change(pair.session, generation=5, rotated_at=now() - HOUR)
    raw = refresh_token(pair.session, generation)
    names = list(OBSTACLES)[first:]
    for name in names:
        OBSTACLES[name](pair.session)
    before = row(pair.session)
    assert refusal(raw) == names[0]
    with pytest.raises(InvalidTokenError, match=names[0]):
        sessions.verify_refresh(raw)
    assert row(pair.session) == before
    assert received == []


@pytest.mark.django_db
def test_a_token_of_no_session_is_invalid(pair):
    RefreshToken.objects.all().delete()
    assert refusal(pair.refresh) == "invalid"


@pytest.mark.django_db
def test_the_idle_limit_ends_a_session_on_the_databases_clock(pair):
    change(pair.session, rotated_at=now() - 14 * DAY - SECOND)
    assert refusal(pair.refresh) == "session_expired"
    change(pair.session, rotated_at=now() - 14 * DAY + 60 * SECOND)
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.django_db
def test_each_rotation_renews_the_idle_limit(pair):
    change(pair.session, rotated_at=now() - 13 * DAY)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.refresh_expires_in > 13.9 * 86400


@pytest.mark.django_db
def test_the_same_generation_gives_the_same_bytes_and_a_fresh_access_token(pair):
    again = sessions.refresh(pair.refresh)
    assert again.refresh == pair.refresh
    assert again.access != pair.access
    assert claims_of(again.access)["jti"] != claims_of(pair.access)["jti"]


@pytest.mark.django_db
def test_the_window_never_slides(pair):
    """Neither repeats nor replays move the time from which the window is counted."""
    age_of_code(pair)
    first = sessions.refresh(pair.refresh)
    change(pair.session, rotated_at=now() - 20 * SECOND)
    rotated_at = row(pair.session)["rotated_at"]
    for raw in (pair.refresh, first.refresh, pair.refresh):
        assert sessions.refresh(raw).refresh == refresh_token(pair.session, 1)
    stored = row(pair.session)
    assert stored["rotated_at"] == rotated_at
    assert stored["replays"] == 2


@pytest.mark.django_db
def test_one_row_after_a_hundred_refreshes(pair):
    raw = pair.refresh
    for _ in range(100):
        change(pair.session, rotated_at=now() - HOUR)
        raw = sessions.refresh(raw).refresh
    assert RefreshToken.objects.get().generation == 100


@pytest.mark.django_db
def test_a_rotation_notes_where_the_client_is_now(pair, rf):
    age_of_code(pair)
    request = rf.post("/", headers={"User-Agent": "new"}, REMOTE_ADDR="2001:db8::1")
    sessions.refresh(pair.refresh, request=request)
    stored = row(pair.session)
    assert (stored["ip_address"], stored["user_agent"]) == ("2001:db8::1", "new")
    # One without a request knows nothing of it, and forgets nothing.
    age_of_code(pair)
    sessions.refresh(refresh_token(pair.session, 1))
    stored = row(pair.session)
    assert (stored["generation"], stored["ip_address"], stored["user_agent"]) == (2, "2001:db8::1", "new")


@pytest.mark.django_db
def test_how_a_user_signed_in_stays_as_it_was_over_refreshes(user):
    pair = sessions.start(user, amr=["pwd", "otp"], acr="silver", scope="orders:read")
    change(pair.session, auth_time=now() - HOUR)
    pair.session.refresh_from_db()
    expected = {
        "amr": ["pwd", "otp"],
        "acr": "silver",
        "scope": "orders:read",
        "auth_time": int(pair.session.auth_time.timestamp()),
    }
    raw = pair.refresh
    for _ in range(2):
        age_of_code(pair)
        renewed = sessions.refresh(raw)
        assert {name: claims_of(renewed.access)[name] for name in expected} == expected
        raw = renewed.refresh


@pytest.mark.django_db
def test_a_refresh_token_goes_on_only_where_it_belongs(user):
    """Two sessions of one user: neither's tokens say anything about the other."""
    one, other = sessions.start(user), sessions.start(user)
    sessions.revoke(one.session)
    assert refusal(one.refresh) == "revoked"
    assert sessions.refresh(other.refresh).session == other.session


@pytest.mark.django_db
@pytest.mark.parametrize("raw", ["", "a.b.c", b"\xff", "no token"])
def test_what_is_no_token_is_refused_without_a_query(raw, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert refusal(raw) == "invalid"


# Somebody else comes between the reading of the row and its UPDATE.


@pytest.mark.django_db
def test_who_is_overtaken_by_a_rotation_gets_its_token(pair, between):
    age_of_code(pair)
    between(lambda session: change(session, generation=1, rotated_at=now()))
    assert sessions.refresh(pair.refresh).refresh == refresh_token(pair.session, 1)
    assert row(pair.session)["replays"] == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda session: sessions.revoke(session.pk), "revoked"),
        (lambda session: session.user.delete(), "revoked"),
        (lambda session: RefreshToken.objects.all().delete(), "invalid"),
        (lambda session: change(session, generation=2, rotated_at=now()), "reused"),
    ],
    ids=["signed out", "user deleted", "purged", "rotated twice"],
)
def test_a_refresh_never_overrules_what_came_between(pair, between, action, reason):
    age_of_code(pair)
    between(action)
    assert refusal(pair.refresh) == reason
    assert not RefreshToken.objects.filter(revoked_at=None).exists()


def _upgrade_hash(session):
    """What a sign-in elsewhere does when the project has chosen a better hasher."""
    user = get_user_model().objects.get()
    user.set_password("correct horse")
    get_user_model().objects.update(password=user.password)
    session = RefreshToken.objects.get()
    session.bind(user)
    change(session, auth_hash=session.auth_hash)


@pytest.mark.django_db
def test_a_hash_upgrade_that_came_between_is_not_undone(pair, between):
    age_of_code(pair)
    between(_upgrade_hash)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    assert sessions.verify_refresh(renewed.refresh)


@pytest.mark.django_db
def test_who_is_overtaken_twice_is_asked_to_come_again(pair, between, client):
    age_of_code(pair)
    between(_upgrade_hash, _upgrade_hash)
    with pytest.raises(RefreshConflictError):
        sessions.refresh(pair.refresh)
    assert row(pair.session)["generation"] == 0
    between(_upgrade_hash, _upgrade_hash)
    response = client.post("/auth/token/refresh/", {"refresh": pair.refresh})
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert sessions.refresh(pair.refresh).session.generation == 1


class _CauseError(Exception):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def _contention(kind):
    error = OperationalError(1213 if kind == "mysql" else "busy")
    causes = {"postgresql": {"sqlstate": "40001"}, "sqlite": {"sqlite_errorname": "SQLITE_BUSY"}}
    error.__cause__ = _CauseError(**causes.get(kind, {}))
    return error


def failing_updates(error, *, times):
    """A hook of Django's around each statement (``connection.execute_wrapper``): the first UPDATEs fail."""
    left = [error] * times

    def wrapper(execute, sql, params, many, context):
        if left and sql.startswith("UPDATE"):
            raise left.pop()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "mysql"])
def test_contention_costs_nobody_anything(user, kind):
    pair = sessions.start(user)
    age_of_code(pair)
    with failing_updates(_contention(kind), times=1):
        renewed = sessions.refresh(pair.refresh)  # the second try gets through
    assert renewed.session.generation == 1
    with failing_updates(_contention(kind), times=1000):
        assert sessions.refresh(pair.refresh).refresh == renewed.refresh  # the count of replays is no reason to refuse
    with failing_updates(_contention(kind), times=5):
        assert sessions.revoke(pair.session) == 1


@pytest.mark.django_db(transaction=True)
def test_another_failure_of_the_database_is_not_taken_for_contention(user):
    pair = sessions.start(user)
    age_of_code(pair)
    away = OperationalError("the server has gone away")
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.refresh(pair.refresh)
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.revoke(pair.session)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.refresh(pair.refresh)


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_a_statement_is_tried_once(user):
    """The transaction is broken already; only its owner can begin anew."""
    pair = sessions.start(user)
    with failing_updates(_contention("postgresql"), times=1), pytest.raises(OperationalError), transaction.atomic():
        sessions.revoke(pair.session)
    assert row(pair.session)["revoked_at"] is None


@pytest.mark.django_db(transaction=True)
def test_a_refresh_inside_a_transaction_raises_at_once_and_says_why(user, django_assert_num_queries):
    pair = sessions.start(user)
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        sessions.refresh(pair.refresh)
    transaction.set_autocommit(False)
    try:
        with pytest.raises(RuntimeError, match="autocommit"):
            sessions.refresh(pair.refresh)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


# Statements


@pytest.mark.django_db
def test_a_refresh_costs_two_statements(pair, django_assert_num_queries):
    age_of_code(pair)
    with django_assert_num_queries(2):
        sessions.refresh(pair.refresh)  # rotates
    with django_assert_num_queries(2):
        sessions.refresh(pair.refresh)  # replay
    raw = refresh_token(pair.session, 1)
    with django_assert_num_queries(1):
        sessions.refresh(raw)  # repeats


@pytest.mark.django_db
def test_a_sign_in_costs_at_most_four_statements(client, user, settings, django_assert_max_num_queries):
    credentials = {"username": "ada", "password": "correct horse"}
    with django_assert_max_num_queries(4):
        assert client.post("/auth/token/", credentials).status_code == 200
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 1}
    with django_assert_max_num_queries(6):
        assert client.post("/auth/token/", credentials).status_code == 200
    assert RefreshToken.objects.filter(revoked_at=None).count() == 1


@pytest.mark.django_db
def test_an_authenticated_request_costs_one_query_and_a_stateless_one_none(client, pair, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    with django_assert_num_queries(1):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    with django_assert_num_queries(0):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200


@pytest.mark.django_db
def test_a_refused_signature_costs_no_query(client, pair, django_assert_num_queries):
    def forged(raw):
        message, _, signature = raw.rpartition(".")
        return f"{message}.{signature[::-1]}"

    with django_assert_num_queries(0):
        for path in ("/whoami/", "/stateless/"):
            assert client.get(path, **bearer(forged(pair.access))).status_code == 401
        for path, name in (("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")):
            assert client.post(f"/auth/token/{path}/", {name: forged(pair.refresh)}).status_code == 401


# Find


@pytest.mark.django_db
def test_a_session_is_found_by_any_generation_alive_or_not(pair):
    change(pair.session, generation=5)
    for generation in (0, 4, 5, 6):
        assert sessions.find_by_refresh_token(refresh_token(pair.session, generation)) == pair.session
    sessions.revoke(pair.session)
    assert sessions.find_by_refresh_token(pair.refresh).revoked_reason == RevokedReason.ADMIN


@pytest.mark.django_db
def test_no_session_is_found_by_a_token_that_is_not_the_rows(pair):
    change(pair.session, secret=b"another secret, 32 bytes long ...")
    with pytest.raises(InvalidTokenError, match="invalid"):
        sessions.find_by_refresh_token(pair.refresh)


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


# Signals


@pytest.mark.django_db
def test_signals_say_what_happened_to_which_session(user, rf, received):
    request = rf.post("/")
    pair = sessions.start(user, request=request)
    assert received == [("session_started", {"session": pair.session, "user": user, "request": request})]

    received.clear()
    age_of_code(pair)
    sessions.refresh(pair.refresh, request=request)
    assert received == [("session_refreshed", {"session": pair.session, "user": user, "request": request})]

    received.clear()
    age_of_code(pair)
    assert refusal(pair.refresh) == "reused"
    assert received == [
        ("session_revoked", {"session": pair.session, "reason": "reused", "by": None}),
        ("refresh_token_reused", {"session": pair.session, "user": user, "request": None}),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("change_user", ["password", "is_active"])
def test_a_signal_is_sent_for_each_session_that_a_change_of_the_user_ends(user, received, change_user):
    pairs = [sessions.start(user) for _ in range(2)]
    received.clear()
    if change_user == "password":
        user.set_password("new")
    else:
        user.is_active = False
    user.save()
    assert {name for name, args in received} == {"session_revoked"}
    assert {args["session"] for name, args in received} == {pair.session for pair in pairs}


@pytest.mark.django_db
def test_a_receiver_that_fails_changes_nothing(user, caplog):
    def fail(**kwargs):
        raise ZeroDivisionError

    for name in ALL_SIGNALS:
        getattr(signals, name).connect(fail)
    try:
        pair = sessions.start(user)
        age_of_code(pair)
        renewed = sessions.refresh(pair.refresh)
        age_of_code(pair)
        assert refusal(pair.refresh) == "reused"
        assert refusal(renewed.refresh) == "revoked"
    finally:
        for name in ALL_SIGNALS:
            getattr(signals, name).disconnect(fail)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.django_db
def test_reuse_is_logged_without_any_token(pair, rf, caplog):
    change(pair.session, generation=2)
    with caplog.at_level(logging.WARNING, logger="django_jwtauth.security"), pytest.raises(InvalidTokenError):
        sessions.refresh(pair.refresh, request=rf.post("/", REMOTE_ADDR="192.0.2.9"))
    assert str(pair.session.pk) in caplog.text
    assert "192.0.2.9" in caplog.text
    assert pair.refresh not in caplog.text
    assert pair.session.jti(0) not in caplog.text


# Robustness


@pytest.mark.django_db
def test_a_restored_backup_signs_nobody_out(pair):
    """The newest tokens are ahead of their rows and refused; nothing ends, and the tokens of the backup's day work."""
    change(pair.session, generation=3, rotated_at=now() - HOUR)
    old = refresh_token(pair.session, 3)
    new = sessions.refresh(old).refresh
    change(pair.session, generation=3, rotated_at=now() - HOUR)  # the restore
    assert refusal(new) == "ahead"
    assert row(pair.session)["revoked_at"] is None
    assert sessions.refresh(old).session.generation == 4


@pytest.mark.django_db
def test_a_new_secret_key_ends_no_session_while_the_old_one_is_a_fallback(pair, client, settings):
    old, new = settings.SECRET_KEY, "another secret key of a good length, 0123456789"
    age_of_code(pair)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    settings.SECRET_KEY_FALLBACKS = []  # the rotation has bound the session to the new key
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(renewed.access)).status_code == 200
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "invalid"
    assert sessions.refresh(renewed.refresh).refresh == renewed.refresh
    assert refusal(pair.refresh) == "invalid"


@pytest.mark.django_db
def test_a_new_secret_key_without_a_fallback_refuses_and_ends_nothing(pair, client, settings):
    before, old = row(pair.session), settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key of a good length, 0123456789"
    assert refusal(pair.refresh) == "invalid"
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "invalid"
    assert row(pair.session) == before
    settings.SECRET_KEY = old
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


@pytest.mark.django_db
def test_a_changed_idle_limit_holds_for_living_sessions_too(pair, settings):
    change(pair.session, rotated_at=now() - 5 * DAY)
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": DAY}
    assert refusal(pair.refresh) == "session_expired"
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 6 * DAY}
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.django_db
def test_a_shorter_session_lifetime_is_for_new_sessions(user, pair, settings):
    settings.JWTAUTH = {"SESSION_LIFETIME": HOUR}
    assert sessions.refresh(pair.refresh).refresh == pair.refresh
    assert sessions.start(user).refresh_expires_in <= 3600


@pytest.mark.django_db
def test_a_shorter_access_token_lifetime_ends_older_tokens_sooner(pair, client, settings):
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    claims = claims_of(pair.access) | {"iat": int(now().timestamp()) - 60}
    old = jws.sign(claims, typ="at+jwt", key=conf.get_config().signing_keys.signing_key)
    assert client.get("/whoami/", **bearer(old)).status_code == 200
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": 30 * SECOND}
    assert client.get("/whoami/", **bearer(old)).json()["reason"] == "expired"
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": HOUR}
    assert client.get("/whoami/", **bearer(old)).status_code == 200


@pytest.mark.django_db
def test_nothing_revoked_comes_back(user, client, settings):
    """Not by a refresh of any generation, a longer lifetime, a saved user, or a changed password."""
    pair = sessions.start(user)
    change(pair.session, generation=5)
    raws = [refresh_token(pair.session, generation) for generation in range(7)]
    sessions.revoke(pair.session)
    before = row(pair.session)
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 400 * DAY, "SESSION_LIFETIME": 400 * DAY}
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()
    assert {refusal(raw) for raw in raws} == {"revoked"}
    assert row(pair.session) == before
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"


@pytest.mark.django_db
def test_a_hook_that_fails_leaves_nothing_half_done(pair, between):
    def fail(session):
        raise ZeroDivisionError

    age_of_code(pair)
    before = row(pair.session)
    between(fail)
    with pytest.raises(ClaimsHookError, match="ZeroDivisionError"):
        sessions.refresh(pair.refresh)
    assert row(pair.session) == before
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.parametrize(
    "arguments",
    [{"scope": "a\nb"}, {"acr": "\x00"}, {"amr": ["pwd", ""]}, {"amr": ["p\twd"]}, {"amr": "pwd"}],
    ids=["scope", "acr", "empty amr", "amr", "amr no list"],
)
def test_what_no_token_may_carry_is_refused_at_the_start(user, arguments):
    with pytest.raises(ValueError, match=r"amr is a list|A scope is words"):
        sessions.start(user, **arguments)
    assert not RefreshToken.objects.exists()


def test_revoking_a_session_that_was_purged_does_nothing(pair):
    RefreshToken.objects.all().delete()
    assert sessions.revoke(pair.session) == 0


@pytest.mark.django_db
def test_neither_password_nor_token_stands_in_an_error_report(user, pair, settings, rf):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.test_sessions.failing_hook"], "REFRESH_GRACE_PERIOD": DAY}
    request = rf.post("/")
    settings.DEBUG = False
    for raw, function in ((pair.refresh, sessions.refresh), (pair.access, BlockedAuthentication().authenticate_token)):
        try:
            function(raw)
        except Exception:
            report = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()
            frames = report.split('<li class="frame')
            ours = [frame for frame in frames if re.search(r'class="fname">[^<]*/django_jwtauth/', frame)]
            assert ours
            assert not [frame for frame in ours if raw in frame]
        else:
            raise AssertionError("It was to fail.")


def failing_hook(user, *, request, session):
    raise LookupError


class BlockedAuthentication(JWTAuthentication):
    """The database fails in the middle of an authentication."""

    def authenticate_token(self, raw):
        def fail(*arguments):
            raise OperationalError

        with connection.execute_wrapper(fail):
            return super().authenticate_token(raw)
