"""The times on the revocation list, and their purge."""

import datetime
import io

import pytest
from django.core.management import call_command

from django_jwtauth import sessions
from django_jwtauth.database import epoch
from django_jwtauth.models import NotBefore, RefreshToken
from tests.tools.not_before import DAY, access_of, bulk, listed, now, stateful, verdict

MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)


# What is on the list, and for how long


def entry_of(age):
    at = now() - age
    return NotBefore.objects.create(not_before=at, created_at=at)


@pytest.mark.django_db
def test_the_list_holds_the_latest_time(user, clock):
    times = [entry_of(minutes * MINUTE) for minutes in (3, 1, 2)]
    assert listed().not_before == int(epoch(times[1].not_before))


@pytest.mark.django_db
def test_a_time_leaves_the_list_when_all_tokens_it_concerns_have_expired(user, clock):
    """The lifetime of an access token (5 min), twice the leeway (10 s), and 5 minutes for clocks that differ.

    What is read begins with a whole part of the list, so up to 5 seconds earlier.
    """
    entry_of(616 * SECOND)
    assert listed().not_before == 0
    inside = entry_of(600 * SECOND)
    assert listed().not_before == int(epoch(inside.not_before))


@pytest.mark.django_db
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "incremental"])
def test_another_processs_times_are_found_within_the_interval(user, pair, clock, whole):
    assert verdict(pair.access) == "accepted"
    if not whole:
        sessions.revoke(sessions.start(user).session)
        clock.now += 1
        assert verdict(pair.access) == "accepted"
    entry_of(-SECOND)
    assert verdict(pair.access) == "accepted"  # read a moment ago
    clock.now += 61 if whole else 2.001
    assert verdict(pair.access) == "revoked"


# The purge


def purge():
    call_command("jwtauth_purge", stdout=io.StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([9 * MINUTE], [0]),
        ([400 * DAY], [0]),  # the last one stays for ever: it judges sessions however old they are
        ([400 * DAY, 40 * DAY, 11 * MINUTE], [2]),
        ([11 * MINUTE, 400 * DAY, 9 * MINUTE], [2]),
        ([3 * MINUTE, 9 * MINUTE], [0, 1]),
    ],
)
def test_of_the_times_of_everyone_the_last_one_is_kept(ages, kept):
    entries = [entry_of(age) for age in ages]
    purge()
    assert set(NotBefore.objects.all()) == {entries[index] for index in kept}


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 100])
def test_times_are_purged_in_batches_too(user, batch):
    for age in range(1, 11):
        entry_of(age * DAY)
    out = io.StringIO()
    call_command("jwtauth_purge", "--dry-run", stdout=out)
    assert "sign-outs of everyone: 9 would be deleted" in out.getvalue()
    out = io.StringIO()
    call_command("jwtauth_purge", f"--batch-size={batch}", stdout=out)
    assert "sign-outs of everyone: 9 deleted" in out.getvalue()
    assert NotBefore.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "kept"), [(29 * DAY, True), (31 * DAY, False)], ids=["signed-out-recently", "signed-out-long-ago"]
)
def test_sessions_that_were_signed_out_are_purged_like_revoked_ones(user, settings, age, kept):
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 80 * DAY}
    (session,) = bulk(user, 1, created_at=now() - 50 * DAY)
    (newer,) = bulk(user, 1)
    entry_of(age)
    purge()
    assert RefreshToken.objects.filter(pk=session.pk).exists() is kept
    assert RefreshToken.objects.filter(pk=newer.pk).exists()


@pytest.mark.django_db
def test_a_session_stays_signed_out_when_older_times_are_purged(user):
    (session,) = bulk(user, 1, created_at=now() - 5 * DAY)
    for age in (4 * DAY, DAY):
        entry_of(age)
    purge()
    assert NotBefore.objects.count() == 1
    assert not RefreshToken.objects.filter(pk=session.pk).not_signed_out().exists()
    assert stateful(access_of(session)) == "revoked"
