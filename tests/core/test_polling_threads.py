"""Values that a thread of their own reads: who asks, who waits, and for how long."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from django_jwtauth._core import polling
from django_jwtauth._core.polling import PolledValue
from tests.tools.issuers import PATIENCE, make_old, read_anew
from tests.tools.polling import (
    NEVER,
    CachedNumber,
    PolledNumber,
    Source,
    failures_of,
    is_reading,
    let_pass,
    locks_of,
    no_threads,
    retry_later,
    start_reading,
    stop_when_locked,
    thread_of,
    together,
    wait_until,
)
from tests.tools.processes import run_script

# Read by a thread of its own


def test_the_first_use_waits_and_the_others_do_not(source, poll):
    polled = poll()
    assert source.count == 0
    assert None not in together(8, polled.current)
    read_anew(polled)
    count = source.count
    source.gate.clear()
    for _ in range(1000):
        assert polled.current().value == count
    assert source.count == count


def test_it_is_read_again_and_again_without_being_asked(source, poll):
    polled = poll(interval=0.02)
    polled.current()
    for _ in range(5):
        source.wait_for_reading()
    assert source.reports == []


def test_nobody_waits_while_a_reading_hangs_that_is_not_needed_yet(source, poll):
    polled = poll()
    polled.current()
    source.gate.clear()
    start_reading(polled)
    source.wait_for_reading()
    source.wait_for_reading()
    assert [polled.current().value for _ in range(100)] == [1] * 100
    assert is_reading(polled)


def test_what_is_older_than_two_intervals_is_waited_for(source, poll):
    polled = poll()
    polled.current()
    for _ in range(3):
        read_anew(polled)
        count = source.count
        make_old(polled, 2 * NEVER + 1)
        assert all(reading.value > count for reading in together(8, polled.current))


def test_waiting_ends(source, poll):
    polled = poll(timeout=0.25)
    source.gate.clear()
    began = time.monotonic()
    assert polled.current() is None
    assert 0.2 <= time.monotonic() - began < PATIENCE
    source.gate.set()
    read_anew(polled)
    source.gate.clear()
    make_old(polled, 3 * NEVER)
    began = time.monotonic()
    assert polled.current().value == 2  # who asked says whether it is too old
    assert 0.2 <= time.monotonic() - began < PATIENCE


def test_a_source_that_fails_is_not_waited_for_but_tried_again(source, poll):
    polled = poll()
    source.fails = True
    assert polled.current() is None
    source.gate.clear()
    assert [polled.current() for _ in range(100)] == [None] * 100
    source.fails = False
    source.gate.set()
    wait_until(polled, lambda: polled.latest)  # by itself
    # On a slow machine, it may have failed more often than once before the source recovered.
    failures = len(source.reports)
    assert failures >= 1
    assert polled.current().value == failures + 1
    assert source.reports == [(number,) for number in range(1, failures + 1)]


def test_failures_of_the_thread_back_off(source, poll):
    polled = poll(interval=0.001)
    source.fails = True
    polled.current()
    wait_until(polled, lambda: failures_of(polled) >= 3)
    began = polled._began
    assert polled.run_once() > 0.5
    assert polled._due() - began >= 2  # 0.5, 1, 2
    assert source.count == 3


def test_there_is_a_pause_however_long_a_reading_takes(source, poll):
    polled = poll()
    polled.current()
    polled._began, polled._ended = time.monotonic() - 2 * NEVER, time.monotonic()
    assert NEVER / 10 - 30 < polled.run_once() <= NEVER / 10
    assert source.count == 1


# Asking for a reading


def test_asking_reads_once_per_cooldown(source, poll):
    polled = poll()
    polled.current()
    together(8, lambda: polled.refresh(cooldown=NEVER, patience=PATIENCE))
    assert source.count == 1
    let_pass(polled, NEVER)
    together(8, lambda: polled.refresh(cooldown=NEVER, patience=PATIENCE))
    assert source.count == 2
    assert polled.current().value == 2


def test_who_asks_waits_for_a_reading_under_way_but_not_for_ever(source, poll):
    polled = poll()
    polled.current()
    source.wait_for_reading()
    source.gate.clear()
    let_pass(polled, NEVER)
    began = time.monotonic()
    polled.refresh(cooldown=NEVER, patience=0.25)
    assert time.monotonic() - began >= 0.2
    source.wait_for_reading()
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(polled.refresh, cooldown=NEVER, patience=PATIENCE)
        source.gate.set()
        waiter.result(PATIENCE)
    assert source.count == 2
    assert polled.current().value == 2


def test_nobody_asks_a_source_that_fails(source, poll):
    polled = poll()
    source.fails = True
    polled.current()
    count = source.count
    retry_later(polled, NEVER)
    for _ in range(100):
        polled.refresh(cooldown=0, patience=PATIENCE)
    assert source.count <= count + 1  # the one that was due


# Where threads cannot be started


def test_without_threads_who_needs_it_reads_it(source, poll, monkeypatch):
    no_threads(monkeypatch)
    polled = poll()
    assert [polled.current().value for _ in range(3)] == [1] * 3
    assert thread_of(polled) is None
    polled.refresh(cooldown=NEVER, patience=PATIENCE)
    assert source.count == 1
    let_pass(polled, NEVER)
    polled.refresh(cooldown=NEVER, patience=PATIENCE)
    assert source.count == 2
    source.fails = True
    polled.refresh(cooldown=0, patience=PATIENCE)
    polled.refresh(cooldown=0, patience=PATIENCE)
    assert source.count == 3
    assert polled.current().value == 2


def test_without_threads_one_asks_at_a_time(source, poll, monkeypatch):
    polled = poll()
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        pool.submit(int).result(PATIENCE)  # this thread is there already
        no_threads(patch)
        polled.current()
        source.wait_for_reading()
        let_pass(polled, NEVER)
        source.gate.clear()
        first = pool.submit(polled.refresh, cooldown=NEVER, patience=PATIENCE)
        source.wait_for_reading()
        let_pass(polled, NEVER)
        polled.refresh(cooldown=NEVER, patience=PATIENCE)  # does not wait: its request has nothing to wait for
        source.gate.set()
        first.result(PATIENCE)
    assert source.count == 2


def test_a_thread_is_started_as_soon_as_that_is_possible(source, poll, monkeypatch):
    polled = poll()
    with monkeypatch.context() as patch:
        no_threads(patch)
        polled.current()
    assert thread_of(polled) is None
    assert polled.current().value == 1
    assert thread_of(polled).is_alive()


def test_a_thread_that_died_is_replaced(source, poll, monkeypatch):
    polled = poll()
    polled.current()
    old = thread_of(polled)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    def die():
        raise SystemExit

    polled.run_once = die
    polled._wake.set()
    old.join(PATIENCE)
    del polled.run_once
    assert polled.current().value == 1
    assert thread_of(polled) is not old
    assert thread_of(polled).is_alive()


def test_many_at_once_start_one_thread(source, poll):
    before = set(threading.enumerate())
    polled = poll()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: polled.current(), range(8)))
    assert set(threading.enumerate()) - before == {thread_of(polled)}
    assert thread_of(polled).daemon  # no process is kept from ending


# Ends and forks


@pytest.mark.parametrize("interval", [0.01, NEVER])
def test_the_thread_ends_with_the_value(source, poll, interval):
    polled = poll(interval=interval)
    polled.current()
    thread = thread_of(polled)
    assert thread.is_alive()
    del polled
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_the_thread_ends_with_a_value_that_goes_while_it_is_read(source, poll):
    polled = poll(timeout=0.01)
    source.gate.clear()
    polled.current()
    source.wait_for_reading()
    thread = thread_of(polled)
    del polled
    source.gate.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_after_it_has_been_stopped_nothing_is_read(source, poll):
    polled = poll(interval=0.02)
    polled.current()
    thread = thread_of(polled)
    polled.stop()
    count = source.count
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert (source.count, polled.latest) == (count, None)
    assert polled.current().value > count


def test_stopping_waits_for_the_reading_under_way(source, poll):
    polled = poll()
    polled.current()
    source.gate.clear()
    start_reading(polled)
    source.wait_for_reading()
    source.wait_for_reading()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(polled.stop)
        time.sleep(0.05)
        assert not stopping.done()
        source.gate.set()
        stopping.result(PATIENCE)
    assert polled.latest is None


def test_a_thread_that_has_waited_its_turn_does_not_read_what_was_forgotten_meanwhile(source, poll):
    polled = poll()
    stop_when_locked(polled)
    assert polled.run_once() == 0.0
    assert source.count == 0


def test_a_forked_process_begins_anew(source, poll):
    """As it looks from inside: no threads, and perhaps locks that nobody will ever open again."""
    polled = poll()
    cached = CachedNumber(source)
    assert polled.current().value == 1
    assert cached.fresh(interval=NEVER, patience=0).value == 2
    parents = thread_of(polled)
    for lock in (*locks_of(polled), *locks_of(cached)):
        lock.acquire()
    _, changed = locks_of(polled)
    polling._forget_all()
    assert polled.latest is cached.latest is None
    assert cached.fresh(interval=NEVER, patience=PATIENCE).value == 3
    assert polled.current().value == 4
    assert thread_of(polled) is not parents
    polled.refresh(cooldown=0, patience=PATIENCE)
    assert polled.current().value == 5
    changed.release()
    del polled
    gc.collect()
    parents.join(PATIENCE)
    assert not parents.is_alive()


def test_a_value_is_replaced_and_never_changed(source):
    cached = CachedNumber(source)
    first = cached.fresh(interval=0, patience=0)
    second = cached.fresh(interval=0, patience=0)
    assert (first.value, second.value) == (1, 2)
    assert replace(first, value=2) != first


def test_a_slow_source_is_waited_for_once_and_not_for_the_whole_timeout():
    class Slow(PolledValue):
        def read(self, last):
            time.sleep(0.3)  # longer than two intervals
            return 1

    slow = Slow(interval=0.1, timeout=20)
    began = time.monotonic()
    assert slow.current().value == 1
    assert time.monotonic() - began < 10


def test_who_comes_late_does_not_ask_again():
    source = Source()

    class Late(PolledNumber):
        late = False

        def age(self):
            if self.late:  # seen too old, and read before the lock was had
                self.late = False
                return float("inf")
            return super().age()

    polled = Late(source, interval=NEVER, timeout=1)
    polled.current()
    polled.late = True
    polled.current()
    with polled._changed:
        assert not polled._requested
    assert source.count == 1


def test_without_threads_the_cooldown_counts_from_the_last_reading(monkeypatch):
    source = Source()
    polled = PolledNumber(source, interval=NEVER, timeout=PATIENCE)
    no_threads(monkeypatch)
    polled.current()
    let_pass(polled, NEVER)

    class Late:
        """A lock that one comes to when another one has just read."""

        def __init__(self, lock):
            self.lock = lock
            self.release = lock.release

        def acquire(self, timeout):
            polled._lock = self.lock
            polled.refresh(cooldown=NEVER / 2, patience=0)
            polled._lock = self
            return self.lock.acquire(timeout=timeout)

    polled._lock = Late(polled._lock)
    polled.refresh(cooldown=NEVER / 2, patience=0)
    assert source.count == 2


def test_a_process_ends_although_the_thread_was_stopped_with_the_lock_in_its_hands():
    """The interpreter stops such threads at its end, wherever they are."""
    run_script(
        """
        from django_jwtauth._core.polling import PolledValue

        class Number(PolledValue):
            def read(self, last):
                return 1

        polled = Number(interval=3600, timeout=60)
        assert polled.current().value == 1
        assert polled._wake._cond.acquire(timeout=60)  # and nobody releases it
        """,
        timeout=60,
    )
