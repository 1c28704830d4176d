"""What the tables' indexes give, and do not cost: plans of the admin's queries, and what a refresh writes."""

import datetime
import re

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.database import database_now
from django_jwtauth.models import NotBefore, RefreshToken
from tests.tools.admin import LIST, browser, html, superuser

TABLE = RefreshToken._meta.db_table
DAY = datetime.timedelta(days=1)
VENDOR = connection.vendor
ROWS = 4_000 if VENDOR == "sqlite" else 20_000
USERS = 2_000


# What a refresh writes


def updates():
    """Return how many rows PostgreSQL has updated, and for how many of them it wrote no index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [TABLE])
        return cursor.fetchone()


def counted(call):
    """Return by how much a call moves these counts."""
    before = updates()
    call()
    return tuple(after - earlier for earlier, after in zip(before, updates(), strict=True))


def refresh(pair, *, address="192.0.2.1", days=0):
    """Refresh a session past the grace period, as an update of its own that is not counted among the refreshes."""
    row = RefreshToken.objects.filter(pk=pair.session.pk)
    row.update(rotated_at=pair.session.rotated_at - DAY)
    if days:
        row.update(last_seen_on=pair.session.last_seen_on - days * DAY)
    request = RequestFactory().get("/", REMOTE_ADDR=address, HTTP_USER_AGENT=f"App/{pair.session.generation}")
    outcome = []
    moved = counted(lambda: outcome.append(sessions.refresh(pair.refresh, request=request)))
    return outcome[0], moved


@pytest.fixture
def committed_pair(transactional_db):
    user = get_user_model().objects.create_user("ada")
    return sessions.start(user, request=RequestFactory().get("/", REMOTE_ADDR="192.0.2.1"))


def hot_refreshes(pair):
    """A refresh writes no index: PostgreSQL updates the row in place (HOT), fifty times in a row."""
    with connection.cursor() as cursor:  # a look at the table in between would keep former versions of the row
        cursor.execute(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)")
    day = pair.session.last_seen_on
    for generation in range(1, 51):
        pair, moved = refresh(pair)
        assert moved == (1, 1)
        assert pair.session.generation == generation
    assert RefreshToken.objects.get().last_seen_on == day == timezone.now().date()


def hot_notes(pair):
    """Nor does the note that something of the new generation was seen, which is written once."""
    settings = override_settings(JWTAUTH={"REFRESH_RETRY_PERIOD": DAY})
    with settings, connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)")
        for _ in range(10):
            pair, moved = refresh(pair)
            assert moved == (1, 1)
            token = conf.get_config().verifier.verify(pair.access)
            for expected in [(1, 1), (0, 0)]:
                assert counted(lambda token=token: JWTAuthentication().authenticate_session(token)) == expected


def costly_refreshes(pair):
    """So this can be seen: the first refresh of a day, and one from another address, write the indexes."""
    pair, moved = refresh(pair, days=1)
    assert moved == (1, 0)
    pair, moved = refresh(pair)
    assert moved == (1, 1)
    pair, moved = refresh(pair, address="192.0.2.2")
    assert moved == (1, 0)
    pair, moved = refresh(pair, address="192.0.2.2")
    assert moved == (1, 1)
    assert counted(lambda: RefreshToken.objects.update(expires_at=timezone.now())) == (1, 0)


def one_statement(pair):
    """A refresh reads once and writes once, whatever the database counts."""
    for generation in range(1, 51):
        RefreshToken.objects.update(rotated_at=pair.session.rotated_at - DAY)
        with CaptureQueriesContext(connection) as captured:
            pair = sessions.refresh(pair.refresh)
        assert [query["sql"].split()[0] for query in captured] == ["SELECT", "UPDATE"]
        assert pair.session.generation == generation


WRITES = {
    "postgresql": [hot_refreshes, hot_notes, costly_refreshes],
    "sqlite": [one_statement],
    "mysql": [one_statement],
}


@pytest.mark.parametrize("check", WRITES[VENDOR], ids=lambda check: check.__name__)
def test_what_a_refresh_writes(committed_pair, check):
    check(committed_pair)


# Plans


@pytest.fixture
def crowd(transactional_db):  # MariaDB's ANALYZE TABLE commits, so no transaction could be rolled back
    """Very many sessions of all states and ages, as a database knows them that has had time to look at them."""
    users = get_user_model().objects
    users.bulk_create(get_user_model()(username=f"user{number}", is_staff=number % 500 == 0) for number in range(USERS))
    keys = list(users.order_by("pk").values_list("pk", flat=True))
    now = database_now("default")
    made = []
    for number in range(ROWS):
        created = now - 80 * DAY * number / ROWS
        rotated = min(created + number % 40 * DAY, now)
        ended = number % 3 == 0
        made.append(
            RefreshToken(
                user_id=keys[number % USERS],
                created_at=created,
                rotated_at=rotated,
                last_seen_on=rotated.date(),
                auth_time=created,
                expires_at=created + (79 if number % 7 else 90) * DAY,
                auth_hash=bytes(32),
                ip_address=f"203.0.{number % 199}.{number % 251}",
                user_agent="Mozilla/5.0",
                replays=7 if number % 1_000 == 0 else 0,
                revoked_at=rotated if ended else None,
                revoked_reason=("reused" if number % 600 == 0 else "logout") if ended else "",
            )
        )
    RefreshToken.objects.bulk_create(made, batch_size=2_000)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {TABLE}" if VENDOR == "mysql" else f"ANALYZE {TABLE}")
    return users.get(username="user77")


def explained(sql):
    """Return the plan of a statement as text."""
    prefix = {"postgresql": "EXPLAIN (COSTS OFF)", "sqlite": "EXPLAIN QUERY PLAN", "mysql": "EXPLAIN"}[VENDOR]
    with connection.cursor() as cursor:
        cursor.execute(f"{prefix} {sql}".replace("%", "%%"), [])
        return "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


def plans(client, query):
    """Return the plans of what the list asks of the table: the rows of its first page, and how many there are."""
    with CaptureQueriesContext(connection) as captured:
        html(client.get(LIST, query))
    asked = [found["sql"] for found in captured if re.search(rf'FROM ["`]{TABLE}["`]', found["sql"])]
    count, page = sorted(asked, key=lambda sql: "COUNT(" not in sql)
    assert "LIMIT 10000" in count
    return explained(page), explained(count)


def index(*columns):
    """Return the name that the database gives to the index of columns."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, TABLE)
    (name,) = [name for name, found in constraints.items() if found["index"] and found["columns"] == list(columns)]
    return name


CREATED, SEEN, USER = ("created_at",), ("last_seen_on", "id"), ("user_id", "created_at")
WAYS = {
    "newest": ({}, CREATED),
    "one user": (lambda user: {"user__id__exact": user.pk}, USER),
    "search by name": ({"q": "user77"}, USER),
    "search by address": ({"q": "203.0.7.7"}, ("ip_address",)),
    "active": ({"status": "active"}, CREATED),
    "idle": ({"status": "idle"}, SEEN),
    "expired": ({"status": "expired"}, ("expires_at",)),
    "revoked": ({"status": "revoked"}, CREATED),
    "by reason": ({"reason": "reused"}, ("revoked_reason", "revoked_at")),
    "with replays": ({"replays": "any"}, ("replays",)),
    "last seen": ({"o": "-5"}, SEEN),
    "last seen long ago": ({"o": "5"}, SEEN),
    "last to expire": ({"o": "-6"}, ("expires_at",)),
}
# How a plan says that all rows of the table are read; and that an index is used.
FULL = {
    "postgresql": rf"Seq Scan on {TABLE}",
    "sqlite": rf"SCAN {TABLE}(?! USING)",
    "mysql": rf"{TABLE}\S* (None )?ALL ",
}[VENDOR]


FEW = {"one user", "search by name", "search by address", "by reason", "with replays"}
# Other databases know less of their rows, and choose another index, or to sort, where it matters less.
EVERYWHERE = [*sorted(FEW), "newest", "last seen"]


def test_each_way_into_the_list_has_its_index(crowd):
    client = browser(superuser())
    for name in WAYS if VENDOR == "postgresql" else EVERYWHERE:
        query, columns = WAYS[name]
        page, count = plans(client, query(crowd) if callable(query) else query)
        assert index(*columns) in page, f"{name}: {page}"
        assert not re.search(FULL, page), f"{name}: {page}"
        # Of what there is much, it may be quicker to read the table until enough is counted.
        assert name not in FEW or not re.search(FULL, count), f"{name}: {count}"

    # A plan without an index would be seen.
    asked = RefreshToken.objects.filter(user_agent="x").order_by("generation")
    assert re.search(FULL, explained(str(asked.query).replace("= x", "= 'x'")))

    # After everyone was signed out, the active ones are found among the newest, and not by asking each session.
    now = database_now("default")
    NotBefore.objects.create(not_before=now - DAY / 2, created_at=now)
    for plan in plans(client, {"status": "active"}):
        assert VENDOR != "postgresql" or index(*CREATED) in plan, plan
        assert not re.search(FULL, plan), plan
