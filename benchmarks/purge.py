"""Deleting what has expired: ``jwtauth_purge`` against ``flushexpiredtokens``. Each runs in a process of its own."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from . import project
from .measure import Options, Row, Table
from .report import ROOT
from .rows import multiply

COMMANDS = {"ours": "jwtauth_purge", "theirs": "flushexpiredtokens"}


def run(options: Options) -> Iterator[Row | Table]:
    """Compare. Simple JWT has as many tokens, each of them superseded by a refresh and so on its blacklist."""
    count = 20_000 if options.quick else 200_000
    with project.new_database("postgresql") as name:
        from . import peers

        _fill(count)
        found = {who: _measured(command, name) for who, command in COMMANDS.items()}
        _check_empty()
        for what, unit, goal in (("seconds", "s", "≤ 1/5"), ("mib", "MiB", "≤ 1/4")):
            title = "purge of expired rows" if what == "seconds" else "purge of expired rows, memory"
            yield Row(
                name=f"{title} ({count:,})",
                ours=max(found["ours"][what], 1 if unit == "MiB" else 0),  # less cannot be told from nothing
                peer=peers.SIMPLEJWT,
                theirs=found["theirs"][what],
                unit=unit,
                goal=goal,
                database="postgresql",
            )


def _fill(count: int) -> None:
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

    from django_jwtauth import sessions

    from . import peers

    user = peers.user()
    past = {name: f"{name} - interval '200 days'" for name in ("created_at", "expires_at", "rotated_at", "auth_time")}
    session = sessions.start(user).session
    multiply(session, count, {**past, "id": "gen_random_uuid()", "last_seen_on": "last_seen_on - 200"})
    peers.simplejwt_refresh(user)
    token = OutstandingToken.objects.get()
    their_past = {name: past[name] for name in ("created_at", "expires_at")}
    multiply(token, count, {**their_past, "jti": "md5(n::text)"})
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{BlacklistedToken._meta.db_table}" (token_id, blacklisted_at) '  # noqa: S608 - our own
            f'SELECT id, created_at FROM "{OutstandingToken._meta.db_table}" WHERE id <> %s',
            [token.pk],
        )
        cursor.execute("ANALYZE")


def _check_empty() -> None:
    from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

    from django_jwtauth.models import RefreshToken

    if RefreshToken.objects.count() != 1 or OutstandingToken.objects.count() != 1:
        raise AssertionError("not everything that has expired was deleted")


def _measured(command: str, database: str) -> dict[str, float]:
    """Run a management command, and return how long it took, and how much memory it needed."""
    arguments = [sys.executable, "-m", "benchmarks.purge", command, database]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - our own
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _main(command: str, database: str) -> None:
    from django.core.management import call_command

    project.configure(databases={"default": project.database_settings("postgresql", database)})
    from django.db import connection

    connection.ensure_connection()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    call_command(command)
    seconds: Any = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    project.say(json.dumps({"seconds": seconds, "mib": (peak - before) / 1024}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
