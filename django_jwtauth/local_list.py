"""What has been revoked lately, as a process of the issuer has read it from the tables.

The entries are divided into parts, by the time of their revocation. All processes divide them at the same times. So a
reading of what is new touches few parts, and other services can be told which parts have changed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from . import conf
from ._core.revocation_list import RevocationList
from .database import storable

CLOCK_TOLERANCE_SECONDS = 60.0
"""How much earlier than the list begins it may be needed from: each observation of the database's clock differs a
little. Entries stay for minutes longer than this."""
MAX_PARTS = 128
"""Into about how many parts a list is divided at most."""
MIN_PART_LENGTH = timedelta(seconds=5)
"""How much time a part stands for at least."""

_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalList(RevocationList):
    """The list as this process has read it from the tables, with what the next reading needs to know."""

    sids: Mapping[str, datetime] = field(repr=False)
    """Ids of sessions, with the time of their revocation."""
    jtis: Mapping[str, datetime] = field(repr=False)
    """Ids of single access tokens, with the time of their revocation."""
    parts: Mapping[int, tuple[set[str], set[str]]] = field(repr=False, compare=False)
    """The ids of sessions and of tokens, by the number of their part. The lists of several readings share these sets,
    so they are never changed: a part that has changed has new ones."""
    part_length: timedelta = field(compare=False)
    """How much time each part stands for."""
    begins_at: float = field(compare=False)
    """From when on revocations are on the list, in seconds since 1970."""
    fully_read_at: float = field(compare=False)
    """When everything was last read, on the monotonic clock."""

    def reaches_back(self) -> bool:
        """Tell whether the list begins early enough for every token that this process takes for valid.

        It does not if the clock that judges the tokens has gone back since the list was read.
        """
        return needed_from() >= self.begins_at - CLOCK_TOLERANCE_SECONDS


class Entries:
    """The entries of a list while it is read: those of the last list that stay, and what is added to them."""

    def __init__(self, last: LocalList | None, *, begins_at: float, length: timedelta) -> None:
        """Begin with what stays of the last list, if there is one.

        Args:
            last: A list with parts of the same length.
            begins_at: From when on revocations are on the list, in seconds since 1970.
            length: How much time each part stands for.
        """
        self.length = length
        oldest = stored(begins_at)
        self._origin = _origin(oldest)
        self.oldest = oldest - (oldest - self._origin) % length
        """From when on the entries are kept: a part leaves the list as a whole, or it would change all the time."""
        self.times: tuple[dict[str, datetime], dict[str, datetime]] = {}, {}
        """The times of the revoked sessions and of the revoked tokens, by id."""
        self.parts: dict[int, tuple[set[str], set[str]]] = {}
        self._own: set[int] = set()  # the numbers of the parts whose sets are not those of the last list
        self._part: tuple[set[str], set[str]] = set(), set()  # the one that was changed last, and its times
        self._begins = self._ends = self.oldest
        if last is None:
            return
        self.times, self.parts = (dict(last.sids), dict(last.jtis)), dict(last.parts)
        first = part_number(self.oldest, length)
        for number in [number for number in self.parts if number < first]:
            for times, ids in zip(self.times, self.parts.pop(number), strict=True):
                for each in ids:
                    del times[each]

    @property
    def newest(self) -> datetime:
        """The time of the newest entry; that of the oldest one that is kept, if there is none."""
        ids = self.parts[max(self.parts)] if self.parts else ((), ())
        return max([self.oldest, *(times[each] for times, some in zip(self.times, ids, strict=True) for each in some)])

    def add(self, kind: int, key: str, at: datetime) -> None:
        """Add an entry, or change its time.

        Args:
            kind: 0 for a session, 1 for a token.
            key: Its id.
            at: The time of the revocation.
        """
        times = self.times[kind]
        before = times.get(key)
        if before == at:
            return
        times[key] = at
        if before is not None:
            self._turn_to(before)
            self._part[kind].discard(key)
            if not any(self._part):
                del self.parts[part_number(before, self.length)]
                self._ends = self._begins
        if not self._begins <= at < self._ends:  # mostly it is: databases return the entries in the order of time
            self._turn_to(at)
        self._part[kind].add(key)

    def _turn_to(self, at: datetime) -> None:
        """Turn to the part of a time, to change it."""
        number = part_number(at, self.length)
        if number not in self._own or number not in self.parts:
            self._own.add(number)
            sids, jtis = self.parts.get(number, ((), ()))
            self.parts[number] = set(sids), set(jtis)
        self._part = self.parts[number]
        self._begins = self._origin + number * self.length
        self._ends = self._begins + self.length

    def as_list(self, *, not_before: int, begins_at: float, fully_read_at: float) -> LocalList:
        """Return the list. Arguments as its fields."""
        return LocalList(
            sids=self.times[0],
            jtis=self.times[1],
            parts=self.parts,
            part_length=self.length,
            not_before=not_before,
            begins_at=begins_at,
            fully_read_at=fully_read_at,
        )


def part_length(config: conf.Config) -> timedelta:
    """Return how much time each part of the list stands for, in whole seconds."""
    return max(MIN_PART_LENGTH, timedelta(seconds=math.ceil(config.retention_seconds / MAX_PARTS)))


def part_number(at: datetime, length: timedelta) -> int:
    """Return which part has what was revoked at a time.

    Args:
        at: The time, as our tables have it.
        length: See :func:`part_length`.
    """
    return (at - _origin(at)) // length


def needed_from() -> float:
    """Return the time since when a revocation may concern a token that is still accepted, in seconds since 1970.

    By the clock that judges the tokens: an entry must not leave the list before they expire.
    """
    config = conf.get_config()
    return config.clock() - config.retention_seconds


def stored(seconds: float) -> datetime:
    """Return a time in seconds since 1970 as our tables have it."""
    return storable(datetime.fromtimestamp(seconds, UTC))


def _origin(moment: datetime) -> datetime:
    """Return when part 0 begins, in the form that a time of our tables has."""
    return _ORIGIN.replace(tzinfo=moment.tzinfo)
