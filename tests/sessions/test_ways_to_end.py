"""Each way to end a session ends its access tokens too."""

import types

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.revocation_cache import entries, hold

# Each way of revoking. What a way needs: .client .user .pair .admin (a staff member's browser)


def logout(to):
    assert to.client.post("/auth/logout/", **bearer(to.pair.access)).status_code == 204


def logout_all(to):
    assert to.client.post("/auth/logout/all/", **bearer(to.pair.access)).json() == {"revoked": 1}


def blacklist_endpoint(to):
    assert to.client.post("/auth/token/blacklist/", {"refresh": to.pair.refresh}).status_code == 200


def from_another_device(to):
    other = sessions.start(to.user)
    path = f"/auth/sessions/{to.pair.session.pk}/"
    assert to.client.delete(path, **bearer(other.access)).status_code == 204


def admin_action(to):
    data = {"action": "revoke_selected", "_selected_action": [str(to.pair.session.pk)], "confirmed": "yes"}
    assert to.admin.post("/admin/django_jwtauth/refreshtoken/", data).status_code == 302


def set_password(to):
    to.user.set_password("new")
    to.user.save()


def set_password_update_fields(to):
    to.user.set_password("new")
    to.user.save(update_fields=["password"])


def deactivate(to):
    to.user.is_active = False
    to.user.save(update_fields=["is_active"])


def delete_user(to):
    to.user.delete()


def delete_query_of_users(to):
    get_user_model().objects.filter(pk=to.user.pk).delete()


def reuse(to):
    RefreshToken.objects.update(generation=2)
    assert to.client.post("/auth/token/refresh/", {"refresh": to.pair.refresh}).json()["reason"] == "reused"


def session_limit(to):
    to.settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 1}
    credentials = {"username": "ada", "password": "correct horse"}
    assert to.client.post("/auth/token/", credentials).status_code == 200


def blacklist(to):
    sessions.blacklist(to.pair.access)


WAYS = [
    (logout, "logout"),
    (logout_all, "logout_all"),
    (blacklist_endpoint, "logout"),
    (from_another_device, "user"),
    (admin_action, "admin"),
    (set_password, "password_changed"),
    (set_password_update_fields, "password_changed"),
    (deactivate, "user_inactive"),
    (delete_user, "user_deleted"),
    (delete_query_of_users, "user_deleted"),
    (reuse, "reused"),
    (session_limit, "session_limit"),
    (blacklist, ""),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("way", "reason"), WAYS, ids=[way.__name__ for way, _ in WAYS])
def test_whatever_ends_a_session_kills_its_access_tokens(client, user, pair, settings, clock, way, reason):
    """At once in this process, both with and without a query per request; elsewhere within the poll interval."""
    staff = get_user_model().objects.create_user("root", is_staff=True)
    codenames = ["view_refreshtoken", "revoke_refreshtoken"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    admin = Client()
    admin.force_login(staff)
    elsewhere = revocation_cache.LocalRevocations()
    sid, jti = str(pair.session.pk), conf.get_config().verifier.verify(pair.access).jti
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200
    assert not {sid, jti} & set(entries(elsewhere))

    clock.now += 0.001
    way(types.SimpleNamespace(client=client, user=user, pair=pair, admin=admin, settings=settings))
    clock.now += 0.001

    for path in ("/whoami/", "/stateless/"):
        response = client.get(path, **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (401, "revoked")
    clock.now += 2
    assert {sid, jti} & set(entries(elsewhere))
    stored = RefreshToken.objects.get(pk=pair.session.pk)
    assert stored.revoked_reason == reason
    assert (stored.revoked_at is None) == (way is blacklist)


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_the_list_is_read_anew_once_more_after_the_commit(user, client):
    """Between the two, another thread may have read the rows as they were before it."""
    pair = sessions.start(user)
    with transaction.atomic():
        sessions.revoke(pair.session)
        hold()  # as such a thread would have put it there
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 401
