"""What ends a session of somebody who acts as a user."""

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
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


def _make_password(staff):
    staff.password = make_password("changed")
    staff.save()


def _disable_password(staff):
    staff.set_unusable_password()
    staff.save()


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
    _make_password,
    _disable_password,
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


def _bulk_change_password(staff):
    get_user_model().objects.filter(pk=staff.pk).update(password=make_password("changed"))


BYPASSES = [
    (_bulk_deactivate, "user_inactive"),
    (_raw_delete, "user_inactive"),
    (_bulk_change_password, "password_changed"),
]


@pytest.mark.parametrize(("change_actor", "reason"), BYPASSES)
def test_what_bypasses_save_acts_at_the_next_request_and_refresh(client, staff, acting, lasting, change_actor, reason):
    change_actor(staff)
    for pair in (acting, lasting):
        response = client.get("/whoami/", **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (401, reason)
    assert refusal(lasting.refresh) == reason


@pytest.mark.parametrize(
    ("end", "reason"),
    [(_deactivate, "user_inactive"), (_delete, "user_inactive"), (_change_password, "password_changed")],
)
def test_an_actor_who_changes_in_the_moment_it_begins_gets_nothing(user, staff, end, reason):
    """Whoever has just been loaded looks the same as before, and the ending finds no session yet."""
    loaded = get_user_model().objects.get(pk=staff.pk)
    end(staff)
    with pytest.raises(InvalidTokenError) as caught:
        sessions.start(user, actor=loaded)
    assert caught.value.reason == reason
    assert not RefreshToken.objects.exists()


def test_a_better_hash_of_the_actors_password_ends_nothing(client, user, staff, settings):
    old = make_password("battery staple", hasher="md5")
    get_user_model().objects.filter(pk=staff.pk).update(password=old)
    pair = sessions.start(user, actor=get_user_model().objects.get(pk=staff.pk), refreshable=True)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    assert authenticate(username="bob", password="battery staple") is not None
    assert get_user_model().objects.get(pk=staff.pk).password != old
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    age_of_code(pair)
    assert sessions.refresh(pair.refresh)
    staff.refresh_from_db()
    staff.save()
    assert row(pair.session)["revoked_at"] is None


def test_a_refresh_binds_it_under_the_present_secret_key(lasting, settings):
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret-key-of-good-length-0123456789-0123"
    settings.SECRET_KEY_FALLBACKS = [former]
    age_of_code(lasting)
    pair = sessions.refresh(lasting.refresh)
    settings.SECRET_KEY_FALLBACKS = []
    age_of_code(pair)
    assert sessions.refresh(pair.refresh)


def test_under_an_unknown_secret_key_it_is_refused_and_a_save_of_the_actor_ends_nothing(
    client, lasting, staff, settings
):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "HS256", "secret": "a key that all processes have, of good length"}]}
    pair = sessions.start(lasting.session.user, actor=staff)
    settings.SECRET_KEY = "another-secret-key-of-good-length-0123456789-0123"
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "key_changed"
    staff.save()
    assert row(pair.session)["revoked_at"] is None


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
