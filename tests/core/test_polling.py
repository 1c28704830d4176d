"""Values that are cached in memory and read by whoever needs them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_jwtauth._core.polling import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, CachedValue, Reading
from tests.tools.issuers import PATIENCE, make_old
from tests.tools.polling import NEVER, CachedNumber, retry_now, retry_time, together
from tests.tools.products import each_row

# Age


@each_row(("mono", "wall"), [(0, 0), (100, 100), (0, 100), (100, 0), (100, -100)])
def test_the_age_is_that_of_the_clock_that_went_further(mono, wall):
    reading = Reading(value=1, started=time.monotonic() - mono, started_at=time.time() - wall)
    assert max(mono, wall) <= reading.age < max(mono, wall) + 30


def test_the_value_is_not_in_the_repr():
    assert "secret" not in repr(Reading(value="secret", started=0.0, started_at=0.0))


# Read by who needs it


def test_it_is_read_once_while_it_is_fresh(source):
    cached = CachedNumber(source)
    assert cached.latest is None
    assert cached.age() == float("inf")
    began = time.time()
    assert [cached.fresh(interval=NEVER, patience=0).value for _ in range(5)] == [1] * 5
    assert cached.latest.value == 1
    assert began <= cached.latest.started_at <= time.time()
    make_old(cached, NEVER)
    assert cached.fresh(interval=NEVER, patience=0).value == 2
    assert source.lasts == [None, 1]


def test_while_one_thread_reads_the_others_use_the_old_one_or_wait(source):
    cached = CachedNumber(source)
    cached.fresh(interval=NEVER, patience=0)
    source.gate.clear()
    make_old(cached, 1.5 * NEVER)
    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        reader = pool.submit(cached.fresh, interval=NEVER, patience=PATIENCE)
        source.wait_for_reading()
        source.wait_for_reading()
        assert cached.fresh(interval=NEVER, patience=PATIENCE).value == 1  # older than the interval: good enough
        make_old(cached, NEVER)
        assert cached.fresh(interval=NEVER, patience=0.25).value == 1  # older than two: it was waited for
        assert time.monotonic() - began >= 0.2  # patience is counted from the beginning of the attempt
        waiter = pool.submit(cached.fresh, interval=NEVER, patience=PATIENCE)
        source.gate.set()
        assert (reader.result(PATIENCE).value, waiter.result(PATIENCE).value) == (2, 2)
    assert source.count == 2


def test_nobody_waits_for_an_attempt_that_is_older_than_their_patience(source):
    """Where the source hangs, one request after the other would wait."""
    cached = CachedNumber(source)
    source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(cached.fresh, interval=NEVER, patience=PATIENCE)
        source.wait_for_reading()
        began = time.monotonic()
        for _ in range(40):
            assert cached.fresh(interval=NEVER, patience=0.25) is None
        assert time.monotonic() - began < 20 * 0.25  # once, and not forty times
        source.gate.set()
    assert cached.latest.value == 1


def test_many_at_once_read_once(source):
    cached = CachedNumber(source)
    assert {reading.value for reading in together(8, lambda: cached.fresh(interval=NEVER, patience=PATIENCE))} == {1}
    make_old(cached, 3 * NEVER)
    assert {reading.value for reading in together(8, lambda: cached.fresh(interval=NEVER, patience=PATIENCE))} == {2}


def test_failures_are_reported_and_back_off(source):
    cached = CachedNumber(source)
    cached.fresh(interval=0, patience=0)
    source.fails = True
    pauses = []
    for number in range(2, 10):
        retry_now(cached)  # the time has come
        before = time.monotonic()
        for _ in range(3):
            assert cached.fresh(interval=0, patience=PATIENCE).value == 1
        assert source.count == number
        pauses.append((retry_time(cached) - time.monotonic(), retry_time(cached) - before))
    for (least, most), pause in zip(pauses, [0.5, 1, 2, 4, 8, 10, 10, 10], strict=True):
        assert least <= pause <= most
    assert (FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS) == (0.5, 10)
    assert source.reports == [(number,) for number in range(2, 10)]
    cached._failed = 10_000  # after a night, the number is not too large
    retry_now(cached)
    cached.fresh(interval=0, patience=0)
    source.fails = False
    retry_now(cached)
    assert cached.fresh(interval=0, patience=0).value == source.count
    assert cached.fresh(interval=0, patience=0).value == source.count  # no pause any more


def test_another_exception_is_none_of_its_business_and_locks_nobody_out(source):
    cached = CachedNumber(source)
    cached.read = lambda last: 1 / 0
    with pytest.raises(ZeroDivisionError):
        cached.fresh(interval=NEVER, patience=0)
    del cached.read
    assert cached.fresh(interval=NEVER, patience=0).value == 1
    assert source.reports == []


def test_what_is_to_be_defined():
    with pytest.raises(NotImplementedError):
        CachedValue().read(None)
    with pytest.raises(NotImplementedError):
        CachedValue().report(LookupError())
