"""Statements that are compiled once do what Django does with the same queries, on each database, with each version."""

import time

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, models, transaction
from django.db.models import functions, signals
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_jwtauth import compiled, reading, sessions
from django_jwtauth._core.clock import issuer_clock
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.database import database_now
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.sessions import _refresh
from tests.tools.compiled import (
    READS,
    REQUEST,
    assert_same,
    by_django,
    contents,
    each_read,
    odd_session,
    plans,
    rotation,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_plans():
    compiled.forget()
    yield
    compiled.forget()


@pytest.fixture
def session(user):
    return odd_session(user)


# The same as Django


@each_read
def test_a_session_is_read_as_django_reads_it(session, read, django_assert_num_queries):
    expected = by_django(read, session)
    for _ in range(3):  # the first is read by Django too
        with django_assert_num_queries(1):
            found = read(str(session.pk))
        assert_same(found, expected)
    assert [plan.reader.is_proven for plan in plans() if plan.reader] == [True]


@each_read
def test_the_sql_is_the_same(session, read):
    statement, more = READS[read]
    with CaptureQueriesContext(connection) as captured:
        statement.run_plain("default", {"pk": session.pk, **more})
        for _ in range(2):
            read(str(session.pk))
    assert len({found["sql"] for found in captured}) == 1


@each_read
@pytest.mark.parametrize("use_tz", [True, False])
def test_times_are_as_the_settings_say_also_after_they_change(session, read, use_tz):
    for setting in (not use_tz, use_tz):
        with override_settings(USE_TZ=setting):
            for _ in range(2):
                found = read(str(session.pk))
                assert (found.expires_at.tzinfo is not None) == setting
                assert (found.user.last_login.tzinfo is not None) == setting
                assert_same(found, by_django(read, session))


@each_read
def test_a_session_without_user_and_one_that_does_not_exist(session, read):
    assert read("00000000-0000-4000-8000-000000000000") is None
    read(str(session.pk))
    RefreshToken.objects.update(user=None)
    found = read(str(session.pk))
    assert found.user is None
    assert contents(found) == contents(by_django(read, session))
    RefreshToken.objects.all().delete()
    assert read(str(session.pk)) is None


@each_read
def test_what_is_no_id_costs_no_statement(session, read, django_assert_num_queries):
    with django_assert_num_queries(0):
        for sid in ("", "x", session.pk.hex, str(session.pk).upper(), f"{{{session.pk}}}"):
            assert read(sid) is None


def test_the_values_of_one_session_do_not_reach_another(session):
    other = sessions.start(get_user_model().objects.create_user("bob"))
    sessions.blacklist(other.access)
    with pytest.raises(InvalidTokenError, match="revoked"):
        JWTAuthentication().authenticate_token(other.access)
    for row in (session, other.session, session):
        found = reading.session_of_access_token(str(row.pk), "j")
        assert (found.pk, found.user.pk, found.is_blacklisted) == (row.pk, row.user.pk, False)


@pytest.mark.parametrize("address", ["203.0.113.7", None])
def test_a_rotation_is_the_update_that_django_makes(session, address):
    values = rotation(session, ip_address=address)
    statement = _refresh._rotation
    rows = RefreshToken.objects.filter(pk=session.pk)
    undo = {name: getattr(session, name) for name in values if not name.startswith("read_") and name != "pk"}
    seen = []
    for run in (statement.run_plain, statement.run, statement.run):
        with CaptureQueriesContext(connection) as captured:
            assert run("default", values) == 1
        seen.append((captured[0]["sql"], contents(rows.get())))
        assert len(captured) == 1
        assert statement.run("default", values) == 0  # the row is another now
        rows.update(**undo)
    assert seen[0] == seen[1] == seen[2]
    assert all(plan.sql for plan in plans())


def test_a_rotation_changes_only_what_is_given(session):
    values = {name: value for name, value in rotation(session).items() if name not in ("ip_address", "user_agent")}
    assert _refresh._rotation.run("default", values) == 1
    session.refresh_from_db()
    assert (session.generation, session.ip_address) == (5, "2001:db8::7")


@pytest.mark.django_db(transaction=True)
def test_an_update_that_fails_spoils_the_transaction_as_django_does(session):
    def fail(*args):
        raise RuntimeError

    values = rotation(session)
    with transaction.atomic():
        assert _refresh._rotation.run("default", values) == 1
        with connection.execute_wrapper(fail), pytest.raises(RuntimeError):
            _refresh._rotation.run("default", values)
        assert transaction.get_rollback()
    session.refresh_from_db()
    assert session.generation == 0


def test_a_sign_in_inserts_the_row_that_was_made(user):
    for request in (None, REQUEST):
        for _ in range(2):
            started = sessions.start(user, request=request, amr=["pwd"], scope="a").session
            row = RefreshToken.objects.get(pk=started.pk)
            for field in RefreshToken._meta.concrete_fields:
                assert bytes_or(getattr(row, field.attname)) == bytes_or(getattr(started, field.attname))
            assert (started._state.adding, started._state.db) == (False, "default")
    assert [bool(plan.sql) for plan in plans()] == [True, True]  # with and without an address


def bytes_or(value):
    return bytes(value) if isinstance(value, memoryview) else value


def test_saving_a_session_sends_djangos_signals_and_takes_expressions(user):
    calls = []

    def listen(sender, instance, created, **kwargs):
        calls.append((instance.pk, created))

    now = database_now("default")
    values = {
        "user": user,
        "created_at": now,
        "rotated_at": now,
        "auth_time": now,
        "expires_at": now,
        "auth_hash": b"x",
    }
    signals.post_save.connect(listen, sender=RefreshToken)
    try:
        plain = RefreshToken.objects.create(**values)
        computed = RefreshToken.objects.create(**values, scope=functions.Concat(models.Value("a"), models.Value(" b")))
    finally:
        signals.post_save.disconnect(listen, sender=RefreshToken)
    assert calls == [(plain.pk, True), (computed.pk, True)]
    assert RefreshToken.objects.get(pk=computed.pk).scope == "a b"
    with pytest.raises(IntegrityError), transaction.atomic():
        RefreshToken(**values, pk=plain.pk).save(force_insert=True)


@each_read
def test_the_clock_is_compared_at_the_time_of_each_statement(session, read, monkeypatch):
    seen = []

    def observe(there, *, asked, answered, leeway):
        seen.append((asked, answered))
        return 0.0, False

    monkeypatch.setattr(issuer_clock, "observe", observe)
    for _ in range(4):
        before = time.time()
        read(str(session.pk))
        after = time.time()
        asked, answered = seen[-1]
        assert before <= asked <= answered <= after
