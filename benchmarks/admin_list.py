"""How quick the admin's list of sessions is with a million of them.

Fills a database with 100,000 users and 1,000,000 sessions, opens each way into the list through Django's test client,
and prints the number of queries and the time of the first page; then whether PostgreSQL's refreshes stay free of index
writes (HOT updates). On SQLite, or with ``JWTAUTH_TEST_DATABASE=postgresql``.

    python benchmarks/admin_list.py [--sessions N] [--users N]
"""

import argparse
import os
import random
import statistics
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, get_runner, setup_test_environment
from django.utils import timezone

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken

LIST = "/admin/django_jwtauth/refreshtoken/"
BATCH = 10_000
RUNS = 5


def fill(users: int, rows: int) -> None:
    """Make users, and sessions of all states and ages."""
    User = get_user_model()
    for start in range(0, users, BATCH):
        User.objects.bulk_create(
            User(username=f"user{number}", email=f"user{number}@example.com", password="!", is_staff=number % 1000 == 0)
            for number in range(start, min(start + BATCH, users))
        )
    keys = list(User.objects.values_list("pk", flat=True))
    now, chance = timezone.now(), random.Random(1)  # noqa: S311  # the same rows each time
    for start in range(0, rows, BATCH):
        made = []
        for _ in range(start, min(start + BATCH, rows)):
            created = now - timedelta(seconds=chance.randrange(100 * 86400))
            rotated = min(created + timedelta(seconds=chance.randrange(40 * 86400)), now)
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
    """Return the ways into the list, with their addresses."""
    some = RefreshToken.objects.order_by("pk").first()
    assert some is not None and some.user is not None
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
        "signed in this week": f"?created_at__gte={(timezone.now() - timedelta(days=7)).date()}",
        "sorted by last seen": "?o=-7",
        "search: user name": "?q=" + some.user.get_username(),
        "search: e-mail": "?q=user77@example.com",
        "search: address": f"?q={some.ip_address}",
        "search: session id": f"?q={some.pk}",
        "search: nothing found": "?q=nobody-at-all",
        "security events": "events/",
        "one session": f"{some.pk}/change/",
    }


def measure(client: Client, address: str) -> tuple[int, float]:
    """Return the number of queries and the median time of a page, in milliseconds."""
    times = []
    for _ in range(RUNS):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            response = client.get(LIST + address)
            response.content  # noqa: B018
            times.append(time.perf_counter() - began)
        assert response.status_code == 200, (address, response.status_code)
    return len(queries), statistics.median(times) * 1000


def hot_updates() -> str:
    """Say how many of some refreshes wrote no index, as PostgreSQL counts them."""
    user = get_user_model().objects.create_user("refresher")
    table = RefreshToken._meta.db_table
    pair = sessions.start(user)

    def counts() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table])
            return cursor.fetchone()

    before = counts()
    for _ in range(50):
        pair = sessions.refresh(pair.refresh)
    after = counts()
    return f"{after[1] - before[1]} of {after[0] - before[0]} updates were HOT"


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    options = parser.parse_args()
    setup_test_environment()
    runner = get_runner(django.conf.settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        began = time.perf_counter()
        fill(options.users, options.sessions)
        print(f"{connection.vendor}: {options.sessions:,} sessions filled in {time.perf_counter() - began:.0f} s")
        staff = get_user_model().objects.create_superuser("root", "root@example.com", "x")
        client = Client()
        client.force_login(staff)
        print(f"{'way':<24}{'queries':>8}{'ms':>8}")
        for name, address in ways().items():
            queries, milliseconds = measure(client, address)
            print(f"{name:<24}{queries:>8}{milliseconds:>8.0f}")
        if connection.vendor == "postgresql":
            from django.test import override_settings

            with override_settings(JWTAUTH={"REFRESH_GRACE_PERIOD": timedelta(0)}):
                print(hot_updates())
    finally:
        runner.teardown_databases(databases)


if __name__ == "__main__":
    main()
