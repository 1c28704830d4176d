"""What other processes see, and what one leaves behind that is killed."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer

from .crowd import age_all, aged_sessions, refresh, stored, users

pytestmark = pytest.mark.django_db(transaction=True)
SLACK = timedelta(seconds=5)
MORE_THAN_LINES = 250
"""More sessions than a refresh has lines to die at."""


def test_killed_anywhere_in_a_refresh_the_same_token_works_again_until_the_window_is_over(new_process):
    pairs = aged_sessions(MORE_THAN_LINES)
    died_at = new_process.ask("die_in_refresh", refresh_tokens=[pair.refresh for pair in pairs])
    killed = pairs[: len(died_at)]
    rotated = [stored(pair).generation for pair in killed]
    # Each line of the way was one to die at: first those before the rotation, then those after it.
    assert {line.split(":")[0] for line in died_at} >= {
        "_refresh.py",
        "_lookup.py",
        "_rotation.py",
        "_pair.py",
        "tokens.py",
    }
    assert rotated == sorted(rotated)
    assert set(rotated) == {0, 1}

    refreshed = [sessions.refresh(pair.refresh) for pair in killed]
    assert [pair.session.generation for pair in refreshed] == [1] * len(killed)
    assert [sessions.refresh(pair.refresh).refresh for pair in refreshed] == [pair.refresh for pair in refreshed]
    assert not RefreshToken.objects.exclude(revoked_at=None).exists()

    age_all()
    for pair in killed[rotated.index(1) :]:
        with pytest.raises(InvalidTokenError, match="reused"):
            sessions.refresh(pair.refresh)
        assert stored(pair).revoked_reason == "reused"


def log_out(user, pair):
    assert APIClient().post("/auth/logout/", **bearer(pair.access)).status_code == 204


def log_out_everywhere(user, pair):
    assert APIClient().post("/auth/logout/all/", **bearer(pair.access)).status_code == 200


def revoke_as_admin(user, pair):
    admin = get_user_model().objects.create_superuser("root")
    sessions.revoke(pair.session, by=admin)


def change_password(user, pair):
    user.set_password("battery staple")
    user.save()


def deactivate(user, pair):
    user.is_active = False
    user.save()


def delete_user(user, pair):
    user.delete()


def reuse(user, pair):
    sessions.refresh(pair.refresh)
    age_all()
    assert refresh(pair.refresh).json()["reason"] == "reused"


def pass_the_session_limit(user, pair):
    sessions.start(user)
    sessions.start(user)


def blacklist(user, pair):
    sessions.blacklist(pair.access)


@pytest.mark.parametrize(
    "end",
    [
        log_out,
        log_out_everywhere,
        revoke_as_admin,
        change_password,
        deactivate,
        delete_user,
        reuse,
        pass_the_session_limit,
        blacklist,
    ],
)
def test_another_process_sees_a_revocation_within_the_poll_interval(other_process, settings, end):
    settings.JWTAUTH = {**settings.JWTAUTH, "MAX_SESSIONS_PER_USER": 2}
    [user, bystander] = users(2)
    [pair, spared] = aged_sessions(2, user, bystander)
    tokens = {"token": pair.access}
    assert other_process.ask("stateless", **tokens) == ""
    end(user, pair)
    deadline = time.monotonic() + (settings.JWTAUTH["REVOCATION_POLL_INTERVAL"] + SLACK).total_seconds()
    while not (refusal := other_process.ask("stateless", **tokens)):
        assert time.monotonic() < deadline
    assert refusal == "revoked"
    assert other_process.ask("stateful", **tokens) == "revoked"
    assert other_process.ask("stateless", token=spared.access) == ""


def test_another_access_token_of_the_session_outlives_a_blacklisted_one(other_process):
    [pair] = aged_sessions(1)
    other = sessions.refresh(pair.refresh)
    sessions.blacklist(pair.access)
    deadline = time.monotonic() + SLACK.total_seconds() + 0.2
    while not other_process.ask("stateless", token=pair.access):
        assert time.monotonic() < deadline
    assert other_process.ask("stateless", token=other.access) == ""
    assert other_process.ask("refresh", token=other.refresh) == ""
