"""Waits for a database no longer than a request may take.

Drivers wait for a database that is paused as long as that takes. So what is to end in time runs in another thread, with
the connection of the one that asked; and if it does not end, that thread keeps the connection.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import connections


def run_with_patience(action: Callable[[], None], patience: float) -> None:
    """Run an action that uses the database of our tables, and return when it has ended or the patience is over.

    If it has not ended, it goes on in a thread of its own, and the caller's thread opens a new connection when it needs
    one. There is no limit in a transaction or in the schema of a tenant, which cannot be left behind, and where threads
    cannot be started.

    Args:
        action: What to do.
        patience: How many seconds to wait at most.

    Raises:
        Exception: what the action has raised in time.
    """
    lent = _connection_to_lend()
    borrower = None if lent is None else _Borrower(action, *lent)
    try:
        if borrower is not None:
            borrower.start()
    except RuntimeError:  # no more threads are allowed, or the interpreter is about to end
        borrower = None
    if borrower is None:
        action()
    else:
        borrower.wait(patience)


class _Borrower(threading.Thread):
    """Runs an action with the connection of another thread, which may leave the connection behind."""

    def __init__(self, action: Callable[[], None], using: str, connection: Any) -> None:
        super().__init__(daemon=True)
        self._action, self._using, self._connection = action, using, connection
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._has_ended = self._is_alone = False
        self._error: Exception | None = None

    def start(self) -> None:
        self._connection.inc_thread_sharing()
        try:
            super().start()
        except RuntimeError:
            self._connection.dec_thread_sharing()
            raise

    def run(self) -> None:
        connections[self._using] = self._connection
        try:
            self._context.run(self._action)
        except Exception as error:
            self._error = error
        finally:
            with self._lock:
                self._has_ended = True
                if self._is_alone:
                    self._connection.close()

    def wait(self, patience: float) -> None:
        """Wait until the action has ended, or the patience is over. Then the caller's thread has no connection."""
        try:
            self.join(patience)
        finally:
            with self._lock:
                if self._has_ended:
                    self._connection.dec_thread_sharing()
                else:
                    self._is_alone = True
                    del connections[self._using]
        if self._error is not None:
            raise self._error


def _connection_to_lend() -> tuple[str, Any] | None:
    """Return the alias and this thread's connection of our tables; ``None`` if this thread cannot do without it."""
    try:
        using = apps.get_model("django_jwtauth", "RefreshToken").write_alias()
        connection = connections[using]
    except Exception:
        return None  # a router of the project fails; it will fail again where the action uses it, and then say so
    # With django-tenants, a new connection would have the public schema instead of the tenant's.
    if hasattr(connection, "schema_name"):
        return None
    # What a transaction has written must not be left behind.
    is_in_transaction = connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
    return None if is_in_transaction else (using, connection)
