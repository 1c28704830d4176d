"""The clock that judges the issuer's own tokens: this process's, unless it is known to differ from the database's.

An access token is issued at the database's time. A process whose clock is ahead would find that it expires too early,
and one whose clock is behind would take it for a token from the future. So such a process judges by the database's
time, as far as it can be told from the last time it was read.

In tests, freezegun or time-machine may hold the clock of the process. While one of them does, the database's clock
follows it. Both are looked for only among the modules that are loaded already; in a server, neither is.
"""

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from weakref import WeakKeyDictionary

JUMP_SECONDS = 1.0
"""If the clock of the machine has been set, or has slept, by more than this, what was observed before is worthless."""
MAX_AGE_SECONDS = 3600.0
"""How long an observation counts. Each sign-in, each refresh and each look at a session's row makes a new one."""


def sure_difference(there: float, *, asked: float, answered: float) -> float:
    """Return by how many seconds this process is surely ahead of another clock; negative if it is behind.

    The other clock may have been read at any time in between, so waiting for the answer counts as no difference.

    Args:
        there: What the other clock said.
        asked: The time here before it was asked.
        answered: The time here after it had answered.
    """
    return max(asked - there, 0.0) or min(answered - there, 0.0)


class Stopwatch:
    """Measures how much time passes, also while a test lets ``time.monotonic()`` stand still or leap.

    Otherwise waiting or ageing would never end, or end at once, and differently in each thread.
    """

    def __init__(self) -> None:
        # The same clock by a function that neither freezegun nor time-machine replaces. Windows does not have it.
        has_it = hasattr(time, "clock_gettime")
        monotonic = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC) if has_it else time.monotonic
        self.seconds: Callable[[], float] = monotonic


stopwatch = Stopwatch()


def clock_holder() -> object | None:
    """Return what holds the clock of this process at this moment, of freezegun or time-machine; ``None`` in a server.

    Each freeze or travel has an object of its own, and so does each nested one.
    """
    for module, stack in _HOLDERS:
        loaded = sys.modules.get(module)
        # Slices, because another thread may end the travel between two of these lines.
        for holder in getattr(loaded, stack, ())[-1:]:
            # freezegun leaves out the modules whose names begin with one of these.
            is_left_out = any(map(__name__.startswith, getattr(loaded, "ignore_lists", ())[-1:]))
            return None if is_left_out else holder
    return None


# The last one is that of time-machine 2.
_HOLDERS = (
    ("freezegun.api", "freeze_factories"),
    ("time_machine", "traveller_stack"),
    ("time_machine", "coordinates_stack"),
)
_latest_events: WeakKeyDictionary[object, int] = WeakKeyDictionary()


def held_time(now: float, *, is_event: bool) -> int | None:
    """Return the database's time in microseconds since 1970, if something holds the clock of this process.

    While time stands still, each event is a microsecond later than the one before, so their order is kept.

    Args:
        now: The time of this process.
        is_event: Whether something begins or ends at that time.
    """
    holder = clock_holder()
    if holder is None:
        return None
    held, latest = round(now * 1_000_000), _latest_events.get(holder)
    if latest is not None and 0 <= latest - held < 1_000_000:
        held = latest + is_event
    if is_event:
        _latest_events[holder] = held
    return held


def process_time() -> float:
    """Return the time in seconds since 1970, as ``time.time()`` does, also in a thread that freezegun leaves out."""
    holder = clock_holder()
    now = holder() if callable(holder) else None
    return time.time() if now is None else now.replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    difference: float
    at: float
    monotonic: float


class IssuerClock:
    """Call it for the time in seconds since 1970."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again without any observation."""
        self._latest: _Observation | None = None
        self._was_off = self._needs_correction = False

    def observe(self, there: float, *, asked: float, answered: float, leeway: float) -> tuple[float, bool]:
        """Compare the clock of this process with the database's.

        Args:
            there: The database's time.
            asked: This process's time before the database was asked.
            answered: This process's time after the database had answered.
            leeway: By how many seconds they may differ.

        Returns:
            By how many seconds this process is ahead, negative if it is behind, and 0 within the leeway. And whether
            this is news: the clocks agreed before.
        """
        difference = sure_difference(there, asked=asked, answered=answered)
        is_off = abs(difference) > leeway and not clock_holder()
        is_news = is_off and not self._was_off
        self._was_off = is_off
        difference = difference if is_off else 0.0
        self._latest = _Observation(difference=difference, at=time.time(), monotonic=stopwatch.seconds())
        self._needs_correction = is_off
        return difference, is_news

    def difference(self) -> float | None:
        """Return by how many seconds the clock of this process is to be corrected; ``None`` if nothing is known."""
        if clock_holder():
            return 0.0  # the database's clock follows this one
        seen = self._latest
        if seen is None:
            return None
        passed = stopwatch.seconds() - seen.monotonic
        has_jumped = abs(time.time() - seen.at - passed) > JUMP_SECONDS
        return None if has_jumped or passed > MAX_AGE_SECONDS else seen.difference

    def __call__(self) -> float:
        return time.time() - (self.difference() or 0.0) if self._needs_correction else time.time()


issuer_clock = IssuerClock()
