"""A refresh and an authenticated request with millions of sessions, against a thousand: two databases, in turns."""

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.test import RequestFactory
from rest_framework.request import Request

from . import project
from .measure import Call, Options, Row, Table, in_turns
from .rows import multiply, size

SMALL = 1000


class Router:
    """Sends everything to the database that is measured at the moment."""

    alias = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return Router.alias

    db_for_write = db_for_read


def run(options: Options) -> Iterator[Row | Table]:
    """Compare. The sessions are chosen at random, so that nothing is in a cache only because it was used before."""
    large = 100_000 if options.quick else 5_000_000
    databases = {
        alias: project.database_settings("postgresql", f"jwtauth_benchmark_{alias}_{os.getpid()}")
        for alias in ("default", "large")
    }
    project.configure(databases=databases, DATABASE_ROUTERS=["benchmarks.scale.Router"])
    with contextlib.ExitStack() as stack:
        for alias, settings in databases.items():
            creation = connections[alias].creation
            Router.alias = alias
            creation.create_test_db(verbosity=0, autoclobber=True)
            stack.callback(creation.destroy_test_db, settings["NAME"], verbosity=0)
        yield from compare(options, {"default": SMALL, "large": large})


def compare(options: Options, sizes: dict[str, int]) -> Iterator[Row | Table]:
    """Fill both databases, and measure."""
    from django_jwtauth.models import RefreshToken

    from . import peers

    turns: dict[str, Call] = {}
    rows = []
    for alias, count in sizes.items():
        Router.alias = alias
        began = time.perf_counter()
        sample = _fill(alias, count)
        mib = size(RefreshToken, using=alias) / 2**20
        rows.append((f"{count:,}", f"{mib:,.1f}", f"{mib * 2**20 / count:,.0f}"))
        project.say(f"{count:,} sessions: {time.perf_counter() - began:.0f} s")
        turns[f"refresh {alias}"] = _refreshing(alias, sample)
        turns[f"authenticate {alias}"] = _authenticating(alias, sample)
    times = in_turns(turns, rounds=options.rounds(500), clock=time.perf_counter)
    for name, title in (("refresh", "refresh"), ("authenticate", "authenticate, with user and session")):
        yield Row(
            name=f"{title}, with {sizes['large']:,} sessions",
            ours=times[f"{name} large"],
            peer=f"with {SMALL:,}",
            theirs=times[f"{name} default"],
            unit="µs",
            goal="≤ 1.2",
            database="postgresql",
        )
    yield Table(
        title="The table of sessions, with its indexes",
        head=("sessions", "MiB", "bytes per session"),
        rows=tuple(rows),
        database="postgresql",
    )
    peers.clear()


def _fill(alias: str, count: int) -> list[uuid.UUID]:
    """Create sessions of one user, and return some of them, chosen at random."""
    from django_jwtauth import sessions
    from django_jwtauth.models import RefreshToken

    from . import peers

    session = sessions.start(peers.user()).session
    changes = {
        "id": "gen_random_uuid()",
        "created_at": "created_at - n * interval '1 second'",
        "ip_address": "('198.51.100.0'::inet + n %% 65536)",
    }
    multiply(session, count - 1, changes, using=alias)
    with connections[alias].cursor() as cursor:
        cursor.execute(f'SELECT id FROM "{RefreshToken._meta.db_table}" ORDER BY random() LIMIT 1000')  # noqa: S608
        return [found for (found,) in cursor.fetchall()]


def _refreshing(alias: str, sample: list[uuid.UUID]) -> Call:
    from django_jwtauth import sessions, tokens
    from django_jwtauth.models import RefreshToken

    left = iter(sample)

    def prepare() -> Call:
        Router.alias = alias
        raw = tokens.mint_refresh(RefreshToken.objects.get(pk=next(left))).raw
        return lambda: sessions.refresh(raw)

    return prepare


def _authenticating(alias: str, sample: list[uuid.UUID]) -> Call:
    from django_jwtauth import tokens
    from django_jwtauth.authentication import JWTAuthentication
    from django_jwtauth.models import RefreshToken
    from django_jwtauth.secret import hide

    left = iter(sample[::-1])

    def prepare() -> Call:
        Router.alias = alias
        session = RefreshToken.objects.with_clock().select_related("user").get(pk=next(left))
        raw = hide(tokens.mint_access(session, now=session.database_now, request=None).raw)
        request = Request(RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {raw.reveal()}"))
        return lambda: JWTAuthentication().authenticate(request)

    return prepare
