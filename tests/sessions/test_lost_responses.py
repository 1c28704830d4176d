"""``REFRESH_RETRY_PERIOD``: a token that comes late is a retry, unless something of its successor was seen."""

import datetime
from typing import ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.urls import path
from rest_framework.exceptions import NotFound
from rest_framework.views import APIView

import tests.urls
from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.sessions import _interference, refresh_token, refusal, row
from tests.tools.travel import with_time_machine

SECOND = datetime.timedelta(seconds=1)
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
ON = {"REFRESH_RETRY_PERIOD": 12 * HOUR}


@pytest.fixture
def moving():
    """The time of the database and of this process, which stands still until a test moves it."""
    with with_time_machine("2030-01-01 12:00:00Z") as moving:
        yield moving


class Story:
    """What happens to one session, whoever holds its tokens. A token is named by its generation."""

    def __init__(self, client, settings, moving, pair):
        self.client, self.settings, self.moving = client, settings, moving
        self.session = pair.session
        self.access = {0: pair.access}

    def after(self, delay):
        self.moving.shift(delay)

    def refresh(self, generation, becomes):
        """Exchange a token, which gives that of a generation or is refused."""
        raw = refresh_token(self.session, generation)
        if isinstance(becomes, str):
            assert refusal(raw) == becomes
            return
        given = sessions.refresh(raw)
        assert given.refresh == refresh_token(self.session, becomes)
        self.access[becomes] = given.access

    def remember(self, generation):
        self.access["remembered"] = self.access[generation]

    def call(self, path, generation):
        assert self.client.get(path, **bearer(self.access[generation])).status_code == 200

    def api(self, generation):
        """Use the last access token of a generation under ``JWTAuthentication``."""
        self.call("/whoami/", generation)

    def stateless(self, generation):
        self.call("/stateless/", generation)

    def verify(self, generation):
        raw = refresh_token(self.session, generation)
        assert self.client.post("/auth/token/verify/", {"token": raw}).status_code == 200

    def verify_access(self, generation):
        assert self.client.post("/auth/token/verify/", {"token": self.access[generation]}).status_code == 200

    def switch(self, settings):
        self.settings.JWTAUTH = settings

    def step_up(self):
        """As a view may that looks up no session."""
        sessions.step_up(self.session.pk, amr=["otp"], acr="two-factor")

    def save_password(self):
        user = self.session.user
        user.set_password("another horse")
        sessions.save_password(user, keep=self.session.pk)


@pytest.fixture
def story(client, settings, moving, user):
    settings.JWTAUTH = ON
    return Story(client, settings, moving, sessions.start(user))


# A session begins. A minute later, the token of generation 0 is exchanged for that of generation 1. Then:
STORIES = {
    "lost": [("after", HOUR), ("refresh", 0, 1)],
    "lost, at the last moment": [("after", 12 * HOUR - SECOND), ("refresh", 0, 1)],
    "too late": [("after", 12 * HOUR + SECOND), ("refresh", 0, "reused")],
    "lost twice": [("after", HOUR), ("refresh", 0, 1), ("after", HOUR), ("refresh", 0, 1)],
    "a retry does not renew the period": [
        *[("after", 11 * HOUR), ("refresh", 0, 1)],
        *[("after", 2 * HOUR), ("refresh", 0, "reused")],
    ],
    "off": [("switch", {}), ("after", HOUR), ("refresh", 0, "reused")],
    "an older token": [
        *[("after", HOUR), ("refresh", 1, 2)],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    "the next one lost": [
        *[("after", HOUR), ("refresh", 1, 2)],
        *[("after", HOUR), ("refresh", 1, 2)],
    ],
    # Something of the successor was seen.
    "seen: refreshed in the grace period": [("refresh", 1, 1), ("after", HOUR), ("refresh", 0, "reused")],
    "seen: refreshed in the grace period, after a replay": [
        *[("refresh", 0, 1), ("refresh", 1, 1)],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    "seen: under JWTAuthentication": [("api", 1), ("after", HOUR), ("refresh", 0, "reused")],
    "seen: under JWTAuthentication, after a replay": [
        *[("after", 5 * SECOND), ("refresh", 0, 1), ("api", 1)],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    "seen: the access token was verified": [("verify_access", 1), ("after", HOUR), ("refresh", 0, "reused")],
    "seen: the refresh token was verified": [("verify", 1), ("after", HOUR), ("refresh", 0, "reused")],
    "seen: after the retry": [
        *[("after", HOUR), ("refresh", 0, 1), ("api", 1)],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    "seen: the token of the lost response, after the retry": [
        *[("remember", 1), ("after", 4 * MINUTE), ("refresh", 0, 1), ("api", "remembered")],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    "seen: while the setting was off": [
        *[("switch", {}), ("api", 1), ("switch", ON)],
        *[("after", HOUR), ("refresh", 0, "reused")],
    ],
    # What a thief would get has become more, and nobody knows whose the token is.
    "a step-up": [("step_up",), ("after", HOUR), ("refresh", 0, "reused")],
    "a step-up, within the grace period": [("step_up",), ("refresh", 0, 1), ("after", HOUR), ("refresh", 0, "reused")],
    "a new password": [("save_password",), ("after", HOUR), ("refresh", 0, "reused")],
    "a step-up in the generation before": [
        *[("step_up",), ("after", HOUR), ("refresh", 1, 2)],
        *[("after", HOUR), ("refresh", 1, 2)],
    ],
    # Nobody knows whether anything was seen.
    "unknown: exchanged while the setting was off": [
        *[("switch", {}), ("after", HOUR), ("refresh", 1, 2), ("switch", ON)],
        *[("after", HOUR), ("refresh", 1, "reused")],
    ],
    # Nothing of the successor was seen.
    "unseen: an access token from before the exchange": [("api", 0), ("after", HOUR), ("refresh", 0, 1)],
    "unseen: under StatelessJWTAuthentication": [("stateless", 1), ("after", HOUR), ("refresh", 0, 1)],
    "unseen: a replay": [("refresh", 0, 1), ("after", HOUR), ("refresh", 0, 1)],
    # A retry begins a new grace period.
    "a second tab of a client that wakes up": [
        *[("after", HOUR), ("refresh", 0, 1), ("api", 1)],
        *[("after", 20 * SECOND), ("refresh", 0, 1), ("refresh", 1, 1)],
        *[("after", 20 * SECOND), ("refresh", 0, "reused")],
    ],
    # A thief who uses access tokens only where no session is looked up.
    "a thief with the previous token": [
        *[("stateless", 1), ("after", HOUR), ("refresh", 0, 1), ("stateless", 1)],
        *[("after", HOUR), ("refresh", 1, 2)],
        *[("after", HOUR), ("refresh", 1, "reused")],
    ],
    "a thief who was first": [
        *[("stateless", 1), ("after", HOUR), ("refresh", 0, 1), ("api", 1)],
        *[("after", HOUR), ("refresh", 1, 2), ("api", 2)],
        *[("after", HOUR), ("refresh", 1, "reused")],
    ],
    "a client with bad luck, later": [
        *[("after", HOUR), ("refresh", 0, 1)],
        *[("after", HOUR), ("refresh", 1, 2)],
        *[("after", HOUR), ("refresh", 2, 3)],
        *[("after", HOUR), ("refresh", 2, 3)],
    ],
}


@pytest.mark.django_db
@pytest.mark.parametrize("steps", STORIES.values(), ids=STORIES)
def test_a_late_token_is_a_retry_unless_its_successor_was_seen(story, steps):
    for name, *arguments in [("after", MINUTE), ("refresh", 0, 1), *steps]:
        getattr(story, name)(*arguments)
    assert row(story.session)["revoked_reason"] == ("reused" if steps[-1][-1] == "reused" else "")


OBSTACLES = {
    "revoked": lambda session: sessions.revoke(session),
    "user_inactive": lambda session: get_user_model().objects.update(is_active=False),
    "password_changed": lambda session: get_user_model().objects.update(password="md5$another$hash"),
    "session_expired": lambda session: RefreshToken.objects.update(expires_at=session.created_at + HOUR),
}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", OBSTACLES)
def test_a_retry_passes_no_other_rule(story, reason):
    story.after(MINUTE)
    story.refresh(0, 1)
    story.after(2 * HOUR)
    raw = refresh_token(story.session, 0)
    OBSTACLES[reason](story.session)
    before = row(story.session)
    assert refusal(raw) == reason
    assert row(story.session) == before


@pytest.mark.django_db
def test_who_acts_as_somebody_else_gets_no_retry(client, settings, moving, lasting):
    settings.JWTAUTH = ON
    story = Story(client, settings, moving, lasting)
    story.after(MINUTE)
    story.refresh(0, 1)
    story.after(HOUR)
    story.refresh(0, "reused")


@pytest.mark.django_db
def test_without_a_grace_period_a_lost_response_signs_nobody_out_either(story):
    story.switch({**ON, "REFRESH_GRACE_PERIOD": 0 * SECOND})
    story.refresh(0, 1)
    story.refresh(0, 1)
    story.api(1)
    story.refresh(0, "reused")


@pytest.mark.django_db
def test_a_retry_changes_the_row_as_a_rotation_and_a_replay_do(story, rf, received, caplog):
    caplog.set_level("INFO", logger="django_jwtauth.security")
    story.after(MINUTE)
    story.refresh(0, 1)
    story.after(HOUR)
    before = row(story.session)
    raw = refresh_token(story.session, 0)
    received.clear()
    request = rf.post("/", headers={"User-Agent": "new"}, REMOTE_ADDR="2001:db8::1")
    given = sessions.refresh(raw, request=request)
    after = row(story.session)
    assert {name for name in after if after[name] != before[name]} == {
        *("rotated_at", "replays", "retried_generation", "ip_address", "user_agent")
    }
    assert after["rotated_at"] == before["rotated_at"] + HOUR == given.session.rotated_at
    assert (after["replays"], after["retried_generation"]) == (1, 1)
    assert given.refresh_expires_in == 14 * 86400
    assert [name for name, _ in received] == ["session_refreshed"]
    [record] = [record for record in caplog.records if record.jwtauth_event == "refresh_retried"]
    about = record.levelname, record.jwtauth_session, record.jwtauth_address
    assert about == ("INFO", str(story.session.pk), "2001:db8::1")


@pytest.mark.django_db
def test_who_asks_first_is_told_that_the_token_is_superseded(story):
    story.after(MINUTE)
    story.refresh(0, 1)
    story.after(HOUR)
    with pytest.raises(InvalidTokenError, match="reused"):
        sessions.verify_refresh(refresh_token(story.session, 0))
    story.refresh(0, 1)


# What it costs


def statements(captured):
    return [query["sql"].split()[0] for query in captured if query["sql"].split()[0] in ("SELECT", "UPDATE")]


NOTED = ["SELECT", "UPDATE"] if connection.vendor == "sqlite" else ["SELECT", "SELECT", "UPDATE"]
"""The second SELECT takes the lock on the row, if nobody else has it."""


@pytest.mark.django_db(transaction=True)
def test_the_first_request_of_a_generation_writes_once_and_all_others_only_read(story, django_assert_max_num_queries):
    story.api(0)
    with django_assert_max_num_queries(9) as captured:
        story.api(0)
    assert statements(captured) == ["SELECT"]  # a sign-in has no token before it
    for generation in (1, 2):
        story.after(MINUTE)
        raw = refresh_token(story.session, generation - 1)
        with django_assert_max_num_queries(9) as captured:
            story.access[generation] = sessions.refresh(raw).access
        assert statements(captured) == ["SELECT", "UPDATE"]
        with django_assert_max_num_queries(9) as captured:
            story.api(generation - 1)
        assert statements(captured) == ["SELECT"]  # what has been known before says nothing
        with django_assert_max_num_queries(9) as captured:
            story.api(generation)
        assert statements(captured) == NOTED
        with django_assert_max_num_queries(9) as captured:
            story.api(generation)
            story.api(generation)
        assert statements(captured) == ["SELECT"] * 2


@pytest.mark.django_db
def test_without_the_setting_nothing_is_written(story, django_assert_num_queries):
    story.switch({})
    story.after(MINUTE)
    story.refresh(0, 1)
    assert row(story.session)["unseen_since"] is None
    with django_assert_num_queries(1):
        story.api(1)


# What goes wrong with the note


READ_ONLY, WRITABLE = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    "postgresql": ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
}[connection.vendor]


@pytest.mark.django_db(transaction=True)
def test_a_request_goes_on_if_nothing_can_be_written_and_a_later_one_makes_the_note(story, caplog):
    story.after(MINUTE)
    story.refresh(0, 1)
    with connection.cursor() as cursor:
        cursor.execute(READ_ONLY)
    story.api(1)
    story.api(1)
    with connection.cursor() as cursor:
        cursor.execute(WRITABLE)
    [record] = [record for record in caplog.records if record.name == "django_jwtauth"]  # not one for each request
    assert "REFRESH_RETRY_PERIOD" in record.message
    assert row(story.session)["unseen_since"] is not None
    story.api(1)
    assert row(story.session)["unseen_since"] is None


class Failing(APIView):
    """Looks at the session's row within the transaction of ``ATOMIC_REQUESTS``, which REST framework rolls back."""

    def get(self, request):
        self.seen_inside.append(row(RefreshToken(pk=request.auth.sid))["unseen_since"])
        raise NotFound

    seen_inside: ClassVar = []


urlpatterns = [*tests.urls.urlpatterns, path("failing/", Failing.as_view())]


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls(__name__)
def test_the_note_outlives_the_transaction_of_a_request_that_fails(story, client, monkeypatch):
    """It is not written in that transaction, which would hold a lock on the row, and is rolled back."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    story.after(MINUTE)
    story.refresh(0, 1)
    assert client.get("/failing/", **bearer(story.access[1])).status_code == 404
    assert Failing.seen_inside.pop() is not None
    assert row(story.session)["unseen_since"] is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_the_note_waits_for_the_end_of_a_transaction(story, client, ends):
    story.after(MINUTE)
    story.refresh(0, 1)
    with transaction.atomic():
        token = conf.get_config().verifier.verify(story.access[1])
        JWTAuthentication().authenticate_session(token)
        assert row(story.session)["unseen_since"] is not None
        transaction.set_rollback(ends == "rollback")
    assert (row(story.session)["unseen_since"] is None) is (ends == "commit")
    client.get("/stateless/")  # any request of this thread that ends
    assert row(story.session)["unseen_since"] is None


# Races, at the place where they are decided


@pytest.mark.django_db
@pytest.mark.parametrize("rival", ["api", "refresh", "retry"])
def test_what_happens_between_the_reading_and_the_writing_of_a_retry_decides(story, rival):
    story.switch({**ON, "CLAIMS_HOOKS": ["tests.tools.sessions.interfere"]})
    story.after(MINUTE)
    story.refresh(0, 1)
    story.after(2 * MINUTE)
    acts = {"api": lambda: story.api(1), "refresh": lambda: story.refresh(1, 2), "retry": lambda: story.refresh(0, 1)}
    _interference.append(lambda session: acts[rival]())
    story.refresh(0, 1 if rival == "retry" else "reused")
    assert row(story.session)["replays"] == (2 if rival == "retry" else 0)
