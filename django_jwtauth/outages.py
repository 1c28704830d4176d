"""Tells outages of the database from mistakes in the code, and logs an outage once a minute, not once per request.

While the database is away, a token cannot be judged. So the client gets a 503 and keeps its token. The same goes for
errors that may be gone at the next attempt, such as a lock timeout or a full disk. A statement that cannot succeed, for
example because its table is missing, stays a mistake in the project.
"""

from typing import Any

from django.db import Error, InterfaceError, OperationalError

from . import audit
from ._core import events
from ._core.clock import stopwatch
from .database import sqlstate, test_scope

REPORT_SECONDS = 60.0
"""The least time between two log records about an outage."""

# The connection, contention, a lack of resources, the operator's intervention, a failure of the system; then a lock
# that was not got in time, a server that takes no writes, and transactions that were ended because they took too long.
_POSTGRESQL = ("08", "40", "53", "57", "58", "55P03", "25006", "25P03", "25P04")
_SQLITE = (
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_INTERRUPT",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_PROTOCOL",
    "SQLITE_READONLY",
)
_MYSQL_CLIENT = range(2000, 3000)  # the client's own: no connection, or one that was lost
_MYSQL = {
    *(1040, 1042, 1043, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1698, 4031),  # no connection
    *(1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927),  # the server ends, or has ended it
    *(1020, 1205, 1213, 1317, 1637, 1969, 3024, 3101, 3572),  # contention, or too long
    *(1021, 1030, 1037, 1041, 1114, 1135, 1180),  # a full disk, no memory
    *(1047, 1290, 1792, 1836),  # a node that is not ready, a server that takes no writes
}


def outage(error: BaseException | None) -> Error | None:
    """Return the database error behind an error, if it means that the database is away; otherwise ``None``.

    Args:
        error: The error. An error of a project's hook is the cause of ours.
    """
    passed: list[BaseException] = []
    while error is not None and not isinstance(error, Error):
        passed.append(error)
        error = error.__cause__ if error.__cause__ not in passed else None  # ``raise error from error``
    return error if error is not None and _is_temporary(error) else None


def _is_temporary(error: Error) -> bool:
    cause: Any = error.__cause__
    if hasattr(cause, "sqlstate") or hasattr(cause, "pgcode"):
        state = sqlstate(cause)
        # Without a connection there is no state.
        return state.startswith(_POSTGRESQL) if state else isinstance(error, OperationalError | InterfaceError)
    if name := getattr(cause, "sqlite_errorname", ""):
        return bool(name.startswith(_SQLITE))
    number = error.args[0] if error.args else None
    if isinstance(error, InterfaceError):
        return number == 0  # what mysqlclient and PyMySQL say of a connection that is closed
    return number in _MYSQL or number in _MYSQL_CLIENT


def report_database(error: Error) -> None:
    """Log that the database is away, unless that has been logged in the last minute.

    The text is the driver's, which names hosts and users, but no values. The error itself is not passed on: an error
    tracker would send the variables of all its frames.
    """
    if is_news("database"):
        audit.tell(events.DATABASE_UNAVAILABLE, reason=type(error).__name__, detail=" ".join(str(error).split()))


def is_news(what: str) -> bool:
    """Tell whether an outage is to be logged: once a minute and process, and once in each test.

    Args:
        what: What is away.
    """
    now, scope = stopwatch.seconds(), test_scope()
    known_scope, told_at = _told.get(what, (None, 0.0))
    if known_scope == scope and now - told_at < REPORT_SECONDS:
        return False
    _told[what] = scope, now
    return True


_told: dict[str, tuple[object, float]] = {}


def forget() -> None:
    """Forget what has been logged, as if this process had just been started."""
    _told.clear()
