"""What an operator may see: limits that a project sets by ``get_queryset()``, actors, and who may only look."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path

from django_jwtauth import sessions
from django_jwtauth.admin import RefreshTokenAdmin, SessionsInline, SessionsUserAdminMixin
from django_jwtauth.models import RefreshToken
from tests.tools.admin import LIST, VIEW, browser, html, operator, page, selected, statements, superuser


class OwnCustomers(RefreshTokenAdmin):
    def get_queryset(self, request):
        return super().get_queryset(request).filter(user__email__endswith="@ours.example", transport="body")


class OwnInline(SessionsInline):
    def get_queryset(self, request):
        return super().get_queryset(request).filter(transport="body")


class OwnUsers(SessionsUserAdminMixin, UserAdmin):
    def get_inlines(self, request, obj):
        return [OwnInline]


limited = admin.AdminSite(name="limited")
limited.register(RefreshToken, OwnCustomers)
limited.register(get_user_model(), OwnUsers)
urlpatterns = [path("limited/", limited.urls), path("admin/", admin.site.urls)]
OWN = LIST.replace("/admin/", "/limited/")


@pytest.fixture
def ours(db):
    return sessions.start(get_user_model().objects.create_user("ann", "ann@ours.example"))


@pytest.fixture
def theirs(db):
    return sessions.start(get_user_model().objects.create_user("tom", "tom@theirs.example"))


@pytest.mark.urls(__name__)
def test_no_page_passes_by_the_limits_of_a_subclass(client, ours, theirs):
    RefreshToken.objects.update(replays=9)
    hidden = sessions.start(ours.session.user, transport="browser").session
    for url in (OWN, f"{OWN}events/", page(ours.session).replace("/admin/", "/limited/")):
        shown = html(client.get(url))
        assert str(ours.session.pk) in shown
        assert str(theirs.session.pk)[:8] not in shown
        assert str(hidden.pk)[:8] not in shown
    found = [client.post(f"{OWN}find/", {"token": pair.refresh}).status_code for pair in (ours, theirs)]
    assert found == [302, 200]
    shown = html(client.get(f"/limited/auth/user/{ours.session.user_id}/change/"))
    assert str(ours.session.pk)[:8] in shown
    assert str(hidden.pk)[:8] not in shown


@pytest.mark.urls(__name__)
def test_nobody_is_signed_out_who_has_a_session_beyond_the_limits(client, ours, theirs):
    nobody = get_user_model().objects.create_user("eve", "eve@ours.example")
    for user in (theirs.session.user, nobody):
        assert client.post(f"{OWN}user/{user.pk}/").status_code == 404
        assert client.get(f"{LIST}user/{user.pk}/").status_code == 200  # without limits
    hidden = sessions.start(ours.session.user, transport="browser").session
    signing_out = selected("sign_out_users", ours.session, confirmed="yes")
    assert client.post(f"{OWN}user/{ours.session.user_id}/").status_code == 404
    assert client.post(OWN, signing_out).status_code == 403
    assert not RefreshToken.objects.exclude(revoked_at=None).exists()
    hidden.delete()
    assert client.post(OWN, signing_out).status_code == 302
    assert [row.pk for row in RefreshToken.objects.exclude(revoked_at=None)] == [ours.session.pk]


def test_who_may_only_look_learns_of_nobody(ours):
    client = browser(operator(VIEW))
    missing = "00000000-0000-4000-8000-000000000000"
    for url in (f"{LIST}user/{ours.session.user_id}/", f"{LIST}user/4711/", page(ours.session, "revoke")):
        assert client.get(url).status_code == 403
    assert client.get(f"{LIST}{missing}/revoke/").status_code == 403


@pytest.mark.parametrize("url", [LIST, f"{LIST}events/", "session", "user"])
def test_actors_are_read_at_once(url, ours):
    client = browser(superuser())
    user = ours.session.user
    urls = {"session": page(ours.session), "user": f"/ops/auth/user/{user.pk}/change/"}

    def act(number):
        for _ in range(number):
            staff = get_user_model().objects.create_user(f"staff {RefreshToken.objects.count()}")
            sessions.start(user, actor=staff)
        RefreshToken.objects.update(replays=9)

    act(2)
    few = statements(lambda: html(client.get(urls.get(url, url))))
    act(6)
    shown = html(client.get(urls.get(url, url)))
    assert shown.count("jwtauth-active") > 6
    assert statements(lambda: html(client.get(urls.get(url, url)))) == few


def test_the_status_of_each_session_is_that_of_its_own_actor(ours):
    client = browser(superuser())
    people = [get_user_model().objects.create_user(name) for name in ("bob", "carol", "dave")]
    for actor in people:
        sessions.start(ours.session.user, actor=actor)
    get_user_model().objects.filter(username="bob").update(is_active=False)
    get_user_model().objects.filter(username="carol")._raw_delete("default")
    assert html(client.get(LIST)).count("user inactive") == 2


def test_a_column_without_an_index_sorts_nothing_whatever_the_address_asks_for(ours):
    client = browser(superuser())
    for column in ("3", "7", "8", "10", "-7", "3.7"):
        with CaptureQueriesContext(connection) as captured:
            html(client.get(LIST, {"o": column}))
        orders = {query["sql"].partition(" ORDER BY ")[2].partition(" LIMIT")[0] for query in captured}
        assert orders <= {"", '"django_jwtauth_refreshtoken"."id" DESC', "`django_jwtauth_refreshtoken`.`id` DESC"}


def test_the_column_of_users_is_sorted_by_their_key(ours, monkeypatch):
    monkeypatch.setattr(get_user_model()._meta, "ordering", ["last_name"])
    with CaptureQueriesContext(connection) as captured:
        html(browser(superuser()).get(LIST, {"o": "2"}))
    assert any("user_id" in query["sql"].partition(" ORDER BY ")[2] for query in captured)
    assert not any("last_name" in query["sql"].partition(" ORDER BY ")[2] for query in captured)
