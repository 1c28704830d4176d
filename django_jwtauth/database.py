"""What our rules need of a database: its clock, and single statements that succeed despite contention."""

import itertools
import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, NotSupportedError, OperationalError, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField
from django.db.models.expressions import Func
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from . import conf
from ._core.clock import held_time, stopwatch, sure_difference
from .errors import InvalidTokenError

logger = logging.getLogger("django_jwtauth")

Row = TypeVar("Row", bound=models.Model, covariant=True)

# The clock in microseconds since 1970, whatever the time zones of server, connection and project.
# (Django's Now() returns MySQL's local time as if it were UTC.)
_CLOCKS = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP()) * 1000000 AS BIGINT)",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
}
SUPPORTED_VENDORS = tuple(_CLOCKS)

# 1 if a statement of this connection would find the table. Asking for the table itself would abort the transaction on
# PostgreSQL, and listing all tables may miss one that is in another schema of the search path.
_TABLE_COUNTS = {
    "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = %s",
    "postgresql": "SELECT COUNT(to_regclass(%s))",
    "mysql": "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s",
}
_EPOCH = datetime.fromtimestamp(0, UTC)
_seen_tables: set[tuple[str, str, str]] = set()

View = TypeVar("View", bound=Callable[..., Any])

_POSTGRESQL_CONTENTION = {"40001", "40P01"}  # SQLSTATE: serialization failure, deadlock
_MYSQL_CONTENTION = {1020, 1205, 1213}  # record changed since last read, lock wait timeout, deadlock
_SQLITE_CONTENTION = ("SQLITE_BUSY", "SQLITE_LOCKED")
_MAX_TRIES = 20
_MAX_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 0.5


def database_now(using: str) -> datetime:
    """Return the database's time: the one clock that all application servers share. One statement.

    Raises:
        NotSupportedError: on a database other than SQLite, PostgreSQL, MariaDB and MySQL.
    """
    return _as_seen(_read_clock(using), answered=time.time())


def observed_now(using: str, *, is_event: bool = False) -> datetime:
    """Return the database's time as :func:`database_now` does, and compare the clock of this process with it.

    Args:
        using: The database.
        is_event: Whether something begins or ends at this time. While a test lets time stand still, no two such times
            are the same.
    """
    asked, value, answered = time.time(), _read_clock(using), time.time()
    now = _as_seen(value, answered=answered, is_event=is_event)
    _observe(now, asked=asked, answered=answered)
    return now


def _read_clock(using: str) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {_clock_sql(connections[using])}")
        return cursor.fetchone()[0]  # type: ignore[no-any-return]


def _observe(now: datetime, *, asked: float, answered: float) -> None:
    """Compare the clock of this process with the database's, and warn if they differ: once, until they agree again."""
    config = conf.get_config()
    leeway = config.leeway.total_seconds()
    ahead, is_news = config.clock.observe(epoch(now), asked=asked, answered=answered, leeway=leeway)
    if is_news:
        logger.warning(
            "The clock of this process is %.0f seconds %s the database's. Other services may refuse its access tokens. "
            "Set the clocks right.",
            abs(ahead),
            "ahead of" if ahead > 0 else "behind",
        )


def was_clock_off(error: InvalidTokenError) -> bool:
    """Tell whether a token of our own was refused only because this process did not know that its clock is behind.

    Such a process takes new tokens for tokens from the future. It compares the clocks, at most once an hour, and the
    caller judges the token again. Nobody else can cause this statement: the token has our signature.

    Args:
        error: Why the token was refused.
    """
    if error.reason != "not_yet_valid" or conf.get_config().clock.difference() is not None:
        return False
    try:
        observed_now(apps.get_model("django_jwtauth", "RefreshToken").write_alias())
    except (Error, SynchronousOnlyOperation):
        return False  # the database is away, or this is an event loop
    return bool(conf.get_config().clock.difference())


def clock_difference(using: str) -> float:
    """Return by how many seconds the clock of this process is surely ahead of the database's, or behind. One statement.

    The time that the statement takes counts as no difference.
    """
    asked = time.time()
    there = epoch(database_now(using))
    return sure_difference(there, asked=asked, answered=time.time())


statement_times: ContextVar[tuple[float, float] | None] = ContextVar("jwtauth_statement_times", default=None)
"""When the statement whose rows are being read was sent, and answered: set by who does not compile it each time."""


class DatabaseNow(Func):
    """The same clock as :func:`observed_now`, as an expression, so that a query reads it along with its rows."""

    output_field = BigIntegerField()
    _asked = 0.0

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        self._asked = time.time()  # the statement is about to be sent
        return _clock_sql(connection), ()

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        # Django asks for these when it has the answer, and before it makes an object of the first row. What follows may
        # take its time, and must not count as a fast clock: loading the user, the hooks of the project.
        times = self._asked, time.time()

        def convert(value: int, expression: Any, connection: BaseDatabaseWrapper) -> datetime:
            asked, answered = statement_times.get() or times
            now = _as_seen(value, answered=answered)
            _observe(now, asked=asked, answered=answered)
            return now

        return [convert]


def epoch(moment: datetime) -> float:
    """Return a datetime of our tables as seconds since 1970, also where the project has ``USE_TZ = False``."""
    if timezone.is_aware(moment):
        return moment.timestamp()
    zone = timezone.get_default_timezone()
    moment = moment.replace(fold=0)
    twice = _hour_that_comes_twice(moment, zone)
    if twice is None:
        return moment.replace(tzinfo=zone).timestamp()
    begins, _ = twice
    return begins.replace(tzinfo=zone).timestamp() + 2 * (moment - begins).total_seconds()


def storable(moment: datetime) -> datetime:
    """Return an aware datetime in the form that the project's ``USE_TZ`` asks for.

    With ``USE_TZ = False`` that is the local time. When clocks are put back, an hour comes twice; and in local time,
    what happened in its second pass seems to come before what happened in its first. So during these two hours the time
    that we store goes at half its speed: later is always later, and :func:`epoch` restores the exact time.
    """
    if settings.USE_TZ:
        return moment
    # Not in the current time zone, which a request may have activated: rows are compared across requests.
    zone = timezone.get_default_timezone()
    local = moment.astimezone(zone).replace(tzinfo=None)
    twice = _hour_that_comes_twice(local, zone)
    if twice is None:
        return local
    begins, length = twice
    passed = local.replace(fold=0) - begins + (length if local.fold else timedelta(0))
    return begins + passed / 2


def _hour_that_comes_twice(local: datetime, zone: tzinfo) -> tuple[datetime, timedelta] | None:
    """Return when the hour begins, in local time, and how long it is, if a local time is in an hour that comes twice.

    Args:
        local: The time, without a time zone.
        zone: The time zone.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None or first <= second:
        return None  # no such hour; or one that is skipped, which no clock shows
    # In UTC, the clocks are put back between the two meanings of this local time.
    early, late = (local.replace(fold=0) - offset for offset in (first, second))
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.replace(tzinfo=UTC).astimezone(zone).utcoffset() == first:
            early = middle
        else:
            late = middle
    put_back = late.replace(microsecond=0)  # they are put back at a whole second
    return put_back + second, first - second


def has_table(using: str, table: str) -> bool:
    """Tell whether a table has been created. One statement until it has; then none.

    Args:
        using: The database.
        table: The name of the table.
    """
    connection = connections[using]
    # With django-tenants, a connection has one schema after the other, and not all of them have our tables.
    key = using, getattr(connection, "schema_name", ""), table
    if key in _seen_tables or connection.vendor not in _TABLE_COUNTS:
        return True
    if is_there := table_exists(using, table):
        _seen_tables.add(key)
    return is_there


def table_exists(using: str, table: str) -> bool:
    """Tell whether a table exists at this moment. One statement. Arguments as for :func:`has_table`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_TABLE_COUNTS[connection.vendor], [table])
        return bool(cursor.fetchone()[0])


def forget_tables(using: str) -> None:
    """Look again for the tables of a database, which may be about to change."""
    for seen in [seen for seen in _seen_tables if seen[0] == using]:
        _seen_tables.discard(seen)


_test_scopes = itertools.count(1)
_state = {"scope": 0, "has_test_cases": False}


def is_testing() -> bool:
    """Tell whether Django's test environment has been set up in this process, or a ``TestCase`` has been seen in it."""
    # Not mail.outbox, which the memory backend makes in a server too. Importing the module would load Django's test
    # client and more into servers.
    utils: Any = sys.modules.get("django.test.utils")
    is_set_up = utils is not None and "saved_data" in utils._TestState.__dict__
    return is_set_up or bool(_state["has_test_cases"])


def test_scope() -> tuple[int, int]:
    """Return two numbers for the test that runs, so that what one test leaves in memory means nothing to the next.

    Returns:
        The number that :func:`begin_test_scope` has set last; and the number of the transaction that the
        ``TestCase`` of this thread will roll back. Both are 0 outside of tests, the latter also in other threads.
    """
    if "django.test.utils" in sys.modules:
        for connection in connections.all(initialized_only=True):
            for block in reversed(connection.atomic_blocks):
                if getattr(block, "_from_testcase", False):
                    _state["has_test_cases"] = True
                    return _state["scope"], block.__dict__.setdefault("_jwtauth_scope", next(_test_scopes))
    return _state["scope"], 0


def begin_test_scope() -> None:
    """Let what is in memory mean nothing any more. Only in tests: the processes of a server must agree on it."""
    _state["scope"] = next(_test_scopes)


def write(statement: Callable[[], int], *, using: str) -> int:
    """Run one UPDATE, or one short transaction, and repeat it after contention.

    Under REPEATABLE READ, PostgreSQL refuses to change a row that another connection has just changed, even in a
    single statement. Each refusal means that another statement succeeded, so there are few.

    SQLite refuses at once, without the waiting that its ``timeout`` promises, to let a transaction write that has begun
    with a query while another connection writes. So there is a pause before the next try, each twice as long as the
    last one.

    Args:
        statement: What to run. It runs once only if the caller has opened a transaction, which would have to be
            repeated as a whole.
        using: The database.

    Raises:
        OperationalError: for anything but contention, or after too much of it.
    """
    deadline = stopwatch.seconds() + _MAX_SECONDS
    if not transaction.get_connection(using).in_atomic_block:
        for tries in range(_MAX_TRIES - 1):
            try:
                return statement()
            except OperationalError as error:
                if not is_contention(error) or stopwatch.seconds() > deadline:
                    raise
            if connections[using].vendor == "sqlite":
                time.sleep(min(0.001 * 2**tries, _MAX_PAUSE_SECONDS))
    return statement()


def is_contention(error: OperationalError) -> bool:
    """Tell whether a statement failed only because of another connection: a lock, a deadlock, a changed row."""
    cause = error.__cause__
    return (
        sqlstate(cause) in _POSTGRESQL_CONTENTION
        or getattr(cause, "sqlite_errorname", "").startswith(_SQLITE_CONTENTION)
        or (bool(error.args) and error.args[0] in _MYSQL_CONTENTION)
    )


def sqlstate(cause: Any) -> str | None:
    """Return the SQLSTATE of an error of PostgreSQL; ``None`` for other databases, or without a connection."""
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg, psycopg2


def never_atomic(view: View) -> View:
    """Mark a view function so that ``ATOMIC_REQUESTS`` opens no transaction around it, on any database."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def is_in_transaction(using: str) -> bool:
    """Tell whether the caller has opened a transaction. The transaction of a ``TestCase`` does not count."""
    return _is_in_transaction(transaction.get_connection(using))


def _is_in_transaction(connection: Any) -> bool:
    blocks: list[Any] = getattr(connection, "atomic_blocks", [])
    return connection.in_atomic_block and not (blocks and getattr(blocks[-1], "_from_testcase", False))


def refuse_transaction(using: str, what: str) -> None:
    """Raise inside a transaction, as ``atomic(durable=True)`` does. The transaction of a ``TestCase`` is exempt.

    Args:
        using: The database.
        what: The name of the caller, for the message.

    Raises:
        RuntimeError: inside a transaction, or without autocommit.
    """
    connection = transaction.get_connection(using)
    if _is_in_transaction(connection):
        raise RuntimeError(
            f"{what} was called inside a transaction, where it cannot decide a race. If ATOMIC_REQUESTS is on, a "
            "decorator of the view has lost the mark that exempts it: use functools.wraps in that decorator, or "
            "transaction.non_atomic_requests on the view."
        )
    if not connection.in_atomic_block and not connection.get_autocommit():
        raise RuntimeError(f"{what} needs autocommit: without it, each statement opens a transaction.")


def _clock_sql(connection: BaseDatabaseWrapper) -> str:
    try:
        return _CLOCKS[connection.vendor]
    except KeyError:
        raise NotSupportedError(f"django_jwtauth cannot read the clock of the database {connection.vendor}.") from None


def _as_seen(value: int, *, answered: float, is_event: bool = False) -> datetime:
    """Return the time that the database returned, or the time of this process while a test holds its clock.

    Args:
        value: What the database returned, in microseconds since 1970.
        answered: The time of this process after the database had answered.
        is_event: As for :func:`observed_now`.
    """
    if "freezegun" in sys.modules or "time_machine" in sys.modules:
        held = held_time(answered, is_event=is_event)
        value = value if held is None else held
    return storable(_EPOCH + timedelta(microseconds=value))


class RevocationQuerySet(models.QuerySet[Row]):
    """A query of one of our tables. Managers made of it read from the database that is written."""

    def now(self, *, is_event: bool = False) -> datetime:
        """Return the time of this query's database: the one clock that all application servers share. One statement.

        Args:
            is_event: Whether something begins or ends at this time (see :func:`observed_now`).
        """
        return observed_now(self.db, is_event=is_event)


class RevocationManager(models.Manager[Row]):
    """Reads from the database that is written: a replica may lag behind a revocation."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().using(self._db or router.db_for_write(self.model))
