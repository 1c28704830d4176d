"""Faults that rotation had elsewhere, each at the moment it needs, without luck."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from django_jwtauth import sessions
from django_jwtauth.sessions import _password
from tests.tools.http import bearer

from .crowd import age_all, aged_sessions, assert_nothing_is_alive, reason, refresh, some, stored, users

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _hook(settings):
    settings.JWTAUTH = {**settings.JWTAUTH, "CLAIMS_HOOKS": ["tests.races.hooks.interrupt"]}


def test_time_of_check_a_refresh_between_check_and_use_is_no_second_rotation(together, between):
    for pair in aged_sessions(some(100)):
        inner = []
        between.append(lambda token=pair.refresh, inner=inner: inner.extend(together(lambda: refresh(token))))
        outer = refresh(pair.refresh)
        assert [outer.status_code, inner[0].status_code] == [200, 200]
        assert outer.json()["refresh"] == inner[0].json()["refresh"] != pair.refresh
        session = stored(pair)
        assert (session.generation, session.replays, session.revoked_at) == (1, 1, None)


def test_restart_a_new_process_still_knows_what_was_rotated_away(new_process):
    [pair] = aged_sessions(1)
    assert refresh(pair.refresh).status_code == 200
    age_all()
    assert new_process.ask("refresh", token=pair.refresh) == "reused"
    assert stored(pair).revoked_reason == "reused"


def test_restart_a_new_process_still_knows_what_was_revoked(new_process):
    [pair] = aged_sessions(1)
    sessions.revoke(pair.session)
    assert new_process.ask("stateless", token=pair.access) == "revoked"
    assert new_process.ask("stateful", token=pair.access) == "revoked"
    assert new_process.ask("refresh", token=pair.refresh) == "revoked"


def seconds(client, *access_tokens):
    return {client.get("/stateless/", **bearer(token)).json()["claims"]["iat"] for token in access_tokens}


def test_within_one_second_tokens_of_before_and_after_a_revocation_are_told_apart(client):
    owners = users(20)
    at_once = 0
    for owner in owners:
        [first] = aged_sessions(1, owner)  # within the second that is about to pass
        rotated = sessions.refresh(first.refresh)
        before = seconds(client, first.access, rotated.access)
        sessions.revoke_all(owner)
        following = sessions.start(owner)
        at_once += len(before | seconds(client, following.access)) == 1
        assert_nothing_is_alive([first.access, rotated.access], [first.refresh, rotated.refresh])
        assert client.get("/whoami/", **bearer(following.access)).status_code == 200
        assert client.get("/stateless/", **bearer(following.access)).status_code == 200
        assert refresh(following.refresh).status_code == 200
    assert at_once, "no round fell into one second of the clock"


def log_out(pair):
    sessions.revoke(pair.session, reason="logout")


def log_out_everywhere(pair):
    sessions.revoke_all(pair.session.user)


def change_password(pair):
    user = get_user_model().objects.get(pk=pair.session.user_id)
    user.set_password("battery staple")
    user.save()


def delete_user(pair):
    get_user_model().objects.get(pk=pair.session.user_id).delete()


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password, delete_user])
def test_revocation_during_a_refresh_does_not_wait_for_it_and_wins(together, between, end):
    [pair] = aged_sessions(1)
    between.append(lambda: together(lambda: end(pair)))
    assert reason(refresh(pair.refresh)) == "revoked"
    assert between == []
    assert stored(pair).generation == 0
    assert_nothing_is_alive([pair.access], [pair.refresh])


def test_reuse_during_a_refresh_wins(together, between):
    [first] = aged_sessions(1)
    second = sessions.refresh(first.refresh)
    age_all()
    between.append(lambda: together(lambda: refresh(first.refresh)))
    assert reason(refresh(second.refresh)) == "revoked"
    assert stored(first).revoked_reason == "reused"


def upgrade_hash(pair):
    """What Django does at a sign-in with an outdated hash."""
    user = get_user_model().objects.get(pk=pair.session.user_id)
    former = get_user_model().objects.get(pk=user.pk)
    user.password = make_password("correct horse")
    _password.upgrade_hash(user, former)


def test_hash_upgrade_during_a_refresh_is_not_undone(together, between):
    [pair] = aged_sessions(1)
    between.append(lambda: together(lambda: upgrade_hash(pair)))
    answer = refresh(pair.refresh)
    assert answer.status_code == 200
    age_all()
    assert refresh(answer.json()["refresh"]).status_code == 200


def test_two_conflicts_in_one_refresh_answer_503_and_spend_nothing(together, between):
    [pair] = aged_sessions(1)
    between.extend([lambda: together(lambda: upgrade_hash(pair))] * 2)
    answer = refresh(pair.refresh)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    session = stored(pair)
    assert (session.generation, session.revoked_at) == (0, None)
    assert refresh(pair.refresh).status_code == 200
