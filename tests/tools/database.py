"""A database that fails."""

import contextlib

from django.db import OperationalError, connection, connections


class failing_reads:  # noqa: N801
    """The database fails whenever the list is read; ``attempts`` counts how often that was tried."""

    def __init__(self):
        self.attempts = 0
        self._wrapper = connection.execute_wrapper(self._execute)

    def _execute(self, execute, sql, params, many, context):
        if "UNION ALL" in sql:
            self.attempts += 1
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)

    def __enter__(self):
        self._wrapper.__enter__()
        return self

    def __exit__(self, *error):
        self._wrapper.__exit__(*error)


class WriterOnly:
    """A router with a replica that no test may read: there is none, so that whoever tries gets an error."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True


@contextlib.contextmanager
def database_away():
    """Take the database away from this thread: no connection can be opened, which is what the driver says itself."""
    present = connections["default"]
    gone = present.copy()
    place = {"sqlite": {"NAME": "/nowhere/at/all.sqlite3"}}.get(gone.vendor, {"HOST": "127.0.0.1", "PORT": "1"})
    gone.settings_dict |= place
    connections["default"] = gone
    try:
        yield
    finally:
        connections["default"] = present
