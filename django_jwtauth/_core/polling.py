"""Values from elsewhere that are kept in memory, and read anew when they are no longer fresh.

Many threads may ask at once, one of them reads. A process that was forked begins anew: the thread or the lock it would
need may have been in the parent.
"""

import os
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Generic[T]):
    """A value, and when the reading of it began."""

    value: T = field(repr=False)
    started: float
    """On the monotonic clock."""
    started_at: float
    """In seconds since 1970."""

    @property
    def age(self) -> float:
        """In seconds. The monotonic clock stands still while a machine sleeps, and the other may be set back."""
        return max(time.monotonic() - self.started, time.time() - self.started_at)


_all: "weakref.WeakSet[Kept[Any]]" = weakref.WeakSet()


def _renew_all() -> None:
    for kept in list(_all):
        kept._renew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
    os.register_at_fork(after_in_child=_renew_all)


class Kept(Generic[T]):
    """A value that the thread reads anew that finds it too old."""

    failures: tuple[type[Exception], ...] = (Exception,)
    """What :meth:`read` may raise."""

    def __init__(self) -> None:
        self._renew()
        _all.add(self)

    def _renew(self) -> None:
        """Begin with nothing; also in a child, before it has a second thread."""
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._held: Held[T] | None = None
        self._busy = False
        self._began = self._ended = float("-inf")  # the last reading, on the monotonic clock
        self._took = 0.0  # how long the last one that was not in vain took
        self._count = 0  # how often it was tried to read it
        self._failed = 0  # how often in a row that was in vain
        self._retry_at = float("-inf")

    def read(self, last: T | None) -> T:
        """Read the value.

        Args:
            last: What was read before.
        """
        raise NotImplementedError

    def report(self, error: Exception) -> None:
        """Say that it could not be read."""
        raise NotImplementedError

    @property
    def held(self) -> Held[T] | None:
        """The value, however old; ``None`` if there is none."""
        return self._held

    def age(self) -> float:
        """Return the age of the value in seconds; infinite if there is none."""
        return self._held.age if self._held else float("inf")

    def fresh(self, *, interval: float, patience: float) -> Held[T] | None:
        """Return the value. It is read first if it is older than the interval.

        Up to twice the interval, the other threads use the old one meanwhile; past it they wait. While it cannot be
        read, the old one is returned.

        Args:
            interval: In seconds.
            patience: How many seconds to wait at most.
        """
        age, lock = self.age(), self._reading
        if age > interval and lock.acquire(timeout=patience if age > 2 * interval else 0):
            try:
                if self.age() > interval and time.monotonic() >= self._retry_at:
                    self._begin()
                    self._try()
            finally:
                lock.release()
        return self._held

    def _begin(self) -> None:
        """Say that a reading begins; only who holds the lock for it may."""
        self._busy = True
        self._began = time.monotonic()

    def _try(self) -> None:
        """Read, after :meth:`_begin`."""
        held, started_at = self._held, time.time()
        try:
            value = self.read(held.value if held else None)
        except self.failures as error:
            self._failed += 1
            backoff = FIRST_BACKOFF_SECONDS * 2 ** min(self._failed - 1, 30)
            self._retry_at = time.monotonic() + min(backoff, MAX_BACKOFF_SECONDS)
            self.report(error)
        else:
            self._failed, self._retry_at = 0, float("-inf")
            self._took = time.monotonic() - self._began
            self._held = Held(value=value, started=self._began, started_at=started_at)
        finally:
            with self._changed:
                self._busy = False
                self._ended = time.monotonic()
                self._count += 1
                self._changed.notify_all()


class Polled(Kept[T]):
    """A value that a thread of its own reads again and again, from its first use on; so nobody waits for it.

    Where threads cannot be started, the one reads it that finds it too old. The thread ends with this object.
    """

    def __init__(self, *, interval: float, timeout: float) -> None:
        """Begin with nothing.

        Args:
            interval: How many seconds from reading to reading.
            timeout: How many seconds one takes at most.
        """
        self.interval = interval
        self.timeout = timeout
        super().__init__()

    def _renew(self) -> None:
        super()._renew()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._asked = False

    def current(self) -> Held[T] | None:
        """Return the value, normally without waiting.

        Only when there is none yet, or it is older than two intervals, is it waited for; and not while the source is
        known to fail.
        """
        if not self._is_polled():
            return self.fresh(interval=self.interval, patience=self.timeout)
        # A source that is slow makes no request wait: it cannot be faster for that.
        limit = 2 * (self.interval + self._took)
        if self.age() > limit and not self._failed:
            with self._changed:
                if self.age() > limit:  # still; else it was read between these lines
                    self._ask()
                    # For one reading. It may take so long that its value is past the limit already.
                    goal = self._count + 1
                    self._changed.wait_for(lambda: self._count >= goal, self.timeout)
        return self._held

    def ask(self, *, cooldown: float, patience: float) -> None:
        """Have the value read anew, unless it was read lately or the source is known to fail; and wait for that.

        Args:
            cooldown: How many seconds must have passed since the last reading began.
            patience: How many seconds to wait at most.
        """
        is_polled = self._is_polled()
        with self._changed:
            is_due = time.monotonic() - self._began >= cooldown
            if self._failed or not (self._busy or is_due):
                return
            if is_polled:
                self._ask()
                goal = self._count + 1
                self._changed.wait_for(lambda: self._count >= goal, patience)
                return
        if is_due and self._reading.acquire(timeout=0):
            try:
                if time.monotonic() - self._began >= cooldown:  # still
                    self._begin()
                    self._try()
            finally:
                self._reading.release()

    def _ask(self) -> None:
        """Wake the thread, unless it is reading; by who holds the condition."""
        if not self._busy:
            self._asked = True
            self._wake.set()

    def _is_polled(self) -> bool:
        """Start the thread, if need be, and tell whether there is one."""
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
                    return False  # no more threads, or the interpreter is about to end
                self._thread = thread
        return True

    def turn(self) -> float:
        """Read the value if it is time to, and return how many seconds to pause. For the thread."""
        with self._reading:
            with self._changed:
                if is_time := self._asked or time.monotonic() >= self._due():
                    self._asked = False
                    self._begin()
            if is_time:
                self._try()
        return max(self._due() - time.monotonic(), 0.0)

    def _due(self) -> float:
        if self._failed:
            return self._retry_at
        # However long one takes, there is a pause before the next.
        return max(self._began + self.interval, self._ended + self.interval / 10)


def _waker(wake: threading.Event) -> Any:
    # Only in its own process: after a fork, a lock inside the event may be held by a thread that is not there.
    pid, getpid = os.getpid(), os.getpid  # modules may be empty by the time a process ends
    return lambda _: wake.set() if getpid() == pid else None


def _poll(reference: "weakref.ref[Polled[Any]]", wake: threading.Event) -> None:
    """Let the thread live as long as what it reads for, without keeping that alive while it sleeps."""
    while (polled := reference()) is not None:
        pause = polled.turn()
        del polled
        wake.wait(pause)
        wake.clear()
