"""What a project adds to its own admin of users, and the admin for users of a project's own."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import path, reverse

from django_jwtauth import sessions
from django_jwtauth.admin import SessionsUserAdminMixin
from django_jwtauth.admin.users import MAX_SHOWN
from django_jwtauth.models import RefreshToken
from tests.tools.admin import (
    VIEW,
    browser,
    html,
    is_live,
    messages_of,
    operator,
    revocations,
    statements,
    stored,
)
from tests.tools.admin_users import form_of, session_page, user_page
from tests.tools.processes import run_script

# The sessions on the user's page


def test_the_users_page_shows_the_active_sessions_newest_first(client, user):
    bob = sessions.start(get_user_model().objects.create_user("bob")).session
    alive = [sessions.start(user).session for _ in range(3)]
    ended = sessions.start(user).session
    sessions.revoke(ended)
    idle = sessions.start(user).session
    RefreshToken.objects.filter(pk=idle.pk).update(rotated_at="2020-01-01T00:00Z")
    for number, session in enumerate(alive):
        RefreshToken.objects.filter(pk=session.pk).update(created_at=f"2030-01-0{number + 1}T00:00Z")
    shown = html(client.get(user_page(user)))
    links = re.findall(r'<a href="([^"]*refreshtoken/[^"]*/change/)">', shown)
    assert links == [session_page(session) for session in reversed(alive)]
    assert session_page(bob) not in shown
    assert 'href="/static/django_jwtauth/admin.css"' in shown or "django_jwtauth/admin.css" in shown


def test_after_everyone_was_signed_out_there_are_none(client, user, pair):
    sessions.revoke_everyone()
    assert session_page(pair.session) not in html(client.get(user_page(user)))


@pytest.mark.parametrize("number", [1_000, pytest.param(5_000, marks=pytest.mark.long)])
def test_a_user_with_very_many_sessions_has_a_page_that_is_no_longer(client, user, pair, number):
    few = statements(lambda: html(client.get(user_page(user))))
    few = statements(lambda: html(client.get(user_page(user))))
    RefreshToken.objects.bulk_create(
        RefreshToken(
            user=user,
            secret=pair.session.secret,
            auth_hash=pair.session.auth_hash,
            **dict.fromkeys(("created_at", "rotated_at", "auth_time"), pair.session.created_at),
            expires_at=pair.session.expires_at,
        )
        for _ in range(number - 1)
    )
    shown = []
    assert statements(lambda: shown.append(html(client.get(user_page(user))))) == few
    assert len(re.findall(r"/refreshtoken/[^/]*/change/", shown[0])) == MAX_SHOWN
    data = form_of(client, user_page(user))
    response = client.post(user_page(user), data)
    assert response.status_code == 302
    assert messages_of(response) == [f'The user “<a href="{user_page(user)}">ada</a>” was changed successfully.']
    assert RefreshToken.objects.filter(revoked_at=None).count() == number
    assert statements(lambda: client.post(user_page(user), {**data, "is_active": ""})) < 60
    assert not RefreshToken.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("permissions", "shown", "offered"),
    [
        (["view_user"], False, False),
        (["view_user", VIEW], True, False),
        (["view_user", "sign_out_user"], False, False),
        (["view_user", VIEW, "sign_out_user"], True, True),
        (["change_user", VIEW, "sign_out_user"], True, True),
    ],
)
def test_sessions_and_signing_out_are_for_whom_they_are_meant(user, pair, permissions, shown, offered):
    page = html(browser(operator(*permissions)).get(user_page(user)))
    assert (session_page(pair.session) in page) is shown
    sign_out = reverse("ops:django_jwtauth_refreshtoken_sign_out", args=[user.pk])
    assert (f'href="{sign_out}"' in page) is offered


def test_a_page_to_add_a_user_has_no_sessions(client):
    shown = html(client.get(reverse("ops:auth_user_add")))
    assert "active sessions" not in shown
    data = {"username": "eve", "password1": "correct horse!", "password2": "correct horse!", "usable_password": "true"}
    assert client.post(reverse("ops:auth_user_add"), data).status_code == 302
    assert get_user_model().objects.filter(username="eve").exists()


@pytest.mark.parametrize("pk", ["999999", "nonsense", "a_2Fb", "%00"])
@pytest.mark.parametrize("name", ["change", "password"])
def test_a_user_who_is_not_there(client, pk, name):
    url = f"/ops/auth/user/{pk}/{name}/"
    for response in (client.get(url), client.post(url, {"password1": "x"})):
        assert response.status_code in (302, 404)


def test_nothing_of_a_session_can_be_changed_through_the_users_form(client, user, pair):
    strange = sessions.start(get_user_model().objects.create_user("bob")).session
    before = list(RefreshToken.objects.order_by("pk").values())
    data = form_of(client, user_page(user))
    prefix = next(name for name in data if name.endswith("-TOTAL_FORMS")).removesuffix("-TOTAL_FORMS")
    forged = {
        "user": "",
        "ip_address": "192.0.2.66",
        "created_at_0": "2020-01-01",
        "created_at_1": "00:00",
        "DELETE": "on",
    }
    for session in (pair.session, strange):
        fields = {f"{prefix}-0-{name}": value for name, value in {**forged, "id": session.pk}.items()}
        more = {f"{prefix}-TOTAL_FORMS": "3", f"{prefix}-INITIAL_FORMS": "1", f"{prefix}-1-ip_address": "192.0.2.67"}
        client.post(user_page(user), {**data, **fields, **more})
    assert list(RefreshToken.objects.order_by("pk").values()) == before


def test_sessions_that_end_between_page_and_save_do_no_harm(client, user, pair):
    data = form_of(client, user_page(user))
    sessions.revoke(pair.session)
    assert client.post(user_page(user), {**data, "first_name": "Ada"}).status_code == 302
    user.refresh_from_db()
    assert user.first_name == "Ada"


# What ends them there


def told(response):
    return [text for text in messages_of(response) if "session" in text]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, []), (1, ["1 session of the user has ended."]), (3, ["3 sessions of the user have ended."])],
)
@pytest.mark.parametrize("how", ["deactivate", "password", "no password"])
def test_what_ends_sessions_says_how_many(client, user, number, text, how):
    started = [sessions.start(user).session for _ in range(number)]
    bob = sessions.start(get_user_model().objects.create_user("bob")).session
    ended = sessions.start(user).session
    sessions.revoke(ended)
    with revocations() as heard:
        if how == "deactivate":
            data = form_of(client, user_page(user))
            assert data.pop("is_active") == "on"
            response = client.post(user_page(user), data)
        else:
            data = {"password1": "another horse", "password2": "another horse", "usable_password": "true"}
            if how == "no password":
                data |= {"usable_password": "false", "unset-password": "x"}
            response = client.post(user_page(user, name="password_change"), data)
    assert response.status_code == 302
    assert told(response) == text
    reason = "user_inactive" if how == "deactivate" else "password_changed"
    assert {(pk, why) for pk, why, _ in heard} == {(session.pk, reason) for session in started}
    rows = [stored(session) for session in started]
    assert {(row.revoked_reason, str(row.revoked_by)) for row in rows} == ({(reason, "root")} if started else set())
    assert stored(ended).revoked_by is None
    assert is_live(bob)


@pytest.mark.parametrize("reason", ["password_changed", "user_inactive"])
def test_what_had_ended_before_was_not_ended_by_who_saves_later(client, user, pair, reason):
    sessions.revoke(pair.session, reason=reason)
    bob = sessions.start(get_user_model().objects.create_user("bob")).session
    sessions.revoke(bob, reason=reason)
    data = form_of(client, user_page(user))
    del data["is_active"]
    assert told(client.post(user_page(user), data)) == []
    assert {stored(session).revoked_by for session in (pair.session, bob)} == {None}


def test_the_page_of_a_session_says_who_deactivated_its_user(client, user, pair):
    data = form_of(client, user_page(user))
    del data["is_active"]
    client.post(user_page(user), data)
    assert "revoked: user deactivated, by root" in html(client.get(session_page(pair.session)))


def test_a_password_that_is_refused_ends_nothing(client, user, pair):
    data = {"password1": "another horse", "password2": "typo", "usable_password": "true"}
    response = client.post(user_page(user, name="password_change"), data)
    assert told(response) == []
    assert "errorlist" in html(response)
    assert is_live(pair.session)
    assert html(client.get(user_page(user, name="password_change")))


def test_any_other_change_ends_nothing(client, user, pair):
    response = client.post(user_page(user), {**form_of(client, user_page(user)), "first_name": "Ada"})
    assert response.status_code == 302
    assert told(response) == []
    assert is_live(pair.session)


def test_who_may_not_change_users_ends_nothing(user, pair):
    client = browser(operator(VIEW, "view_user", "sign_out_user"))
    assert client.post(user_page(user), {"username": "x"}).status_code == 403
    assert client.post(user_page(user, name="password_change"), {"password1": "x"}).status_code == 403
    assert is_live(pair.session)


# Other sites, other users


def test_a_site_without_sessions_shows_them_without_links(client, user, pair):
    shown = html(client.get(user_page(user, "staff")))
    assert str(pair.session.pk)[:8] in shown
    assert "refreshtoken/" not in shown
    assert "Sign out everywhere" not in shown


class PlainAdmin(SessionsUserAdminMixin, admin.ModelAdmin):
    fields = ("username", "is_active")


plain = admin.AdminSite(name="plain")
plain.register(get_user_model(), PlainAdmin)
urlpatterns = [path("plain/", plain.urls)]


@pytest.mark.urls(__name__)
def test_it_also_goes_with_an_admin_that_knows_no_passwords(client, user, pair):
    data = form_of(client, user_page(user, "plain"))
    assert data.pop("is_active") == "on"
    response = client.post(user_page(user, "plain"), data)
    assert told(response) == ["1 session of the user has ended."]
    assert not is_live(pair.session)


def test_users_with_a_uuid_and_an_address_and_no_staff(tmp_path):
    script = """
        import re
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("check", fail_level="WARNING")
        from django.contrib.auth import get_user_model
        from django.db import connection
        from django.test import Client
        from django.test.utils import CaptureQueriesContext, setup_test_environment
        from django_jwtauth import sessions
        from django_jwtauth.models import RefreshToken

        setup_test_environment()
        people = get_user_model().objects
        root = people.create_user("root@ops.example", "x")
        ada = people.create_user("ada@example.com", "x")
        pair, other = sessions.start(ada), sessions.start(people.create_user("bob@example.com"))
        client = Client()
        client.force_login(root)
        base, user_page = "/ops/django_jwtauth/refreshtoken/", f"/ops/customusers/person/{ada.pk}/change/"

        def get(url, **query):
            response = client.get(url, query)
            assert response.status_code == 200, (url, response.status_code, response.content)
            return response.content.decode()

        def rows(**query):
            return set(re.findall(base + r"([^/]+)/change/", get(base, **query)))

        both = {str(pair.session.pk), str(other.session.pk)}
        assert rows() == both
        assert rows(q="ADA@") == rows(q="ada@example.com") == rows(q=str(pair.session.pk)) == {str(pair.session.pk)}
        assert rows(q="127.0.0.1") == rows(q=str(ada.pk)) == set()
        assert rows(staff="1") == both and "staff users" not in get(base)
        assert rows(status="active") == both and rows(status="revoked") == set()
        assert user_page in get(base)
        RefreshToken.objects.update(replays=9)
        for name in (f"{pair.session.pk}/change/", f"{pair.session.pk}/revoke/", "events/", "find/", "keys/"):
            get(base + name)
        assert str(pair.session.pk) in get(user_page)
        assert f"{base}user/{ada.pk}/" in get(user_page)
        for nonsense in ("nonsense", "00000000-0000-4000-8000-000000000000", "1", "x" * 5000):
            assert client.get(f"{base}user/{nonsense}/").status_code == 404, nonsense
        done = client.post(f"{base}user/{ada.pk}/", {"note": "theft"})
        assert done.headers["Location"] == user_page, done.content
        session = RefreshToken.objects.get(pk=pair.session.pk)
        assert (session.revoked_note, session.revoked_by) == ("theft", root)
        data = {"action": "sign_out_users", "_selected_action": [str(other.session.pk)], "index": "0"}
        assert b"bob@example.com" in client.post(base, data).content
        assert client.post(base, {**data, "confirmed": "yes"}).status_code == 302
        assert not RefreshToken.objects.filter(revoked_at=None).exists()
        assert client.post("/ops/django_jwtauth/blacklistedtoken/blacklist/", {"token": pair.access}).status_code == 302
        get("/ops/django_jwtauth/blacklistedtoken/", q="ada")
        assert client.post(base + "everyone/", {"confirmation": "everyone"}).status_code == 302
        client.force_login(ada)
        assert client.get(base).status_code == 302
    """
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.customusers.admin_settings",
        "DATABASE": str(tmp_path / "db.sqlite3"),
    }
    run_script(script, **environment)


def test_email_field_may_name_a_field_that_is_not_there(client, pair, monkeypatch):
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "gone")  # as with `email = None` on a child of AbstractUser
    base = reverse("admin:django_jwtauth_refreshtoken_changelist")
    assert session_page(pair.session, "admin") in html(client.get(base, {"q": "ada"}))
    assert session_page(pair.session, "admin") not in html(client.get(base, {"q": "example.com"}))
