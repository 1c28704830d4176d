"""A database that fails."""

from django.db import OperationalError, connection


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
