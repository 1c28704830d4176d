"""How things are measured, and what a measurement says."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the command was called."""

    database: str
    """``sqlite`` or ``postgresql``."""
    quick: bool
    """Whether fewer and smaller measurements are enough."""

    def rounds(self, usual: int) -> int:
        """Return how often to measure."""
        return max(usual // 5, 3) if self.quick else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison. Both sides were measured in the same run, in turns."""

    name: str
    ours: float
    peer: str
    """What it is compared with."""
    theirs: float
    unit: str
    goal: str = ""
    """What ``ours / theirs`` should be, as people write it."""
    per_second: bool = False
    """Whether more is better."""
    database: str = ""

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the peer's."""
        return self.ours / self.theirs

    @property
    def speed(self) -> float:
        """How many times as fast, or as small, ours is."""
        return self.ratio if self.per_second else 1 / self.ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures that are compared with one another, and with no peer."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    database: str = ""
    page: str = "performance"
    """The page of the documentation that shows it."""


def in_turns(
    actions: Mapping[str, Call], *, rounds: int, calls: int = 1, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Run actions in turns, so that what else the machine does meets all of them alike.

    Args:
        actions: By name: what returns the function to measure. Only the latter is measured.
        rounds: How often each action has its turn.
        calls: How often the function is called in one turn.
        clock: By default the processor time of this process.

    Returns:
        The median time of one call of each, in microseconds.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    gc.collect()
    for _ in range(rounds):
        for name, prepare in actions.items():
            call = prepare()
            began = clock()
            for _ in range(calls):
                call()
            times[name].append((clock() - began) / calls * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def median(action: Call, *, runs: int = 7, count: int = 1) -> float:
    """Return the median time of one call, in seconds.

    Args:
        action: The function to call.
        runs: The number of measurements.
        count: The number of calls in one measurement.
    """
    return in_turns({"": lambda: action}, rounds=runs, calls=count, clock=time.perf_counter)[""] / 1e6


def milliseconds(value: float) -> str:
    """Return seconds as milliseconds."""
    return f"{value * 1000:,.2f}"


def ratio(value: float, base: float) -> str:
    """Return how many times as large as the base a value is."""
    return f"{value / base:,.1f}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table that can be pasted into a page."""
    cells = [list(head), *map(list, rows)]
    return [
        "| " + " | ".join(cells[0]) + " |",
        "|" + "---|" * len(cells[0]),
        *("| " + " | ".join(line) + " |" for line in cells[1:]),
    ]
