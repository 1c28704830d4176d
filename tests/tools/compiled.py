"""The sessions and statements that are compiled once, and the same by Django itself."""

import datetime

import pytest
from django.db import models
from django.db.models.base import ModelState
from django.test import RequestFactory

from django_jwtauth import compiled, reading, sessions
from django_jwtauth.database import database_now

MINUTE = datetime.timedelta(minutes=1)
REQUEST = RequestFactory().get("/", REMOTE_ADDR="2001:db8::7", HTTP_USER_AGENT="App/1 ü 'x' %s")


def odd_session(user):
    """Return a session with values of every kind; no statement of it is compiled yet."""
    user.first_name, user.is_staff, user.last_login = "Ada 'x' %s", True, database_now("default")
    user.save()
    started = sessions.start(user, request=REQUEST, amr=["pwd", "otp"], scope="orders:read").session
    compiled.forget()
    return started


def same_session(sid):
    return reading.session_of(sid)


def same_session_of_access_token(sid):
    return reading.session_of_access_token(sid, "j" * 22)


READS = {
    same_session: (reading._by_id, {}),
    same_session_of_access_token: (reading._by_id_and_jti, {"jti": "j" * 22}),
}
each_read = pytest.mark.parametrize("read", READS, ids=lambda read: read.__name__)


def by_django(read, session):
    statement, more = READS[read]
    (row,) = statement.run_plain("default", {"pk": session.pk, **more})
    return row


def contents(thing):
    """Everything an object holds, in its order, with the classes of it all. The database's time goes on meanwhile."""
    if isinstance(thing, models.Model | ModelState):
        thing = {name: value for name, value in vars(thing).items() if name != "database_now"}
        return type(thing), [(name, contents(value)) for name, value in thing.items()]
    if isinstance(thing, dict):
        return [(name, contents(value)) for name, value in thing.items()]
    return type(thing), bytes(thing) if isinstance(thing, memoryview) else thing


def assert_same(one, other):
    assert contents(one) == contents(other)
    for found, expected in [(one, other), (one.user, other.user)]:
        assert type(found) is type(expected)
        assert found.get_deferred_fields() == expected.get_deferred_fields()
        assert found._state.db == expected._state.db == "default"
        assert found._state.adding is expected._state.adding is False
    assert one.database_now.tzinfo == other.database_now.tzinfo
    assert abs(one.database_now - other.database_now) < MINUTE


def plans():
    return list(compiled._plans.values())


CHANGES = {"generation": 5, "ip_address": "2001:db8::8", "user_agent": "App/2 ü '%s'"}


def rotation(session, **changes):
    now = database_now("default")
    read = {"pk": session.pk, "read_generation": 0, "read_auth_hash": bytes(session.auth_hash)}
    return read | {"rotated_at": now, "last_seen_on": now.date(), "auth_hash": bytes(72)} | CHANGES | changes
