"""What each action of the admin does."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from tests.tools.admin import (
    BLACKLIST,
    LIST,
    VIEW,
    browser,
    html,
    is_live,
    messages_of,
    operator,
    revocations,
    selected,
    statements,
    stored,
    superuser,
)
from tests.tools.admin_actions import ACTIONS, form_of, was_done
from tests.tools.http import bearer

# Each action


def test_the_selected_sessions_are_revoked_and_no_others(user):
    root = superuser()
    chosen = [sessions.start(user).session for _ in range(3)]
    sessions.revoke(chosen[2], reason="logout")
    left = sessions.start(user).session
    client = browser(root)
    asked = html(client.post(LIST, selected("revoke_selected", *chosen)))
    assert "2 selected sessions that have not been revoked yet will be revoked." in asked
    response = client.post(LIST, selected("revoke_selected", *chosen, confirmed="yes"))
    assert messages_of(response)[0].startswith("2 sessions were revoked.")
    assert [is_live(session) for session in [*chosen, left]] == [False, False, False, True]
    rows = RefreshToken.objects.filter(revoked_reason="admin")
    assert {row.revoked_by for row in rows} == {root}
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(row.pk) for row in rows}
    assert stored(chosen[2]).revoked_reason == "logout"


@pytest.mark.django_db
def test_a_page_names_twenty_users_and_says_how_many_more_there_are():
    users = [get_user_model().objects.create_user(f"user {number:02}") for number in range(22)]
    chosen = [sessions.start(user).session for user in users]
    asked = html(browser(superuser()).post(LIST, selected("sign_out_users", *chosen)))
    assert asked.count("<li>user ") == 20
    assert "<li>and 2 more</li>" in asked


def test_the_users_of_the_selected_sessions_are_signed_out_everywhere(user, pair):
    bob, eve = (get_user_model().objects.create_user(name) for name in ("bob", "eve"))
    ended = [pair.session, sessions.start(user).session, *(sessions.start(bob).session for _ in range(3))]
    left = sessions.start(eve).session
    orphan = sessions.start(get_user_model().objects.create_user("gone")).session
    orphan.user.delete()
    client, chosen = browser(superuser()), [pair.session, ended[-1], orphan]
    asked = html(client.post(LIST, selected("sign_out_users", *chosen)))
    assert "All sessions of 2 users will be revoked." in asked
    assert "<li>ada</li>" in asked
    with revocations() as heard:
        response = client.post(LIST, selected("sign_out_users", *chosen, confirmed="yes", note="theft"))
    assert messages_of(response)[0].startswith("5 sessions were revoked.")
    assert {pk for pk, _, _ in heard} == {session.pk for session in ended}
    assert [is_live(session) for session in [*ended, left]] == [False] * 5 + [True]
    entries = LogEntry.objects.values_list("content_type__model", "object_repr", "change_message")
    assert set(entries) == {("user", name, "Signed out everywhere: theft") for name in ("ada", "bob")}


def test_users_with_very_many_sessions_are_signed_out_like_all_others(pair, django_capture_on_commit_callbacks):
    bob = get_user_model().objects.create_user("bob")
    last = sessions.start(bob).session
    copies(sessions.start(bob).session, 100)
    client = browser(superuser())
    with django_capture_on_commit_callbacks(execute=True):
        client.post(LIST, selected("sign_out_users", pair.session, last, confirmed="yes"))
    assert not RefreshToken.objects.filter(revoked_at=None).exists()
    assert not NotBefore.objects.exists()


def copies(session, number):
    """Store so many more sessions like this one."""
    session.pk = None
    fields = [field.attname for field in RefreshToken._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(session, name) for name in fields}
    return RefreshToken.objects.bulk_create(RefreshToken(**values) for _ in range(number))


@pytest.mark.parametrize("action", ["revoke_selected", "sign_out_users"])
def test_all_pages_of_a_filtered_list_can_be_selected(user, pair, action):
    copies(sessions.start(user).session, 120)
    bob = sessions.start(get_user_model().objects.create_user("bob")).session
    client = browser(superuser())
    data = selected(action, pair.session, select_across="1")
    asked = html(client.post(f"{LIST}?q=ada&status=active", data))
    assert ("122 selected" if action == "revoke_selected" else "of 1 user ") in asked
    assert form_of(asked)["select_across"] == ["1"]
    response = client.post(f"{LIST}?q=ada&status=active", form_of(asked))
    assert messages_of(response)[0].startswith("122 sessions were revoked.")
    assert [session.pk for session in RefreshToken.objects.filter(revoked_at=None)] == [bob.pk]


@pytest.mark.parametrize("action", ["revoke_selected", "sign_out_users"])
def test_more_than_the_list_counts_cannot_be_selected(monkeypatch, pair, user, action):
    monkeypatch.setattr("django_jwtauth.admin.actions.MAX_COUNTED", 5)
    copies(sessions.start(user).session, 4)
    client = browser(superuser())
    response = client.post(LIST, selected(action, pair.session, select_across="1", confirmed="yes"))
    assert messages_of(response) == ["More than 5 sessions are selected. Select fewer, or sign everyone out."]
    assert RefreshToken.objects.filter(revoked_at=None).count() == 6
    assert LogEntry.objects.count() == 0
    assert (
        client.post(f"{LIST}?q={pair.session.pk}", selected(action, pair.session, confirmed="yes")).status_code == 302
    )
    assert not is_live(pair.session)


@pytest.mark.parametrize("heard", [False, True], ids=["nobody listens", "somebody listens"])
@pytest.mark.parametrize("number", [1_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_revoking_very_many_selected_sessions_takes_few_statements(user, pair, heard, number):
    copies(sessions.start(user).session, number - 2)
    client = browser(superuser())
    data = selected("revoke_selected", pair.session, select_across="1", confirmed="yes")

    def revoke():
        if heard:
            with revocations() as signalled:
                client.post(LIST, data)
            assert len(signalled) == number
        else:
            client.post(LIST, data)

    count = statements(revoke)
    assert not RefreshToken.objects.filter(revoked_at=None).exists()
    assert LogEntry.objects.count() == number
    # SQLite limits the values of one INSERT; the signals need the rows, in batches.
    log_batches = number * 7 // connection.features.max_query_params + 1 if connection.features.max_query_params else 1
    assert count <= 25 + log_batches + (20 if heard else 0)


def test_signing_many_users_out_takes_few_statements(pair):
    client = browser(superuser())

    def sign_out(names):
        users = [get_user_model()(username=name) for name in names]
        chosen = [sessions.start(user).session for user in get_user_model().objects.bulk_create(users)]
        return statements(lambda: client.post(LIST, selected("sign_out_users", *chosen, confirmed="yes")))

    sign_out(["first"])
    assert sign_out(["bob", "eve"]) == sign_out([f"user{number}" for number in range(80)])


def test_one_user_is_signed_out_from_here_to_the_users_page(user, pair):
    other = sessions.start(user).session
    url = f"{LIST}user/{user.pk}/"
    client = browser(operator(VIEW, "sign_out_user", "view_user"))
    assert "All sessions of ada will be revoked." in html(client.get(url))
    response = client.post(url)
    assert response.headers["Location"] == f"/admin/auth/user/{user.pk}/change/"
    assert messages_of(response)[0].startswith("2 sessions were revoked.")
    assert (is_live(pair.session), is_live(other)) == (False, False)


def test_who_may_not_see_the_users_page_lands_on_the_list(user, pair):
    client = browser(operator(VIEW, "sign_out_user"))
    assert client.post(f"{LIST}user/{user.pk}/").headers["Location"] == LIST


def test_a_page_without_a_session_says_so(pair):
    response = browser(superuser()).get(f"{LIST}00000000-0000-4000-8000-000000000000/change/")
    assert response.status_code == 302


# Everyone


@pytest.mark.parametrize("typed", ["", "Everyone", "everyon", "yes", "everyone!", "x" * 21, None])
def test_everyone_is_not_signed_out_by_a_slip(pair, typed):
    data = {} if typed is None else {"confirmation": typed}
    response = browser(superuser()).post(f"{LIST}everyone/", data)
    assert 'class="errorlist"' in html(response)
    assert not was_done(pair)


def test_everyone_is_signed_out_by_one_time(pair):
    root = superuser()
    others = [sessions.start(get_user_model().objects.create_user(f"user{number}")) for number in range(5)]
    api = APIClient()
    for url in ("/whoami/", "/stateless/"):
        assert api.get(url, **bearer(pair.access)).status_code == 200
    response = browser(root).post(f"{LIST}everyone/", {"confirmation": " everyone ", "note": "keys lost"})
    assert response.headers["Location"] == LIST
    (entry,) = NotBefore.objects.all()
    assert (entry.reason, entry.note, entry.revoked_by) == ("admin", "keys lost", root)
    assert RefreshToken.objects.filter(revoked_at=None).count() == 6
    for pair_ in (pair, *others):
        for url in ("/whoami/", "/stateless/"):
            refused = api.get(url, **bearer(pair_.access))
            assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
        with pytest.raises(InvalidTokenError, match="revoked"):
            sessions.refresh(pair_.refresh)
    log = LogEntry.objects.get()
    assert (log.content_type.model, log.change_message) == ("notbefore", "Signed everyone out: keys lost")
    assert "everyone" in html(browser(root).get("/admin/django_jwtauth/notbefore/"))


# Blacklist


@pytest.mark.parametrize("pasted", ["{}", "Bearer {}", "  \n{}\n ", "Bearer   {} "])
def test_a_pasted_access_token_is_refused_from_now_on_and_its_session_goes_on(pair, pasted):
    api, client = APIClient(), browser(superuser())
    second = sessions.start(pair.session.user)
    assert api.get("/stateless/", **bearer(pair.access)).status_code == 200
    response = client.post(f"{BLACKLIST}blacklist/", {"token": pasted.format(pair.access), "note": "in a log"})
    assert response.headers["Location"] == BLACKLIST
    entry = BlacklistedToken.objects.get()
    assert (entry.user, entry.reason, entry.note) == (pair.session.user, "admin", "in a log")
    for url in ("/whoami/", "/stateless/"):
        assert api.get(url, **bearer(pair.access)).status_code == 401
        assert api.get(url, **bearer(second.access)).status_code == 200
    assert is_live(pair.session)
    assert LogEntry.objects.get().get_change_message() == "Blacklisted: in a log"
    # Once more is fine.
    client.post(f"{BLACKLIST}blacklist/", {"token": pair.access})
    assert BlacklistedToken.objects.get().note == "in a log"


def test_an_access_token_for_another_service_is_blacklisted_too(user):
    """As ``token/revoke/`` does: who it is for does not matter to those who hand it out."""
    access = sessions.start(user, audience="https://stock.example.com").access
    response = browser(superuser()).post(f"{BLACKLIST}blacklist/", {"token": access})
    assert response.headers["Location"] == BLACKLIST
    assert BlacklistedToken.objects.get().user == user


@pytest.mark.parametrize("kind", ["refresh", "garbage", "cut", "long"])
def test_anything_but_an_access_token_of_ours_is_not_blacklisted(pair, kind):
    token = {"refresh": pair.refresh, "garbage": "€", "cut": pair.access[:-5], "long": "a" * 50_000}[kind]
    response = browser(superuser()).post(f"{BLACKLIST}blacklist/", {"token": token})
    assert response.headers["Location"] == f"{BLACKLIST}blacklist/"
    assert messages_of(response) == ["This is not a valid access token of this project, or it has expired."]
    assert (BlacklistedToken.objects.count(), LogEntry.objects.count()) == (0, 0)


def test_no_permission_of_ours_comes_without_being_given(db):
    given = set(Permission.objects.filter(content_type__app_label="django_jwtauth").values_list("codename", flat=True))
    ours = {action.permission for action in ACTIONS.values()}
    assert given == {"view_refreshtoken", "view_blacklistedtoken", "view_notbefore", "introspect_token", *ours}
