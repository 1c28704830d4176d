"""A sign-in beside what should keep the user from signing in, and beside another sign-in."""

import contextlib
import threading
import time

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.threads import CROWD

from .crowd import assert_nothing_is_alive, refresh, retry_serialization_failures, some, users

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(username):
    return APIClient().post("/auth/token/", {"username": username, "password": "correct horse"}, format="json")


def deactivate(user):
    user.is_active = False
    user.save()


def delete(user):
    retry_serialization_failures(user.delete)


def change_password(user):
    user.set_password("battery staple")
    user.save()


@pytest.mark.parametrize("end", [deactivate, delete, change_password])
def test_a_sign_in_is_refused_or_ended(together, end):
    for user in users(some(40)):
        _, *answers = together(lambda user=user: end(user), *[lambda name=user.username: sign_in(name)] * 3)
        assert {answer.status_code for answer in answers} <= {200, 401}
        bodies = [answer.json() for answer in answers if answer.status_code == 200]
        get_user_model().objects.filter(pk=user.pk).update(is_active=True)
        assert_nothing_is_alive([body["access"] for body in bodies], [body["refresh"] for body in bodies])


def test_sign_ins_at_once_after_a_change_of_the_hasher_end_no_session(together, settings):
    owners = users(some(20), hasher="md5")
    for owner in owners:
        answers = together(*[lambda name=owner.username: sign_in(name)] * (CROWD // 3))
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert get_user_model().objects.get(pk=owner.pk).password.startswith("pbkdf2_sha256$")
        assert not RefreshToken.objects.filter(user=owner).exclude(revoked_at=None).exists()
        for answer in answers:
            assert APIClient().get("/whoami/", **bearer(answer.json()["access"])).status_code == 200
            assert refresh(answer.json()["refresh"]).status_code == 200


def test_a_new_password_is_not_overwritten_by_a_better_hash_of_the_old_one(together):
    for owner in users(some(20), hasher="md5"):
        new = make_password("battery staple", hasher="pbkdf2_sha256")
        stored = get_user_model().objects.filter(pk=owner.pk)
        together(lambda name=owner.username: sign_in(name), lambda stored=stored, new=new: stored.update(password=new))
        assert stored.get().check_password("battery staple")


def start_acting(user, actor):
    with contextlib.suppress(InvalidTokenError):
        return sessions.start(user, actor=actor, refreshable=True)


@pytest.mark.parametrize("end", [deactivate, delete, change_password])
def test_somebody_who_begins_to_act_as_a_user_is_refused_or_ended(together, end):
    owner, *staff = users(some(40) + 1)
    for actor in staff:
        found = get_user_model().objects.get(pk=actor.pk)
        _, pair = together(lambda actor=actor: end(actor), lambda found=found: start_acting(owner, found))
        get_user_model().objects.filter(pk=actor.pk).update(is_active=True)
        if pair is not None:
            assert_nothing_is_alive([pair.access], [pair.refresh])


def test_somebody_who_begins_to_act_waits_for_a_transaction_that_writes(together):
    owner, actor = users(2)
    is_writing = threading.Event()

    def write_slowly():
        with transaction.atomic():
            RefreshToken.objects.of(owner).update(replays=0)
            get_user_model().objects.filter(pk=actor.pk).update(first_name="Slow")
            is_writing.set()
            time.sleep(0.3)

    def begin():
        assert is_writing.wait(30)
        return start_acting(owner, actor)

    _, pair = together(write_slowly, begin)
    assert sessions.verify_refresh(pair.refresh)


@pytest.mark.parametrize("limit", [None, 3])
def test_sign_ins_of_one_user_at_once_all_succeed(together, settings, limit):
    rates = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
    settings.JWTAUTH = {**settings.JWTAUTH, "THROTTLE_RATES": rates, "MAX_SESSIONS_PER_USER": limit}
    [owner] = users(1)
    for _ in range(some(15)):
        answers = together(*[lambda: sign_in(owner.username)] * CROWD)
        assert [answer.status_code for answer in answers] == [200] * CROWD
