"""How a session starts."""

import datetime

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import UserManager
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import compiled, sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.sessions import HOUR, change, claims_of, now, row

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)


# Start


class Distinct(UserManager):
    def get_queryset(self):
        return super().get_queryset().distinct()


@pytest.mark.django_db
def test_what_the_project_s_manager_gives_need_not_be_lockable(user, monkeypatch):
    """PostgreSQL locks no rows of a query that is distinct or has groups."""
    manager = Distinct()
    manager.model = get_user_model()
    monkeypatch.setitem(vars(get_user_model()._meta), "base_manager", manager)
    assert get_user_model()._base_manager.all().query.distinct
    compiled.forget()
    with CaptureQueriesContext(connections["default"]) as found:
        assert sessions.start(user)
        user.delete()
    assert RefreshToken.objects.get().revoked_reason == "user_deleted"
    assert not [
        each["sql"]
        for each in found
        if "DISTINCT" in each["sql"] and ("INSERT" in each["sql"] or " FOR " in each["sql"])
    ]


@pytest.mark.django_db
def test_a_session_starts_with_one_row_and_tokens_that_work(user, rf):
    request = rf.get("/", headers={"User-Agent": "curl/8"}, REMOTE_ADDR="192.0.2.7")
    pair = sessions.start(user, request=request, amr=["pwd", "otp"], acr="silver", scope="orders:read orders:write")
    stored = RefreshToken.objects.get()
    assert stored == pair.session
    assert stored.user == user
    assert stored.generation == stored.replays == 0
    assert stored.created_at == stored.rotated_at == stored.auth_time
    assert stored.expires_at - stored.created_at == datetime.timedelta(days=90)
    assert (stored.ip_address, stored.user_agent, stored.transport) == ("192.0.2.7", "curl/8", "body")
    assert (stored.revoked_at, stored.revoked_reason, stored.revoked_by) == (None, "", None)
    assert claims_of(pair.access)["sid"] == str(stored.pk)
    assert sessions.verify_refresh(pair.refresh) == stored
    assert "access" not in repr(pair).replace("access_", "")
    assert pair.refresh not in repr(pair)


@pytest.mark.django_db
def test_a_session_can_start_without_a_request(pair):
    assert (pair.session.ip_address, pair.session.user_agent) == (None, "")


@pytest.mark.django_db
def test_a_session_can_start_inside_a_transaction(user):
    with transaction.atomic():
        pair = sessions.start(user)
    assert sessions.verify_refresh(pair.refresh)


@pytest.mark.django_db
def test_an_inactive_user_gets_no_session(user):
    user.is_active = False
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.start(user)
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db
def test_the_lifetimes_of_a_pair_are_in_seconds(user, settings):
    settings.JWTAUTH = {
        "ACCESS_TOKEN_LIFETIME": datetime.timedelta(minutes=7),
        "REFRESH_TOKEN_LIFETIME": DAY,
    }
    pair = sessions.start(user)
    assert 418 <= pair.expires_in <= 420
    assert 86398 <= pair.refresh_expires_in <= 86400


@pytest.mark.django_db
def test_the_session_lifetime_bounds_both_tokens(user, settings):
    settings.JWTAUTH = {"SESSION_LIFETIME": 100 * SECOND}
    pair = sessions.start(user)
    assert 97 <= pair.expires_in <= 100
    assert 97 <= pair.refresh_expires_in <= 100
    assert abs(claims_of(pair.access)["exp"] - int(pair.session.expires_at.timestamp())) <= 1


@pytest.mark.django_db
def test_a_rotation_does_not_lengthen_the_session(pair):
    change(pair.session, rotated_at=now() - HOUR, expires_at=now() + 60 * SECOND)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    assert renewed.expires_in <= 60
    assert renewed.refresh_expires_in <= 60


@pytest.mark.django_db
def test_of_too_many_sessions_the_oldest_end(user, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    someone_else = sessions.start(get_user_model().objects.create_user("bob"))
    pairs = []
    for days_ago in (3, 2, 1, 0):
        pairs.append(sessions.start(user))
        change(pairs[-1].session, created_at=now() - days_ago * DAY)
    reasons = [row(pair.session)["revoked_reason"] for pair in pairs]
    assert reasons == ["session_limit", "session_limit", "", ""]
    assert row(someone_else.session)["revoked_at"] is None


@pytest.mark.django_db
def test_sessions_that_are_over_do_not_count_for_the_limit(user, settings):
    settings.JWTAUTH = {"MAX_SESSIONS_PER_USER": 2}
    idle, kept = sessions.start(user), sessions.start(user)
    change(idle.session, rotated_at=now() - 15 * DAY)
    sessions.start(user)
    assert row(idle.session)["revoked_at"] is None
    assert row(kept.session)["revoked_at"] is None


def test_a_session_is_stored_where_sessions_are_even_if_the_user_came_from_a_replica(user):
    """Without a router, Django stores a new row where its related row was read."""
    user._state.db = "replica"
    pair = sessions.start(user)
    assert pair.session._state.db == "default"
    assert sessions.verify_refresh(pair.refresh) == pair.session
