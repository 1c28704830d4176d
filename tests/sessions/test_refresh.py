"""What a refresh leads to: a rotation, the same token again, or a refusal."""

import datetime

import pytest
from django.contrib.auth import get_user_model

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken, RevokedReason
from tests.tools.sessions import HOUR, age_of_code, change, claims_of, now, refresh_token, refusal, row

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
# Refresh: the table of rotation. Columns: the token's generation against the row's, the row's age, the window.

REPEAT, ROTATE, REPLAY = "repeat", "rotate", "replay"
TABLE = [
    ("present, fresh", 0, 0 * SECOND, 30, REPEAT),
    ("present, just inside", 0, 20 * SECOND, 30, REPEAT),
    ("present, past the window", 0, 31 * SECOND, 30, ROTATE),
    ("present, old", 0, 13 * DAY, 30, ROTATE),
    ("present, rotated in the future", 0, -HOUR, 30, REPEAT),
    ("previous, fresh", -1, 0 * SECOND, 30, REPLAY),
    ("previous, just inside", -1, 20 * SECOND, 30, REPLAY),
    ("previous, rotated in the future", -1, -HOUR, 30, REPLAY),
    ("previous, past the window", -1, 31 * SECOND, 30, "reused"),
    ("second last, fresh", -2, 0 * SECOND, 30, "reused"),
    ("first, old", -5, HOUR, 30, "reused"),
    ("next, fresh", 1, 0 * SECOND, 30, "ahead"),
    ("next, old", 1, HOUR, 30, "ahead"),
    ("far ahead", 1000, HOUR, 30, "ahead"),
    ("no window: present, fresh", 0, 0 * SECOND, 0, ROTATE),
    ("no window: present, rotated in the future", 0, -HOUR, 0, ROTATE),
    ("no window: present, old", 0, HOUR, 0, ROTATE),
    ("no window: previous, fresh", -1, 0 * SECOND, 0, "reused"),
    ("no window: next", 1, 0 * SECOND, 0, "ahead"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("step", "age", "window", "outcome"), [case[1:] for case in TABLE], ids=[c[0] for c in TABLE])
def test_each_generation_and_age_has_its_outcome(pair, settings, step, age, window, outcome):
    settings.JWTAUTH = {"REFRESH_GRACE_PERIOD": window * SECOND}
    change(pair.session, generation=5, rotated_at=now() - age)
    raw = refresh_token(pair.session, 5 + step)
    before = row(pair.session)

    # Asking first tells the same, but for what was superseded, and changes nothing.
    if outcome in (REPEAT, ROTATE):
        assert sessions.verify_refresh(raw) == pair.session
    else:
        with pytest.raises(InvalidTokenError, match="reused" if outcome == REPLAY else outcome):
            sessions.verify_refresh(raw)
    assert row(pair.session) == before

    if outcome in ("reused", "ahead"):
        assert refusal(raw) == outcome
    else:
        given = sessions.refresh(raw)
        assert claims_of(given.access)["sid"] == str(pair.session.pk)
        assert given.refresh == refresh_token(pair.session, 6 if outcome == ROTATE else 5)
    after = row(pair.session)
    changed = {name for name, value in after.items() if value != before[name]}
    assert (
        changed
        == {
            REPEAT: set(),
            ROTATE: {"generation", "rotated_at"},
            REPLAY: {"replays"},
            "reused": {"revoked_at", "revoked_reason"},
            "ahead": set(),
        }[outcome]
    )
    if outcome == ROTATE:
        assert after["generation"] == 6
        assert abs(after["rotated_at"] - now()) < 5 * SECOND
    if outcome == REPLAY:
        assert after["replays"] == 1
    if outcome == "reused":
        assert after["revoked_reason"] == RevokedReason.REUSED


# What stands against a session, in the order in which it is found out.

OBSTACLES = {
    "invalid": lambda session: change(session, secret=b"another secret, 32 bytes long ..."),
    "revoked": lambda session: change(session, revoked_at=now(), revoked_reason="admin"),
    "session_expired": lambda session: change(session, expires_at=now() - SECOND),
    "user_inactive": lambda session: get_user_model().objects.update(is_active=False),
    "password_changed": lambda session: get_user_model().objects.update(password="md5$another$hash"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("generation", [3, 4, 5, 6], ids=["reused", "previous", "present", "ahead"])
@pytest.mark.parametrize("first", range(len(OBSTACLES)), ids=list(OBSTACLES))
def test_the_first_obstacle_names_the_reason_and_nothing_changes(pair, received, first, generation):
    """With an obstacle all later ones are there too; and none of them is hidden by the generation, or by reuse."""
    change(pair.session, generation=5, rotated_at=now() - HOUR)
    raw = refresh_token(pair.session, generation)
    names = list(OBSTACLES)[first:]
    for name in names:
        OBSTACLES[name](pair.session)
    before = row(pair.session)
    assert refusal(raw) == names[0]
    with pytest.raises(InvalidTokenError, match=names[0]):
        sessions.verify_refresh(raw)
    assert row(pair.session) == before
    assert received == []


@pytest.mark.django_db
def test_a_token_of_no_session_is_invalid(pair):
    RefreshToken.objects.all().delete()
    assert refusal(pair.refresh) == "invalid"


@pytest.mark.django_db
def test_the_idle_limit_ends_a_session_on_the_databases_clock(pair):
    change(pair.session, rotated_at=now() - 14 * DAY - SECOND)
    assert refusal(pair.refresh) == "session_expired"
    change(pair.session, rotated_at=now() - 14 * DAY + 60 * SECOND)
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.django_db
def test_each_rotation_renews_the_idle_limit(pair):
    change(pair.session, rotated_at=now() - 13 * DAY)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.refresh_expires_in > 13.9 * 86400


@pytest.mark.django_db
def test_the_same_generation_gives_the_same_bytes_and_a_fresh_access_token(pair):
    again = sessions.refresh(pair.refresh)
    assert again.refresh == pair.refresh
    assert again.access != pair.access
    assert claims_of(again.access)["jti"] != claims_of(pair.access)["jti"]


@pytest.mark.django_db
def test_the_window_never_slides(pair):
    """Neither repeats nor replays move the time from which the window is counted."""
    age_of_code(pair)
    first = sessions.refresh(pair.refresh)
    change(pair.session, rotated_at=now() - 20 * SECOND)
    rotated_at = row(pair.session)["rotated_at"]
    for raw in (pair.refresh, first.refresh, pair.refresh):
        assert sessions.refresh(raw).refresh == refresh_token(pair.session, 1)
    stored = row(pair.session)
    assert stored["rotated_at"] == rotated_at
    assert stored["replays"] == 2


@pytest.mark.django_db
def test_one_row_after_a_hundred_refreshes(pair):
    raw = pair.refresh
    for _ in range(100):
        change(pair.session, rotated_at=now() - HOUR)
        raw = sessions.refresh(raw).refresh
    assert RefreshToken.objects.get().generation == 100


@pytest.mark.django_db
def test_a_rotation_notes_where_the_client_is_now(pair, rf):
    age_of_code(pair)
    request = rf.post("/", headers={"User-Agent": "new"}, REMOTE_ADDR="2001:db8::1")
    sessions.refresh(pair.refresh, request=request)
    stored = row(pair.session)
    assert (stored["ip_address"], stored["user_agent"]) == ("2001:db8::1", "new")
    # One without a request knows nothing of it, and forgets nothing.
    age_of_code(pair)
    sessions.refresh(refresh_token(pair.session, 1))
    stored = row(pair.session)
    assert (stored["generation"], stored["ip_address"], stored["user_agent"]) == (2, "2001:db8::1", "new")


@pytest.mark.django_db
def test_how_a_user_signed_in_stays_as_it_was_over_refreshes(user):
    pair = sessions.start(user, amr=["pwd", "otp"], acr="silver", scope="orders:read")
    change(pair.session, auth_time=now() - HOUR)
    pair.session.refresh_from_db()
    expected = {
        "amr": ["pwd", "otp"],
        "acr": "silver",
        "scope": "orders:read",
        "auth_time": int(pair.session.auth_time.timestamp()),
    }
    raw = pair.refresh
    for _ in range(2):
        age_of_code(pair)
        renewed = sessions.refresh(raw)
        assert {name: claims_of(renewed.access)[name] for name in expected} == expected
        raw = renewed.refresh


@pytest.mark.django_db
def test_a_refresh_token_goes_on_only_where_it_belongs(user):
    """Two sessions of one user: neither's tokens say anything about the other."""
    one, other = sessions.start(user), sessions.start(user)
    sessions.revoke(one.session)
    assert refusal(one.refresh) == "revoked"
    assert sessions.refresh(other.refresh).session == other.session


@pytest.mark.django_db
@pytest.mark.parametrize("raw", ["", "a.b.c", b"\xff", "no token"])
def test_what_is_no_token_is_refused_without_a_query(raw, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert refusal(raw) == "invalid"
