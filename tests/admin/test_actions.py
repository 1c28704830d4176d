"""How an action of the admin asks first, and what it leaves behind."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from django_jwtauth import sessions
from django_jwtauth.models import MAX_NOTE_LENGTH, BlacklistedToken, NotBefore
from tests.tools.admin import (
    BLACKLIST,
    LIST,
    browser,
    html,
    is_live,
    messages_of,
    page,
    revocations,
    stored,
    superuser,
)
from tests.tools.admin_actions import ACTIONS, do, each_action, form_of, was_done
from tests.tools.products import in_turn

# How: with POST, the CSRF token, and after a question


METHODS = ("get", "head", "put", "patch", "delete", "options", "trace")


@pytest.mark.parametrize(("method", "action"), in_turn(dict(zip(METHODS, METHODS, strict=True)), ACTIONS))
def test_no_other_method_does_anything(pair, action, method):
    client, data = browser(superuser()), action.data(pair)
    data = {**data, "confirmed": "yes", "note": "x"}
    query = "&".join(f"{name}={value}" for name, value in data.items() if isinstance(value, str))
    getattr(client, method)(action.url(pair), query_params=data)
    getattr(client, method)(f"{action.url(pair)}?{query}")
    if method not in ("get", "head", "trace"):
        getattr(client, method)(action.url(pair), query, content_type="application/x-www-form-urlencoded")
    assert not was_done(pair)
    assert LogEntry.objects.count() == 0


@each_action
def test_an_action_needs_the_csrf_token_of_the_page(pair, action):
    client = browser(superuser(), enforce_csrf_checks=True)
    assert do(client, action, pair).status_code == 403
    assert do(client, action, pair, csrfmiddlewaretoken="x" * 64).status_code == 403
    assert not was_done(pair)
    shown = html(client.get(action.url(pair)))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)[1]
    assert do(client, action, pair, csrfmiddlewaretoken=token).status_code == 302
    assert was_done(pair)


@each_action
def test_each_action_asks_first_and_says_from_when_it_holds(pair, action):
    client = browser(superuser())
    if action.has_own_page:
        response = client.get(action.url(pair))
    else:
        data = action.data(pair)
        del data["confirmed"]
        response = client.post(LIST, data)
    shown = html(response)
    assert not was_done(pair)
    for effect in (
        "Refresh tokens: at once.",
        "within 2 seconds if the database is not asked",
        "in other services: within 4 seconds.",
    ):
        assert effect in shown
    # What the page has, and what the operator types, is all that it needs.
    assert client.post(action.url(pair), {**form_of(shown), **visible(action, pair)}).status_code == 302
    assert was_done(pair)


def visible(action, pair):
    return action.data(pair) if action.has_own_page else {}


@each_action
def test_what_was_done_is_told_with_the_time_from_which_it_holds_everywhere(pair, action):
    (told,) = messages_of(do(browser(superuser()), action, pair))
    assert re.search(r"It takes effect everywhere by \d\d:\d\d:\d\d\.$", told)


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


@each_action
def test_each_action_is_logged_signalled_and_keeps_its_note(pair, action):
    root = superuser()
    with revocations() as heard:
        do(browser(root), action, pair, note="  laptop stolen ")
    entries = LogEntry.objects.all()
    assert [(entry.user, "laptop stolen" in entry.get_change_message()) for entry in entries] == [(root, True)]
    assert entries[0].get_admin_url() is not None
    assert heard == [(pair.session.pk, "admin", root)] * action.signals
    row = stored(pair.session)
    ended = {(row.revoked_reason, row.revoked_note, row.revoked_by)}
    ended |= {(entry.reason, entry.note, entry.revoked_by) for entry in NotBefore.objects.all()}
    ended |= {(entry.reason, entry.note, root) for entry in BlacklistedToken.objects.all()}
    assert ("admin", "laptop stolen", root) in ended


@each_action
@pytest.mark.parametrize("note", ["   ", "reused", "signed out"])
def test_whatever_the_note_it_was_an_administrator(pair, action, note):
    do(browser(superuser()), action, pair, note=note)
    reasons = {stored(pair.session).revoked_reason, *BlacklistedToken.objects.values_list("reason", flat=True)}
    assert "admin" in reasons | set(NotBefore.objects.values_list("reason", flat=True))


@each_action
def test_a_note_that_is_too_long_is_refused_and_one_that_just_fits_is_not(pair, action):
    client = browser(superuser())
    response = do(client, action, pair, note="€" * (MAX_NOTE_LENGTH + 1))
    assert "at most 255 characters" in html(response)
    assert not was_done(pair)
    assert do(client, action, pair, note="€" * MAX_NOTE_LENGTH).status_code == 302
    assert was_done(pair)


NOTES = ["a\x00b", "[", '["x"]', "<script>alert(1)</script> a\r\nX: b \u202e %s %(x)s"]


@pytest.mark.parametrize(("action", "note"), in_turn(ACTIONS, dict(enumerate(NOTES))))
def test_any_note_is_either_refused_or_harmless(pair, action, note):
    client = browser(superuser())
    response = do(client, action, pair, note=note)
    assert response.status_code == (200 if "\x00" in note else 302)
    for url in (LIST, page(pair.session), BLACKLIST, "/admin/", f"{LIST}{pair.session.pk}/history/"):
        assert "<script>alert" not in html(client.get(url))
    assert "\r\nX: b" not in "".join(f"{name}: {value}" for name, value in response.headers.items())


@pytest.mark.parametrize("action", [ACTIONS["revoke"], ACTIONS["revoke selected"]])
def test_what_was_revoked_before_stays_as_it_was(pair, action):
    sessions.revoke(pair.session, reason="logout")
    before = stored(pair.session)
    with revocations() as heard:
        response = do(browser(superuser()), action, pair, note="again")
    assert messages_of(response) == ["0 sessions were revoked."]
    after = stored(pair.session)
    assert (after.revoked_at, after.revoked_reason, after.revoked_note, after.revoked_by) == (
        before.revoked_at,
        "logout",
        "",
        None,
    )
    assert (heard, LogEntry.objects.count()) == ([], 0)


@pytest.mark.parametrize("name", ["revoke", "revoke selected", "sign out", "sign out selected"])
def test_after_everyone_was_signed_out_there_is_nothing_left_to_revoke(pair, name):
    sessions.revoke_everyone()
    assert messages_of(do(browser(superuser()), ACTIONS[name], pair)) == ["0 sessions were revoked."]
    assert stored(pair.session).revoked_at is None


# One's own session


@pytest.mark.parametrize("name", ["revoke", "revoke selected", "sign out", "sign out selected", "everyone"])
@pytest.mark.parametrize("own", [False, True])
def test_operators_are_warned_before_they_end_their_own_sessions(user, name, own):
    root = superuser()
    pair = sessions.start(root if own else user)
    sessions.start(user)
    action, client = ACTIONS[name], browser(root)
    data = {key: value for key, value in action.data(pair).items() if key != "confirmed"}
    shown = html(client.get(action.url(pair)) if action.has_own_page else client.post(LIST, data))
    assert ("You stay signed in to the admin" in shown) is (own or name == "everyone")
    do(client, action, pair)
    assert not is_live(pair.session)
    assert client.get(LIST).status_code == 200
