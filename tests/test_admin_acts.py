"""What can be done in the admin: who may, that it asks first, and what it leaves behind."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.admin.forms import MAX_REASON_LENGTH
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken

from .admin_tools import (
    BLACKLIST,
    LIST,
    VIEW,
    VIEW_BLACKLIST,
    browser,
    html,
    is_live,
    messages_of,
    operator,
    page,
    revocations,
    selected,
    statements,
    stored,
    superuser,
)
from .conftest import bearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    url: Callable[[Any], str]
    permission: str
    data: Callable[[Any], dict[str, Any]] = lambda pair: {}
    view: str = VIEW
    logged: int = 1
    signals: int = 1
    has_own_page: bool = True


ACTS = {
    "revoke": Act(url=lambda pair: page(pair.session, "revoke"), permission="revoke_refreshtoken"),
    "revoke selected": Act(
        url=lambda pair: LIST,
        permission="revoke_refreshtoken",
        data=lambda pair: selected("revoke_selected", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "sign out": Act(url=lambda pair: f"{LIST}user/{pair.session.user_id}/", permission="sign_out_user"),
    "sign out selected": Act(
        url=lambda pair: LIST,
        permission="sign_out_user",
        data=lambda pair: selected("sign_out_users", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "everyone": Act(
        url=lambda pair: f"{LIST}everyone/",
        permission="sign_out_everyone",
        data=lambda pair: {"confirmation": "everyone"},
        signals=0,
    ),
    "blacklist": Act(
        url=lambda pair: f"{BLACKLIST}blacklist/",
        permission="blacklist_token",
        data=lambda pair: {"token": pair.access},
        view=VIEW_BLACKLIST,
        signals=0,
    ),
}
OTHERS = {act.permission for act in ACTS.values()} | {"introspect_token", "view_notbefore", "change_user"}
each_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
asking_acts = pytest.mark.parametrize("act", [act for act in ACTS.values() if act.has_own_page])


def do(client, act, pair, **more):
    return client.post(act.url(pair), {**act.data(pair), **more})


def was_done(pair):
    """Tell whether any of the acts has done anything."""
    return not is_live(pair.session) or BlacklistedToken.objects.exists() or NotBefore.objects.exists()


# Who may


@each_act
@pytest.mark.parametrize(
    ("who", "done"),
    [
        ("anonymous", False),
        ("user with all permissions who is no staff", False),
        ("staff", False),
        ("viewer", False),
        ("staff with the act's permission only", False),
        ("viewer with all other permissions", False),
        ("viewer with the act's permission", True),
        ("superuser", True),
        ("superuser who was deactivated", False),
    ],
)
def test_only_who_may_view_and_has_the_acts_own_permission_can_act(pair, act, who, done):
    views = {VIEW, VIEW_BLACKLIST}
    client = browser(
        {
            "anonymous": lambda: None,
            "user with all permissions who is no staff": lambda: operator(*views, *OTHERS, is_staff=False),
            "staff": operator,
            "viewer": lambda: operator(*views),
            "staff with the act's permission only": lambda: operator(act.permission),
            "viewer with all other permissions": lambda: operator(*views, *OTHERS - {act.permission}),
            "viewer with the act's permission": lambda: operator(act.view, act.permission),
            "superuser": superuser,
            "superuser who was deactivated": lambda: operator(is_superuser=True, is_active=False),
        }[who]()
    )
    response = do(client, act, pair)
    # To the page of sign-in, or to where the act leads; who has other acts in the list is told that this is none.
    expected = {302} if done or "anonymous" in who or "no staff" in who or "deactivated" in who else {403}
    assert response.status_code in (expected if act.has_own_page or done else {200, 302, 403})
    assert was_done(pair) is done
    assert LogEntry.objects.count() == (act.logged if done else 0)
    if done:
        assert client.get(response.headers["Location"]).status_code == 200


@asking_acts
@pytest.mark.parametrize("permissions", [[], [VIEW, VIEW_BLACKLIST]], ids=["staff", "viewer"])
def test_the_question_is_not_even_asked_of_who_may_not(pair, act, permissions):
    assert browser(operator(*permissions)).get(act.url(pair)).status_code == 403


@pytest.mark.parametrize("name", ["find/", "events/", "keys/"])
def test_the_other_pages_are_for_viewers(pair, name):
    assert browser().get(LIST + name).status_code == 302
    assert browser(operator(*OTHERS, name="a")).get(LIST + name).status_code == 403
    refused = browser(operator(*OTHERS, name="b")).post(LIST + name, {"token": pair.refresh})
    assert refused.status_code == (403 if name == "find/" else 405)
    assert browser(operator(VIEW, name="c")).get(LIST + name).status_code == 200


@pytest.mark.parametrize("act", [act for act in ACTS.values() if not act.has_own_page])
@pytest.mark.parametrize("granted", [False, True])
def test_actions_are_offered_to_whom_they_obey(pair, act, granted):
    client = browser(operator(*[VIEW, act.permission] if granted else [VIEW]))
    assert (act.data(pair)["action"] in html(client.get(LIST))) is granted


@pytest.mark.parametrize("granted", [False, True])
def test_links_are_offered_to_whom_they_obey(pair, granted):
    RefreshToken.objects.update(replays=7)
    act_permissions = {act.permission for act in ACTS.values()}
    client = browser(operator(VIEW, VIEW_BLACKLIST, *(act_permissions if granted else ())))
    sign_out = f"{LIST}user/{pair.session.user_id}/"
    offers = [
        (page(pair.session), {page(pair.session, "revoke"), sign_out}),
        (LIST, {f"{LIST}everyone/", f"{BLACKLIST}blacklist/"}),
        (f"{LIST}events/", {page(pair.session, "revoke"), sign_out}),
        (BLACKLIST, {f"{BLACKLIST}blacklist/"}),
    ]
    for url, links in offers:
        shown = html(client.get(url))
        assert {link for link in links if f'"{link}"' in shown} == (links if granted else set()), url


def test_nothing_is_offered_that_would_lead_nowhere(pair):
    client = browser(operator(VIEW, "blacklist_token"))  # without the view of what was blacklisted
    assert "blacklist" not in html(client.get(LIST))


@pytest.mark.parametrize("end", [lambda pair: sessions.revoke(pair.session), lambda pair: sessions.revoke_everyone()])
def test_what_has_ended_is_not_offered_to_be_revoked(pair, end):
    RefreshToken.objects.update(replays=7)
    end(pair)
    client = browser(superuser())
    for url in (page(pair.session), f"{LIST}events/"):
        assert page(pair.session, "revoke") not in html(client.get(url))


# How: with POST, the CSRF token, and after a question


@each_act
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options", "trace"])
def test_no_other_method_acts(pair, act, method):
    client, data = browser(superuser()), act.data(pair)
    data = {**data, "confirmed": "yes", "reason": "x"}
    query = "&".join(f"{name}={value}" for name, value in data.items() if isinstance(value, str))
    getattr(client, method)(act.url(pair), query_params=data)
    getattr(client, method)(f"{act.url(pair)}?{query}")
    if method not in ("get", "head", "trace"):
        getattr(client, method)(act.url(pair), query, content_type="application/x-www-form-urlencoded")
    assert not was_done(pair)
    assert LogEntry.objects.count() == 0


@each_act
def test_acting_needs_the_csrf_token_of_the_page(pair, act):
    client = browser(superuser(), enforce_csrf_checks=True)
    assert do(client, act, pair).status_code == 403
    assert do(client, act, pair, csrfmiddlewaretoken="x" * 64).status_code == 403
    assert not was_done(pair)
    shown = html(client.get(act.url(pair)))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)[1]
    assert do(client, act, pair, csrfmiddlewaretoken=token).status_code == 302
    assert was_done(pair)


def form_of(shown):
    """Return the fields of the form that asks, as a browser would send them."""
    form = shown[shown.index('<form method="post" autocomplete="off">') :]
    fields = re.findall(
        r'<input type="(?:hidden|text)" name="(\w+)"(?: value="([^"]*)")?', form[: form.index("</form>")]
    )
    return {name: [value for other, value in fields if other == name] for name, _ in fields}


@each_act
def test_each_act_asks_first_and_says_from_when_it_holds(pair, act):
    client = browser(superuser())
    if act.has_own_page:
        response = client.get(act.url(pair))
    else:
        data = act.data(pair)
        del data["confirmed"]
        response = client.post(LIST, data)
    shown = html(response)
    assert not was_done(pair)
    for effect in ("Refresh tokens: at once.", "within 2 seconds.", "in other services: within 4 seconds."):
        assert effect in shown
    # What the page has, and what the operator types, is all that it needs.
    assert client.post(act.url(pair), {**form_of(shown), **visible(act, pair)}).status_code == 302
    assert was_done(pair)


def visible(act, pair):
    return act.data(pair) if act.has_own_page else {}


@each_act
def test_what_was_done_is_told_with_the_time_from_which_it_holds_everywhere(pair, act):
    (told,) = messages_of(do(browser(superuser()), act, pair))
    assert re.search(r"Here at once; in other services by \d\d:\d\d:\d\d\.$", told)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"{LIST}00000000-0000-4000-8000-000000000000/revoke/", 404),
        (f"{LIST}nonsense/revoke/", 302),
        (f"{LIST}user/0/", 404),
        (f"{LIST}user/nonsense/", 404),
        (f"{LIST}user/1.0/", 404),
        (f"{LIST}user/{'9' * 40}/", 404),
        (f"{LIST}user/-{'9' * 400}/", 404),
        (f"{LIST}user/%00/", 404),
        (f"{LIST}user/%E2%82%AC/a/../b/", 404),
    ],
)
def test_what_is_not_there_is_not_found(pair, url, status):
    client = browser(superuser())
    assert client.get(url).status_code in (status, 302)
    assert client.post(url).status_code in (status, 302)
    assert not was_done(pair)


# What it leaves behind


@each_act
def test_each_act_is_logged_signalled_and_gives_its_reason(pair, act):
    root = superuser()
    with revocations() as heard:
        do(browser(root), act, pair, reason="  laptop stolen ")
    entries = LogEntry.objects.all()
    assert [(entry.user, "laptop stolen" in entry.get_change_message()) for entry in entries] == [(root, True)]
    assert entries[0].get_admin_url() is not None
    assert heard == [(pair.session.pk, "laptop stolen", root)] * act.signals
    row = stored(pair.session)
    reasons = {row.revoked_reason: row.revoked_by}
    reasons |= {entry.reason: entry.revoked_by for entry in NotBefore.objects.all()}
    reasons |= dict.fromkeys(BlacklistedToken.objects.values_list("reason", flat=True), root)
    assert reasons["laptop stolen"] == root


@each_act
def test_without_a_reason_it_was_an_administrator(pair, act):
    do(browser(superuser()), act, pair, reason="   ")
    reasons = {stored(pair.session).revoked_reason, *BlacklistedToken.objects.values_list("reason", flat=True)}
    assert "admin" in reasons | set(NotBefore.objects.values_list("reason", flat=True))


@each_act
def test_a_reason_that_is_too_long_is_refused_and_one_that_just_fits_is_not(pair, act):
    client = browser(superuser())
    response = do(client, act, pair, reason="€" * (MAX_REASON_LENGTH + 1))
    assert "at most 255 characters" in html(response)
    assert not was_done(pair)
    assert do(client, act, pair, reason="€" * MAX_REASON_LENGTH).status_code == 302
    assert was_done(pair)


@each_act
@pytest.mark.parametrize(
    "reason", ["a\x00b", "<script>alert(1)</script>", "[", '["x"]', "a\r\nX: b", "\u202e", "%s %(x)s"]
)
def test_any_reason_is_either_refused_or_harmless(pair, act, reason):
    client = browser(superuser())
    response = do(client, act, pair, reason=reason)
    assert response.status_code == (200 if "\x00" in reason else 302)
    for url in (LIST, page(pair.session), BLACKLIST, "/admin/", f"{LIST}{pair.session.pk}/history/"):
        assert "<script>alert" not in html(client.get(url))
    assert "\r\nX: b" not in "".join(f"{name}: {value}" for name, value in response.headers.items())


@pytest.mark.parametrize("act", [ACTS["revoke"], ACTS["revoke selected"]])
def test_what_was_revoked_before_stays_as_it_was(pair, act):
    sessions.revoke(pair.session, reason="logout")
    before = stored(pair.session)
    with revocations() as heard:
        response = do(browser(superuser()), act, pair, reason="again")
    assert messages_of(response) == ["0 sessions were revoked."]
    after = stored(pair.session)
    assert (after.revoked_at, after.revoked_reason, after.revoked_by) == (before.revoked_at, "logout", None)
    assert (heard, LogEntry.objects.count()) == ([], 0)


@pytest.mark.parametrize("name", ["revoke", "revoke selected", "sign out", "sign out selected"])
def test_after_everyone_was_signed_out_there_is_nothing_left_to_revoke(pair, name):
    sessions.revoke_everyone()
    assert messages_of(do(browser(superuser()), ACTS[name], pair)) == ["0 sessions were revoked."]
    assert stored(pair.session).revoked_at is None


# One's own session


@pytest.mark.parametrize("name", ["revoke", "revoke selected", "sign out", "sign out selected", "everyone"])
@pytest.mark.parametrize("own", [False, True])
def test_who_would_sign_himself_out_is_told_before(user, name, own):
    root = superuser()
    pair = sessions.start(root if own else user)
    sessions.start(user)
    act, client = ACTS[name], browser(root)
    data = {key: value for key, value in act.data(pair).items() if key != "confirmed"}
    shown = html(client.get(act.url(pair)) if act.has_own_page else client.post(LIST, data))
    assert ("You stay signed in to the admin" in shown) is (own or name == "everyone")
    do(client, act, pair)
    assert not is_live(pair.session)
    assert client.get(LIST).status_code == 200


# Each act


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
        response = client.post(LIST, selected("sign_out_users", *chosen, confirmed="yes", reason="theft"))
    assert messages_of(response)[0].startswith("5 sessions were revoked.")
    assert {pk for pk, _, _ in heard} == {session.pk for session in ended}
    assert [is_live(session) for session in [*ended, left]] == [False] * 5 + [True]
    entries = LogEntry.objects.values_list("content_type__model", "object_repr", "change_message")
    assert set(entries) == {("user", name, "Signed out everywhere: theft") for name in ("ada", "bob")}


def test_users_with_very_many_sessions_take_one_time_each_in_the_revocation_list(
    user, pair, django_capture_on_commit_callbacks
):
    bob = get_user_model().objects.create_user("bob")
    last = sessions.start(bob).session
    copies(sessions.start(bob).session, 100)
    client = browser(superuser())
    with django_capture_on_commit_callbacks(execute=True):
        client.post(LIST, selected("sign_out_users", pair.session, last, confirmed="yes"))
    assert not RefreshToken.objects.filter(revoked_at=None).exists()
    assert [entry.user for entry in NotBefore.objects.all()] == [bob]


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
def test_revoking_ten_thousand_selected_sessions_takes_few_statements(user, pair, heard):
    copies(sessions.start(user).session, 9_998)
    client = browser(superuser())
    data = selected("revoke_selected", pair.session, select_across="1", confirmed="yes")

    def act():
        if heard:
            with revocations() as signalled:
                client.post(LIST, data)
            assert len(signalled) == 10_000
        else:
            client.post(LIST, data)

    count = statements(act)
    assert not RefreshToken.objects.filter(revoked_at=None).exists()
    assert LogEntry.objects.count() == 10_000
    # SQLite limits the values of one INSERT; the signals need the rows, in batches.
    log_batches = 10_000 * 7 // connection.features.max_query_params + 1 if connection.features.max_query_params else 1
    assert count <= 25 + log_batches + (20 if heard else 0)


def test_signing_many_users_out_takes_few_statements(pair):
    client = browser(superuser())

    def act(names):
        users = [get_user_model()(username=name) for name in names]
        chosen = [sessions.start(user).session for user in get_user_model().objects.bulk_create(users)]
        return statements(lambda: client.post(LIST, selected("sign_out_users", *chosen, confirmed="yes")))

    act(["first"])
    assert act(["bob", "eve"]) == act([f"user{number}" for number in range(80)])


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
    response = browser(root).post(f"{LIST}everyone/", {"confirmation": " everyone ", "reason": "keys lost"})
    assert response.headers["Location"] == LIST
    (entry,) = NotBefore.objects.all()
    assert (entry.user, entry.reason, entry.revoked_by) == (None, "keys lost", root)
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
    response = client.post(f"{BLACKLIST}blacklist/", {"token": pasted.format(pair.access), "reason": "in a log"})
    assert response.headers["Location"] == BLACKLIST
    entry = BlacklistedToken.objects.get()
    assert (entry.user, entry.reason) == (pair.session.user, "in a log")
    for url in ("/whoami/", "/stateless/"):
        assert api.get(url, **bearer(pair.access)).status_code == 401
        assert api.get(url, **bearer(second.access)).status_code == 200
    assert is_live(pair.session)
    assert LogEntry.objects.get().get_change_message() == "Blacklisted: in a log"
    # Once more is fine.
    client.post(f"{BLACKLIST}blacklist/", {"token": pair.access})
    assert BlacklistedToken.objects.get().reason == "in a log"


@pytest.mark.parametrize("kind", ["refresh", "garbage", "cut", "long"])
def test_anything_but_an_access_token_of_ours_is_not_blacklisted(pair, kind):
    token = {"refresh": pair.refresh, "garbage": "€", "cut": pair.access[:-5], "long": "a" * 50_000}[kind]
    response = browser(superuser()).post(f"{BLACKLIST}blacklist/", {"token": token})
    assert response.headers["Location"] == f"{BLACKLIST}blacklist/"
    assert messages_of(response) == ["This is not an access token of this project, or it has expired."]
    assert (BlacklistedToken.objects.count(), LogEntry.objects.count()) == (0, 0)


def test_no_permission_of_ours_comes_without_being_given(db):
    given = set(Permission.objects.filter(content_type__app_label="django_jwtauth").values_list("codename", flat=True))
    acts = {act.permission for act in ACTS.values()}
    assert given == {"view_refreshtoken", "view_blacklistedtoken", "view_notbefore", "introspect_token", *acts}
