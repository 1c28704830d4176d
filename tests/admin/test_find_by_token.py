"""A pasted token leads to its session, and stands nowhere afterwards."""

import datetime
import json
import logging
import sys

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter

from django_jwtauth import sessions
from django_jwtauth._core import jws
from django_jwtauth.keys import Key
from django_jwtauth.models import BlacklistedToken, RefreshToken
from tests.tools.admin import BLACKLIST, LIST, html, messages_of, page, stored
from tests.tools.admin_pages import refreshed, update, update_user
from tests.tools.products import each_row

DAY = datetime.timedelta(days=1)


def find(client, token):
    return client.post(f"{LIST}find/", {"token": token})


@pytest.mark.parametrize("spelling", ["{}", " {}\n", "Bearer {}", "\tBearer  {} "])
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_pasted_token_leads_to_its_session(client, user, pair, kind, spelling):
    sessions.start(user)
    response = find(client, spelling.format(getattr(pair, kind)))
    assert (response.status_code, response.headers["Location"]) == (302, page(pair.session))


@pytest.mark.parametrize(
    "change",
    [
        lambda pair: None,
        lambda pair: sessions.revoke(pair.session),
        lambda pair: sessions.revoke_everyone(),
        lambda pair: pair.session.user.delete(),
        lambda pair: sessions.blacklist(pair.access),
        lambda pair: update(expires_at=-91 * DAY, rotated_at=-90 * DAY)(pair.session),
        lambda pair: update_user(is_active=False)(pair.session),
        lambda pair: update_user(password="!")(pair.session),
    ],
    ids=["alive", "revoked", "everyone", "user deleted", "blacklisted", "expired", "inactive", "password"],
)
def test_a_token_leads_to_its_session_whatever_has_become_of_it(client, pair, change):
    change(pair)
    for token in (pair.access, pair.refresh):
        assert find(client, token).headers["Location"] == page(pair.session)


def test_a_superseded_refresh_token_leads_to_its_session_and_changes_nothing(client, pair, age):
    newest = refreshed(pair, age)
    for token in (pair.refresh, pair.access, newest.refresh, newest.access):
        assert find(client, token).headers["Location"] == page(pair.session)
    assert stored(pair.session).revoked_at is None
    assert stored(pair.session).replays == 0


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_leads_to_its_session_long_after_it_has_expired(client, monkeypatch, pair, kind):
    later = datetime.datetime.now().timestamp() + 10 * 365 * 86400
    monkeypatch.setattr("django_jwtauth._core.jws.time.time", lambda: later)
    assert find(client, getattr(pair, kind)).headers["Location"] == page(pair.session)


def other_tokens(pair, settings):
    """Give tokens that are none of ours: with all else as it should be."""
    claims = json.loads(jws.b64url_decode(pair.access.encode().split(b".")[1]))
    foreign = jws.sign(claims, typ="at+jwt", key=Key.generate("ES256"))
    settings.JWTAUTH = {"ISSUER": "https://other.example"}
    same_key = sessions.start(pair.session.user)
    RefreshToken.objects.filter(pk=same_key.session.pk).delete()
    settings.JWTAUTH = {}
    purged = sessions.start(pair.session.user)
    RefreshToken.objects.filter(pk=purged.session.pk).delete()
    header, payload, signature = pair.refresh.split(".")
    tampered = f"{header}.{payload}.{'A' * len(signature)}"
    return [foreign, same_key.access, same_key.refresh, purged.access, purged.refresh, tampered, pair.access + "="]


def test_tokens_of_others_lead_nowhere(client, settings, pair):
    for token in other_tokens(pair, settings):
        response = find(client, token)
        assert "No session of this project has this token." in html(response)
        assert token not in response.content.decode()


@each_row(
    "garbage",
    [
        "x",
        "a.b.c",
        "€",
        "..",
        "{}",
        "Bearer",
        "Bearer Bearer x",
        "%00",
        "a" * 99_999,
        "<script>alert(1)</script>",
        "\ud83d\ude00",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_garbage_leads_nowhere(client, pair, garbage):
    shown = html(find(client, garbage.encode("utf-16", "surrogatepass").decode("utf-16")))
    assert "No session of this project has this token." in shown
    assert "<script>alert" not in shown


@pytest.mark.parametrize("token", ["", "   ", "a\x00b", "a" * 100_001])
def test_what_cannot_be_a_token_is_an_error_of_the_form(client, pair, token):
    shown = html(find(client, token))
    assert 'class="errorlist"' in shown
    assert "a" * 100 not in shown


def test_a_post_without_a_token_asks_for_one(client, pair):
    assert "Find the session" in html(client.post(f"{LIST}find/"))


# The pasted token stands nowhere


PLACES = [f"{LIST}find/", f"{BLACKLIST}blacklist/"]


@pytest.mark.parametrize("url", PLACES)
@pytest.mark.parametrize("kind", ["access", "refresh", "other"])
def test_a_pasted_token_stands_in_no_address_page_log_statement_or_history(client, caplog, settings, pair, url, kind):
    token = other_tokens(pair, settings)[0] if kind == "other" else getattr(pair, kind)
    parts = [token, *(part for part in token.split(".") if len(part) > 60)]
    caplog.set_level(logging.DEBUG)
    with CaptureQueriesContext(connection) as captured:
        answers = [
            client.post(url, {"token": token, "note": "x"}),
            client.post(url, {"token": token, "note": "x" * 300}),
        ]
        answers.append(client.post(url, {"token": f"{token} {token}"}))
        answers += [client.get(LIST), client.get("/admin/"), client.get(page(pair.session)), client.get(url)]
    assert len(captured)
    where = [answer.content.decode() + str(answer.headers) + " ".join(messages_of(answer)) for answer in answers]
    where += [answer.wsgi_request.get_full_path() for answer in answers]
    where += [record.getMessage() + repr(record.__dict__) for record in caplog.records]
    where += [query["sql"] for query in captured]
    where += [repr(values) for values in LogEntry.objects.values()]
    where += [repr(values) for values in BlacklistedToken.objects.values()]
    where += [repr(sorted(answer.wsgi_request.session.items())) for answer in answers]
    for part in parts:
        assert not [text for text in where if part in text]


@pytest.mark.parametrize("url", PLACES)
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_pasted_token_stands_in_no_error_report(client, settings, monkeypatch, pair, url, kind):
    token = getattr(pair, kind)
    reports = []

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    client.raise_request_exception = False
    got_request_exception.connect(report)
    try:
        settings.JWTAUTH = {"NONSENSE": 1}  # whatever is read from the settings now raises
        assert client.post(url, {"token": token}).status_code == 500
        settings.JWTAUTH = {}
        # Further down, where the token is in the hands of Django's forms.
        monkeypatch.setattr("django.forms.CharField.to_python", fail)
        assert client.post(url, {"token": token}).status_code == 500
    finally:
        got_request_exception.disconnect(report)
    assert len(reports) == 4
    for text in reports:
        assert "InvalidSettingsError" in text or "ZeroDivisionError" in text
        for part in (token, token.split(".")[1], token.split(".")[2]):
            assert part not in text
            assert part[:40] not in text


def fail(*args, **kwargs):
    raise ZeroDivisionError


def test_actions_log_no_token_secret_or_hash(client, caplog, pair):
    row = stored(pair.session)
    caplog.set_level(logging.DEBUG)
    client.post(page(row, "revoke"), {"note": "x"})
    client.post(f"{LIST}user/{row.user_id}/", {"note": "x"})
    client.post(f"{LIST}everyone/", {"confirmation": "everyone"})
    written = "".join(record.getMessage() + repr(record.__dict__) for record in caplog.records)
    written += repr(list(LogEntry.objects.values()))
    for value in (bytes(row.secret), bytes(row.auth_hash)):
        assert value.hex() not in written
        assert repr(value)[2:-1] not in written
    assert pair.refresh not in written
    assert row.jti(0) not in written
