"""The purge: what it deletes, and what it must keep."""

import datetime
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.models import BlacklistedToken, RefreshToken

pytestmark = pytest.mark.django_db
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def purge(*args, stdout=None):
    stdout = stdout or io.StringIO()
    call_command("jwtauth_purge", *args, stdout=stdout)
    return stdout.getvalue()


def session_of(user, **ages):
    """Start a session some of whose times lie that long ago."""
    session = sessions.start(user).session
    times = {name: session.created_at - age for name, age in ages.items()}
    RefreshToken.objects.filter(pk=session.pk).update(**times)
    return session


SESSIONS = [
    pytest.param({}, {}, True, id="live"),
    pytest.param({"expires_at": MINUTE}, {}, False, id="expired"),
    pytest.param({"expires_at": -MINUTE}, {}, True, id="about-to-expire"),
    pytest.param({"rotated_at": 15 * DAY}, {}, False, id="idle"),
    pytest.param({"rotated_at": 13 * DAY}, {}, True, id="idle-not-long-enough"),
    pytest.param({"revoked_at": 29 * DAY}, {}, True, id="revoked-recently"),
    pytest.param({"revoked_at": 31 * DAY}, {}, False, id="revoked-long-ago"),
    pytest.param({"revoked_at": MINUTE, "expires_at": MINUTE}, {}, True, id="expired-but-listed"),
    pytest.param({"revoked_at": MINUTE, "rotated_at": 15 * DAY}, {}, True, id="idle-but-listed"),
    pytest.param({"revoked_at": 9 * MINUTE}, {"PURGE_REVOKED_AFTER": 0 * DAY}, True, id="still-listed"),
    pytest.param({"revoked_at": 11 * MINUTE}, {"PURGE_REVOKED_AFTER": 0 * DAY}, False, id="listed-no-more"),
    pytest.param({"rotated_at": 2 * DAY}, {"REFRESH_TOKEN_LIFETIME": DAY}, False, id="idle-by-setting"),
]


@pytest.mark.parametrize(("ages", "settings", "kept"), SESSIONS)
def test_which_sessions_are_kept(user, ages, settings, kept):
    session = session_of(user, **ages)
    with override_settings(JWTAUTH=settings):
        purge()
    assert RefreshToken.objects.filter(pk=session.pk).exists() is kept


@pytest.mark.parametrize(
    ("expired", "created", "kept"),
    [
        pytest.param(-MINUTE, MINUTE, True, id="not-expired"),
        pytest.param(MINUTE, MINUTE, True, id="expired-but-listed"),
        pytest.param(11 * MINUTE, 11 * MINUTE, False, id="expired-and-not-listed"),
        pytest.param(11 * MINUTE, 9 * MINUTE, True, id="blacklisted-late"),
        pytest.param(9 * MINUTE, 11 * MINUTE, True, id="expired-lately"),
    ],
)
def test_which_blacklisted_tokens_are_kept(user, pair, expired, created, kept):
    sessions.blacklist(pair.access)
    now = pair.session.created_at
    BlacklistedToken.objects.update(expires_at=now - expired, created_at=now - created)
    purge()
    assert BlacklistedToken.objects.exists() is kept
    assert RefreshToken.objects.exists()


def test_sessions_of_deleted_users_go_too(user):
    session_of(user, revoked_at=31 * DAY)
    user.delete()
    purge()
    assert not RefreshToken.objects.exists()


def test_it_says_what_it_did(user):
    session_of(user, expires_at=DAY)
    sessions.start(user)
    assert purge().splitlines() == [
        "refresh tokens (sessions): 1 deleted",
        "blacklisted access tokens: 0 deleted",
        "sign-outs of everyone: 0 deleted",
    ]


def test_a_dry_run_counts_and_deletes_nothing(user):
    session_of(user, expires_at=DAY)
    sessions.start(user)
    assert purge("--dry-run").splitlines() == [
        "refresh tokens (sessions): 1 would be deleted",
        "blacklisted access tokens: 0 would be deleted",
        "sign-outs of everyone: 0 would be deleted",
    ]
    assert RefreshToken.objects.count() == 2


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_any_batch_size_deletes_the_same(user, batch_size, django_assert_max_num_queries):
    kept = {sessions.start(user).session for _ in range(3)}
    for _ in range(7):
        session_of(user, expires_at=DAY)
    # Per batch one query to find its end and one to delete it.
    with django_assert_max_num_queries(6 + 2 * (7 // batch_size + 1)):
        assert "7 deleted" in purge(f"--batch-size={batch_size}")
    assert set(RefreshToken.objects.all()) == kept


@pytest.mark.parametrize("size", ["0", "-1", "x"])
def test_a_batch_size_that_makes_no_sense_is_refused(user, size):
    session_of(user, expires_at=DAY)
    with pytest.raises(CommandError, match="batch-size"):
        purge(f"--batch-size={size}")
    assert RefreshToken.objects.exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_it_shows_progress(user):
    for _ in range(3):
        session_of(user, expires_at=DAY)
    shown = purge("--batch-size=2", stdout=Terminal())
    assert shown.split("\r")[1:3] == ["refresh tokens (sessions): 2 deleted", "refresh tokens (sessions): 3 deleted"]
    assert shown.endswith("\rsign-outs of everyone: 0 deleted\n")


def test_a_session_that_is_refreshed_meanwhile_is_kept(user):
    chosen = [session_of(user, rotated_at=15 * DAY) for _ in range(2)]
    refreshed = []

    def refresh_one(execute, sql, params, many, context):
        if sql.startswith("DELETE") and not refreshed:
            refreshed.append(chosen[0])
            RefreshToken.objects.filter(pk=chosen[0].pk).update(rotated_at=chosen[0].created_at)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refresh_one):
        assert "1 deleted" in purge()
    assert refreshed == list(RefreshToken.objects.all())
