"""What our rules need of a database: its clock, and single statements that succeed despite contention."""

import itertools
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.core import mail
from django.db import NotSupportedError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField
from django.db.models.expressions import Func
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from ._core.clock import issuer_clock

logger = logging.getLogger("django_jwtauth")

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
_seen_tables: set[tuple[str, str]] = set()

View = TypeVar("View", bound=Callable[..., Any])

_POSTGRESQL_CONTENTION = {"40001", "40P01"}  # SQLSTATE: serialization failure, deadlock
_MYSQL_CONTENTION = {1020, 1205, 1213}  # record changed since last read, lock wait timeout, deadlock
_SQLITE_CONTENTION = ("SQLITE_BUSY", "SQLITE_LOCKED")
_MAX_TRIES = 20
_MAX_SECONDS = 10.0


def database_now(using: str) -> datetime:
    """Return the database's time: the one clock that all application servers share. One statement.

    Raises:
        NotSupportedError: on a database other than SQLite, PostgreSQL, MariaDB and MySQL.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {_clock_sql(connections[using])}")
        return _from_microseconds(cursor.fetchone()[0])


def observe_clock(now: datetime, *, leeway: timedelta) -> float:
    """Compare the clock of this process with the database's, and warn if they differ: once, until they agree again.

    Args:
        now: The database's time, which has just been read.
        leeway: By how much they may differ.

    Returns:
        By how many seconds this process is ahead; negative if it is behind, and 0 within the leeway.
    """
    ahead, is_news = issuer_clock.observe(epoch(now), leeway=leeway.total_seconds())
    if is_news:
        logger.warning(
            "The clock of this process is %.0f seconds %s the database's. Other services may refuse its access tokens. "
            "Set the clocks right.",
            abs(ahead),
            "ahead of" if ahead > 0 else "behind",
        )
    return ahead


def clock_difference(using: str) -> float:
    """Return by how many seconds the clock of this process is surely ahead of the database's, or behind. One statement.

    The time that the statement takes counts as no difference.
    """
    before = time.time()
    there = epoch(database_now(using))
    return max(before - there, 0.0) or min(time.time() - there, 0.0)


class DatabaseNow(Func):
    """The same clock as :func:`database_now`, as an expression, so that a query reads it along with its rows."""

    output_field = BigIntegerField()

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        return _clock_sql(connection), ()

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        return [lambda value, expression, connection: _from_microseconds(value)]


def epoch(moment: datetime) -> float:
    """Return a datetime of our tables as seconds since 1970, also where the project has ``USE_TZ = False``."""
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.timestamp()


def storable(moment: datetime) -> datetime:
    """Return an aware datetime in the form that the project's ``USE_TZ`` asks for."""
    # Not in the current time zone, which a request may have activated: rows are compared across requests.
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def has_table(using: str, table: str) -> bool:
    """Tell whether a table has been created. One statement until it has; then none.

    Args:
        using: The database.
        table: The name of the table.
    """
    connection = connections[using]
    if (using, table) in _seen_tables or connection.vendor not in _TABLE_COUNTS:
        return True
    with connection.cursor() as cursor:
        cursor.execute(_TABLE_COUNTS[connection.vendor], [table])
        is_there = bool(cursor.fetchone()[0])
    if is_there:
        _seen_tables.add((using, table))
    return is_there


def forget_tables(using: str) -> None:
    """Look again for the tables of a database, which may be about to change."""
    for seen in [seen for seen in _seen_tables if seen[0] == using]:
        _seen_tables.discard(seen)


_test_scopes = itertools.count(1)
_state = {"scope": 0}


def is_testing() -> bool:
    """Tell whether Django's test environment has been set up in this process."""
    return hasattr(mail, "outbox")


def test_scope() -> tuple[int, int]:
    """Return two numbers for the test that runs, so that what one test leaves in memory means nothing to the next.

    Returns:
        The number that :func:`begin_test_scope` has set last; and the number of the transaction that the
        ``TestCase`` of this thread will roll back. Both are 0 outside of tests, the latter also in other threads.
    """
    for connection in connections.all(initialized_only=True):
        for block in reversed(connection.atomic_blocks):
            if getattr(block, "_from_testcase", False):
                return _state["scope"], block.__dict__.setdefault("_jwtauth_scope", next(_test_scopes))
    return _state["scope"], 0


def begin_test_scope() -> None:
    """Let what is in memory mean nothing any more. Only in tests: the processes of a server must agree on it."""
    _state["scope"] = next(_test_scopes)


def write(statement: Callable[[], int], *, using: str) -> int:
    """Run one UPDATE, or one short transaction, and repeat it after contention.

    Under REPEATABLE READ, PostgreSQL refuses to change a row that another connection has just changed, even in a
    single statement. Each refusal means that another statement succeeded, so there are few.

    Args:
        statement: What to run. It runs once only if the caller has opened a transaction, which would have to be
            repeated as a whole.
        using: The database.

    Raises:
        OperationalError: for anything but contention, or after too much of it.
    """
    deadline = time.monotonic() + _MAX_SECONDS
    if not transaction.get_connection(using).in_atomic_block:
        for _ in range(_MAX_TRIES - 1):
            try:
                return statement()
            except OperationalError as error:
                if not is_contention(error) or time.monotonic() > deadline:
                    raise
    return statement()


def is_contention(error: OperationalError) -> bool:
    """Tell whether a statement failed only because of another connection: a lock, a deadlock, a changed row."""
    cause = error.__cause__
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg, psycopg2
    return (
        sqlstate in _POSTGRESQL_CONTENTION
        or getattr(cause, "sqlite_errorname", "").startswith(_SQLITE_CONTENTION)
        or (bool(error.args) and error.args[0] in _MYSQL_CONTENTION)
    )


def never_atomic(view: View) -> View:
    """Mark a view function so that ``ATOMIC_REQUESTS`` opens no transaction around it, on any database."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def refuse_transaction(using: str, what: str) -> None:
    """Raise inside a transaction, as ``atomic(durable=True)`` does. The transaction of a ``TestCase`` is exempt.

    Args:
        using: The database.
        what: The name of the caller, for the message.

    Raises:
        RuntimeError: inside a transaction, or without autocommit.
    """
    connection = transaction.get_connection(using)
    blocks: list[Any] = getattr(connection, "atomic_blocks", [])
    if connection.in_atomic_block and not (blocks and getattr(blocks[-1], "_from_testcase", False)):
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


def _from_microseconds(value: int) -> datetime:
    return storable(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=value))
