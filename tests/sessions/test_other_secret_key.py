"""A process with another SECRET_KEY, such as a container that made up its own, cannot tell if a password changed."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.sessions import row

OTHER = "another-secret-key-of-good-length-0123456789"
SHARED = {"SIGNING_KEYS": [{"alg": "HS256", "secret": "the access tokens of all processes are signed with this"}]}


def elsewhere(**more):
    return override_settings(SECRET_KEY=OTHER, **more)


@pytest.mark.parametrize("update_fields", [None, ["password"], ["password", "email"]])
def test_saving_a_user_there_ends_nothing(user, staff, caplog, update_fields):
    pair, acting = sessions.start(user), sessions.start(staff, actor=user)
    with elsewhere():
        get_user_model().objects.get(pk=user.pk).save(update_fields=update_fields)
    assert not RefreshToken.objects.filter(revoked_at__isnull=False).exists()
    assert sessions.refresh(pair.refresh).refresh == pair.refresh
    (record,) = (record for record in caplog.records if getattr(record, "jwtauth_event", "") == "secret_key_unknown")
    assert record.levelname == "ERROR"
    assert any(str(session.pk) in record.message for session in (pair.session, acting.session))
    assert "SECRET_KEY that this process does not have" in record.message


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("mark", [True, False], ids=["set", "assigned"])
def test_a_new_password_that_is_saved_there_ends_all(user, staff, mark, own):
    pair, acting = sessions.start(user), sessions.start(staff, actor=user)
    with elsewhere():
        for _ in range(own):
            sessions.start(user)
        if mark:
            user.set_password("changed")
        else:
            user.password = make_password("changed")
        user.save()
    for session in (pair.session, acting.session):
        assert row(session)["revoked_reason"] == "password_changed"


def test_a_deactivation_that_is_saved_there_ends_all(user, pair):
    with elsewhere():
        user.is_active = False
        user.save()
    assert row(pair.session)["revoked_reason"] == "user_inactive"


@override_settings(JWTAUTH=SHARED)
def test_a_request_there_is_refused_and_says_why(client, user, caplog):
    pair = sessions.start(user)
    with elsewhere():
        response = client.get("/whoami/", **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (401, "key_changed")
        assert response.json()["code"] == "token_not_valid"
        assert client.post("/auth/token/refresh/", {"refresh": pair.refresh}).json()["reason"] == "invalid"
    messages = [record.message for record in caplog.records if "event=secret_key_unknown" in record.message]
    assert len(messages) == 1
    assert str(pair.session.pk) in messages[0]
    assert "all processes have the same one" in messages[0]
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200


@override_settings(JWTAUTH=SHARED)
def test_a_changed_password_is_told_as_such_there_too(client, user):
    pair = sessions.start(user)
    get_user_model().objects.update(password=make_password("changed"))
    with elsewhere():
        assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "password_changed"
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "password_changed"


@override_settings(JWTAUTH=SHARED)
def test_a_fallback_is_known(client, settings, user):
    pair = sessions.start(user)
    with elsewhere(SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
        user.save()
        get_user_model().objects.update(password=make_password("changed"))
        assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "password_changed"


def test_the_admin_shows_it(client, user, pair):
    root = get_user_model().objects.create_superuser("root")
    with elsewhere():
        client.force_login(root)
        page = client.get("/admin/django_jwtauth/refreshtoken/")
    assert page.status_code == 200
    assert "bound to another SECRET_KEY" in page.content.decode()
