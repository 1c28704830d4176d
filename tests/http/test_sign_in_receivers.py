"""A receiver of Django's ``user_logged_in`` that fails prevents the sign-in, and changes nothing."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db import DatabaseError
from django.urls import path
from rest_framework.test import APIClient

from django_jwtauth import sessions, signals, views
from django_jwtauth.models import RefreshToken
from tests.tools.cookie_jar import Browser
from tests.tools.http import TOKEN
from tests.tools.routes import WithRoutes

RIGHT = {"username": "ada", "password": "correct horse"}


@pytest.fixture
def announced():
    """What ``user_logged_in`` found, and the sessions that have started and ended."""
    seen = []

    def receiver(user, **kwargs):
        seen.append(RefreshToken.objects.unrevoked().count())

    user_logged_in.connect(receiver)
    yield seen
    user_logged_in.disconnect(receiver)


@pytest.fixture
def failing():
    def merge_carts(**kwargs):
        raise LookupError

    user_logged_in.connect(merge_carts)
    yield
    user_logged_in.disconnect(merge_carts)


@pytest.fixture
def sent():
    names = []

    def receiver(signal, **kwargs):
        names.append(signal)

    for signal in (signals.session_started, signals.session_revoked):
        signal.connect(receiver)
    yield names
    for signal in (signals.session_started, signals.session_revoked):
        signal.disconnect(receiver)


def live():
    return list(RefreshToken.objects.live().values_list("pk", flat=True))


def test_no_session_starts_and_none_ends_for_it(user, pair, settings, sent, failing):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 1}
    assert APIClient(raise_request_exception=False).post(TOKEN, RIGHT).status_code == 500
    assert live() == [pair.session.pk]
    assert sent == []


def test_a_browser_keeps_the_session_it_had(user, request):
    browser = Browser()
    assert browser.sign_in().status_code == 200
    before = live()
    request.getfixturevalue("failing")
    with pytest.raises(LookupError):
        browser.sign_in()
    assert live() == before


def test_receivers_come_before_the_session_is_stored_and_once(user, pair, announced):
    assert APIClient().post(TOKEN, RIGHT).status_code == 200
    assert announced == [1]
    assert len(live()) == 2


def test_a_session_that_a_receiver_starts_is_announced_by_itself(user, client):
    """For example for another device. It is no second sign-in of this request."""
    started = []

    def receiver(user, **kwargs):
        started.append(sessions.start(user))

    user_logged_in.connect(receiver)
    try:
        assert client.post(TOKEN, RIGHT).status_code == 200
    finally:
        user_logged_in.disconnect(receiver)
    assert len(started) == 1
    assert len(live()) == 2


def test_a_view_that_starts_its_sessions_in_another_way_is_announced_too(user, pair, announced):
    class Same(views.TokenView):
        def start(self, request, user, **kwargs):
            return pair

    with WithRoutes(path("same/", Same.as_view())):
        assert APIClient().post("/same/", RIGHT).status_code == 200
    assert announced == [1]
    assert get_user_model().objects.get().last_login is not None


def deactivate(user):
    user.is_active = False
    user.save()


def change_password(user):
    user.set_password("battery staple")
    user.save()


def delete(user):
    get_user_model().objects.get(pk=user.pk).delete()


@pytest.mark.parametrize(
    ("change", "reason"),
    [(deactivate, "user_inactive"), (change_password, "password_changed"), (delete, "user_inactive")],
)
def test_what_a_receiver_does_to_the_user_counts(user, client, change, reason):
    """Neither class may accept a token of this sign-in; so there is none."""

    def receiver(user, **kwargs):
        change(user)

    user_logged_in.connect(receiver)
    try:
        response = client.post(TOKEN, RIGHT)
    finally:
        user_logged_in.disconnect(receiver)
    assert (response.status_code, response.json()["reason"]) == (401, reason)
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_deleted_before_their_last_login_is_stored(user, client):
    def receiver(user, **kwargs):
        delete(user)
        user.save(update_fields=["last_login"])  # as Django's own receiver

    user_logged_in.connect(receiver)
    try:
        response = client.post(TOKEN, RIGHT)
    finally:
        user_logged_in.disconnect(receiver)
    assert (response.status_code, response.json()["reason"]) == (401, "user_inactive")


def test_another_failure_of_the_database_is_no_refusal(user, client):
    def receiver(user, **kwargs):
        raise DatabaseError("disk full")

    user_logged_in.connect(receiver)
    try:
        with pytest.raises(DatabaseError, match="disk full"):
            client.post(TOKEN, RIGHT)
    finally:
        user_logged_in.disconnect(receiver)
    assert not RefreshToken.objects.exists()
