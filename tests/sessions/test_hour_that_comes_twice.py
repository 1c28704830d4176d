"""``USE_TZ = False``: the hour that comes twice when local clocks are put back."""

import datetime
import zoneinfo

import pytest
from django.db import connection

from django_jwtauth import compiled, database, revocation_cache, sessions
from django_jwtauth._core.clock import issuer_clock
from django_jwtauth.database import epoch, storable
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.not_before import stateful, verdict

MINUTE = datetime.timedelta(minutes=1)
# The moment at which clocks are put back, and by how much: an hour, half an hour, and in a zone whose "summer" time is
# the normal one.
ZONES = {
    "America/New_York": datetime.datetime(2026, 11, 1, 6, tzinfo=datetime.UTC),
    "Australia/Lord_Howe": datetime.datetime(2026, 4, 4, 15, tzinfo=datetime.UTC),
    "Europe/Dublin": datetime.datetime(2026, 10, 25, 1, tzinfo=datetime.UTC),
}


@pytest.fixture
def local_times(settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    yield ZONES["America/New_York"]
    issuer_clock.forget()


@pytest.mark.parametrize("zone", ZONES)
def test_later_is_always_later_and_the_time_can_be_restored(settings, zone):
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    put_back = ZONES[zone]
    moments = [put_back + number * 7 * MINUTE for number in range(-40, 40)]
    moments += [put_back + seconds * datetime.timedelta(microseconds=500_000) for seconds in range(-5, 6)]
    moments.sort()
    stored = [storable(moment) for moment in moments]
    assert all(at.tzinfo is None and at.fold == 0 for at in stored)
    assert stored == sorted(stored)
    assert len(set(stored)) == len(set(moments))
    for moment, at in zip(moments, stored, strict=True):
        assert epoch(at) == pytest.approx(moment.timestamp(), abs=0.000_01)
    # Everywhere else it is the local time, also in the hour that is skipped half a year later.
    for days in (-100, 100, *range(150, 220)):
        moment = put_back + datetime.timedelta(days=days)
        local = moment.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
        assert (storable(moment), epoch(local)) == (local, moment.timestamp())


@pytest.fixture
def at(monkeypatch):
    """The database's clock says what a test says."""

    def at(moment):
        microseconds = str(int(moment.timestamp() * 1_000_000))
        monkeypatch.setitem(database._CLOCKS, connection.vendor, microseconds)
        compiled.forget()
        issuer_clock.forget()
        RefreshToken.objects.now()  # and this process goes by it
        revocation_cache.forget()

    return at


@pytest.mark.django_db
def test_signing_everyone_out_in_that_hour_ends_what_began_before_and_nothing_else(local_times, user, at):
    put_back = local_times
    at(put_back - 2 * MINUTE)  # 1:58, for the first time
    before = sessions.start(user)
    at(put_back + 1 * MINUTE)  # 1:01, for the second time
    sessions.revoke_everyone()
    assert [stateful(before.access), verdict(before.access)] == ["revoked"] * 2
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.refresh(before.refresh)
    at(put_back + 7 * MINUTE)
    after = sessions.start(user)
    assert [stateful(after.access), verdict(after.access)] == ["accepted"] * 2


@pytest.mark.django_db
def test_who_was_signed_out_in_the_first_pass_can_sign_in_in_the_second(local_times, user, at):
    put_back = local_times
    at(put_back - 10 * MINUTE)
    sessions.revoke_everyone()
    at(put_back + 5 * MINUTE)
    pair = sessions.start(user)
    assert [stateful(pair.access), verdict(pair.access)] == ["accepted"] * 2


@pytest.mark.django_db
def test_an_old_refresh_token_is_reuse_in_that_hour_too(local_times, user, at):
    put_back = local_times
    at(put_back - 30 * MINUTE)
    first = sessions.start(user)
    at(put_back - 10 * MINUTE)
    second = sessions.refresh(first.refresh)
    at(put_back + 10 * MINUTE)
    assert sessions.refresh(second.refresh).session.generation == 2
    at(put_back + 20 * MINUTE)
    with pytest.raises(InvalidTokenError, match="reused"):
        sessions.refresh(first.refresh)
