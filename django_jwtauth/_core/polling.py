"""Values that come from elsewhere: kept in memory, and read again when they are too old.

Many threads may ask for a value at once; one of them reads it. A forked process starts with no value, no thread and new
locks: the parent's thread does not exist in the child, and a lock that it held would never be released.
"""

import os
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .clock import process_time, stopwatch

T = TypeVar("T")

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """A value, and when it was read."""

    value: T = field(repr=False)
    started: float
    """When the reading began, on the monotonic clock."""
    started_at: float
    """When the reading began, in seconds since 1970."""

    @property
    def age(self) -> float:
        """In seconds. The monotonic clock stops while a machine sleeps, and the other one may be set back."""
        passed = time.time() - self.started_at
        if passed < 0 and ("freezegun" in sys.modules or "time_machine" in sys.modules):
            passed = -passed  # a test has come back from the future, in which this was read
        return max(stopwatch.seconds() - self.started, passed)


_all: "weakref.WeakSet[CachedValue[Any]]" = weakref.WeakSet()


def cached_values() -> "list[CachedValue[Any]]":
    """Return all values of this process."""
    return list(_all)


def _forget_all() -> None:
    for cached in cached_values():
        cached.forget()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
    os.register_at_fork(after_in_child=_forget_all)


class CachedValue(Generic[T]):
    """A value that is read again by the first thread that finds it too old. Subclasses say how to read it."""

    expected_errors: tuple[type[Exception], ...] = (Exception,)
    """What :meth:`read` may raise when the source fails. These errors are reported; others are raised."""

    def __init__(self) -> None:
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Start again with no value and new locks. A forked child does so before it has a second thread."""
        self._lock = threading.Lock()  # held by the thread that reads
        self._changed = threading.Condition()
        self._latest: Reading[T] | None = None
        self._busy = False
        self._began = self._ended = float("-inf")  # the last attempt, on the monotonic clock
        self._took = 0.0  # how long the last successful attempt took
        self._attempts = 0
        self._failed = 0  # how many attempts in a row have failed
        self._retry_at = float("-inf")

    def read(self, last: T | None) -> T:
        """Read the value from its source.

        Args:
            last: The value that was read before.
        """
        raise NotImplementedError

    def report(self, error: Exception) -> None:
        """Report that the value cannot be read."""
        raise NotImplementedError

    @property
    def latest(self) -> Reading[T] | None:
        """The latest reading, however old; ``None`` before the first one."""
        return self._latest

    def age(self) -> float:
        """Return the age of the value in seconds; infinite if there is no value."""
        return self._latest.age if self._latest else float("inf")

    def fresh(self, *, interval: float, patience: float) -> Reading[T] | None:
        """Return the latest reading. If it is older than the interval, the value is read first.

        While one thread reads, the others use the old value if it is younger than two intervals, and wait otherwise:
        but not for an attempt that has already taken longer than their patience. So a source that hangs holds up
        whoever asks in the beginning, and not one request after the other. If the value cannot be read, the old one is
        returned.

        Args:
            interval: In seconds.
            patience: How many seconds to wait at most.
        """
        age, lock = self.age(), self._lock
        if age > interval and lock.acquire(timeout=self._left(patience) if age > 2 * interval else 0):
            if self.age() > interval and stopwatch.seconds() >= self._retry_at:
                self._begin()
                self._attempt_and_release(lock, patience)
            else:
                lock.release()
        return self._latest

    def _attempt_and_release(self, lock: threading.Lock, patience: float) -> None:
        """Try to read the value, and release the lock when that has ended.

        Args:
            lock: The lock, which the caller holds.
            patience: How many seconds to wait at most, if this method can tell.
        """
        try:
            self._attempt()
        finally:
            lock.release()

    def _left(self, patience: float) -> float:
        """Return how much patience is left for the attempt that is under way."""
        return max(patience - (stopwatch.seconds() - self._began), 0.0) if self._busy else patience

    def _begin(self) -> None:
        """Record that an attempt begins. The caller holds the lock."""
        self._busy = True
        self._began = stopwatch.seconds()

    def _attempt(self) -> None:
        """Try to read the value. The caller has called :meth:`_begin`."""
        latest, started_at, changed = self._latest, process_time(), self._changed
        try:
            value = self.read(latest.value if latest else None)
        except self.expected_errors as error:
            self._failed += 1
            backoff = FIRST_BACKOFF_SECONDS * 2 ** min(self._failed - 1, 30)
            self._retry_at = stopwatch.seconds() + min(backoff, MAX_BACKOFF_SECONDS)
            self.report(error)
        else:
            if changed is self._changed:  # else all was forgotten meanwhile, and this value belongs to that
                self._failed, self._retry_at = 0, float("-inf")
                self._took = stopwatch.seconds() - self._began
                self._latest = Reading(value=value, started=self._began, started_at=started_at)
        finally:
            with self._changed:
                self._busy = False
                self._ended = stopwatch.seconds()
                self._attempts += 1
                self._changed.notify_all()


class PolledValue(CachedValue[T]):
    """A value that a thread of its own reads again and again, from the first use on, so that requests do not wait.

    Where threads cannot be started, the request that finds the value too old reads it. The thread ends when this object
    is garbage.
    """

    def __init__(self, *, interval: float, timeout: float) -> None:
        """Prepare; nothing is read before the first use.

        Args:
            interval: How many seconds pass from one reading to the next.
            timeout: How many seconds one reading takes at most.
        """
        self.interval = interval
        self.timeout = timeout
        super().__init__()

    def forget(self) -> None:
        """Start again with no value, no thread and new locks."""
        super().forget()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._requested = False
        self._requested_at = float("-inf")  # on the monotonic clock

    def stop(self) -> None:
        """Start again as :meth:`forget` does, and let the thread end. No reading is under way after that."""
        with self._lock:
            wake = self._wake
            self.forget()
        wake.set()

    def current(self) -> Reading[T] | None:
        """Return the latest reading, normally without waiting.

        The caller waits only if there is no value yet, or if it is older than two intervals; but never while the source
        is known to fail.
        """
        if not self._has_thread():
            return self.fresh(interval=self.interval, patience=self.timeout)
        # Waiting would not make a slow source faster: its usual time is added to the limit.
        limit = 2 * (self.interval + self._took)
        if self.age() > limit and not self._failed:
            with self._changed:
                if self.age() > limit:  # another thread may have read it between these lines
                    self._wake_thread()
                    # Wait for one attempt, not for the age: a slow reading may give a value that is past the limit.
                    goal = self._attempts + 1
                    self._changed.wait_for(lambda: self._attempts >= goal, self._left(self.timeout))
        return self._latest

    def refresh(self, *, cooldown: float, patience: float) -> None:
        """Have the value read now, and wait for it. Nothing is done if the source is known to fail.

        Args:
            cooldown: How many seconds must have passed since the last attempt began; before that, nothing is done.
            patience: How many seconds to wait at most.
        """
        has_thread = self._has_thread()
        with self._changed:
            is_due = stopwatch.seconds() - self._began >= cooldown
            if self._failed or not (self._busy or is_due):
                return
            if has_thread:
                self._wake_thread()
                goal = self._attempts + 1
                self._changed.wait_for(lambda: self._attempts >= goal, patience)
                return
        if is_due and self._lock.acquire(timeout=0):
            try:
                if stopwatch.seconds() - self._began >= cooldown:  # another thread may have read it between these lines
                    self._begin()
                    self._attempt()
            finally:
                self._lock.release()

    def _wake_thread(self) -> None:
        """Make the thread read now, unless it is reading. The caller holds the condition."""
        if not (self._busy or self._requested):
            self._requested = True
            self._requested_at = stopwatch.seconds()
        self._wake.set()

    def _left(self, patience: float) -> float:
        """Return how much patience is left for the attempt that is under way, or that the thread was asked for."""
        if self._requested and not self._busy:
            return max(patience - (stopwatch.seconds() - self._requested_at), 0.0)
        return super()._left(patience)

    def _has_thread(self) -> bool:
        """Start the thread if necessary, and tell whether there is one."""
        if self._thread is not None and self._thread.is_alive():
            return True
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(
                    target=_poll, args=(weakref.ref(self, _waker(self._wake)), self._wake), daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    return False  # no more threads are allowed, or the interpreter is about to end
                self._thread = thread
        return True

    def is_needed(self) -> bool:
        """Tell whether the thread is to go on. Called by the thread, under the lock of the condition."""
        return True

    def is_past(self, wake: threading.Event) -> bool:
        """Tell whether all was forgotten since a thread began. Arguments as for :meth:`stops`."""
        return wake is not self._wake

    def stops(self, wake: threading.Event) -> bool:
        """Tell whether a thread has to end: nobody needs it, or all was forgotten and it belongs to the past.

        Args:
            wake: What wakes that thread.
        """
        if self.is_past(wake):
            return True
        with self._changed:
            if self._requested or self.is_needed():
                return False
            self._thread = None
            return True

    def run_once(self) -> float:
        """Read the value if it is time, and return how many seconds to pause. Called by the thread."""
        lock = self._lock
        with lock:
            if lock is not self._lock:
                return 0.0  # all was forgotten while this thread waited
            with self._changed:
                if is_time := self._requested or stopwatch.seconds() >= self._due():
                    self._requested = False
                    self._begin()
            if is_time:
                self._attempt()
        return max(self._due() - stopwatch.seconds(), 0.0)

    def _due(self) -> float:
        """Return when to read next, on the monotonic clock."""
        if self._failed:
            return self._retry_at
        # However long a reading takes, there is a pause before the next one.
        return max(self._began + self.interval, self._ended + self.interval / 10)


def _waker(wake: threading.Event) -> Any:
    # The lock inside the event may be held by a thread that will never release it: after a fork it does not exist, and
    # while the interpreter ends it has been stopped, wherever it was. Modules may be empty by then.
    pid, getpid, is_ending = os.getpid(), os.getpid, sys.is_finalizing
    return lambda _: None if is_ending() or getpid() != pid else wake.set()


def _poll(reference: "weakref.ref[PolledValue[Any]]", wake: threading.Event) -> None:
    """Run in the thread. It keeps the value alive while it reads, not while it sleeps; so both can end."""
    while (polled := reference()) is not None and not polled.is_past(wake):
        pause = polled.run_once()
        if polled.stops(wake):
            return
        del polled
        wake.wait(pause)
        wake.clear()
