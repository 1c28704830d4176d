"""Step-up: how and when the user was authenticated, which only ``sessions.step_up()`` changes (RFC 9470)."""

import datetime
import logging
import uuid

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.exceptions import PermissionDenied
from django.urls import include, path
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import RecentLogin, RequireACR
from tests.tools.http import bearer
from tests.tools.sessions import HOUR, age_of_code, change, claims_of, row

METHODS = ("auth_time", "amr", "acr")


class CancelOrder(APIView):
    permission_classes = [IsAuthenticated, RecentLogin(max_age=datetime.timedelta(minutes=5))]

    def post(self, request):
        return Response({"cancelled": True})


class StatelessCancelOrder(CancelOrder):
    authentication_classes = [StatelessJWTAuthentication]


class Transfer(CancelOrder):
    permission_classes = [IsAuthenticated, RequireACR("gold")]


class EnterPassword(APIView):
    """What a project writes: the password once more, by who is signed in."""

    def post(self, request):
        credentials = {"username": request.user.get_username(), "password": request.data.get("password")}
        if authenticate(request._request, **credentials) != request.user:
            raise AuthenticationFailed
        sessions.step_up(request.auth, amr=["pwd"], acr=request.data.get("acr", ""))
        return Response(status=204)


urlpatterns = [
    path("auth/", include("django_jwtauth.urls")),
    path("cancel/", CancelOrder.as_view()),
    path("stateless/cancel/", StatelessCancelOrder.as_view()),
    path("transfer/", Transfer.as_view()),
    path("password/", EnterPassword.as_view()),
]


@pytest.fixture
def old(user):
    """A session of somebody who signed in an hour ago."""
    pair = sessions.start(user, amr=["pwd"], acr="silver")
    change(pair.session, auth_time=pair.session.auth_time - HOUR)
    return sessions.refresh(pair.refresh)


def methods(access):
    return {name: value for name, value in claims_of(access).items() if name in METHODS}


def stored(pair):
    return {name: row(pair.session)[name] for name in METHODS}


# Over HTTP


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("url", ["/cancel/", "/stateless/cancel/"])
def test_a_challenge_the_password_a_refresh_and_it_is_done(client, old, url):
    challenged = client.post(url, **bearer(old.access))
    assert challenged.status_code == 401
    expected = 'Bearer realm="api", error="insufficient_user_authentication", max_age="300"'
    assert challenged["WWW-Authenticate"] == expected

    wrong = client.post("/password/", {"password": "battery staple"}, format="json", **bearer(old.access))
    assert wrong.status_code == 401
    assert client.post(url, **bearer(_refresh(client, old.refresh))).status_code == 401

    assert (
        client.post("/password/", {"password": "correct horse"}, format="json", **bearer(old.access)).status_code == 204
    )
    # The token that was challenged says what it said.
    assert client.post(url, **bearer(old.access)).status_code == 401
    assert client.post(url, **bearer(_refresh(client, old.refresh))).status_code == 200


@pytest.mark.urls(__name__)
def test_a_stronger_way_is_needed_and_counts_as_long_as_it_is_the_last_one(client, old):
    challenged = client.post("/transfer/", **bearer(old.access))
    expected = 'Bearer realm="api", error="insufficient_user_authentication", acr_values="gold"'
    assert (challenged.status_code, challenged["WWW-Authenticate"]) == (401, expected)
    for acr, status in [("silver", 401), ("gold", 200), ("", 401)]:
        body = {"password": "correct horse", "acr": acr}
        assert client.post("/password/", body, format="json", **bearer(old.access)).status_code == 204
        assert client.post("/transfer/", **bearer(_refresh(client, old.refresh))).status_code == status


def _refresh(client, token):
    return client.post("/auth/token/refresh/", {"refresh": token}, format="json").json()["access"]


# What changes, and what does not


def test_refreshes_change_nothing_and_a_step_up_everything(old):
    before = methods(old.access)
    assert (before["amr"], before["acr"]) == (["pwd"], "silver")
    pair = old
    for _ in range(3):
        age_of_code(pair)
        pair = sessions.refresh(pair.refresh)
        assert methods(pair.access) == before

    row_before = row(pair.session)
    stepped = sessions.step_up(pair.session, amr=["pwd", "otp"], acr="gold")
    changed = {name for name, value in row(pair.session).items() if value != row_before[name]}
    assert changed == {*METHODS}  # no rotation, no longer life, no other binding
    assert (stepped.pk, stepped.amr, stepped.acr) == (pair.session.pk, ["pwd", "otp"], "gold")
    assert stepped == pair.session
    assert stepped.auth_time > row_before["auth_time"] + HOUR / 2

    after = methods(sessions.refresh(pair.refresh).access)
    assert (after["amr"], after["acr"]) == (["pwd", "otp"], "gold")
    assert before["auth_time"] + 3600 <= after["auth_time"] <= before["auth_time"] + 3660
    for _ in range(3):
        age_of_code(pair)
        pair = sessions.refresh(pair.refresh)
        assert methods(pair.access) == after


def test_a_weaker_way_replaces_a_stronger_one(old):
    sessions.step_up(old.session, amr=["hwk"], acr="gold")
    sessions.step_up(old.session, amr=["pwd"])
    after = methods(sessions.refresh(old.refresh).access)
    assert after["amr"] == ["pwd"]
    assert "acr" not in after


def test_only_the_one_session_is_stepped_up(user, old):
    other = sessions.start(user, amr=["pwd"])
    before = stored(other)
    sessions.step_up(old.session, amr=["otp"])
    assert stored(other) == before


def test_hooks_see_a_copy_and_cannot_step_up(user, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.sessions.test_step_up.meddle"]}
    pair = sessions.start(user, amr=["pwd"], acr="silver")
    before = stored(pair)
    for _ in range(2):
        claims = claims_of(pair.access)
        assert (claims["amr"], claims["acr"]) == (["pwd"], "silver")
        assert claims["auth_time"] == int(before["auth_time"].timestamp())
        age_of_code(pair)
        pair = sessions.refresh(pair.refresh)
    assert stored(pair) == before


def meddle(user, *, request, session):
    session.auth_time += HOUR
    session.amr.append("otp")
    session.acr = "gold"
    return {}


@pytest.mark.parametrize("name", [lambda s: s, lambda s: s.pk, lambda s: str(s.pk)], ids=["session", "uuid", "text"])
def test_the_session_may_be_given_by_its_id(old, name):
    assert sessions.step_up(name(old.session), amr=["otp"]).amr == ["otp"]


def test_when_the_user_was_authenticated_may_be_said_and_is_never_in_the_future(user):
    hour_ago = row(sessions.start(user).session)["created_at"] - HOUR
    pair = sessions.start(user, auth_time=hour_ago)
    assert stored(pair)["auth_time"] == hour_ago
    assert claims_of(pair.access)["auth_time"] == int(hour_ago.timestamp())
    late = sessions.start(user, auth_time=hour_ago + 2 * HOUR)
    assert stored(late)["auth_time"] == row(late.session)["created_at"]


# Races, one after the other


@pytest.mark.parametrize("rotated", [False, True], ids=["due", "fresh"])
def test_a_refresh_under_way_does_not_undo_a_step_up(old, between, rotated):
    if not rotated:
        age_of_code(old)
    between(lambda session: sessions.step_up(old.session.pk, amr=["otp"], acr="gold"))
    first = sessions.refresh(old.refresh)
    # Its access token had been made already; the next one knows.
    assert methods(first.access)["acr"] == "silver"
    assert stored(first)["acr"] == "gold"
    assert methods(sessions.refresh(first.refresh).access)["amr"] == ["otp"]


def test_a_refresh_that_has_to_begin_again_has_what_came_between(old, between):
    age_of_code(old)

    def overtake(session):
        sessions.refresh(old.refresh)
        sessions.step_up(old.session.pk, amr=["otp"], acr="gold")

    between(overtake)
    assert methods(sessions.refresh(old.refresh).access)["acr"] == "gold"


def test_a_step_up_does_not_undo_a_rotation_and_needs_no_other_refresh_token(old):
    age_of_code(old)
    stale = RefreshToken.objects.get()
    rotated = sessions.refresh(old.refresh)
    sessions.step_up(stale, amr=["otp"])
    assert row(old.session)["generation"] == stale.generation + 1
    assert sessions.refresh(rotated.refresh).session.amr == ["otp"]


@pytest.mark.parametrize("end", [sessions.revoke, lambda session: sessions.revoke_everyone()], ids=["one", "everyone"])
def test_a_session_that_ends_meanwhile_is_not_brought_back(old, between, end):
    between(end)
    age_of_code(old)
    with pytest.raises(InvalidTokenError):
        sessions.refresh(old.refresh)
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.step_up(old.session, amr=["otp"])


# Who cannot


def _revoke(pair):
    sessions.revoke(pair.session)


def _sign_everyone_out(pair):
    sessions.revoke_everyone()


def _expire(pair):
    change(pair.session, expires_at=pair.session.created_at)


def _idle(pair):
    change(pair.session, rotated_at=pair.session.rotated_at - conf.get_config().refresh_token_lifetime)


def _delete(pair):
    RefreshToken.objects.all().delete()


def _new_password(pair):
    user = get_user_model().objects.get()
    user.set_password("battery staple")
    user.save()


def _deactivate(pair):
    user = get_user_model().objects.get()
    user.is_active = False
    user.save()


def _delete_user(pair):
    get_user_model().objects.get().delete()


@pytest.mark.parametrize(
    "end", [_revoke, _sign_everyone_out, _expire, _idle, _delete, _new_password, _deactivate, _delete_user]
)
def test_what_has_ended_is_not_stepped_up(old, end, caplog):
    before = stored(old)
    end(old)
    caplog.clear()
    with pytest.raises(InvalidTokenError) as caught:
        sessions.step_up(old.session.pk, amr=["otp"], acr="gold")
    assert caught.value.reason == "revoked"
    assert not RefreshToken.objects.filter(acr="gold").exists()
    if end is not _delete:
        assert stored(old) == before
    assert not caplog.messages


@pytest.mark.parametrize("changes", [{"is_active": False}, {"password": "md5$another$hash"}], ids=str)
def test_it_makes_nothing_good_that_bypassed_save(old, changes):
    get_user_model().objects.update(**changes)
    sessions.step_up(old.session.pk, amr=["otp"])
    with pytest.raises(InvalidTokenError) as caught:
        sessions.refresh(old.refresh)
    assert caught.value.reason in ("user_inactive", "password_changed")


def test_an_unknown_session_is_refused(db):
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.step_up(uuid.uuid4(), amr=["otp"])
    with pytest.raises(ValueError, match="named by its id"):
        sessions.step_up("no id", amr=["otp"])


def test_who_acts_as_the_user_has_not_authenticated_the_user(user, django_user_model):
    pair = sessions.start(user, actor=django_user_model.objects.create_user("bob"), refreshable=True)
    before = stored(pair)
    with pytest.raises(PermissionDenied):
        sessions.step_up(pair.session, amr=["otp"])
    assert stored(pair) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"amr": "otp"},
        {"amr": [""]},
        {"amr": ["a\nb"]},
        {"amr": ["otp"], "acr": "a\x00"},
        {"amr": ["otp"], "acr": "a" * 256},
        {"amr": ["\ud800"]},
    ],
)
def test_what_no_token_may_carry_is_refused(old, arguments):
    before = stored(old)
    with pytest.raises(ValueError, match=r"amr must be a list|acr has at most 255"):
        sessions.step_up(old.session, **arguments)
    assert stored(old) == before


@pytest.mark.parametrize("arguments", [{"acr": "a" * 256}, {"audience": "a" * 256}, {"audience": "a\nb"}], ids=str)
def test_what_the_table_cannot_hold_is_refused_at_the_start_too(user, arguments):
    with pytest.raises(ValueError, match="at most 255"):
        sessions.start(user, **arguments)
    assert not RefreshToken.objects.exists()


# What it costs, and leaves behind


def test_a_step_up_costs_three_statements(old, django_assert_num_queries):
    """The clock, the change, and the row."""
    with django_assert_num_queries(3):
        sessions.step_up(old.session, amr=["otp"])


def test_a_step_up_is_logged(old, caplog):
    caplog.set_level(logging.INFO, "django_jwtauth.security")
    sessions.step_up(old.session, amr=["otp"])
    (message,) = caplog.messages
    assert message.startswith(f"A user was authenticated again: event=stepped_up session={old.session.pk} ")
