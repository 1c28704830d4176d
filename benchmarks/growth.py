"""Rows and bytes of one session after many refreshes."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, models

from . import project
from .measure import Options, Row, Table
from .rows import size


def run(options: Options) -> Iterator[Row | Table]:
    """Compare. Bytes are those of tables and indexes before the database has cleaned up; on SQLite, of the file."""
    steps = (1, 100) if options.quick else (1, 100, 10_000)
    with project.new_database(options.database):
        from rest_framework_simplejwt.serializers import TokenRefreshSerializer
        from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

        from django_jwtauth import sessions
        from django_jwtauth.models import RefreshToken

        from . import peers

        user = peers.user()

        def ours(raw: str) -> str:
            return sessions.refresh(raw).refresh

        def theirs(raw: str) -> str:
            serializer = TokenRefreshSerializer(data={"refresh": raw})
            serializer.is_valid(raise_exception=True)
            return str(serializer.validated_data["refresh"])

        found = {
            "here": _grow(ours, sessions.start(user).refresh, steps, (RefreshToken,)),
            peers.SIMPLEJWT: _grow(theirs, peers.simplejwt_refresh(user), steps, (OutstandingToken, BlacklistedToken)),
        }
        head = ("refreshes", *(f"{what}, {who}" for who in found for what in ("rows", "kB added")))
        rows = tuple(
            (f"{step:,}", *(f"{value:,}" for who in found for value in found[who][index]))
            for index, step in enumerate(steps)
        )
        title = "Rows of one session, and what they take"
        yield Table(title=title, head=head, rows=rows, database=options.database)


def _grow(
    refresh: Callable[[str], str], raw: str, steps: tuple[int, ...], tables: tuple[type[models.Model], ...]
) -> list[tuple[int, int]]:
    """Refresh, and return the number of rows and of added kB after each number of refreshes."""
    done, found, before = 0, [], _bytes(tables)
    for step in steps:
        for _ in range(step - done):
            raw = refresh(raw)
        done = step
        rows: Any = sum(table._default_manager.count() for table in tables)
        found.append((rows, (_bytes(tables) - before) // 1024))
    return found


def _bytes(tables: tuple[type[models.Model], ...]) -> int:
    if connection.vendor == "postgresql":
        return sum(map(size, tables))
    with connection.cursor() as cursor:
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])
