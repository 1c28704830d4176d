"""The filters of the admin's list of sessions, and its pages."""

import datetime

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from django_jwtauth import sessions
from django_jwtauth.admin.filters import ChoiceFilter
from django_jwtauth.models import NotBefore, RefreshToken, RevokedReason
from tests.tools.admin import LIST, browser, html, is_live, page, stored, superuser
from tests.tools.products import each_row, in_turn

DAY = datetime.timedelta(days=1)


@pytest.fixture
def client(db):
    return browser(superuser())


def names_shown(client, **query):
    """Return the names of the users whose sessions the list shows."""
    shown = html(client.get(LIST, query))
    rows = RefreshToken.objects.select_related("user")
    return {str(session.user) for session in rows if page(session) in shown}


def start(name, **changes):
    session = sessions.start(get_user_model().objects.create_user(name)).session
    if changes:
        moved = {
            key: getattr(session, key) + by if isinstance(by, datetime.timedelta) else by for key, by in changes.items()
        }
        if "rotated_at" in moved:
            moved["last_seen_on"] = moved["rotated_at"].date()
        RefreshToken.objects.filter(pk=session.pk).update(**moved)
    return session


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("active", {"fresh", "almost idle", "inactive user", "changed password"}),
        ("idle", {"idle", "long idle"}),
        ("expired", {"expired", "idle and expired"}),
        ("revoked", {"revoked", "revoked and expired", "signed out with everyone"}),
    ],
)
def test_by_status(client, value, expected):
    old = start("signed out with everyone", created_at=-DAY)
    now = stored(old).database_now
    NotBefore.objects.create(not_before=now - DAY / 2, created_at=now)
    start("fresh")
    start("almost idle", rotated_at=-13.9 * DAY)
    start("idle", rotated_at=-14.01 * DAY)
    start("long idle", rotated_at=-60 * DAY)
    start("expired", expires_at=-90 * DAY)
    start("idle and expired", expires_at=-91 * DAY, rotated_at=-30 * DAY)
    sessions.revoke(start("revoked"))
    gone = start("revoked and expired")
    sessions.revoke(gone)
    RefreshToken.objects.filter(pk=gone.pk).update(expires_at=gone.expires_at - 91 * DAY)
    inactive = start("inactive user")
    get_user_model().objects.filter(pk=inactive.user_id).update(is_active=False)
    changed = start("changed password")
    get_user_model().objects.filter(pk=changed.user_id).update(password="!")
    assert names_shown(client, status=value) == expected


@pytest.mark.parametrize("status", ["idle", "expired", "revoked"])
def test_the_filter_agrees_with_the_word_in_the_list(client, status):
    start("idle", rotated_at=-15 * DAY)
    start("expired", expires_at=-91 * DAY)
    sessions.revoke(start("revoked"))
    shown = html(client.get(LIST, {"status": status}))
    assert shown.count('<span class="jwtauth-status') == 1
    assert f">{status}" in shown[shown.index('<span class="jwtauth-status') :][:60]


@pytest.mark.parametrize("reason", RevokedReason.values)
def test_by_reason(client, reason):
    for name in RevokedReason.values:
        sessions.revoke(start(name), reason=name)
    start("alive")
    assert names_shown(client, reason=reason) == {reason}


def test_by_replays(client):
    for replays in (0, 1, 4, 5, 1_000):
        start(f"replays {replays}", replays=replays)
    assert names_shown(client, replays="any") == {f"replays {number}" for number in (1, 4, 5, 1_000)}
    assert names_shown(client, replays="many") == {f"replays {number}" for number in (5, 1_000)}


def test_by_staff(client):
    start("customer")
    sessions.start(get_user_model().objects.get(username="root"))
    assert names_shown(client, staff="1") == {"root"}
    assert names_shown(client, staff="0") == {"customer"}


@pytest.mark.parametrize("field", ["created_at", "last_seen_on"])
def test_by_date(client, field):
    start("new")
    start("old", created_at=-10 * DAY, last_seen_on=datetime.date(2020, 1, 1))
    since = (datetime.datetime.now(datetime.UTC) - 3 * DAY).strftime("%Y-%m-%d")
    until = {"created_at__gte": f"{since} 00:00:00+00:00"} if field == "created_at" else {"last_seen_on__gte": since}
    assert names_shown(client, **until) == {"new"}


def test_filters_go_together_and_with_the_search(client):
    sessions.revoke(start("ada", replays=9), reason="reused")
    sessions.revoke(start("adam"), reason="reused")
    start("adele", replays=9)
    assert names_shown(client, q="ad", status="revoked", reason="reused", replays="many", staff="0") == {"ada"}


@pytest.mark.parametrize(
    ("value", "name"),
    in_turn(
        {ascii(value)[:20]: value for value in ("nonsense", "' OR 1=1", "\x00", "x" * 5_000, "2", "true", "")},
        {name: name for name in ("status", "reason", "replays", "staff")},
    ),
)
def test_made_up_values_filter_nothing(client, name, value):
    start("ada")
    assert names_shown(client, **{name: value}) == {"ada"}


@pytest.mark.parametrize(
    "query",
    [
        {"created_at__gte": "nonsense"},
        {"created_at__gte": "\x00"},
        {"last_seen_on__gte": "2026-13-45"},
        {"last_seen_on__lt": "x" * 5_000},
        {"nonsense": "1"},
        {"id__exact": "nonsense"},
        {"user__id__exact": "nonsense"},
        {"replays__gte": "9" * 50},
        {"o": "nonsense.99.-99"},
        {"p": "9999999"},
        {"p": "nonsense"},
        {"all": "1"},
        {"_facets": "True"},
    ],
    ids=str,
)
def test_made_up_addresses_are_no_server_error(client, query):
    start("ada")
    assert client.get(LIST, query, follow=True).status_code == 200


def test_every_column_can_be_sorted_by_that_is_offered(client):
    start("ada")
    for column in range(-11, 12):
        assert names_shown(client, o=str(column)) == {"ada"}


@pytest.mark.parametrize("query", [{}, {"status": "active"}, {"status": "idle"}, {"reason": "reused"}, {"q": "user"}])
def test_the_list_counts_up_to_a_limit_only(monkeypatch, client, query):
    for number in range(4):
        start(
            f"user{number}", revoked_reason="reused", rotated_at=-15 * DAY if query.get("status") == "idle" else 0 * DAY
        )
    monkeypatch.setattr("django_jwtauth.admin.filters.MAX_COUNTED", 3)
    with CaptureQueriesContext(connection) as captured:
        shown = html(client.get(LIST, query))
    assert "3 refresh tokens (sessions)" in shown
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 3" in counts[0]


def test_the_number_of_pages_is_that_of_what_is_counted(monkeypatch, client):
    monkeypatch.setattr("django_jwtauth.admin.filters.MAX_COUNTED", 150)
    session = start("ada")
    rows = [RefreshToken(**{**values(session), "secret": bytes([n])}) for n in range(200)]
    RefreshToken.objects.bulk_create(rows)
    assert html(client.get(LIST, {"p": "3"})).count('class="action-select"') == 50
    assert client.get(LIST, {"p": "4"}).status_code == 302
    assert "show all" not in html(client.get(LIST)).lower() or client.get(LIST, {"all": ""}).status_code == 200
    assert is_live(session)


def values(session):
    fields = [field.attname for field in RefreshToken._meta.concrete_fields if not field.primary_key]
    return {name: getattr(session, name) for name in fields}


def test_no_facets_are_counted(client):
    start("ada")
    assert "_facets" not in html(client.get(LIST))


def test_a_filter_must_say_its_rows():
    with pytest.raises(NotImplementedError):
        ChoiceFilter.rows(None, RefreshToken.objects.none(), "")


@each_row(
    ("query", "column"),
    [
        ({"status": "expired"}, "expires_at"),
        ({"status": "idle"}, "last_seen_on"),
        ({"reason": "reused"}, "revoked_at"),
        ({"status": "revoked", "reason": "user_deleted", "replays": "any"}, "revoked_at"),
        ({"replays": "any"}, "replays"),
        ({"replays": "many", "staff": "0"}, "replays"),
        ({"status": "idle", "replays": "any"}, "last_seen_on"),
    ],
)
def test_what_is_rare_is_sorted_by_what_it_is_found_by(query, column):
    """By sign-in, all the other sessions would have to be read first."""
    ordering = admin.site._registry[RefreshToken].get_ordering(RequestFactory().get("/", query))
    assert ordering == (f"-{column}",)


def test_a_column_that_is_chosen_is_all_that_is_sorted_by(client):
    for name, rotated_at in (("old", -3 * DAY), ("new", 0 * DAY), ("older", -9 * DAY)):
        start(name, rotated_at=rotated_at)
    with CaptureQueriesContext(connection) as captured:
        shown = html(client.get(LIST, {"o": "-5"}))
    assert sorted(("new", "old", "older"), key=lambda name: shown.index(f">{name}</a>")) == ["new", "old", "older"]
    (order,) = [query["sql"].partition(" ORDER BY ")[2] for query in captured if "last_seen_on" in query["sql"]]
    assert order.count("DESC") == 2  # the day, and the key


def test_all_else_is_sorted_by_sign_in():
    for query in ({}, {"status": "active"}, {"status": "nonsense"}):
        ordering = admin.site._registry[RefreshToken].get_ordering(RequestFactory().get("/", query))
        assert ordering == ("-created_at",)
