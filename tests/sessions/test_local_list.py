"""The entries of a list, reading after reading, and their parts."""

from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import strategies as st

from django_jwtauth import conf
from django_jwtauth.local_list import MAX_PARTS, Entries, part_length, part_number

START = datetime(2027, 1, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=5)

READINGS = st.lists(
    st.tuples(
        st.integers(0, 20),  # how many seconds later
        st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcdefgh"), st.integers(-20, 0)), max_size=6),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(params=[True, False], ids=["aware", "naive"])
def use_tz(request, settings):
    settings.USE_TZ = request.param
    settings.TIME_ZONE = "America/Los_Angeles"
    return request.param


@hypothesis.given(readings=READINGS)
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_after_each_reading_the_parts_hold_what_the_list_holds(readings, use_tz):
    now, last, expected = START, None, ({}, {})
    for seconds, rows in readings:
        now += timedelta(seconds=seconds)
        entries = Entries(last, begins_at=now.timestamp() - 30, length=LENGTH)
        assert timedelta(0) <= timedelta(seconds=now.timestamp() - 30) - (at_of(entries.oldest, use_tz)) < LENGTH
        for known in expected:
            for key in [key for key, at in known.items() if at < entries.oldest]:
                del known[key]
        assert entries.newest == max([entries.oldest, *expected[0].values(), *expected[1].values()])
        before = {number: (set(sids), set(jtis)) for number, (sids, jtis) in entries.parts.items()}
        for kind, key, ago in rows:
            at = now + timedelta(seconds=ago)
            at = at if use_tz else datetime.fromtimestamp(at.timestamp())
            entries.add(kind, key, at)
            expected[kind][key] = at
        found = entries.as_list(not_before=0, begins_at=0.0, fully_read_at=0.0)
        assert (found.sids, found.jtis) == expected
        divided = {}
        for kind, known in enumerate(expected):
            for key, at in known.items():
                divided.setdefault(part_number(at, LENGTH), (set(), set()))[kind].add(key)
        assert found.parts == divided
        for number, ids in before.items():  # the last list is as it was
            assert last.parts[number] == ids
            assert rows or found.parts[number] is last.parts[number]
        last = found


def at_of(moment, use_tz):
    """Return a time of the list in seconds since 1970, as a duration."""
    return timedelta(seconds=(moment if use_tz else moment.astimezone()).timestamp())


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 5), (5, 5), (6, 6), (60, 31), (24 * 60, 678)])
def test_a_list_has_about_128_parts_however_long_tokens_live(settings, minutes, seconds):
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=minutes)}
    config = conf.get_config()
    assert part_length(config) == timedelta(seconds=seconds)
    assert config.retention_seconds / seconds <= MAX_PARTS
