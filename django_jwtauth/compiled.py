"""Statements that Django compiles once.

Building a query and compiling it takes Django many times as long as running it, although our statements differ from one
time to the next in their values only. So the SQL is remembered, with the places of the values, and what makes objects
of rows. Statements run by Django's cursors, so whatever wraps these or logs queries sees them.

Nothing here is trusted blindly. A statement is compiled with two sets of samples, to see that its values are where they
are believed to be, and the first rows are read by Django too, to see that the objects are the same. Otherwise, as may
happen with a version of Django that is yet to come, the statement is compiled each time.
"""

import re
import secrets
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, TypeAlias

from django.core.signals import setting_changed
from django.db import connections, models, transaction
from django.db.models import sql

from .database import statement_times, storable
from .rows import Reader, is_alike

MAX_PLANS = 500
"""How many plans are kept. There are a few for each database; only a project that makes up databases has so many."""

Values = Mapping[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Field: TypeAlias = "models.Field[Any, Any]"

_PLACEHOLDER = re.compile("(?<!%)%s")


class UnfitError(Exception):
    """A statement cannot be compiled once and for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is remembered of a statement."""

    sql: str = ""
    """Empty if the statement has to be compiled each time."""
    params: Sequence[Any] = field(default=(), repr=False)
    places: Mapping[int, str] = field(default_factory=dict)
    """Which of the parameters are values, and the names of these. The others are the same each time."""
    models: Sequence[tuple[Any, Any]] = field(default=(), repr=False)
    """The models that are read or written, each with the fields that it had."""
    reader: Any = None
    """For a query, what makes objects of rows."""
    names: Sequence[str] = ()
    """On SQLite, names of the parameters in the SQL."""

    def with_names(self) -> "Plan":
        """Return the same for SQLite: to look for parameters without names takes Django longer than the statement."""
        names = [f"p{place}" for place in range(len(self.params))]
        unnamed = iter(names)
        return replace(self, sql=_PLACEHOLDER.sub(lambda found: f"%({next(unnamed)})s", self.sql), names=names)

    def is_current(self) -> bool:
        """Tell whether the models have the same fields as then."""
        for model, fields in self.models:  # noqa: SIM110 - a generator would cost each statement some calls
            if model._meta.concrete_fields is not fields:
                return False
        return True


_plans: dict[Any, Plan] = {}


class Statement(ABC):
    """A statement that differs from one time to the next in its values only.

    Args:
        places: By the name of each value, a field of the kind that the value has.
    """

    def __init__(self, places: Mapping[str, Field]) -> None:
        self.places = places
        self._prepare = {name: field.get_db_prep_save for name, field in places.items()}

    @property
    def name(self) -> Any:
        """What tells this statement from others."""
        return self

    def run(self, using: str, values: Values) -> Any:
        """Run the statement.

        Args:
            using: The database.
            values: The values by name, always in the same order.
        """
        connection: Any = connections[using]
        # NULL is no value, but a part of the SQL. A MariaDB gets a type for UUIDs when it is upgraded.
        nulls = tuple([value is None for value in values.values()])
        key = self.name, using, type(connection), connection.features.has_native_uuid_field, tuple(values), nulls
        plan = _plans.get(key)
        if plan is None or not plan.is_current():
            try:
                plan = self.compile(connection, values)
            except Exception:
                result = self.run_plain(using, values)
                _remember(key, Plan())  # only now: what went wrong may have been the database
                return result
            plan = plan.with_names() if connection.vendor == "sqlite" else plan
            _remember(key, plan)
        if plan.sql:
            params = list(plan.params)
            for place, name in plan.places.items():
                params[place] = self._prepare[name](values[name], connection)
            given = dict(zip(plan.names, params, strict=True)) if plan.names else tuple(params)
            try:
                return self.execute(plan, connection, given, values)
            except UnfitError:
                _remember(key, Plan())
        return self.run_plain(using, values)

    @abstractmethod
    def run_plain(self, using: str, values: Values) -> Any:
        """Run the statement as everybody would."""

    @abstractmethod
    def compile(self, connection: Any, values: Values) -> Plan:
        """Compile the statement.

        Args:
            connection: The connection.
            values: The values by name.

        Raises:
            UnfitError: if its SQL depends on the values.
        """

    def execute(self, plan: Plan, connection: Any, params: Parameters, values: Values) -> Any:
        """Run the SQL of a plan.

        Raises:
            UnfitError: if that has changed nothing, and is not what Django would have done.
        """
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, params)
            return self.outcome(cursor)

    def outcome(self, cursor: Any) -> Any:
        """Return what the statement yields, once it has been run."""
        return cursor.rowcount


class Sampled(Statement):
    """A statement that is compiled twice, with samples for values, which shows where these are."""

    @abstractmethod
    def build(self, using: str, values: Values) -> tuple[Any, Any]:
        """Return a queryset with these values, and the compiler of the statement."""

    def compile(self, connection: Any, values: Values) -> Plan:
        plan, other = (self._compile_sample(connection, values) for _ in range(2))
        rest = [place for place in range(len(plan.params)) if place not in plan.places]
        is_fit = (
            (plan.sql, plan.places) == (other.sql, other.places)
            and {*plan.places.values()} == {name for name, value in values.items() if value is not None}
            and all(_is_same(plan.params[place], other.params[place]) for place in rest)
        )
        if not is_fit:
            raise UnfitError
        return plan

    def _compile_sample(self, connection: Any, values: Values) -> Plan:
        names = [name for name, value in values.items() if value is not None]
        samples = {name: _SAMPLES[type(self.places[name])]() for name in names}
        queryset, compiler = self.build(connection.alias, dict.fromkeys(values) | samples)
        text, params = compiler.as_sql()
        prepared = {name: self.places[name].get_db_prep_save(samples[name], connection) for name in names}
        places = {
            place: name
            for place, param in enumerate(params)
            for name, sample in prepared.items()
            if _is_same(param, sample)
        }
        columns = [column for column, *_ in compiler.select or ()]
        sources = {queryset.model, *(column.target.model for column in columns if hasattr(column, "target"))}
        return Plan(
            sql=text,
            params=params,
            places=places,
            models=[(model, model._meta.concrete_fields) for model in sources],
            reader=Reader(queryset, compiler, connection) if columns else None,
        )


class Select(Sampled):
    """A query for objects of a model.

    Args:
        build: Returns the queryset for certain values, which it gets by name.
        places: By the name of each value, a field of the kind that the value has.
    """

    def __init__(self, build: Callable[..., Any], **places: Field) -> None:
        super().__init__(places)
        self._build = build

    def run_plain(self, using: str, values: Values) -> Any:
        return list(self._build(**values).using(using))

    def build(self, using: str, values: Values) -> tuple[Any, Any]:
        queryset = self._build(**values).using(using)
        return queryset, queryset.query.get_compiler(using)

    def execute(self, plan: Plan, connection: Any, params: Parameters, values: Values) -> Any:
        asked = time.time()
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, params)
            rows = cursor.fetchall()
        token = statement_times.set((asked, time.time()))
        try:
            return self._read(plan, rows, connection, values)
        finally:
            statement_times.reset(token)

    def _read(self, plan: Plan, rows: Sequence[Any], connection: Any, values: Values) -> list[Any]:
        if plan.reader.is_proven or not rows:
            return list(plan.reader.read(rows, connection))
        try:
            by_django = self._read_by_django(rows, connection, values)
            plan.reader.is_proven = is_alike(by_django, plan.reader.read(rows, connection))
        except Exception:
            raise UnfitError from None
        if not plan.reader.is_proven:
            raise UnfitError
        return by_django

    def _read_by_django(self, rows: Sequence[Any], connection: Any, values: Values) -> list[Any]:
        queryset, compiler = self.build(connection.alias, values)

        def execute_sql(*args: Any, **kwargs: Any) -> Any:
            compiler.as_sql()
            return [rows]  # has been run already

        compiler.execute_sql = execute_sql
        queryset.query.get_compiler = lambda *args, **kwargs: compiler
        return list(queryset)


class Update(Sampled):
    """An UPDATE, which returns how many rows it has changed.

    Args:
        build: Returns the queryset and the changes for certain values, which it gets by name.
        places: By the name of each value, a field of the kind that the value has.
    """

    def __init__(self, build: Callable[..., tuple[Any, Values]], **places: Field) -> None:
        super().__init__(places)
        self._build = build

    def run(self, using: str, values: Values) -> Any:
        with transaction.mark_for_rollback_on_error(using=using):  # as QuerySet.update() does
            return super().run(using, values)

    def run_plain(self, using: str, values: Values) -> Any:
        found, changes = self._build(**values)
        return found.using(using).update(**changes)

    def build(self, using: str, values: Values) -> tuple[Any, Any]:
        queryset, changes = self._build(**values)
        statement = queryset.query.chain(sql.UpdateQuery)
        statement.add_update_values(changes)
        return queryset, statement.get_compiler(using)


class Insert(Statement):
    """An INSERT of one row, unless a query finds nothing. It returns how many rows it has inserted.

    While it runs, it shares a lock on the row that the query finds.

    Args:
        model: The model.
        build: Returns the query for certain values, which it gets by name.
        plain: Inserts the row as Django does.
        places: By the name of each of these values, a field of the kind that the value has. They come in the order in
            which the query has them.
    """

    def __init__(
        self, model: type[models.Model], build: Callable[..., Any], plain: Callable[[], object], **places: Field
    ) -> None:
        self._model, self._build, self._plain, self._given = model, build, plain, places
        super().__init__({field.attname: field for field in model._meta.concrete_fields} | places)

    @property
    def name(self) -> Any:
        return Insert, self._model, *((name, field.model) for name, field in self._given.items())

    def run(self, using: str, values: Values) -> Any:
        with transaction.mark_for_rollback_on_error(using=using):  # as Model.save() does
            return super().run(using, values)

    def run_plain(self, using: str, values: Values) -> Any:
        found = self._build(**{name: values[name] for name in self._given}).using(using)
        with transaction.atomic(using=using):
            if not found.select_for_update():
                return 0
            self._plain()
            return 1

    def compile(self, connection: Any, values: Values) -> Plan:
        # With the values themselves.
        text, params = self._compile(connection, values)
        names = list(values)
        prepared = [self.places[name].get_db_prep_save(value, connection) for name, value in values.items()]
        places: dict[int, str] = {}
        rest = []
        for place, param in enumerate(params):
            if len(places) < len(names) and _is_same(param, prepared[len(places)]):
                places[place] = names[len(places)]
            else:
                rest.append(param)
        # Django 6.1 has a parameter for `is_active`.
        if len(places) < len(names) or any(param is not True for param in rest):
            raise UnfitError
        return Plan(
            sql=text,
            params=[None if place in places else param for place, param in enumerate(params)],
            places=places,
            models=[
                (model, model._meta.concrete_fields)
                for model in {self._model, *(field.model for field in self._given.values())}
            ],
        )

    def _compile(self, connection: Any, values: Values) -> tuple[str, Sequence[Any]]:
        """Make ``INSERT INTO ... SELECT ... FROM (the query)`` of Django's ``INSERT INTO ... VALUES (...)``."""
        statement: Any = sql.InsertQuery(self._model)
        statement.insert_values(self._model._meta.concrete_fields, [SimpleNamespace(**values)])
        ((insert, params),) = statement.get_compiler(connection.alias).as_sql()
        found = self._build(**{name: values[name] for name in self._given})
        query, conditions = found.query.get_compiler(connection.alias).as_sql()
        into, _, placeholders = insert.partition(" VALUES (")
        source = f"({query}{_SHARED_LOCKS.get(connection.vendor, '')}) jwtauth_source"
        return " ".join((into, "SELECT", placeholders.removesuffix(")"), "FROM", source)), (*params, *conditions)


# SQLite has one writer at a time, and needs no lock.
_SHARED_LOCKS = {"postgresql": " FOR SHARE", "mysql": " LOCK IN SHARE MODE"}


def forget() -> None:
    """Forget all plans."""
    _plans.clear()


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    # JWTAUTH, which tests change most, is in no statement: tenants with different settings share the plans.
    if setting != "JWTAUTH":
        forget()


setting_changed.connect(_on_setting_changed)


def _remember(key: Any, plan: Plan) -> None:
    if len(_plans) >= MAX_PLANS:
        _plans.clear()
    _plans[key] = plan


def _moment() -> datetime:
    return datetime(2001, 1, 1, tzinfo=UTC) + timedelta(microseconds=secrets.randbelow(10**15))


# Values that no statement has by itself.
_SAMPLES: dict[type[Any], Callable[[], Any]] = {
    models.BinaryField: lambda: secrets.token_bytes(32),
    models.CharField: lambda: secrets.token_hex(16),
    models.DateField: lambda: _moment().date(),
    models.DateTimeField: lambda: storable(_moment()),
    models.GenericIPAddressField: lambda: str(IPv4Address(secrets.randbits(32))),
    models.PositiveIntegerField: lambda: secrets.randbelow(2**30) + 1000,
    models.UUIDField: uuid.uuid4,
}


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two parameters are the same. Drivers wrap bytes, JSON and addresses in objects of their own."""
    if type(one) is not type(other):
        return False
    contents = [getattr(one, name) == getattr(other, name) for name in ("obj", "adapted", "addr") if hasattr(one, name)]
    return any(contents) or bool(one == other)
