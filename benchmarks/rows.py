"""Millions of rows at once: copies of one row, made by the database itself."""

from collections.abc import Mapping
from typing import Any

from django.db import connections, models


def multiply(row: models.Model, count: int, changes: Mapping[str, str], *, using: str = "default") -> None:
    """Insert copies of a row. On PostgreSQL only.

    Args:
        row: The row.
        count: How many copies.
        changes: The columns that differ, each with an SQL expression of ``n``, which counts the copies from 1. The
            primary key must be among them, unless the database makes it.
        using: The database.
    """
    meta = row._meta
    columns = [field.column for field in meta.local_concrete_fields if not (field.primary_key and "id" not in changes)]
    values = ", ".join(changes.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    table = meta.db_table
    with connections[using].cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {values} FROM generate_series(1, %s) AS n, '  # noqa: S608 - our own
            f'(SELECT * FROM "{table}" WHERE "{meta.pk.column}" = %s) AS origin',
            [count, row.pk],
        )
        cursor.execute(f'VACUUM ANALYZE "{table}"')


def size(model: type[models.Model], *, using: str = "default") -> int:
    """Return how many bytes a table takes with its indexes. On PostgreSQL only."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [model._meta.db_table])
        found: Any = cursor.fetchone()
        return int(found[0])
