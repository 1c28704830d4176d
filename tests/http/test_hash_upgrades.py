"""A sign-in that stores a better hash of its password, and what else may have been stored by then."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.db import DatabaseError
from django.db.models.signals import post_save, pre_save
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import TOKEN

BETTER = ["tests.http.test_hash_upgrades.Interrupted", "django.contrib.auth.hashers.MD5PasswordHasher"]
RIGHT = {"username": "ada", "password": "correct horse"}
meanwhile = []


class Interrupted(MD5PasswordHasher):
    """A better hasher. Something else happens while it makes its first hash."""

    algorithm = "better"

    def encode(self, password, salt):
        if meanwhile:
            meanwhile.pop()()
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def _hasher(user, settings):
    settings.PASSWORD_HASHERS = BETTER
    yield
    meanwhile.clear()


def stored():
    return get_user_model().objects.get(username="ada")


def store(password):
    get_user_model().objects.update(password=make_password(password))


def test_the_hash_of_another_sign_in_stays(client, user):
    others = []

    def sign_in():
        others.append(client.post(TOKEN, RIGHT).json())

    meanwhile.append(sign_in)
    mine = client.post(TOKEN, RIGHT).json()
    assert stored().password.startswith("better$")
    for body in (mine, *others):
        assert sessions.verify_refresh(body["refresh"])
    assert len(others) == 1
    assert not RefreshToken.objects.exclude(revoked_at=None).exists()


def test_a_new_password_stays_and_the_old_one_signs_nobody_in(client, user):
    meanwhile.append(lambda: store("battery staple"))
    assert client.post(TOKEN, RIGHT).status_code == 401
    assert stored().check_password("battery staple")
    assert not RefreshToken.objects.exists()


def test_a_process_with_another_secret_key_upgrades_nothing(client, user, pair, caplog):
    before = stored().password
    with override_settings(SECRET_KEY="another-secret-key-of-good-length-0123456789"):
        assert client.post(TOKEN, RIGHT).status_code == 200
    assert stored().password == before
    assert "is not upgraded" in caplog.text
    assert sessions.verify_refresh(pair.refresh)
    RefreshToken.objects.exclude(pk=pair.session.pk).delete()  # what has been bound there
    assert client.post(TOKEN, RIGHT).status_code == 200
    assert stored().password.startswith("better$")


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_deleted_meanwhile_is_refused(client, user):
    meanwhile.append(lambda: stored().delete())
    assert client.post(TOKEN, RIGHT).status_code == 401


@pytest.mark.parametrize("moment", [pre_save, post_save])
def test_a_password_that_changes_while_the_better_hash_is_saved_stays(client, user, moment):
    """Django has read nothing since the check, and would write the hash of the old password."""

    def change(update_fields, **kwargs):
        if update_fields == frozenset(["password"]):
            store("battery staple")

    moment.connect(change, sender=get_user_model())
    try:
        response = client.post(TOKEN, RIGHT)
    finally:
        moment.disconnect(change, sender=get_user_model())
    assert (response.status_code, response.json()["reason"]) == (401, "password_changed")
    assert stored().check_password("battery staple")
    assert not RefreshToken.objects.exists()


def test_receivers_may_copy_the_hash_into_another_row(client, user):
    """As packages do that keep a history of users."""

    def copy(instance, update_fields, **kwargs):
        if update_fields == frozenset(["password"]):
            get_user_model().objects.create(username="copy", password=instance.password)

    pre_save.connect(copy, sender=get_user_model())
    try:
        assert client.post(TOKEN, RIGHT).status_code == 200
    finally:
        pre_save.disconnect(copy, sender=get_user_model())
    hashes = get_user_model().objects.values_list("password", flat=True)
    assert len(set(hashes)) == 1
    assert hashes[0].startswith("better$")


@pytest.mark.django_db(transaction=True)
def test_another_failure_of_the_database_is_no_refusal(client, user):
    def fail():
        raise DatabaseError("disk full")

    meanwhile.append(fail)
    with pytest.raises(DatabaseError, match="disk full"):
        client.post(TOKEN, RIGHT)


@pytest.mark.django_db(transaction=True)
def test_elsewhere_a_user_who_has_been_deleted_cannot_be_saved_as_ever(user):
    get_user_model().objects.all().delete()
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        user.check_password("correct horse")
