"""What ends a session of somebody who acts as a user."""

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.acting import _deactivate
from tests.tools.http import bearer
from tests.tools.sessions import age_of_code, refusal, row

# What ends it


def _sign_out_everywhere(staff):
    sessions.revoke_all(staff)


def _deactivate_alone(staff):
    staff.is_active = False
    staff.save(update_fields=["is_active"])


def _delete(staff):
    staff.delete()


def _delete_by_query(staff):
    get_user_model().objects.filter(pk=staff.pk).delete()


def _change_password(staff):
    staff.set_password("changed")
    staff.save()


def _assign_hash(staff):
    sessions.start(staff)
    staff.password = "md5$another$hash"
    staff.save(update_fields=["password"])


def _everyone(staff):
    sessions.revoke_everyone()


ENDINGS = [
    _sign_out_everywhere,
    _deactivate,
    _deactivate_alone,
    _delete,
    _delete_by_query,
    _change_password,
    _assign_hash,
    _everyone,
]


@pytest.mark.parametrize("of", ["actor", "user"])
@pytest.mark.parametrize("end", ENDINGS)
def test_it_ends_with_the_actor_and_with_the_user(
    client, user, staff, acting, lasting, end, of, django_capture_on_commit_callbacks
):
    """Here at once, by the revocation list too; and so everywhere else when that is read."""
    bystander = sessions.start(get_user_model().objects.create_user("eve"), actor=_third())
    own = sessions.start(user)
    for pair in (acting, lasting):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200  # the list has been read
    with django_capture_on_commit_callbacks(execute=True):
        end({"actor": staff, "user": user}[of])
    for pair in (acting, lasting):
        for url in ("/whoami/", "/stateless/"):
            response = client.get(url, **bearer(pair.access))
            assert (response.status_code, response.json()["reason"]) == (401, "revoked"), url
    assert refusal(lasting.refresh) == "revoked"
    if end is not _everyone:
        for url in ("/whoami/", "/stateless/"):
            assert client.get(url, **bearer(bystander.access)).status_code == 200
            assert client.get(url, **bearer(own.access)).status_code == (200 if of == "actor" else 401)


def _third():
    return get_user_model().objects.create_user("carol", is_staff=True)


def _bulk_deactivate(staff):
    get_user_model().objects.filter(pk=staff.pk).update(is_active=False)


def _raw_delete(staff):
    get_user_model().objects.filter(pk=staff.pk)._raw_delete("default")


@pytest.mark.parametrize("change_actor", [_bulk_deactivate, _raw_delete])
def test_what_bypasses_save_acts_at_the_next_request_and_refresh(client, staff, acting, lasting, change_actor):
    change_actor(staff)
    for pair in (acting, lasting):
        response = client.get("/whoami/", **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (401, "user_inactive")
    assert refusal(lasting.refresh) == "user_inactive"


def test_an_actor_who_is_deactivated_in_the_moment_it_begins_does_not_outlive_that(client, user, staff):
    """Whoever has just been loaded looks active, and the ending finds no session yet."""
    loaded = get_user_model().objects.get(pk=staff.pk)
    _deactivate(staff)
    pair = sessions.start(user, actor=loaded, refreshable=True)
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "user_inactive"
    assert refusal(pair.refresh) == "user_inactive"


def test_an_actor_who_is_deactivated_during_a_refresh_gets_nothing(staff, lasting, between):
    age_of_code(lasting)
    between(lambda session: _deactivate(staff))
    assert refusal(lasting.refresh) == "revoked"


@override_settings(JWTAUTH={"SUBJECT_FIELD": "username"})
def test_another_name_is_not_another_life(client, user, staff):
    pair = sessions.start(user, actor=staff, refreshable=True)
    staff.username = "robert"
    staff.save()
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "user_inactive"
    assert refusal(pair.refresh) == "user_inactive"


@pytest.mark.parametrize("field", ["pk", "username"])
def test_an_actor_of_another_subject_field_is_nobody(user, staff, field):
    with override_settings(JWTAUTH={"SUBJECT_FIELD": {"pk": "username", "username": "pk"}[field]}):
        pair = sessions.start(user, actor=staff, refreshable=True)
    with override_settings(JWTAUTH={"SUBJECT_FIELD": field}):
        assert refusal(pair.refresh) == "user_inactive"


@override_settings(JWTAUTH={"SUBJECT_FIELD": "email"})
def test_an_actor_without_a_subject_is_no_obstacle(user):
    nameless = get_user_model().objects.create_user("nameless")
    assert sessions.revoke_all(nameless) == 0
    nameless.delete()


@pytest.mark.parametrize("own", [0, 1])
def test_signing_the_actor_out_in_the_admin_ends_it(client, staff, acting, own):
    for _ in range(own):
        sessions.start(staff)
    root = get_user_model().objects.create_superuser("root")
    client.force_login(root)
    assert client.post(f"/admin/django_jwtauth/refreshtoken/user/{staff.pk}/", {"note": "theft"}).status_code == 302
    ended = row(acting.session)
    assert (ended["revoked_reason"], ended["revoked_note"], ended["revoked_by_id"]) == ("admin", "theft", root.pk)


def test_the_number_says_how_many_sessions_were_the_users_own(staff, acting):
    sessions.start(staff)
    assert sessions.revoke_all(staff) == 1
    assert row(acting.session)["revoked_reason"] == "logout_all"


def test_saving_an_actor_as_he_is_ends_nothing(client, staff, acting):
    staff.save()
    staff.check_password("battery staple")
    assert client.get("/whoami/", **bearer(acting.access)).status_code == 200


@override_settings(JWTAUTH={"MAX_SESSIONS_PER_USER": 2})
def test_the_limit_neither_counts_nor_ends_it(user, staff):
    own = [sessions.start(user)]
    acting = [sessions.start(user, actor=staff, refreshable=True) for _ in range(3)]
    own.append(sessions.start(user))
    assert not RefreshToken.objects.filter(revoked_at__isnull=False).exists()
    own.append(sessions.start(user))
    assert [row(pair.session)["revoked_reason"] for pair in own] == ["session_limit", "", ""]
    assert [row(pair.session)["revoked_reason"] for pair in acting] == [""] * 3
