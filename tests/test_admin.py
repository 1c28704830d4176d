"""The admin: who may see and revoke sessions, what is shown, and what never is."""

import base64
import datetime
import re
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_jwtauth import sessions
from django_jwtauth.models import BlacklistedToken, RefreshToken

LIST = "/admin/django_jwtauth/refreshtoken/"
BLACKLIST = "/admin/django_jwtauth/blacklistedtoken/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def staff(db):
    def staff(*permissions, **kwargs):
        made = get_user_model().objects.create_user("staff", password="x", is_staff=True, **kwargs)
        made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return made

    return staff


@pytest.fixture
def superuser(client, staff):
    made = staff(is_superuser=True)
    client.force_login(made)
    return made


def page(session):
    return f"{LIST}{session.pk}/change/"


def button(session):
    return f"{LIST}{session.pk}/revoke/"


def revoke_selected(client, *chosen, **kwargs):
    data = {"action": "revoke_selected", "_selected_action": [str(session.pk) for session in chosen]}
    return client.post(LIST, data, **kwargs)


def is_live(session):
    return RefreshToken.objects.filter(pk=session.pk, revoked_at=None).exists()


# What is shown


def test_the_list_shows_sessions_with_their_status_and_device(client, superuser, user, rf):
    sessions.start(user, request=rf.get("/", HTTP_USER_AGENT=FIREFOX))
    html = client.get(LIST).content.decode()
    assert "Firefox on Linux" in html
    assert '<td class="field-status">active</td>' in html
    assert "127.0.0.1" in html


def revoke(session):
    sessions.revoke(session, reason="reused")


def revoke_for_a_reason_of_the_projects_own(session):
    sessions.revoke(session, reason="moved house")


def idle(session):
    RefreshToken.objects.update(rotated_at=session.rotated_at - datetime.timedelta(days=15))


def deactivate(session):
    get_user_model().objects.filter(pk=session.user_id).update(is_active=False)


def change_password(session):
    get_user_model().objects.filter(pk=session.user_id).update(password="!")


def delete_user(session):
    session.user.delete()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (revoke, "revoked: refresh token reuse"),
        (revoke_for_a_reason_of_the_projects_own, "revoked: moved house"),
        (idle, "expired"),
        (deactivate, "user inactive"),
        (change_password, "password changed"),
        (delete_user, "revoked: user deleted"),
    ],
)
def test_the_status_says_why_a_session_no_longer_lives(client, superuser, pair, change, status):
    change(pair.session)
    assert f'<td class="field-status">{status}</td>' in client.get(LIST).content.decode()
    assert status in client.get(page(pair.session)).content.decode()


@pytest.mark.parametrize("url", [LIST, BLACKLIST])
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(client, superuser, url):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    def add(name):
        made = get_user_model().objects.create_user(name)
        sessions.blacklist(sessions.start(made).access)

    add("user0")
    few = queries()
    for number in range(1, 20):
        add(f"user{number}")
    assert queries() == few


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
def test_search_finds_a_session_by_its_id_in_any_spelling(client, superuser, user, pair, spelling):
    other = sessions.start(user).session
    html = client.get(LIST, {"q": spelling(pair.session.pk)}).content.decode()
    assert page(pair.session) in html
    assert page(other) not in html


def test_search_finds_sessions_by_user_name(client, superuser, pair):
    name = str(uuid.uuid4())
    others = [sessions.start(get_user_model().objects.create_user(other)).session for other in ("bob", name)]
    for term, expected in [("ada", [pair.session]), ("bob", others[:1]), (name, others[1:]), ("nobody", [])]:
        html = client.get(LIST, {"q": term}).content.decode()
        assert [session for session in [pair.session, *others] if page(session) in html] == expected


@pytest.mark.parametrize("term", ["' OR 1=1 --", "%", "{", "x" * 5000, str(uuid.UUID(int=0)), "€"])
def test_search_takes_any_garbage(client, superuser, pair, term):
    response = client.get(LIST, {"q": term})
    assert response.status_code == 200
    assert page(pair.session) not in response.content.decode()


def test_the_blacklist_can_be_looked_at_and_searched(client, superuser, pair):
    sessions.blacklist(pair.access, reason="lost")
    entry = BlacklistedToken.objects.get()
    assert entry.jti in client.get(BLACKLIST, {"q": "ada"}).content.decode()
    assert entry.jti not in client.get(BLACKLIST, {"q": "bob"}).content.decode()
    assert "lost" in client.get(f"{BLACKLIST}{entry.pk}/change/").content.decode()


def test_no_page_shows_a_secret_a_hash_or_a_token(client, superuser, pair):
    sessions.blacklist(pair.access)
    entry = BlacklistedToken.objects.get()
    row = RefreshToken.objects.get()
    pages = [LIST, page(row), f"{LIST}{row.pk}/history/", BLACKLIST, f"{BLACKLIST}{entry.pk}/change/"]
    html = "".join(client.get(url).content.decode() for url in pages)
    for value in (bytes(row.secret), bytes(row.auth_hash)):
        spellings = [value.hex(), base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode()]
        for shown in [*spellings, repr(value)[2:-1]]:
            assert shown.rstrip("=")[:20] not in html
    for shown in (pair.access, pair.refresh, row.jti(0), "memory at 0x"):
        assert shown[-40:] not in html


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
def test_hostile_user_agents_and_names_are_escaped(client, superuser, hostile):
    evil = get_user_model().objects.create_user(hostile)
    request = RequestFactory().get("/", HTTP_USER_AGENT=hostile)
    pair = sessions.start(evil, request=request)
    sessions.blacklist(pair.access, reason=hostile)
    entry = BlacklistedToken.objects.get()
    for url in (LIST, page(pair.session), BLACKLIST, f"{BLACKLIST}{entry.pk}/change/"):
        html = client.get(url).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert ">14<" not in html


# Read-only


@pytest.mark.parametrize("model", ["refreshtoken", "blacklistedtoken"])
def test_not_even_a_superuser_may_add_change_or_delete(client, superuser, pair, model):
    sessions.blacklist(pair.access)
    row = (RefreshToken if model == "refreshtoken" else BlacklistedToken).objects.get()
    before = list(type(row).objects.values())
    base = f"/admin/django_jwtauth/{model}/"
    assert client.get(f"{base}add/").status_code == 403
    assert client.get(f"{base}{row.pk}/change/").status_code == 200
    for url in (f"{base}add/", f"{base}{row.pk}/change/", f"{base}{row.pk}/delete/"):
        assert client.post(url, {"post": "yes", "reason": "x", "revoked_reason": "x"}).status_code == 403
    client.post(base, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})
    assert list(type(row).objects.values()) == before


def test_users_stay_deletable_in_the_admin_although_sessions_are_not(client, superuser, user, pair):
    sessions.blacklist(pair.access)
    url = reverse("admin:auth_user_delete", args=[user.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    session = RefreshToken.objects.get()
    assert (session.user, session.revoked_reason) == (None, "user_deleted")
    assert client.get(page(session)).status_code == 200


# Revoking


VIEW, REVOKE = "view_refreshtoken", "revoke_refreshtoken"


@pytest.mark.parametrize(
    ("permissions", "by_button", "by_action", "may"),
    [
        pytest.param(None, 302, 302, False, id="anonymous"),
        pytest.param([], 403, 403, False, id="staff"),
        pytest.param([VIEW], 403, 200, False, id="view"),
        pytest.param([REVOKE], 403, 403, False, id="revoke-without-view"),
        pytest.param([VIEW, REVOKE], 302, 302, True, id="view-and-revoke"),
    ],
)
def test_revoking_needs_its_permission(client, staff, user, pair, permissions, by_button, by_action, may):
    if permissions is not None:
        client.force_login(staff(*permissions))
    other = sessions.start(user).session
    assert client.post(button(pair.session)).status_code == by_button
    assert revoke_selected(client, other).status_code == by_action
    assert [is_live(pair.session), is_live(other)] == [not may, not may]
    assert LogEntry.objects.count() == (2 if may else 0)


@pytest.mark.parametrize(("permissions", "offered"), [([VIEW], False), ([VIEW, REVOKE], True)], ids=["view", "revoke"])
def test_button_and_action_are_offered_to_whom_they_obey(client, staff, pair, permissions, offered):
    client.force_login(staff(*permissions))
    assert (button(pair.session) in client.get(page(pair.session)).content.decode()) is offered
    assert ("revoke_selected" in client.get(LIST).content.decode()) is offered
    sessions.revoke(pair.session)
    assert button(pair.session) not in client.get(page(pair.session)).content.decode()


def test_a_page_without_a_session_offers_no_button(client, superuser):
    assert client.get(f"{LIST}{uuid.uuid4()}/change/").status_code == 302


def test_the_action_revokes_says_how_many_and_leaves_a_log_entry_each(client, superuser, user):
    chosen = [sessions.start(user).session for _ in range(3)]
    sessions.revoke(chosen[2], reason="logout")
    left = sessions.start(user).session
    response = revoke_selected(client, *chosen)
    assert [str(message) for message in get_messages(response.wsgi_request)] == ["2 sessions were revoked."]
    assert [is_live(session) for session in [*chosen, left]] == [False, False, False, True]
    rows = RefreshToken.objects.filter(revoked_reason="admin")
    assert {row.revoked_by for row in rows} == {superuser}
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(row.pk) for row in rows}
    assert RefreshToken.objects.get(pk=chosen[2].pk).revoked_reason == "logout"


def test_the_button_revokes_once(client, superuser, pair):
    first = client.post(button(pair.session))
    assert first.headers["Location"] == page(pair.session)
    assert [str(message) for message in get_messages(first.wsgi_request)] == ["1 session was revoked."]
    client.get(page(pair.session))
    second = client.post(button(pair.session))
    assert [str(message) for message in get_messages(second.wsgi_request)] == ["0 sessions were revoked."]
    assert LogEntry.objects.count() == 1
    assert "revoked" in LogEntry.objects.get().get_change_message()


def test_the_button_of_no_session_changes_nothing(client, superuser, pair):
    assert client.post(f"{LIST}{uuid.uuid4()}/revoke/").status_code == 302
    assert client.post(f"{LIST}nonsense/revoke/").status_code in (302, 404)
    assert is_live(pair.session)


@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_the_button_takes_post_only(client, superuser, pair, method):
    assert getattr(client, method)(button(pair.session)).status_code == 405
    assert is_live(pair.session)


def test_revoking_needs_the_csrf_token(staff, pair):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff(VIEW, REVOKE))
    assert client.post(button(pair.session)).status_code == 403
    assert revoke_selected(client, pair.session).status_code == 403
    assert is_live(pair.session)
    html = client.get(page(pair.session)).content.decode()
    form = html[html.index(button(pair.session)) :]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    assert client.post(button(pair.session), {"csrfmiddlewaretoken": token}).status_code == 302
    assert not is_live(pair.session)
