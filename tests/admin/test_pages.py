"""The admin's own pages: one session, security events, keys; on any site."""

import datetime
import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from django_jwtauth import sessions
from django_jwtauth.keys import Key
from django_jwtauth.models import NotBefore, RefreshToken, RevokedReason
from tests.tools.admin import BLACKLIST, FIREFOX, LIST, browser, html, page, stored, superuser
from tests.tools.admin_pages import refreshed, revoke, update, update_user

DAY = datetime.timedelta(days=1)
STATUS_WORDS = [
    (lambda session: None, "active", "active"),
    (update(rotated_at=-15 * DAY), "over", "idle"),
    (update(expires_at=-91 * DAY), "over", "expired"),
    (update(expires_at=-91 * DAY, rotated_at=-90 * DAY), "over", "expired"),
    (update_user(is_active=False), "over", "user inactive"),
    (update_user(password="!"), "over", "password changed"),
    (lambda session: sessions.revoke_everyone(), "revoked", "revoked: everyone was signed out"),
    (lambda session: session.user.delete(), "revoked", "revoked: user deleted"),
    *((revoke(reason), "revoked", f"revoked: {label}") for reason, label in RevokedReason.choices),
]


@pytest.mark.parametrize(("change", "colour", "word"), STATUS_WORDS, ids=[word for _, _, word in STATUS_WORDS])
def test_the_status_says_whether_a_session_lives_and_if_not_why(client, pair, change, colour, word):
    change(pair.session)
    shown = f'<span class="jwtauth-status jwtauth-{colour}">{word}</span>'
    assert shown in html(client.get(LIST))
    assert shown in html(client.get(page(pair.session)))


@pytest.mark.parametrize("url", ["list", "session", "events"])
def test_beside_the_reason_is_the_note(client, pair, url):
    revoke("reused", "seen <twice>")(pair.session)
    shown = html(client.get({"list": LIST, "session": page(pair.session), "events": f"{LIST}events/"}[url]))
    word = '<span class="jwtauth-status jwtauth-revoked">revoked: refresh token reuse</span>'
    assert f'{word} <bdi class="jwtauth-note">seen &lt;twice&gt;</bdi>' in shown


def test_without_a_note_there_is_none_to_show(client, pair):
    revoke("reused")(pair.session)
    assert "jwtauth-note" not in html(client.get(LIST))


# One session


def timeline(shown):
    lines = re.findall(
        r'<li><time datetime="([^"]*)">(.*?)</time> (.*?)</li>', shown[shown.index("jwtauth-timeline") :]
    )
    moments = [datetime.datetime.fromisoformat(moment) for moment, _, _ in lines]
    assert moments == sorted(moments)
    return [text.strip() for _, _, text in lines]


def test_the_page_tells_the_timeline_of_a_session_in_order(client, user):
    session = sessions.start(user, amr=["pwd", "otp"]).session
    update(created_at=-3 * DAY, auth_time=-2 * DAY, rotated_at=-1 * DAY)(session)
    RefreshToken.objects.update(generation=7, replays=2)
    client.post(page(session, "revoke"), {"note": "laptop stolen"})
    assert timeline(html(client.get(page(session)))) == [
        "signed in (pwd, otp)",
        "authenticated again",
        "last refresh, to generation 7",
        "replays so far: 2",
        "revoked: administrator, by root: laptop stolen",
        "root: Revoked: laptop stolen",
    ]


def test_a_new_session_has_a_short_timeline(client, pair):
    assert timeline(html(client.get(page(pair.session)))) == ["signed in"]


def test_a_session_that_ended_by_itself_was_ended_by_nobody(client, pair):
    sessions.revoke(pair.session, reason="logout")
    assert timeline(html(client.get(page(pair.session)))) == ["signed in", "revoked: signed out"]


@pytest.mark.parametrize(("by_root", "who"), [(True, ", by root"), (False, "")])
def test_the_timeline_says_when_everyone_was_signed_out(client, pair, by_root, who):
    root = get_user_model().objects.get(username="root") if by_root else None
    sessions.revoke_everyone(note="keys lost", by=root)
    sessions.revoke_everyone(note="once more")
    after = sessions.start(pair.session.user)
    text = f"everyone was signed out: administrator{who}: keys lost"
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
    client.post(page(pair.session, "revoke"), {"note": "x"})
    client.post(f"{BLACKLIST}blacklist/", {"token": sessions.start(user).access})
    urls = [LIST, page(pair.session), f"{LIST}events/", f"{LIST}?status=idle", f"{LIST}?status=expired", BLACKLIST]
    urls += [f"/ops/auth/user/{user.pk}/change/", f"{LIST}?status=active"]
    for url in urls:
        html(client.get(url))
    ended = "revoked: administrator, by root: x"
    assert timeline(html(client.get(page(pair.session))))[-2:] == [ended, "root: Revoked: x"]
    client.post(f"{LIST}everyone/", {"confirmation": "everyone"})
    assert timeline(html(client.get(page(other))))[-1] == "everyone was signed out: administrator, by root"


def test_a_reason_that_the_admin_has_no_word_for_is_shown_as_it_is(pair, monkeypatch):
    monkeypatch.setattr(RefreshToken, "refusal", lambda session, now, *, ends_at: "on_holiday")
    client = browser(superuser())
    for url in (LIST, page(pair.session)):
        assert "on_holiday" in html(client.get(url))
