"""What follows when a user is saved or deleted, and what does not."""

import datetime

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import router
from django.db.models import signals
from django.utils.connection import ConnectionDoesNotExist

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.database import database_now
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.sessions import _password
from tests.tools.database import WriterOnly
from tests.tools.http import bearer

HOUR = datetime.timedelta(hours=1)
BETTER = ["tests.tools.hashers.QuickScryptPasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]
CREDENTIALS = {"username": "ada", "password": "correct horse"}


def reason():
    return RefreshToken.objects.get().revoked_reason


def refusal(raw):
    with pytest.raises(InvalidTokenError) as caught:
        sessions.refresh(raw)
    return caught.value.reason


def test_a_better_hash_of_the_same_password_keeps_the_sessions(user, pair, client, settings):
    settings.PASSWORD_HASHERS = BETTER
    answer = client.post("/auth/token/", CREDENTIALS).json()
    user.refresh_from_db()
    assert user.password.startswith("scrypt$")
    for raw, access in ((pair.refresh, pair.access), (answer["refresh"], answer["access"])):
        assert sessions.refresh(raw).refresh == raw
        for path in ("/whoami/", "/stateless/"):
            assert client.get(path, **bearer(access)).status_code == 200


def test_a_better_hash_binds_only_what_was_bound_to_the_old_one(user, pair, client, settings):
    """A session of before a change of password that bypassed save() does not come back by it."""
    get_user_model().objects.update(password=make_password("changed"))
    settings.PASSWORD_HASHERS = BETTER
    assert client.post("/auth/token/", {"username": "ada", "password": "changed"}).status_code == 200
    assert refusal(pair.refresh) == "password_changed"


def test_a_new_password_is_a_change_though_its_hash_is_better_too(user, pair, settings):
    settings.PASSWORD_HASHERS = BETTER
    user.set_password("changed")
    user.save(update_fields=["password"])
    assert reason() == "password_changed"


@pytest.mark.parametrize("update_fields", [None, ["password"]])
@pytest.mark.parametrize("password", ["changed", "correct horse", None], ids=["another", "same", "unusable"])
def test_a_hash_that_is_assigned_is_a_change(user, pair, settings, update_fields, password):
    """Nobody can tell of a mere hash whether the password is the same, also if its algorithm is better."""
    settings.PASSWORD_HASHERS = BETTER
    fresh = get_user_model().objects.get()
    fresh.password = make_password(password)
    fresh.save(update_fields=update_fields)
    assert reason() == "password_changed"


@pytest.mark.parametrize("stored", ["!unusable", "no known hash"])
def test_whoever_had_no_usable_password_has_a_change_with_the_first_one(user, settings, stored):
    get_user_model().objects.update(password=stored)
    user.refresh_from_db()
    sessions.start(user)
    user.password = make_password("first")
    user._password = None  # as after a sign-in on the same object
    user.save(update_fields=["password"])
    assert reason() == "password_changed"


def test_a_better_hash_without_sessions_changes_nothing(user, client, settings):
    settings.PASSWORD_HASHERS = BETTER
    assert user.check_password("correct horse")
    assert user.password.startswith("scrypt$")
    assert not RefreshToken.objects.exists()


def test_a_save_through_a_proxy_model_counts(user, pair):
    class Proxy(get_user_model()):
        class Meta:
            proxy = True
            app_label = "tests"

    proxy = Proxy.objects.get()
    proxy.set_password("changed")
    proxy.save()
    assert reason() == "password_changed"


@pytest.mark.parametrize("field", ["last_login", "first_name"])
def test_saving_another_field_costs_no_query_of_ours(user, pair, field, django_assert_num_queries):
    with django_assert_num_queries(1):
        user.save(update_fields=[field])
    assert reason() == ""


def test_saving_everything_unchanged_costs_one_query_of_ours(user, pair, django_assert_num_queries):
    with django_assert_num_queries(2):
        user.save()
    assert reason() == ""


def test_an_old_object_that_saves_another_field_does_not_bring_its_password_into_play(user):
    """Loaded before the change of password, and saving but that the user is active: nothing ends."""
    old = get_user_model().objects.get()
    user.set_password("changed")
    user.save()
    pair = sessions.start(user)
    old.save(update_fields=["is_active"])
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


def test_new_users_fixtures_and_other_models_cost_no_query(user, pair, django_assert_num_queries):
    with django_assert_num_queries(1):
        get_user_model().objects.create_user("bob")
    with django_assert_num_queries(1):
        Group.objects.create(name="group")
    user.is_active = False
    with django_assert_num_queries(1):
        user.save_base(raw=True)  # loaddata
    assert reason() == ""


def test_who_comes_back_has_no_session(user, pair):
    user.is_active = False
    user.save()
    assert reason() == "user_inactive"
    user.is_active = True
    user.save()
    assert refusal(pair.refresh) == "revoked"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"password": "md5$another$hash"}, "password_changed"), ({"is_active": False}, "user_inactive")],
    ids=["password", "is_active"],
)
def test_what_bypasses_save_acts_at_the_next_request_and_refresh(user, pair, client, changes, expected):
    get_user_model().objects.update(**changes)
    response = client.get("/whoami/", **bearer(pair.access))
    assert (response.status_code, response.json()["reason"]) == (401, expected)
    assert refusal(pair.refresh) == expected
    assert reason() == ""  # a refusal, no revocation


def test_receivers_can_be_called_for_users_without_sessions(user, django_assert_num_queries):
    user.set_password("changed")
    with django_assert_num_queries(2):
        user.save()
    assert not RefreshToken.objects.exists()


def test_deleting_other_rows_stays_one_statement(user, django_assert_num_queries):
    """Django loads what it deletes as soon as anybody listens for it; nobody must for every model there is."""
    assert not signals.post_delete.has_listeners(RefreshToken)
    sessions.start(user)
    with django_assert_num_queries(1):
        RefreshToken.objects.all().delete()


def test_every_read_goes_to_the_writer(user, client, settings):
    """A replica may lag behind a revocation."""
    pair = sessions.start(user)
    settings.DATABASE_ROUTERS = [WriterOnly()]
    assert router.db_for_read(RefreshToken) == "replica"
    with pytest.raises(ConnectionDoesNotExist):
        RefreshToken.objects.using("replica").first()

    for path in ("/whoami/", "/stateless/", "/auth/sessions/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200
    writer = RefreshToken.objects
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    others = [sessions.start(user) for _ in range(2)]
    assert writer.get(pk=pair.session.pk).revoked_reason == "session_limit"
    one, other = others
    writer.update(rotated_at=database_now("default") - HOUR)
    renewed = sessions.refresh(one.refresh)
    assert sessions.refresh(one.refresh).refresh == renewed.refresh
    assert sessions.find_by_refresh_token(one.refresh) == sessions.verify_refresh(renewed.refresh) == one.session
    sessions.blacklist(renewed.access)
    revocation_cache.forget()
    assert client.get("/stateless/", **bearer(renewed.access)).json()["reason"] == "revoked"

    user.set_password("changed")
    sessions.save_password(user, keep=one.session)
    assert writer.get(pk=other.session.pk).revoked_reason == "password_changed"
    settings.PASSWORD_HASHERS = BETTER
    assert user.check_password("changed")
    assert sessions.verify_refresh(renewed.refresh)
    settings.JWTAUTH = {}
    for end in (
        lambda pair: sessions.revoke(pair.session),
        lambda pair: sessions.revoke(pair.session.pk),
        lambda pair: sessions.revoke(RefreshToken.objects.filter(pk=pair.session.pk)),
        lambda pair: sessions.revoke_all(user),
        lambda pair: client.post("/auth/logout/", **bearer(pair.access)),
        lambda pair: client.post("/auth/logout/all/", **bearer(pair.access)),
        lambda pair: client.post("/auth/token/blacklist/", {"refresh": pair.refresh}),
        lambda pair: client.delete(f"/auth/sessions/{pair.session.pk}/", **bearer(pair.access)),
        lambda pair: user.delete(),
    ):
        living = sessions.start(user)
        end(living)
        assert writer.get(pk=living.session.pk).revoked_at is not None


def test_a_user_of_another_database_with_the_same_key_is_none_of_ours(user, pair):
    user.set_password("another one")
    user.is_active = False
    signals.post_save.send(type(user), instance=user, created=False, raw=False, using="elsewhere", update_fields=None)
    assert is_live(pair)


def test_making_a_password_unusable_is_no_hash_upgrade(user, settings, pair):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    user.set_password("x")
    user._password = None  # as check_password() leaves the object if the save of its upgrade is rolled back
    user.set_unusable_password()
    user._password = None
    user.save(update_fields=["password"])
    assert not is_live(pair)


def test_a_hash_that_changed_meanwhile_is_not_upgraded(user, settings, pair):
    """The password was changed between the check of the old one and the storing of its better hash."""
    former = get_user_model().objects.get()
    get_user_model().objects.update(password=make_password("changed"))
    user.password = make_password("correct horse")
    assert not _password.upgrade_hash(user, former)
    assert get_user_model().objects.get().check_password("changed")
    assert not is_bound(pair, user)


def is_bound(pair, user):
    return RefreshToken.objects.get(pk=pair.session.pk).is_bound_to(user)


def is_live(pair):
    return RefreshToken.objects.filter(pk=pair.session.pk, revoked_at__isnull=True).exists()


def test_a_user_of_another_database_who_is_deleted_ends_nothing_here(user):
    sid = sessions.start(get_user_model().objects.create_user("mary"), actor=user).session.pk
    signals.post_delete.send(type(user), instance=user, using="elsewhere")
    assert RefreshToken.objects.get(pk=sid).revoked_at is None
    signals.post_delete.send(type(user), instance=user, using="default")
    assert RefreshToken.objects.get(pk=sid).revoked_at is not None
