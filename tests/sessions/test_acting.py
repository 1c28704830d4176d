"""Acting as somebody else (RFC 8693): what the tokens say, what ends it, and what cannot be made of it."""

import datetime
import logging

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.test import override_settings

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.errors import ClaimsHookError, InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.calls import count_statements
from tests.tools.http import bearer
from tests.tools.sessions import age_of_code, claims_of, refusal, row

MINUTES = datetime.timedelta(minutes=1)


# What it is


def test_the_tokens_say_who_acts_and_not_when_the_user_signed_in(acting, user, staff):
    claims = claims_of(acting.access)
    assert (claims["sub"], claims["act"]) == (str(user.pk), {"sub": str(staff.pk)})
    assert "auth_time" not in claims
    assert conf.get_config().verifier.verify(acting.access).actor == str(staff.pk)
    assert conf.get_config().verifier.verify(sessions.start(user).access).actor == ""


@override_settings(JWTAUTH={"SUBJECT_FIELD": "username"})
def test_the_actor_is_named_as_all_users_are(user, staff):
    pair = sessions.start(user, actor=staff)
    assert claims_of(pair.access)["act"] == {"sub": "bob"}
    assert JWTAuthentication().authenticate_token(pair.access)[0] == user


def test_it_ends_with_the_access_token(acting, client):
    assert (acting.refresh, acting.refresh_expires_in) == ("", 0)
    claims = claims_of(acting.access)
    assert claims["exp"] - claims["iat"] == acting.expires_in == 300
    assert acting.session.expires_at - acting.session.created_at == 5 * MINUTES
    assert client.get("/whoami/", **bearer(acting.access)).status_code == 200
    assert RefreshToken.objects.live(acting.session.created_at + 4 * MINUTES).exists()
    assert not RefreshToken.objects.live(acting.session.created_at + 5 * MINUTES).exists()


def test_it_lasts_only_where_that_is_said_and_says_so_ever_after(lasting, staff):
    pair = lasting
    for _ in range(3):
        age_of_code(pair)
        pair = sessions.refresh(pair.refresh)
        claims = claims_of(pair.access)
        assert claims["act"] == {"sub": str(staff.pk)}
        assert "auth_time" not in claims
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


def test_who_acts_and_as_whom_is_logged(user, staff, caplog):
    caplog.set_level(logging.INFO, "django_jwtauth.security")
    pair = sessions.start(user, actor=staff)
    names = f"session={pair.session.pk} user={user.pk} actor={staff.pk}"
    expected = f"Somebody acts as a user: event=acting_started {names}"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", expected)]


def test_the_user_sees_it_among_his_devices_and_can_end_it(client, user, acting, staff):
    pair = sessions.start(user)
    listed = client.get("/auth/sessions/", **bearer(pair.access)).json()["results"]
    assert {entry["id"]: entry["actor"] for entry in listed} == {
        str(pair.session.pk): "",
        str(acting.session.pk): str(staff.pk),
    }
    assert client.delete(f"/auth/sessions/{acting.session.pk}/", **bearer(pair.access)).status_code == 204
    assert client.get("/whoami/", **bearer(acting.access)).json()["reason"] == "revoked"


def test_introspection_says_who_acts(client, staff, acting, lasting):
    staff.user_permissions.add(Permission.objects.get(codename="introspect_token"))
    own = bearer(sessions.start(staff).access)
    act = {"sub": str(staff.pk)}
    described = client.post("/auth/token/introspect/", {"token": acting.access}, **own).json()
    assert (described["active"], described["act"], "auth_time" in described) == (True, act, False)
    body = {"token": lasting.refresh, "token_type_hint": "refresh_token"}
    described = client.post("/auth/token/introspect/", body, **own).json()
    assert (described["active"], described["act"]) == (True, act)
    body = {"token": sessions.start(staff).refresh, "token_type_hint": "refresh_token"}
    assert "act" not in client.post("/auth/token/introspect/", body, **own).json()


@pytest.mark.urls("tests.tools.acting")
def test_an_answer_without_a_refresh_token_has_no_such_member(client, user):
    body = {"username": "ada", "password": "correct horse"}
    answer = client.post("/unrefreshable/", body, format="json").json()
    assert set(answer) == {"access", "token_type", "expires_in"}
    assert {*client.post("/auth/token/", body, format="json").json()} == {*answer, "refresh", "refresh_expires_in"}


def test_it_costs_three_statements(user, staff):
    assert count_statements(lambda: sessions.start(user, actor=staff)) == 3


def test_each_request_looks_up_the_actor_too(acting, django_assert_num_queries):
    with django_assert_num_queries(2):
        JWTAuthentication().authenticate_token(acting.access)


# Who may not


def test_nobody_acts_as_a_superuser_unless_that_is_allowed(user, staff):
    user.is_superuser = True
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff)
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff, refreshable=True)
    assert not RefreshToken.objects.exists()
    pair = sessions.start(user, actor=staff, allow_superuser=True)
    assert (claims_of(pair.access)["act"], pair.refresh) == ({"sub": str(staff.pk)}, "")
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff, allow_superuser=True, refreshable=True)
    # Who signs in himself is not concerned.
    assert sessions.start(user).refresh


def test_who_becomes_a_superuser_meanwhile_is_acted_as_no_longer_than_an_access_token_lives(user, lasting):
    age_of_code(lasting)
    before = row(lasting.session)
    user.is_superuser = True
    user.save()
    assert refusal(lasting.refresh) == "revoked"
    assert row(lasting.session) == before
    # Nor does that concern a session of his own.
    assert sessions.refresh(sessions.start(user).refresh)


def test_nobody_acts_as_himself(staff):
    for actor in (staff, get_user_model().objects.get(pk=staff.pk)):
        with pytest.raises(PermissionDenied):
            sessions.start(staff, actor=actor, allow_superuser=True)


@pytest.mark.parametrize("who", ["user", "staff"])
def test_neither_of_the_two_may_be_inactive(user, staff, who):
    {"user": user, "staff": staff}[who].is_active = False
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.start(user, actor=staff)
    assert not RefreshToken.objects.exists()


def failing(user, *, request, session):
    raise RuntimeError


@override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.sessions.test_acting.failing"]})
def test_a_hook_that_fails_leaves_nothing_and_nothing_in_the_log(user, staff, caplog):
    with pytest.raises(ClaimsHookError):
        sessions.start(user, actor=staff)
    assert not RefreshToken.objects.exists()
    assert "acts as" not in caplog.text
