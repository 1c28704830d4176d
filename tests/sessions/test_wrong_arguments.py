"""Arguments of a wrong kind are named in a sentence, before anything happens."""

import datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework.request import Request

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.products import each_row

pytestmark = pytest.mark.django_db
OBJECT = "an object of the type"
START = {
    "user": ("ada", f"user must be a user, not {OBJECT} 'str'."),
    "request": ("GET", f"request must be a request of Django or REST framework, or None, not {OBJECT} 'str'."),
    "amr": (None, "amr must be a list of methods, such as ['pwd'], not None."),
    "acr": (2, f"acr must be a str, not {OBJECT} 'int'."),
    "scope": (["orders:read"], f"scope must be a str, not {OBJECT} 'list'."),
    "audience": (None, "audience must be a str, not None."),
    "actor": ("grace", f"actor must be a user, not {OBJECT} 'str'."),
    "transport": ("cookie", "transport must be one of body, browser."),
    "auth_time": ("now", f"auth_time must be a datetime, not {OBJECT} 'str'."),
    "backend": (3, f"backend must be a str, not {OBJECT} 'int'."),
}
REFRESH = {
    "request": START["request"],
    "scope": START["scope"],
    "audience": START["audience"],
    "transport": (None, "transport must be a str, not None."),
}


@each_row("name", START)
def test_start(user, name):
    value, sentence = START[name]
    with pytest.raises((TypeError, ValueError)) as caught:
        sessions.start(**{"user": user, name: value})
    assert str(caught.value) == sentence
    assert not RefreshToken.objects.exists()


def test_methods_are_a_list_of_text(user):
    with pytest.raises(TypeError, match=r"it holds an object of the type 'int'\.$"):
        sessions.start(user, amr=["pwd", 1])


def test_a_time_without_zone_is_none_that_anybody_could_know(user):
    with pytest.raises(ValueError, match=r"^auth_time must have a time zone: use django\.utils\.timezone\.now\(\)"):
        sessions.start(user, auth_time=datetime.datetime(2030, 1, 1))
    before = sessions.start(user, auth_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    assert before.session.auth_time.year == 2020


def test_who_cannot_sign_in_is_no_mistake_of_the_code(user):
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.start(AnonymousUser())


def test_a_user_that_was_not_saved_is(user):
    with pytest.raises(ValueError, match=r"^user must be saved before a session starts\.$"):
        sessions.start(type(user)(username="new"))


@pytest.mark.parametrize("name", REFRESH)
def test_refresh(pair, name):
    value, sentence = REFRESH[name]
    with pytest.raises(TypeError) as caught:
        sessions.refresh(**{"raw": pair.refresh, name: value})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "look",
    [sessions.refresh, sessions.verify_refresh, sessions.find_by_refresh_token, sessions.find_by_any_token],
)
def test_tokens(pair, look):
    for value in (None, pair, pair.session):
        with pytest.raises(TypeError, match=rf"^A token is str or bytes, not {type(value).__name__}\.$"):
            look(value)


def test_notes_and_users(user, pair):
    with pytest.raises(TypeError, match=r"^note must be a str, not None\.$"):
        sessions.revoke(pair.session, note=None)
    with pytest.raises(TypeError, match=r"^user must be a user, not None\.$"):
        sessions.keep(pair.session, None)
    pair.session.refresh_from_db()
    assert pair.session.revoked_at is None


@pytest.mark.parametrize("value", [None, 5, ["x"], object()])
def test_what_is_no_session(user, pair, value):
    for given in (value, user, pair):
        with pytest.raises(
            TypeError, match=r"^session must be a session, a verified access token of it, or its id, not"
        ):
            sessions.revoke(given)
        with pytest.raises(TypeError, match=r"^access_token must be an access token, as text or verified, not"):
            sessions.blacklist(given)
    with pytest.raises(TypeError, match=r"^session must be"):
        sessions.step_up(value, amr=["pwd"])


def test_a_text_that_is_no_id_is_not_shown(pair):
    for text in ("", pair.access, pair.refresh):
        with pytest.raises(ValueError, match=r"^A session is named by its id, a UUID\.") as caught:
            sessions.revoke(text)
        assert caught.value.__cause__ is caught.value.__context__ is None


def test_both_kinds_of_requests_are_right(user, rf):
    request = rf.get("/", headers={"User-Agent": "curl"})
    for given in (request, Request(request)):
        assert sessions.start(user, request=given).session.user_agent == "curl"
