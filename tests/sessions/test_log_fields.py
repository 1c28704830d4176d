"""The extra fields of log records, for JSON logs and audits."""

import datetime

import pytest
from django.test import RequestFactory

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from tests.tools.sessions import age_of_code
from tests.tools.throttles import PUBLIC, attempt, rates

FIELDS = ("event", "session", "user", "reason", "address")


@pytest.fixture
def logged(caplog):
    """The fields of the records since it was last called."""
    caplog.set_level("INFO", "django_jwtauth.security")

    def logged():
        ours = [record for record in caplog.records if record.name == "django_jwtauth.security"]
        records = [[getattr(record, name) for name in FIELDS] for record in ours]
        assert all(isinstance(value, str) for values in records for value in values)
        caplog.clear()
        return [tuple(values) for values in records]

    return logged


def request():
    return RequestFactory(REMOTE_ADDR=PUBLIC).get("/")


def test_the_life_of_a_session(user, logged):
    session = sessions.start(user, request=request()).session
    sid, pk = str(session.pk), str(user.pk)
    sessions.step_up(session, amr=["otp"])
    sessions.revoke(session, reason="logout")
    assert logged() == [
        ("session_started", sid, pk, "", PUBLIC),
        ("stepped_up", sid, pk, "", PUBLIC),
        ("session_revoked", sid, pk, "logout", ""),
    ]


def test_several_sessions_at_once(user, caplog, logged):
    sessions.start(user)
    sessions.start(user)
    logged()
    assert sessions.revoke_all(user) == 2
    assert caplog.records[-1].count == 2
    assert logged() == [("session_revoked", "", str(user.pk), "logout_all", "")]


def test_a_session_that_is_named_by_its_id(pair, logged):
    sessions.revoke(str(pair.session.pk))
    assert logged() == [("session_revoked", str(pair.session.pk), "", "admin", "")]


def test_a_new_password(user, pair, logged):
    user.set_password("changed")
    user.save()
    assert logged() == [("session_revoked", str(pair.session.pk), str(user.pk), "password_changed", "")]


def test_reuse(user, pair, logged):
    age_of_code(pair)
    age_of_code(sessions.refresh(pair.refresh), by=datetime.timedelta(hours=1))
    with pytest.raises(InvalidTokenError):
        sessions.refresh(pair.refresh, request=request())
    sid, pk = str(pair.session.pk), str(user.pk)
    assert logged() == [
        ("session_revoked", sid, pk, "reused", ""),
        ("refresh_token_reused", sid, pk, "reused", PUBLIC),
    ]


def test_other_events(user, pair, acting, client, logged, django_capture_on_commit_callbacks):
    sid, pk = str(acting.session.pk), str(user.pk)
    logged()
    sessions.blacklist(acting.access)
    with django_capture_on_commit_callbacks(execute=True):
        sessions.revoke_everyone()
    with rates(login="1/min"):
        attempt(client)
        attempt(client)
    assert logged() == [
        ("token_blacklisted", sid, pk, "admin", ""),
        ("everyone_signed_out", "", "", "admin", ""),
        ("throttled", "", "", "LoginThrottle", ""),
    ]


def test_somebody_acts_as_a_user(user, staff, logged):
    session = sessions.start(user, actor=staff).session
    assert logged() == [("acting_started", str(session.pk), str(user.pk), "", "")]
