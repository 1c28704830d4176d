"""How fast the admin's list of sessions is with a million sessions.

Fills a database with 100,000 users and 1,000,000 sessions, opens the list in every way through Django's test client,
and tells the number of queries and the time of the first page. On PostgreSQL it also tells how many refreshes wrote no
index (HOT updates).
"""

import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from . import project
from .measure import Options, Row, Table

USERS = 100_000
SESSIONS = 1_000_000
LIST = "/admin/django_jwtauth/refreshtoken/"
BATCH = 10_000
RUNS = 5


def fill(users: int, rows: int) -> None:
    """Create users, and sessions of all states and ages."""
    from django.contrib.auth.models import User

    from django_jwtauth.models import RefreshToken

    for start in range(0, users, BATCH):
        numbers = range(start, min(start + BATCH, users))
        User.objects.bulk_create(
            User(username=f"user{number}", email=f"user{number}@example.com", is_staff=number % 1000 == 0)
            for number in numbers
        )
    keys = list(User.objects.values_list("pk", flat=True))
    now, chance = timezone.now(), random.Random(1)  # noqa: S311  # the same rows in each run
    for start in range(0, rows, BATCH):
        made = []
        for _ in range(start, min(start + BATCH, rows)):
            created = now - timedelta(seconds=chance.randrange(100 * 86400))
            rotated = created + chance.random() * min(now - created, timedelta(days=40))
            revoked = rotated if chance.random() < 0.3 else None
            made.append(
                RefreshToken(
                    user_id=chance.choice(keys),
                    created_at=created,
                    rotated_at=rotated,
                    last_seen_on=rotated.date(),
                    auth_time=created,
                    expires_at=created + timedelta(days=90),
                    auth_hash=b"x" * 32,
                    ip_address=f"203.0.{chance.randrange(256)}.{chance.randrange(256)}",
                    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                    generation=chance.randrange(500),
                    replays=chance.choice([1, 6]) if chance.random() < 0.001 else 0,
                    revoked_at=revoked,
                    revoked_reason=chance.choice(["logout", "admin", "reused"]) if revoked else "",
                )
            )
        RefreshToken.objects.bulk_create(made)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def ways() -> dict[str, str]:
    """Return the pages to open, with their addresses."""
    from django_jwtauth.models import RefreshToken

    some: Any = RefreshToken.objects.order_by("pk").first()
    return {
        "newest": "",
        "user": f"?user__id__exact={some.user_id}",
        "status: active": "?status=active",
        "status: idle": "?status=idle",
        "status: expired": "?status=expired",
        "status: revoked": "?status=revoked",
        "reason: reused": "?reason=reused",
        "has replays": "?replays=any",
        "staff users": "?staff=1",
        "signed in this week": f"?created_at__gte={(timezone.now() - timedelta(days=7)).date()}%2000:00:00%2B00:00",
        "sorted by user": "?o=3",
        "sorted by last seen": "?o=-7",
        "sorted by last seen, oldest first": "?o=7",
        "sorted by expiry": "?o=8",
        "search: user name": "?q=" + some.user.get_username(),
        "search: e-mail": "?q=user77@example.com",
        "search: part of 100,000 names": "?q=user",
        "search: address": f"?q={some.ip_address}",
        "search: session id": f"?q={some.pk}",
        "search: nothing found": "?q=nobody-at-all",
        "security events": "events/",
        "one session": f"{some.pk}/change/",
    }


def measure(client: Client, address: str) -> tuple[str, str]:
    """Return the number of queries and the median time of a page in milliseconds, as text."""
    times = []
    for _ in range(RUNS):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            response = client.get(LIST + address)
            times.append(time.perf_counter() - began)
        if response.status_code != 200:
            sys.exit(f"{address} answered {response.status_code}")
    return str(len(queries)), f"{statistics.median(times) * 1000:.0f}"


def hot_updates(addresses: int) -> tuple[str, str]:
    """Return how many updates 50 refreshes made, and how many of them wrote no index, as counted by PostgreSQL.

    Args:
        addresses: The number of addresses that the refreshes come from, one after the other.
    """
    from django.contrib.auth.models import User

    from django_jwtauth import sessions
    from django_jwtauth.models import RefreshToken

    user = User.objects.create_user(f"refresher from {addresses}")
    table = RefreshToken._meta.db_table
    pair = sessions.start(user)

    def counts() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table])
            updated, hot = cursor.fetchone()
            return updated, hot

    before = counts()
    for number in range(50):
        request = RequestFactory().get("/", REMOTE_ADDR=f"192.0.2.{number * addresses // 50}")
        pair = sessions.refresh(pair.refresh, request=request)
    after = counts()
    return str(after[0] - before[0]), str(after[1] - before[1])


def browser() -> Client:
    """Return a test client that is signed in as a superuser."""
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root", "root@example.com", "x"))
    return client


def run(options: Options) -> Iterator[Row | Table]:
    """Fill the database, and measure."""
    with project.new_database(options.database, admin=True):
        fill(USERS, SESSIONS)
        client = browser()
        rows = [(name, *measure(client, address)) for name, address in ways().items()]
        if connection.vendor == "postgresql":
            hot = tuple((str(addresses), *hot_updates(addresses)) for addresses in (1, 5))
            head = ("from how many addresses", "updates", "of them HOT")
            yield Table(title="Refreshes that write no index", head=head, rows=hot, database=options.database)
        from django_jwtauth import sessions

        sessions.revoke_everyone()
        for status in ("active", "revoked"):
            rows.append((f"status: {status}, after everyone was signed out", *measure(client, f"?status={status}")))
        title = f"The admin's list with {SESSIONS:,} sessions"
        yield Table(title=title, head=("page", "queries", "ms"), rows=tuple(rows), database=options.database)
