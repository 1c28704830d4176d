"""What the admin's forms and pages refuse, and what they say in which language."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.utils import translation

from django_jwtauth import sessions
from django_jwtauth.admin.site import MAX_FOUND_USERS
from django_jwtauth.models import BlacklistedToken, NotBefore
from tests.tools.admin import BLACKLIST, LIST, browser, html, is_live, messages_of, page, selected, stored, superuser
from tests.tools.admin_actions import do, each_action, each_page, was_done
from tests.tools.products import each_row


@pytest.fixture
def client(db):
    return browser(superuser())


# Methods


@each_page
@each_row("method", ["put", "patch", "delete", "options"])
def test_the_page_of_an_action_allows_no_other_methods(client, pair, action, method):
    response = getattr(client, method)(action.url(pair))
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("name", "method", "allowed"),
    [
        ("find/", "put", "GET, HEAD, POST"),
        ("find/", "delete", "GET, HEAD, POST"),
        ("events/", "post", "GET, HEAD"),
        ("keys/", "post", "GET, HEAD"),
    ],
)
def test_neither_do_the_other_pages(client, name, method, allowed):
    response = getattr(client, method)(LIST + name)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)


# Notes


@pytest.mark.parametrize(
    "note", ["admin", "reused", "password changed", "user lost their phone", "…", "重用", "x" * 255]
)
def test_a_note_may_be_anything_and_the_reason_stays_the_same(client, pair, note):
    assert client.post(page(pair.session, "revoke"), {"note": note}).status_code == 302
    row = stored(pair.session)
    assert (row.revoked_reason, row.revoked_note) == ("admin", note)


@each_action
def test_an_operator_cannot_choose_the_reason(client, pair, action):
    do(client, action, pair, reason="reused", revoked_reason="reused")
    assert was_done(pair)
    rows = [stored(pair.session).revoked_reason, *BlacklistedToken.objects.values_list("reason", flat=True)]
    rows += NotBefore.objects.values_list("reason", flat=True)
    assert set(rows) - {""} == {"admin"}


# The log


@pytest.fixture
def german(tmp_path, settings):
    """A translation of one text of ours, and nothing else."""
    catalogue = tmp_path / "de" / "LC_MESSAGES"
    catalogue.mkdir(parents=True)
    words = {"jwtauth log entry\x04Revoked": "Beendet", "jwtauth button\x04Revoke": "Beenden"}  # after their contexts
    texts = {"": "Content-Type: text/plain; charset=UTF-8\n", **words}
    (catalogue / "django.mo").write_bytes(compiled(texts))
    settings.LOCALE_PATHS = [str(tmp_path)]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]


def compiled(texts):
    """Return the texts as GNU gettext's binary catalogue."""
    ids, strings, table = b"", b"", []
    for key, value in sorted(texts.items()):
        table.append((len(key.encode()), len(ids), len(value.encode()), len(strings)))
        ids += key.encode() + b"\0"
        strings += value.encode() + b"\0"
    start = 28 + 16 * len(table)
    numbers = [0x950412DE, 0, len(table), 28, 28 + 8 * len(table), 0, 0]
    numbers += [number for size, at, _, _ in table for number in (size, start + at)]
    numbers += [number for _, _, size, at in table for number in (size, start + len(ids) + at)]
    return b"".join(number.to_bytes(4, "little") for number in numbers) + ids + strings


def test_the_log_is_in_the_project_s_language_whoever_acts(client, german, pair):
    headers = {"Accept-Language": "de"}
    assert 'value="Beenden"' in html(client.get(page(pair.session, "revoke"), headers=headers))
    client.post(page(pair.session, "revoke"), {"note": "weg"}, headers=headers)
    assert LogEntry.objects.get().get_change_message() == "Revoked: weg"
    with translation.override("de"):
        assert "Revoked: weg" in html(client.get(page(pair.session), headers=headers))


def test_that_may_be_any_language(client, german, settings, pair):
    settings.LANGUAGE_CODE = "de"
    client.post(page(pair.session, "revoke"), {"note": "weg"}, headers={"Accept-Language": "en"})
    assert LogEntry.objects.get().get_change_message() == "Beendet: weg"


# Search


@pytest.mark.parametrize(("number", "cut"), [(MAX_FOUND_USERS, False), (MAX_FOUND_USERS + 1, True)])
def test_a_search_that_finds_too_many_users_says_so(client, number, cut):
    users = get_user_model().objects.bulk_create(get_user_model()(username=f"al{n}") for n in range(number))
    last = sessions.start(users[-1]).session
    response = client.get(LIST, {"q": "al"})
    assert (page(last) in html(response)) is not cut
    text = "More than 200 users match, and the sessions of some are missing here. Enter more of the name."
    assert messages_of(response) == ([text] if cut else [])
    assert (text in response.content.decode()) is cut
    assert messages_of(client.get(LIST, {"q": f"al{number - 1}"})) == []


def test_what_is_missing_is_not_acted_on_and_said_to_be_missing(client):
    users = get_user_model().objects.bulk_create(
        get_user_model()(username=f"al{n}") for n in range(MAX_FOUND_USERS + 1)
    )
    first, last = (sessions.start(user).session for user in (users[0], users[-1]))
    data = selected("revoke_selected", first, select_across="1")
    asked = html(client.post(f"{LIST}?q=al", data))
    assert "1 selected session " in asked
    assert "More than 200 users match" in asked
    client.post(f"{LIST}?q=al", {**data, "confirmed": "yes"})
    assert (is_live(first), is_live(last)) == (False, True)


def test_the_blacklist_is_searched_by_a_whole_token_id(client, user, pair):
    second = sessions.start(user)
    for access in (pair.access, second.access):
        sessions.blacklist(access)
    first, other = BlacklistedToken.objects.order_by("pk").values_list("jti", flat=True)
    shown = html(client.get(BLACKLIST, {"q": first}))
    assert first in shown
    assert other not in shown
    assert first not in html(client.get(BLACKLIST, {"q": first[:-1]}))
