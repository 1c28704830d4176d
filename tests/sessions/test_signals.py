"""What signals and logs say of a session."""

import logging

import pytest

from django_jwtauth import sessions, signals
from django_jwtauth.errors import InvalidTokenError
from tests.tools.sessions import ALL_SIGNALS, age_of_code, change, refusal

# Signals


@pytest.mark.django_db
def test_signals_say_what_happened_to_which_session(user, rf, received):
    request = rf.post("/")
    pair = sessions.start(user, request=request)
    assert received == [("session_started", {"session": pair.session, "user": user, "request": request})]

    received.clear()
    age_of_code(pair)
    sessions.refresh(pair.refresh, request=request)
    assert received == [("session_refreshed", {"session": pair.session, "user": user, "request": request})]

    received.clear()
    age_of_code(pair)
    assert refusal(pair.refresh) == "reused"
    assert received == [
        ("session_revoked", {"session": pair.session, "reason": "reused", "by": None}),
        ("refresh_token_reused", {"session": pair.session, "user": user, "request": None}),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("change_user", ["password", "is_active"])
def test_a_signal_is_sent_for_each_session_that_a_change_of_the_user_ends(user, received, change_user):
    pairs = [sessions.start(user) for _ in range(2)]
    received.clear()
    if change_user == "password":
        user.set_password("new")
    else:
        user.is_active = False
    user.save()
    assert {name for name, args in received} == {"session_revoked"}
    assert {args["session"] for name, args in received} == {pair.session for pair in pairs}


@pytest.mark.django_db
def test_a_receiver_that_fails_changes_nothing(user, caplog):
    def fail(**kwargs):
        raise ZeroDivisionError

    for name in ALL_SIGNALS:
        getattr(signals, name).connect(fail)
    try:
        pair = sessions.start(user)
        age_of_code(pair)
        renewed = sessions.refresh(pair.refresh)
        age_of_code(pair)
        assert refusal(pair.refresh) == "reused"
        assert refusal(renewed.refresh) == "revoked"
    finally:
        for name in ALL_SIGNALS:
            getattr(signals, name).disconnect(fail)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.django_db
def test_reuse_is_logged_without_any_token(pair, rf, caplog):
    change(pair.session, generation=2)
    with caplog.at_level(logging.WARNING, logger="django_jwtauth.security"), pytest.raises(InvalidTokenError):
        sessions.refresh(pair.refresh, request=rf.post("/", REMOTE_ADDR="192.0.2.9"))
    assert str(pair.session.pk) in caplog.text
    assert "192.0.2.9" in caplog.text
    assert pair.refresh not in caplog.text
    assert pair.session.jti(0) not in caplog.text
