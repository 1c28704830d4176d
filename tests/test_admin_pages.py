"""The admin's own pages: one session, a pasted token, events, keys; on any site, and with texts to be translated."""

import ast
import datetime
import json
import logging
import pathlib
import re
import sys

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.signals import got_request_exception
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.views.debug import ExceptionReporter

from django_jwtauth import sessions
from django_jwtauth._core import jws
from django_jwtauth.keys import Key
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken, RevokedReason

from .admin_tools import BLACKLIST, FIREFOX, LIST, browser, html, messages_of, page, stored, superuser

PACKAGE = pathlib.Path(__file__).parent.parent / "django_jwtauth"
DAY = datetime.timedelta(days=1)


@pytest.fixture
def client(db):
    return browser(superuser())


# The status


def update(**changes):
    def update(session):
        moved = {key: getattr(session, key) + by for key, by in changes.items()}
        RefreshToken.objects.filter(pk=session.pk).update(**moved)

    return update


def update_user(**changes):
    return lambda session: get_user_model().objects.filter(pk=session.user_id).update(**changes)


def revoke(reason):
    return lambda session: sessions.revoke(session, reason=reason)


STATUS_WORDS = [
    (lambda session: None, "active", "active"),
    (update(rotated_at=-15 * DAY), "over", "idle"),
    (update(expires_at=-91 * DAY), "over", "expired"),
    (update(expires_at=-91 * DAY, rotated_at=-90 * DAY), "over", "expired"),
    (update_user(is_active=False), "over", "user inactive"),
    (update_user(password="!"), "over", "password changed"),
    (lambda session: sessions.revoke_everyone(), "revoked", "revoked: everyone was signed out"),
    (lambda session: session.user.delete(), "revoked", "revoked: user deleted"),
    (revoke("moved house"), "revoked", "revoked: moved house"),
    *((revoke(reason), "revoked", f"revoked: {label}") for reason, label in RevokedReason.choices),
]


@pytest.mark.parametrize(("change", "colour", "word"), STATUS_WORDS, ids=[word for _, _, word in STATUS_WORDS])
def test_the_status_says_whether_a_session_lives_and_if_not_why(client, pair, change, colour, word):
    change(pair.session)
    shown = f'<span class="jwtauth-status jwtauth-{colour}">{word}</span>'
    assert shown in html(client.get(LIST))
    assert shown in html(client.get(page(pair.session)))


# One session


def timeline(shown):
    lines = re.findall(
        r'<li><time datetime="([^"]*)">(.*?)</time> (.*?)</li>', shown[shown.index("jwtauth-timeline") :]
    )
    moments = [datetime.datetime.fromisoformat(moment) for moment, _, _ in lines]
    assert moments == sorted(moments)
    return [text.strip() for _, _, text in lines]


def test_the_page_tells_the_course_of_a_session_in_order(client, user):
    session = sessions.start(user, amr=["pwd", "otp"]).session
    update(created_at=-3 * DAY, auth_time=-2 * DAY, rotated_at=-1 * DAY)(session)
    RefreshToken.objects.update(generation=7, replays=2)
    client.post(page(session, "revoke"), {"reason": "laptop stolen"})
    assert timeline(html(client.get(page(session)))) == [
        "signed in (pwd, otp)",
        "authenticated again",
        "last refresh, to generation 7",
        "replays so far: 2",
        "revoked: laptop stolen by root",
        "root: Revoked: laptop stolen",
    ]


def test_a_new_session_has_a_short_course(client, pair):
    assert timeline(html(client.get(page(pair.session)))) == ["signed in"]


def test_a_session_that_ended_by_itself_was_ended_by_nobody(client, pair):
    sessions.revoke(pair.session, reason="logout")
    assert timeline(html(client.get(page(pair.session)))) == ["signed in", "revoked: signed out"]


@pytest.mark.parametrize(("by_root", "who"), [(True, "root"), (False, "-")])
def test_the_course_says_when_everyone_was_signed_out(client, pair, by_root, who):
    root = get_user_model().objects.get(username="root") if by_root else None
    sessions.revoke_everyone(reason="keys lost", by=root)
    sessions.revoke_everyone(reason="once more")
    after = sessions.start(pair.session.user)
    text = f"everyone was signed out, by {who}: keys lost"
    assert timeline(html(client.get(page(pair.session)))) == ["signed in", text]
    NotBefore.objects.update(not_before=pair.session.created_at)
    assert timeline(html(client.get(page(after.session)))) == ["signed in"]


def test_the_page_links_the_users_other_sessions_newest_first(client, user, pair, rf):
    others = [sessions.start(user, request=rf.get("/", HTTP_USER_AGENT=FIREFOX)).session for _ in range(12)]
    for number, session in enumerate(others):
        update(created_at=number * DAY)(session)
    strange = sessions.start(get_user_model().objects.create_user("bob")).session
    shown = html(client.get(page(pair.session)))
    links = re.findall(r'<div><a href="([^"]+)">', shown)
    assert links == [page(session) for session in others[:1:-1]]
    assert page(strange) not in shown
    assert html(client.get(page(strange))).count("Firefox on Linux") == 0


def test_the_page_says_what_revoking_does(client, pair):
    shown = html(client.get(page(pair.session)))
    for text in ("Refresh tokens: at once.", "in other services: within 4 seconds."):
        assert text in shown


# Find by token


def refreshed(pair, age):
    """Refresh it twice, so that the first token is two generations old."""
    newest = pair
    for _ in range(2):
        age(newest.session, DAY)
        newest = sessions.refresh(newest.refresh)
    return newest


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


@pytest.mark.parametrize(
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
            client.post(url, {"token": token, "reason": "x"}),
            client.post(url, {"token": token, "reason": "x" * 300}),
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


def test_acts_log_no_token_secret_or_hash(client, caplog, pair):
    row = stored(pair.session)
    caplog.set_level(logging.DEBUG)
    client.post(page(row, "revoke"), {"reason": "x"})
    client.post(f"{LIST}user/{row.user_id}/", {"reason": "x"})
    client.post(f"{LIST}everyone/", {"confirmation": "everyone"})
    written = "".join(record.getMessage() + repr(record.__dict__) for record in caplog.records)
    written += repr(list(LogEntry.objects.values()))
    for value in (bytes(row.secret), bytes(row.auth_hash)):
        assert value.hex() not in written
        assert repr(value)[2:-1] not in written
    assert pair.refresh not in written
    assert row.jti(0) not in written


# Events


def test_events_are_reuse_and_many_replays_newest_first(client, user, rf):
    request = rf.get("/", HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.9")
    reused, replayed, both, few, _ = (sessions.start(user, request=request).session for _ in range(5))
    update(rotated_at=-2 * DAY)(replayed)
    RefreshToken.objects.filter(pk__in=[replayed.pk, both.pk]).update(replays=7)
    RefreshToken.objects.filter(pk=few.pk).update(replays=4)
    sessions.revoke(reused, reason="reused")
    sessions.revoke(both, reason="reused")
    RefreshToken.objects.filter(pk=reused.pk).update(revoked_at=stored(reused).revoked_at - 3 * DAY)
    shown = html(client.get(f"{LIST}events/"))
    rows = shown[shown.index("<tbody>") : shown.index("</tbody>")].split("</tr>")[:-1]
    expected = [(both, "refresh token reuse"), (replayed, "7 replays"), (reused, "refresh token reuse")]
    assert len(rows) == 3
    for row, (session, what) in zip(rows, expected, strict=True):
        assert f'href="{page(session)}"' in row
        assert f"<td>{what}</td>" in row
        for text in ("Firefox on Linux", "192.0.2.9", ">ada</a>"):
            assert text in row
        assert (page(session, "revoke") in row) is (session is replayed)
        assert f"{LIST}user/{user.pk}/" in row


def test_events_of_deleted_users_and_of_nothing(client, user, pair):
    assert "There are no security events." in html(client.get(f"{LIST}events/"))
    RefreshToken.objects.update(replays=9)
    user.delete()
    shown = html(client.get(f"{LIST}events/"))
    assert "9 replays" in shown
    assert "revoked: user deleted" in shown
    assert "None" not in shown


def test_a_real_reuse_is_an_event(client, pair, age):
    refreshed(pair, age)
    assert "refresh token reuse" not in html(client.get(f"{LIST}events/"))
    with pytest.raises(Exception, match="reused"):
        sessions.refresh(pair.refresh)
    assert "refresh token reuse" in html(client.get(f"{LIST}events/"))


# Keys


def test_keys_show_their_public_parts_only(client, settings):
    keys = [Key.generate(alg) for alg in ("ES256", "RS256", "EdDSA")]
    secret = "shared-secret-of-more-than-32-bytes-0123456789"
    pems = [{"alg": key.alg, "pem": key.private_pem()} for key in keys]
    settings.JWTAUTH = {"SIGNING_KEYS": [*pems, {"alg": "HS256", "secret": secret}]}
    shown = html(client.get(f"{LIST}keys/"))
    rows = shown[shown.index("<tbody>") : shown.index("</tbody>")].split("</tr>")[:-1]
    assert len(rows) == 4
    assert ["signs and verifies" in row for row in rows] == [True, False, False, False]
    assert ["verifies only" in row for row in rows] == [False, True, True, True]
    assert ["it is a secret" in row for row in rows] == [False, False, False, True]
    for key, row in zip(keys, rows, strict=False):
        assert f"<code>{key.kid}</code>" in row
        assert f"<td>{key.alg}</td>" in row
        published = json.loads(re.search(r"<pre>(.*?)</pre>", row, re.DOTALL)[1].replace("&quot;", '"'))
        assert published == key.public_jwk()
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(published)
    assert secret not in shown
    assert "PRIVATE" not in shown


def test_the_derived_key_is_a_secret(client, settings):
    shown = html(client.get(f"{LIST}keys/"))
    assert "it is a secret" in shown
    assert settings.SECRET_KEY not in shown
    assert "<pre>" not in shown


# Any site


@pytest.mark.parametrize("site", ["admin", "ops", "sessions"])
def test_the_pages_stay_on_their_own_site(db, pair, site):
    client = browser(superuser())
    RefreshToken.objects.update(replays=7)
    base = reverse(f"{site}:django_jwtauth_refreshtoken_changelist")
    names = ["", "find/", "events/", "keys/", "everyone/", f"user/{pair.session.user_id}/"]
    names += [f"{pair.session.pk}/{name}/" for name in ("change", "revoke", "history")]
    root = reverse(f"{site}:index")
    for name in names:
        links = set(re.findall(r'(?:href|action)="(/[^"?]*)', html(client.get(base + name))))
        assert [link for link in links if not link.startswith((root, "/static/", "/accounts/"))] in ([], ["/"]), name
    blacklist = f"{root}django_jwtauth/blacklistedtoken/blacklist/"
    assert (blacklist in html(client.get(base))) is (site != "sessions")
    done = client.post(f"{base}{pair.session.pk}/revoke/")
    assert done.headers["Location"] == f"{base}{pair.session.pk}/change/"
    signed_out = client.post(f"{base}user/{pair.session.user_id}/")
    expected = base if site == "sessions" else f"{root}auth/user/{pair.session.user_id}/change/"
    assert signed_out.headers["Location"] == expected
    found = client.post(f"{base}find/", {"token": pair.refresh})
    assert found.headers["Location"] == f"{base}{pair.session.pk}/change/"


@pytest.mark.parametrize("use_tz", [True, False])
def test_all_pages_work_with_and_without_time_zones(settings, user, use_tz):
    settings.USE_TZ = use_tz
    pair, client = sessions.start(user), browser(superuser())
    other = sessions.start(user).session
    RefreshToken.objects.update(replays=7, generation=1)
    client.post(page(pair.session, "revoke"), {"reason": "x"})
    client.post(f"{BLACKLIST}blacklist/", {"token": sessions.start(user).access})
    urls = [LIST, page(pair.session), f"{LIST}events/", f"{LIST}?status=idle", f"{LIST}?status=expired", BLACKLIST]
    urls += [f"/ops/auth/user/{user.pk}/change/", f"{LIST}?status=active"]
    for url in urls:
        html(client.get(url))
    assert timeline(html(client.get(page(pair.session))))[-2:] == ["revoked: x by root", "root: Revoked: x"]
    client.post(f"{LIST}everyone/", {"confirmation": "everyone"})
    assert timeline(html(client.get(page(other))))[-1] == "everyone was signed out, by root: admin"


# Texts


TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
TECHNICAL = {"kid", "&rsaquo;"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_text_of_the_templates_can_be_translated(template):
    source = re.sub(r"{% block bodyclass %}.*", "", template.read_text())
    plain = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", source, flags=re.DOTALL)
    texts = {text.strip() for text in re.sub(r"<[^>]*>", "\n", plain).splitlines()} - {""}
    assert texts <= TECHNICAL
    attributes = re.findall(r'\b(?:value|title|alt|placeholder|aria-label)="([^"]*)"', plain)
    assert not [text for text in attributes if text.strip()]
    if re.search(r"{% (?:block)?trans", source):
        assert "{% load i18n" in source


ADMIN = sorted((PACKAGE / "admin").glob("*.py"))
SHOWN = {"title", "question", "button", "label", "help_text", "description", "verbose_name", "verbose_name_plural"}


@pytest.mark.parametrize("module", ADMIN, ids=lambda path: path.stem)
def test_every_text_of_the_modules_can_be_translated(module):
    tree = ast.parse(module.read_text())
    bare = [
        keyword.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in SHOWN and isinstance(keyword.value, ast.Constant | ast.JoinedStr)
    ]
    bare += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and {getattr(target, "id", "") for target in node.targets} & (SHOWN | {"search_help_text"})
        and isinstance(node.value, ast.Constant | ast.JoinedStr)
    ]
    # No sentence stands outside a call that translates, a docstring or an error for developers.
    translated = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "now_", "ngettext")
        for inner in ast.walk(node)
    }
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    bare += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in translated | docstrings
        and re.search(r"[a-z]{2,} [a-z]{2,}", re.sub(r"<[^>]*>", "", node.value))
    ]
    assert bare == []
