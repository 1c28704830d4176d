"""Who sees the statements that are compiled once, when they are compiled again, and when they cannot be."""

import gc
import itertools
import threading
import uuid
from datetime import timedelta
from types import FunctionType, ModuleType, SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import query, signals
from django.db.models.sql import compiler as compilers
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_jwtauth import compiled, rows, sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.sessions import _refresh
from tests.tools.compiled import (
    REQUEST,
    assert_same,
    by_django,
    each_read,
    odd_session,
    plans,
    rotation,
    same_session,
    same_session_of_access_token,
)

numbers = itertools.count()
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_plans():
    compiled.forget()
    yield
    compiled.forget()


@pytest.fixture
def session(user):
    return odd_session(user)


# Whoever looks on


@each_read
def test_wrappers_and_logs_see_the_statement(session, read, settings):
    read(str(session.pk))
    seen = []

    def look(execute, sql, params, many, context):
        seen.append((sql, context["connection"].alias))
        return execute(sql, params, many, context)

    settings.DEBUG = True
    with connection.execute_wrapper(look), CaptureQueriesContext(connection) as captured:
        for _ in range(2):
            read(str(session.pk))
    assert [alias for _, alias in seen] == ["default"] * 2
    assert len(captured) == 2
    assert all("SELECT" in found["sql"] for found in captured)


@pytest.mark.django_db(transaction=True)
def test_threads_share_what_is_remembered(session):
    expected = by_django(same_session, session)
    found, failed = [], []

    def work():
        try:
            for _ in range(10):
                found.append(same_session(str(session.pk)))
                connection.close()
        except Exception as error:
            failed.append(error)
        finally:
            BaseDatabaseWrapper.close(connection)  # SQLite's own does nothing, since the database is in memory

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(found) == 60
    for one in found:
        assert_same(one, expected)
    assert len(plans()) == 1


def test_nothing_of_a_connection_or_a_row_is_kept(session):
    """It belongs to one thread, and what it is part of would stay open."""
    for _ in range(2):
        same_session(str(session.pk))
    sessions.start(session.user)
    gc.collect()
    seen, todo = set(), [*compiled._plans.items()]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType | models.Field):
            continue
        seen.add(id(thing))
        assert not isinstance(thing, BaseDatabaseWrapper | models.Model)
        todo += gc.get_referents(thing)


# When it is compiled again


def test_a_change_of_settings_forgets_everything(session):
    same_session(str(session.pk))
    assert plans()
    with override_settings(DEBUG=True):
        assert plans() == []
        same_session(str(session.pk))
        assert plans()
    assert plans() == []


def test_a_change_of_a_model_compiles_again(session):
    same_session(str(session.pk))
    (before,) = plans()
    same_session(str(session.pk))
    assert plans() == [before]
    get_user_model()._meta._expire_cache()  # as it is when a field is added
    assert_same(same_session(str(session.pk)), by_django(same_session, session))
    (after,) = plans()
    assert after is not before


def test_a_setting_of_django_is_a_reason_to_compile_anew_and_one_of_ours_is_not(session, settings):
    same_session(str(session.pk))
    (before,) = plans()
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": timedelta(days=1)}
    assert plans() == [before]
    settings.TIME_ZONE = "Asia/Tokyo"
    assert plans() == []


def test_few_plans_are_kept(session, monkeypatch):
    monkeypatch.setattr(compiled, "MAX_PLANS", 1)
    for _ in range(2):
        same_session(str(session.pk))
        same_session_of_access_token(str(session.pk))
        assert len(plans()) == 1


# Where it cannot be compiled once


def another_loop(monkeypatch):
    original = query.ModelIterable.__iter__

    def iterate(self):
        for made in original(self):
            made.seen = True
            yield made

    monkeypatch.setattr(query.ModelIterable, "__iter__", iterate)


def no_such_function(monkeypatch):
    monkeypatch.setattr(rows, "query", SimpleNamespace())


def another_populator(monkeypatch):
    monkeypatch.setattr(rows, "query", SimpleNamespace(get_related_populators=lambda *args: [None]))


@each_read
@pytest.mark.parametrize("change", [another_loop, no_such_function, another_populator])
def test_another_django_reads_by_itself(session, monkeypatch, read, change):
    change(monkeypatch)
    expected = by_django(read, session)
    assert hasattr(expected, "seen") == (change is another_loop)
    for _ in range(3):
        assert_same(read(str(session.pk)), expected)
    assert [plan.sql for plan in plans()] == [""]


def test_another_django_writes_by_itself(session, monkeypatch):
    monkeypatch.setattr(compiled, "sql", SimpleNamespace())
    for _ in range(2):
        started = sessions.start(session.user, request=REQUEST).session
        assert RefreshToken.objects.get(pk=started.pk).user_agent == started.user_agent
        assert _refresh._rotation.run("default", rotation(started)) == 1
    assert [plan.sql for plan in plans()] == ["", ""]


def test_values_in_another_order_are_inserted_by_django(session):
    values = {field.attname: getattr(session, field.attname) for field in RefreshToken._meta.concrete_fields}
    values = {"pk_of_user": session.user_id} | values | {"id": uuid.uuid4()}
    done = []
    statement = compiled.Insert(
        RefreshToken, user_with, lambda: done.append(True), pk_of_user=get_user_model()._meta.pk
    )
    assert statement.run("default", values) == 1
    assert statement.run("default", values | {"pk_of_user": 0}) == 0
    assert [plan.sql for plan in plans()] == [""]
    assert done == [True]


def user_with(pk_of_user):
    return get_user_model().objects.filter(pk=pk_of_user).values("pk")


def another_value(pk):
    return RefreshToken.objects.filter(pk=pk).exclude(user_agent=str(pk))


def no_value(pk):
    return RefreshToken.objects.exclude(pk=None)


def another_statement(pk):
    return RefreshToken.objects.filter(pk=pk).order_by(["pk", "user"][pk.int % 2])


@pytest.mark.parametrize("build", [another_value, no_value, another_statement])
def test_sql_that_depends_on_values_is_compiled_each_time(session, monkeypatch, build):
    ids = itertools.cycle(uuid.UUID(int=number) for number in (2**100, 2**100 + 1))
    monkeypatch.setitem(compiled._SAMPLES, models.UUIDField, lambda: next(ids))
    statement = compiled.Select(build, pk=models.UUIDField())
    for _ in range(2):
        assert statement.run("default", {"pk": session.pk}) == [session]
    assert [plan.sql for plan in plans()] == [""]


def test_a_database_that_is_away_once_does_not_count(session, monkeypatch):
    original = compilers.SQLCompiler.as_sql

    def away(self, *args, **kwargs):
        raise OperationalError("the database is away")

    monkeypatch.setattr(compilers.SQLCompiler, "as_sql", away)
    with pytest.raises(OperationalError):
        same_session(str(session.pk))
    assert plans() == []
    monkeypatch.setattr(compilers.SQLCompiler, "as_sql", original)
    same_session(str(session.pk))
    assert all(plan.sql for plan in plans())


class Attached:
    """Equal to nothing but itself, like what packages attach to objects of models."""


@pytest.mark.parametrize(
    ("attach", "is_proven"),
    [
        (lambda: {"list": [Attached(), 1], "none": None}, True),
        (lambda: next(numbers), False),
        (lambda: {next(numbers): 1}, False),
        (lambda: [[1] * (next(numbers) % 2)], False),
        (lambda: [1, "1"][next(numbers) % 2], False),
    ],
    ids=["the same", "another value", "other keys", "another length", "another class"],
)
def test_what_a_project_attaches_to_its_users_stays(session, attach, is_proven):
    def listen(instance, **kwargs):
        instance.attached = attach()

    signals.post_init.connect(listen, sender=get_user_model())
    try:
        for _ in range(2):
            assert hasattr(same_session(str(session.pk)).user, "attached")
    finally:
        signals.post_init.disconnect(listen, sender=get_user_model())
    assert [bool(plan.sql) for plan in plans()] == [is_proven]
