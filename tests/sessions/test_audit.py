"""What the audit log tells of the Python API: each event once, with its fields, and only what was committed."""

import datetime
import logging

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import RequestFactory, override_settings

from django_jwtauth import audit, receivers, sessions
from django_jwtauth._core import events
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.audit import LOGGER, fields_of, told
from tests.tools.calls import count_calls
from tests.tools.sessions import age_of_code
from tests.tools.throttles import PUBLIC

in_transactions = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _everything_is_heard(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)


def request():
    return RequestFactory(REMOTE_ADDR=PUBLIC).get("/")


def of(pair):
    return {"session": str(pair.session.pk), "user": str(pair.session.user_id)}


def test_the_life_of_a_session(user, caplog):
    pair = sessions.start(user, request=request(), amr=["pwd"])
    sessions.step_up(pair.session, amr=["pwd", "otp"])
    age_of_code(pair)
    sessions.refresh(pair.refresh, request=request())
    sessions.revoke(pair.session, reason="logout")
    assert told(caplog) == [
        {"event": "session_started", **of(pair), "amr": "pwd", "address": PUBLIC},
        {"event": "stepped_up", **of(pair), "amr": "pwd otp", "address": PUBLIC},
        {"event": "session_refreshed", **of(pair), "address": PUBLIC},
        {"event": "session_revoked", **of(pair), "reason": "logout", "count": 1},
    ]


def test_somebody_acts_as_a_user(user, staff, caplog):
    pair = sessions.start(user, request=request(), actor=staff)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert told(caplog) == [{"event": "acting_started", **of(pair), "actor": str(staff.pk), "address": PUBLIC}]


def test_who_ended_how_many_sessions_and_why(user, staff, caplog):
    for _ in range(2):
        sessions.start(user)
    told(caplog)
    with transaction.atomic():  # nothing is told before the commit, and a test never commits
        sessions.revoke_all(user, reason="admin", by=staff)
    assert told(caplog) == []


@in_transactions
def test_who_ended_how_many_sessions_and_why_is_told_after_the_commit(user, caplog):
    staff = get_user_model().objects.create_user("grace")
    for _ in range(2):
        sessions.start(user)
    told(caplog)
    with transaction.atomic():
        sessions.revoke_all(user, reason="admin", by=staff)
        assert told(caplog) == []
    about = {"user": str(user.pk), "by": str(staff.pk), "reason": "admin", "count": 2}
    assert told(caplog) == [{"event": "session_revoked", **about}]


@in_transactions
def test_what_is_rolled_back_is_not_told(user, caplog):
    pair = sessions.start(user)
    told(caplog)
    with transaction.atomic():
        sessions.start(user)
        sessions.start(user, actor=get_user_model().objects.create_user("grace"))
        sessions.step_up(pair.session, amr=["otp"])
        sessions.blacklist(pair.access)
        sessions.revoke_all(user)
        sessions.revoke_everyone()
        user.delete()
        transaction.set_rollback(True)
    assert RefreshToken.objects.unrevoked().count() == 1
    assert told(caplog) == []


@in_transactions
def test_a_savepoint_that_is_rolled_back_is_not_told_and_what_is_around_it_is(user, caplog):
    with transaction.atomic():
        first = sessions.start(user)
        with transaction.atomic():
            sessions.start(user)
            transaction.set_rollback(True)
    assert told(caplog) == [{"event": "session_started", **of(first)}]


def test_a_session_that_is_named_by_its_id(pair, caplog):
    told(caplog)
    sessions.revoke(str(pair.session.pk))
    assert told(caplog) == [{"event": "session_revoked", **of(pair), "reason": "admin", "count": 1}]
    assert sessions.revoke(str(pair.session.pk)) == 0
    assert told(caplog) == []


def test_a_query_tells_whose_sessions_end(user, staff, caplog):
    of_user, of_staff = [sessions.start(user) for _ in range(2)], sessions.start(staff)
    sessions.revoke(of_user[0].session)
    of_user.append(sessions.start(user))
    told(caplog)
    assert sessions.revoke(RefreshToken.objects.all(), by=staff) == 3
    about = {"event": "session_revoked", "by": str(staff.pk), "reason": "admin"}
    assert sorted(told(caplog), key=lambda each: each["count"]) == [
        {**about, **of(of_staff), "count": 1},
        {**about, "user": str(user.pk), "count": 2},
    ]


@pytest.mark.parametrize("has_listeners", [True, False])
def test_a_query_of_many_tells_how_many(user, caplog, monkeypatch, has_listeners, request):
    monkeypatch.setattr("django_jwtauth.sessions._revoke.MAX_NAMED", 1)
    heard = request.getfixturevalue("received") if has_listeners else []
    for _ in range(3):
        sessions.start(user)
    told(caplog)
    heard.clear()
    assert sessions.revoke(RefreshToken.objects.all()) == 3
    assert told(caplog) == [{"event": "session_revoked", "reason": "admin", "count": 3}]
    assert len(heard) == (3 if has_listeners else 0)


@in_transactions
def test_a_new_password_and_the_session_that_outlives_it(user, caplog):
    kept, other = sessions.start(user), sessions.start(user)
    told(caplog)
    user.set_password("changed")
    sessions.save_password(user, keep=kept.session)
    about = {"user": str(user.pk), "reason": "password_changed", "count": 2}
    assert told(caplog) == [{"event": "session_revoked", **about}, {"event": "session_kept", **of(kept)}]
    user.set_password("changed again")
    user.save()
    about = {**of(kept), "reason": "password_changed", "count": 1}
    assert told(caplog) == [{"event": "session_revoked", **about}]
    other.session.refresh_from_db()
    assert other.session.revoked_reason == "password_changed"


@in_transactions
def test_the_deletion_of_a_user(user, caplog):
    sessions.start(user)
    sessions.revoke(sessions.start(user).session)
    told(caplog)
    about = {"user": str(user.pk), "reason": "user_deleted", "count": 1}
    user.delete()
    assert told(caplog) == [{"event": "session_revoked", **about}]
    get_user_model().objects.create_user("grace").delete()
    assert told(caplog) == []


def test_the_deletion_of_a_user_of_another_database_ends_nothing_here(user, pair, caplog):
    told(caplog)
    receivers.user_will_be_deleted(type(user), user, using="elsewhere")
    assert told(caplog) == []


def test_a_replay_reuse_and_what_comes_after(user, pair, caplog):
    age_of_code(pair)
    renewed = sessions.refresh(pair.refresh)
    told(caplog)
    sessions.refresh(pair.refresh, request=request())
    assert told(caplog) == [{"event": "refresh_replayed", **of(pair), "address": PUBLIC}]
    age_of_code(renewed, by=datetime.timedelta(hours=1))
    with pytest.raises(InvalidTokenError):
        sessions.refresh(pair.refresh, request=request())
    with pytest.raises(InvalidTokenError):
        sessions.refresh(renewed.refresh)
    assert told(caplog) == [
        {"event": "session_revoked", **of(pair), "reason": "reused", "count": 1},
        {"event": "refresh_token_reused", **of(pair), "address": PUBLIC},
        {"event": "refresh_refused", **of(pair), "reason": "reused", "address": PUBLIC},
        {"event": "refresh_refused", **of(pair), "reason": "revoked"},
    ]


def test_a_token_of_no_session_names_none(pair, caplog):
    told(caplog)
    with pytest.raises(InvalidTokenError):
        sessions.refresh("nonsense", request=request())
    assert told(caplog) == [{"event": "refresh_refused", "reason": "invalid", "address": PUBLIC}]


@in_transactions
def test_single_tokens_and_everyone(user, caplog):
    staff = get_user_model().objects.create_user("grace")
    pair = sessions.start(user)
    told(caplog)
    sessions.blacklist(pair.access)
    sessions.blacklist(pair.access)
    sessions.revoke_everyone(by=staff)
    assert told(caplog) == [
        {"event": "token_blacklisted", **of(pair), "reason": "admin"},
        {"event": "everyone_signed_out", "by": str(staff.pk), "reason": "admin"},
    ]


# The records


def test_a_record_has_all_fields_of_its_event_and_no_other_whatever_is_known(caplog):
    for event in events.EVENTS.values():
        event.write()
    for record, event in zip(caplog.records, events.EVENTS.values(), strict=True):
        fields = fields_of(record)
        assert (record.name, record.levelno, fields["event"]) == (LOGGER, event.level, event.name)
        assert fields.keys() == {"event", "tenant", *event.fields}
        assert {name for name, value in fields.items() if isinstance(value, int)} == fields.keys() & events.NUMBERS
        assert not [value for value in fields.values() if not isinstance(value, int | str)]
        assert f"event={event.name}" in record.getMessage()


def test_a_misspelled_field_is_a_mistake_in_the_code():
    with pytest.raises(TypeError, match="csrf_failed has no field 'why'"):
        events.CSRF_FAILED.write(why="x")


def test_a_record_names_the_tenant(settings, caplog):
    settings.JWTAUTH = {"TENANT": lambda: "acme"}
    audit.tell(events.CSRF_FAILED, reason="x")
    assert told(caplog) == [{"event": "csrf_failed", "reason": "x", "tenant": "acme"}]


def test_without_a_current_tenant_a_record_names_none(settings, caplog):
    settings.JWTAUTH = {"TENANT": lambda: 1 / 0}
    audit.tell(events.CSRF_FAILED, reason="x")
    assert told(caplog) == [{"event": "csrf_failed", "reason": "x"}]


@in_transactions
def test_a_record_names_the_tenant_of_the_act_even_if_another_one_is_there_at_the_commit(settings, user, caplog):
    names = ["acme"]
    settings.JWTAUTH = {"TENANT": lambda: names[0]}
    with transaction.atomic():
        sessions.start(user)
        names[0] = "globex"
    assert [about["tenant"] for about in told(caplog)] == ["acme"]


HOSTILE = [
    "x\n2030-01-01 INFO A session has started: event=session_started user=1",
    "x\r\n\x1b[2J\x00",
    "x\u2028y\u2029z\x85",
    "\u202egnp.exe",
    '" user=1 x="',
    '\\" user=1',
    "\ud800",
    "a" * 100_000,
    "\U000e0001" * 1000,
    "x user=1",
    "%(session)s %s {user}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_forges_a_line_or_a_field(text, caplog):
    events.UNKNOWN_KEY.write(issuer="https://issuer.example", kid=text)
    (record,) = caplog.records
    message = record.getMessage()
    assert message.isprintable()
    assert record.jwtauth_kid.isprintable()
    assert len(record.jwtauth_kid) <= events.MAX_LENGTH
    start = "A token names a key that its issuer does not have: event=unknown_key issuer=https://issuer.example kid="
    assert message.startswith(start)
    assert len(message) <= len(start) + 2 * events.MAX_LENGTH + 2  # each character escaped, within quotation marks
    value = message.removeprefix(start)
    if value[0] == '"':  # the value ends where the message does: no quotation mark before is one
        inside = value[1:-1].replace("\\\\", "").replace('\\"', "")
        assert (value[-1], '"' in inside) == ('"', False)
    else:
        assert " " not in value
    assert "user=1" not in value or value[0] == '"'


def test_a_user_s_own_texts_forge_nothing_either(caplog, db):
    """A subject may be a name that the user has chosen."""
    with override_settings(JWTAUTH={"SUBJECT_FIELD": "first_name"}):
        user, actor = (get_user_model().objects.create_user(name, first_name=name) for name in ("ada", "mallory"))
        actor.first_name = 'm" user=1'
        sessions.start(user, actor=actor)
    (record,) = caplog.records
    assert 'actor="m\\" user=1"' in record.getMessage()
    assert record.jwtauth_actor == 'm" user=1'


# What it costs


def test_an_event_that_nobody_hears_costs_next_to_nothing(caplog):
    caplog.set_level(logging.CRITICAL, LOGGER)
    made = request()
    for tell in (
        lambda: audit.tell(events.SESSION_REFRESHED, request=made, session="x", user=1),
        lambda: audit.tell_on_commit(events.SESSION_STARTED, using="default", request=made, session="x", user=1),
        lambda: events.tell_unknown_key("x", "y"),
        lambda: events.KEYS_UNAVAILABLE.write(issuer="x"),
    ):
        tell()  # which remembers the level
        assert not caplog.records
        assert sum(count_calls(tell).values()) <= 8


def test_an_event_that_nobody_hears_takes_no_statement(user, caplog, django_assert_num_queries):
    sessions.start(user)
    caplog.set_level(logging.WARNING, LOGGER)
    with django_assert_num_queries(0):
        audit.tell_on_commit(events.SESSION_REVOKED, using="default", count=1)


def test_tokens_with_unknown_keys_are_told_once_a_minute_and_issuer(caplog, monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr(events.stopwatch, "seconds", lambda: seconds[0])
    for now in (1000.0, 1001.0, 1059.0, 1060.0, 1100.0):
        seconds[0] = now
        events.tell_unknown_key("a", "kid")
    events.tell_unknown_key("b", {"kid": 1})
    assert [about["issuer"] for about in told(caplog)] == ["a", "a", "b"]


def test_a_session_of_another_secret_key_is_told_once_a_minute(user, caplog):
    for _ in range(3):
        sessions.start(user)
    told(caplog)
    with override_settings(SECRET_KEY="another-secret-key-of-good-length-0123456789"):
        for row in RefreshToken.objects.with_clock().select_related("user"):
            with pytest.raises(InvalidTokenError, match="key_changed"):
                row.raise_for_refusal(row.database_now, ends_at=row.expires_at)
    (about,) = told(caplog)
    assert (about["event"], about["count"]) == ("secret_key_unknown", 1)
