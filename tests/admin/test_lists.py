"""The admin's lists: what is shown and found, what never is, and that nothing is changed there by hand."""

import base64
import datetime
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory
from django.urls import reverse

from django_jwtauth import sessions
from django_jwtauth.admin.site import MAX_FOUND_USERS
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from tests.tools.admin import (
    BLACKLIST,
    FIREFOX,
    LIST,
    TIMES,
    VIEW,
    browser,
    html,
    operator,
    page,
    statements,
    superuser,
)
from tests.tools.products import each_row, in_turn


@pytest.fixture
def client(db):
    return browser(superuser())


# What is shown


def test_the_list_shows_sessions_with_their_status_and_device(client, user, rf):
    sessions.start(user, request=rf.get("/", HTTP_USER_AGENT=FIREFOX))
    shown = html(client.get(LIST))
    assert "Firefox on Linux" in shown
    assert '<span class="jwtauth-status jwtauth-active">active</span>' in shown
    assert "127.0.0.1" in shown
    assert f'href="{reverse("admin:auth_user_change", args=[user.pk])}"' in shown


@pytest.mark.parametrize(("replays", "marked"), [(0, False), (4, False), (5, True)])
def test_replays_are_marked_when_they_pile_up(client, pair, replays, marked):
    RefreshToken.objects.update(replays=replays)
    for url in (LIST, page(pair.session)):
        assert (f'<strong class="jwtauth-status jwtauth-warning">{replays}</strong>' in html(client.get(url))) is marked


@pytest.mark.parametrize("url", [LIST, BLACKLIST, TIMES, f"{LIST}events/", "session"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(client, url):
    first = None

    def add(number):
        nonlocal first
        for _ in range(number):
            made = get_user_model().objects.create_user(uuid.uuid4().hex)
            pair = sessions.start(made)
            sessions.blacklist(pair.access)
            before = pair.session.created_at - datetime.timedelta(days=1)
            NotBefore.objects.create(not_before=before, created_at=before, revoked_by=made)
            RefreshToken.objects.filter(pk=pair.session.pk).update(revoked_by=made)
            first = first or sessions.start(made).session
            sessions.start(first.user)
        RefreshToken.objects.update(replays=7)
        for session in RefreshToken.objects.order_by("-created_at")[: number // 2]:
            sessions.revoke(session, reason="reused", by=session.user)

    def queries():
        return statements(lambda: html(client.get(page(first) if url == "session" else url)))

    counts = []
    for number in (1, 3, 9):
        add(number)
        queries()  # content types and permissions are read once
        counts.append(queries())
    assert counts == [counts[0]] * 3
    assert counts[0] <= 10


# Search


@pytest.mark.parametrize(
    "spelling",
    [
        str,
        lambda pk: pk.hex,
        lambda pk: str(pk).upper(),
        lambda pk: f" {pk} ",
        lambda pk: pk.urn,
        lambda pk: f"{{{pk}}}",
    ],
    ids=["usual", "hex", "upper", "spaces", "urn", "braces"],
)
def test_search_finds_a_session_by_its_id_in_any_spelling(client, user, pair, spelling):
    other = sessions.start(user).session
    shown = html(client.get(LIST, {"q": spelling(pair.session.pk)}))
    assert page(pair.session) in shown
    assert page(other) not in shown


@pytest.mark.parametrize(
    ("stored", "terms"),
    [
        ("192.0.2.7", ["192.0.2.7", " 192.0.2.7 ", "::ffff:192.0.2.7", "::FFFF:c000:207"]),
        (
            "2001:db8::a",
            ["2001:db8::a", "2001:DB8::A", "2001:0db8:0000:0000:0000:0000:0000:000a", "2001:db8:0::a%eth0"],
        ),
    ],
)
def test_search_finds_sessions_by_address_in_any_spelling(client, user, rf, stored, terms):
    session = sessions.start(user, request=rf.get("/", REMOTE_ADDR=stored)).session
    other = sessions.start(user, request=rf.get("/", REMOTE_ADDR="192.0.2.70")).session
    for term in terms:
        shown = html(client.get(LIST, {"q": term}))
        assert (page(session) in shown, page(other) in shown) == (True, False), term


def test_search_finds_sessions_by_parts_of_user_name_and_email(client, pair):
    name = "01234567-0123-4123-8123-012345678901"  # a user name may look like a session id
    users = [get_user_model().objects.create_user(other, "Bob@mail.test") for other in ("bob", name)]
    bob, strange = (sessions.start(user).session for user in users)
    table = [
        ("ada", [pair.session]),
        ("AD", [pair.session]),
        ("ada@example.com", [pair.session]),
        ("@example", [pair.session]),
        ("bob", [bob, strange]),
        ("MAIL.test", [bob, strange]),
        (name, [strange]),
        ("nobody", []),
        ("  ", [pair.session, bob, strange]),
    ]
    for term, expected in table:
        shown = html(client.get(LIST, {"q": term}))
        assert [session for session in (pair.session, bob, strange) if page(session) in shown] == expected, term


def test_search_finds_a_name_that_is_part_of_very_many_others(client):
    users = [get_user_model()(username=f"al{number}") for number in range(MAX_FOUND_USERS + 1)]
    get_user_model().objects.bulk_create(users)
    session = sessions.start(get_user_model().objects.create_user("Al")).session
    for term in ("al", "Al", "AL "):
        assert page(session) in html(client.get(LIST, {"q": term}))


def test_search_takes_no_more_queries_than_it_needs(client, pair):
    assert statements(lambda: client.get(LIST, {"q": "ada"})) <= 10


GARBAGE = [
    "' OR 1=1 --",
    "%",
    "_",
    "\\",
    "{",
    "x" * 5_000,
    "x" * 100_000,
    "9" * 5_000,
    str(uuid.UUID(int=0)),
    "€",
    "a\x00b",
    "\x00",
    "\ud83d\ude00",
    "fe80::1%" + "x" * 200,
    "1.2.3",
    "::",
    '"a b" c',
]


@pytest.mark.parametrize(
    ("term", "url"),
    in_turn({ascii(term)[:40]: term for term in GARBAGE}, {"sessions": LIST, "blacklist": BLACKLIST, "times": TIMES}),
)
def test_search_takes_any_garbage(client, pair, url, term):
    response = client.get(url, {"q": term.encode("utf-8", "surrogatepass")})
    assert response.status_code == 200
    if "\x00" not in term:  # the admin refuses that, and shows the list
        assert page(pair.session) not in response.content.decode()


def test_the_blacklist_can_be_looked_at_and_searched(client, pair):
    sessions.blacklist(pair.access, reason="logout", note="lost")
    entry = BlacklistedToken.objects.get()
    assert entry.jti in html(client.get(BLACKLIST, {"q": "ada"}))
    assert entry.jti not in html(client.get(BLACKLIST, {"q": "bob"}))
    for url in (BLACKLIST, f"{BLACKLIST}{entry.pk}/change/"):
        shown = html(client.get(url))
        assert "lost" in shown
        assert "signed out" in shown


def test_the_times_of_signing_out_say_why_and_who_did_it(client):
    entry = sessions.revoke_everyone(note="keys lost", by=get_user_model().objects.create_user("grace"))
    for url in (TIMES, f"{TIMES}{entry.pk}/change/"):
        shown = html(client.get(url))
        for text in ("administrator", "keys lost", "grace"):
            assert text in shown


# What never is


@pytest.fixture
def viewer(db):
    return browser(operator(VIEW))


@each_row("field", ["secret", "auth_hash"])
@each_row("lookup", ["", "__startswith", "__gte", "__contains", "__isnull", "__regex"])
def test_nobody_can_ask_in_the_address_what_a_secret_begins_with(viewer, pair, field, lookup):
    response = viewer.get(LIST, {f"{field}{lookup}": "a"})
    assert response.status_code == 400


def test_other_columns_of_the_row_may_be_asked_for(client, user, pair):
    other = sessions.start(get_user_model().objects.create_user("bob")).session
    shown = html(client.get(LIST, {"user__id__exact": user.pk}))
    assert (page(pair.session) in shown, page(other) in shown) == (True, False)
    assert client.get(LIST, {"user__password__startswith": "a"}).status_code == 400


def test_no_page_shows_a_secret_a_hash_or_a_token(client, pair):
    sessions.blacklist(pair.access)
    entry = BlacklistedToken.objects.get()
    row = RefreshToken.objects.get()
    RefreshToken.objects.update(replays=7)
    names = [
        "find/",
        "events/",
        "keys/",
        "everyone/",
        f"user/{row.user_id}/",
        f"{row.pk}/revoke/",
        f"{row.pk}/history/",
    ]
    pages = [LIST, page(row), BLACKLIST, f"{BLACKLIST}{entry.pk}/change/", f"{BLACKLIST}blacklist/"]
    pages += [LIST + name for name in names]
    shown = "".join(html(client.get(url)) for url in pages)
    for value in (bytes(row.secret), bytes(row.auth_hash)):
        spellings = [value.hex(), base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode()]
        for spelling in [*spellings, repr(value)[2:-1]]:
            assert spelling.rstrip("=")[:20] not in shown
    for never in (pair.access, pair.refresh, row.jti(0), "memory at 0x", row.user.password):
        assert never[-40:] not in shown


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}", "'-alert(1)-'", "%s%(x)s{0}"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_comes_from_outside_is_escaped(client, hostile):
    evil = get_user_model().objects.create_user(hostile, f"{hostile}@example.com")
    request = RequestFactory().get("/", HTTP_USER_AGENT=hostile)
    kwargs = {"amr": [hostile], "acr": hostile}
    pair, other = (sessions.start(evil, request=request, **kwargs) for _ in range(2))
    sessions.blacklist(pair.access, note=hostile)
    entry = BlacklistedToken.objects.get()
    RefreshToken.objects.update(actor=hostile, scope=hostile, audience=hostile, replays=7, generation=1)
    client.post(page(pair.session, "revoke"), {"note": hostile})
    time = sessions.revoke_everyone(note=hostile, by=evil)
    user_page = reverse("admin:auth_user_change", args=[evil.pk])
    ops_page = reverse("ops:auth_user_change", args=[evil.pk])
    names = ["events/", f"user/{evil.pk}/", f"{pair.session.pk}/revoke/", f"{pair.session.pk}/history/"]
    pages = [LIST, page(pair.session), page(other.session), TIMES, BLACKLIST, f"{BLACKLIST}{entry.pk}/change/"]
    pages.append(f"{TIMES}{time.pk}/change/")
    pages += [*(LIST + name for name in names), f"{LIST}?q={hostile}", user_page, ops_page, "/admin/"]
    for url in pages:
        shown = html(client.get(url))
        assert "<script>alert" not in shown, url
        assert "<img src=x" not in shown, url
        assert "'-alert" not in shown, url
        assert ">14<" not in shown, url
    assert "<script>alert" not in html(
        client.post(LIST, {"action": "sign_out_users", "_selected_action": [str(other.session.pk)]})
    )


# Read-only


@pytest.mark.parametrize("model", [RefreshToken, BlacklistedToken, NotBefore])
def test_not_even_a_superuser_may_add_change_or_delete(client, pair, model):
    sessions.blacklist(pair.access)
    sessions.revoke_everyone()
    row = model.objects.get()
    before = list(model.objects.values())
    base = f"/admin/django_jwtauth/{model._meta.model_name}/"
    assert client.get(f"{base}add/").status_code == 403
    assert client.get(f"{base}{row.pk}/change/").status_code == 200
    for url in (f"{base}add/", f"{base}{row.pk}/change/", f"{base}{row.pk}/delete/"):
        assert (
            client.post(
                url, {"post": "yes", "reason": "x", "note": "x", "revoked_reason": "x", "revoked_note": "x"}
            ).status_code
            == 403
        )
    client.post(base, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})
    client.post(base, {"form-0-id": str(row.pk), "form-0-reason": "x", "form-0-note": "x", "_save": "x"})
    assert list(model.objects.values()) == before


def test_users_stay_deletable_in_the_admin_although_sessions_are_not(client, user, pair):
    sessions.blacklist(pair.access)
    url = reverse("admin:auth_user_delete", args=[user.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    session = RefreshToken.objects.get()
    assert (session.user, session.revoked_reason) == (None, "user_deleted")
    assert html(client.get(page(session)))
    assert html(client.get(LIST))
