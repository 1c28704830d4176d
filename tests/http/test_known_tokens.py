"""A token that this process has verified before is accepted sooner, and refused like any other."""

from datetime import timedelta

import pytest
from django.test import RequestFactory, override_settings
from rest_framework.request import Request

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.authentication import (
    JWTAuthentication,
    StatelessJWTAuthentication,
    StatelessJWTCookieAuthentication,
)
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools import clocks
from tests.tools.products import each_row

BOTH = pytest.mark.parametrize("used", [JWTAuthentication, StatelessJWTAuthentication], ids=["stateful", "stateless"])
KEYS = {"SIGNING_KEYS": [{"alg": "HS256", "secret": "a good secret of thirty-two bytes"}]}


def authenticate(used, header, wrap=Request):
    return used().authenticate(wrap(RequestFactory().get("/", headers={"Authorization": header})))


def outcome(used, header):
    """What becomes of a token: accepted, ignored, or the reason why it is refused."""
    try:
        return "accepted" if authenticate(used, header) else "ignored"
    except InvalidTokenError as error:
        return error.reason


@pytest.fixture(autouse=True, params=[True, False], ids=["test", "server"])
def _server(request, monkeypatch):
    """In tests, the revocation list is looked at more closely, since each has a database of its own."""
    monkeypatch.setattr(revocation_cache, "is_testing", lambda: request.param)


@pytest.fixture
def header(pair):
    return f"Bearer {pair.access}"


@pytest.fixture
def long_ways(monkeypatch):
    """Each time that a token is verified, and not found to be known."""
    taken = []
    for used in (JWTAuthentication, StatelessJWTAuthentication):

        def long_way(self, raw, usual=used.authenticate_token):
            taken.append(raw)
            return usual(self, raw)

        monkeypatch.setattr(used, "authenticate_token", long_way)
    return taken


@BOTH
@pytest.mark.parametrize("wrap", [Request, lambda request: request], ids=["rest-framework", "django"])
def test_a_known_token_takes_the_short_way(used, wrap, header, pair, user, long_ways):
    for _ in range(3):
        found, token = authenticate(used, header, wrap)
        assert (str(found.pk), token.subject, token.sid) == (str(user.pk), str(user.pk), str(pair.session.pk))
        assert len(long_ways) == 1


@pytest.mark.django_db
def test_each_request_has_objects_of_its_own(header):
    first, second, third = (authenticate(StatelessJWTAuthentication, header) for _ in range(3))
    for user, token in (first, second):
        token.claims["sub"] = token.claims["tenant"] = "another"
        user._remembered = True
        for change in ("issuer", "pk", "token", "groups"):
            with pytest.raises(AttributeError):
                setattr(user, change, "another")
        for thing, name in ((token, "_statement"), (token, "subject"), (user, "pk")):
            with pytest.raises(AttributeError):
                delattr(thing, name)
        with pytest.raises(AttributeError):
            token._claims = {}
    user, token = third
    assert token.claims["sub"] == token.subject == user.pk
    assert not hasattr(user, "tenant")
    assert not hasattr(user, "_remembered")
    assert user == first[0] == StatelessJWTAuthentication().authenticate_token(header[7:])[0]
    assert type(user) is type(first[0])


# What may have changed since


def end_session(pair):
    sessions.revoke(pair.session.pk)


def blacklist(pair):
    sessions.blacklist(pair.access)


def revoke_everyone(pair):
    sessions.revoke_everyone()


@BOTH
@pytest.mark.parametrize("act", [end_session, blacklist, revoke_everyone])
def test_what_is_revoked_is_refused_at_once(used, act, header, pair):
    assert [outcome(used, header) for _ in range(2)] == ["accepted"] * 2
    act(pair)
    assert [outcome(used, header) for _ in range(2)] == ["revoked"] * 2


def test_what_another_process_revokes_is_refused_after_the_poll_interval(header, pair, django_assert_num_queries):
    assert outcome(StatelessJWTAuthentication, header) == "accepted"
    RefreshToken.objects.filter(pk=pair.session.pk).update(revoked_at=pair.session.created_at)
    with django_assert_num_queries(0):
        assert outcome(StatelessJWTAuthentication, header) == "accepted"
    with clocks.server(minutes=0.1), django_assert_num_queries(1):
        assert [outcome(StatelessJWTAuthentication, header) for _ in range(2)] == ["revoked"] * 2


@BOTH
@pytest.mark.parametrize(("minutes", "expected"), [(-10, "not_yet_valid"), (4, "accepted"), (10, "expired")])
def test_the_times_are_looked_at_each_time(used, minutes, expected, header, monkeypatch):
    assert outcome(used, header) == "accepted"
    monkeypatch.setattr("django_jwtauth.authentication.was_clock_off", lambda error: False)
    with clocks.server(minutes):
        assert outcome(used, header) == expected


@BOTH
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SIGNING_KEYS": [{"alg": "HS256", "secret": "another secret of thirty-two bytes"}]}, "invalid"),
        ({"ISSUER": "another"}, "wrong_issuer"),
        ({"AUDIENCE": "another"}, "wrong_audience"),
        ({"TOKEN_CACHE_SIZE": 0}, "accepted"),
        ({"LEEWAY": timedelta(0)}, "accepted"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
@pytest.mark.django_db
def test_other_settings_judge_anew(used, change, expected, user):
    with override_settings(JWTAUTH=KEYS):
        header = f"Bearer {sessions.start(user).access}"
        assert [outcome(used, header) for _ in range(2)] == ["accepted"] * 2
        with override_settings(JWTAUTH={**KEYS, **change}):
            assert [outcome(used, header) for _ in range(2)] == [expected] * 2
        assert outcome(used, header) == "accepted"


@BOTH
@pytest.mark.django_db
def test_a_token_that_has_become_too_long_is_refused(used, user):
    with override_settings(JWTAUTH=KEYS | {"CLAIMS": {"email": "email"}}):
        user.email = "e" * 250
        user.save()
        header = f"Bearer {sessions.start(user).access}"
        assert len(header) > 512 + 7
        assert [outcome(used, header) for _ in range(2)] == ["accepted"] * 2
    with override_settings(JWTAUTH=KEYS | {"MAX_TOKEN_LENGTH": 512}):
        assert outcome(used, header) == "invalid"


# Headers of another form say with a known token what they say with a new one


@BOTH
@each_row(
    ("form", "expected"),
    [
        ("bearer {}", "accepted"),
        ("Bearer  {} ", "accepted"),
        ("{}", "ignored"),
        ("Basic {}", "ignored"),
        ("Bearer{}", "ignored"),
        ("Bearer Bearer {}", "invalid"),
        ("Bearer {} {}", "invalid"),
        ("Bearer {}.", "invalid"),
        ("Bearer {}\u20ac", "invalid"),
        ("Bearer \ud800{}", "invalid"),
    ],
)
def test_a_known_token_does_not_mend_a_header(used, form, expected, header):
    raw = header.removeprefix("Bearer ")
    assert [outcome(used, header) for _ in range(2)] == ["accepted"] * 2
    assert outcome(used, form.format(raw, raw)) == expected


# Subclasses that find or verify tokens in their own way


class Moody:
    """Refuses each token, known or not."""

    def get_raw_token(self, request):
        raise InvalidTokenError("revoked")


class Judge:
    def authenticate_token(self, raw):
        super().authenticate_token(raw)
        raise InvalidTokenError("revoked")


@BOTH
@pytest.mark.parametrize("mixin", [Moody, Judge])
def test_a_subclass_is_asked_about_each_token(used, mixin, header):
    first = type("First", (mixin, used), {})
    inherited = type("Second", (first,), {})
    assert outcome(used, header) == "accepted"
    for kind in (first, inherited):
        assert [outcome(kind, header) for _ in range(2)] == ["revoked"] * 2


@BOTH
def test_a_subclass_that_changes_neither_takes_the_short_way(used, header, long_ways):
    class Own(used):
        www_authenticate_realm = "own"

    assert [outcome(Own, header) for _ in range(2)] == ["accepted"] * 2
    assert len(long_ways) == 1


def test_a_class_that_reads_cookies_verifies_each_time(header, long_ways):
    assert [outcome(StatelessJWTCookieAuthentication, header) for _ in range(2)] == ["accepted"] * 2
    assert len(long_ways) == 2


def test_the_session_of_a_known_token_is_looked_up_by_the_subclass(header, user):
    class Own(JWTAuthentication):
        def authenticate_session(self, token):
            found, token = super().authenticate_session(token)
            found.seen = True
            return found, token

    assert [authenticate(Own, header)[0].seen for _ in range(2)] == [True] * 2
