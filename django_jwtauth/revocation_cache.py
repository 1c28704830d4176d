"""Has an access token been revoked? Answered from memory, without a query per request.

Each process of the issuer keeps a list of what has been revoked lately: the ids of sessions and of single access
tokens, and the time of the last ``sessions.revoke_everyone()``. An entry stays until every access token it concerns has
expired, so the list is short, however many sessions there have been.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import Error, close_old_connections, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast
from django.utils import timezone

from . import conf
from ._core.clock import issuer_clock
from ._core.polling import PolledValue, Reading
from ._core.revocation_list import RevocationList
from .database import epoch, is_testing, test_scope
from .errors import InvalidTokenError
from .verifier import AccessToken

logger = logging.getLogger("django_jwtauth")

OVERLAP = timedelta(seconds=60)
"""How far each reading goes back behind the newest entry it knows, for transactions that commit late."""
FULL_READ_SECONDS = 60.0
"""How often everything is read again, for transactions that commit even later."""
SUMMER_TIME = timedelta(hours=1)
"""How far local times may jump, which is what ``USE_TZ = False`` stores."""
WAIT_SECONDS = 10.0
"""How long a request waits for another one that is reading the list."""
LOOP_WAIT_SECONDS = 1.0
"""How long a request on an event loop waits for the thread that reads the list, if there is none that may be used."""
LOOP_IDLE_SECONDS = 600.0
"""How long after the last request on an event loop that thread goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalList(RevocationList):
    """The list as this process has read it from the tables, with what the next reading needs to know."""

    sids: Mapping[str, datetime] = field(repr=False)
    """Ids of sessions, with the time of their revocation."""
    jtis: Mapping[str, datetime] = field(repr=False)
    """Ids of single access tokens, with the time of their revocation."""
    fully_read_at: float = field(compare=False)
    """When everything was last read, on the monotonic clock."""


class LocalRevocations(PolledValue[LocalList]):
    """The list of this process. It is read from the database when a request needs it and it is no longer fresh.

    On an event loop, where no query may run, a thread reads it: again and again, so that no request waits for it.
    """

    expected_errors = (Error,)

    def __init__(self) -> None:
        super().__init__(interval=0.0, timeout=WAIT_SECONDS)  # the settings are not read yet

    def forget(self) -> None:
        """Start again with no list."""
        super().forget()
        self._scope: tuple[int, int, int] | None = None
        self._used_on_loop = float("-inf")
        self._stale_since = self._wrong_since = float("-inf")

    def mark_stale(self, *, removed: bool = False) -> None:
        """See :func:`mark_stale`."""
        now = time.monotonic()
        if removed:
            self._wrong_since = now  # first: a reading that begins between these lines must be a full one
        self._stale_since = now

    def age(self) -> float:
        """Return the age of the list in seconds; infinite if this process has revoked something since it was read."""
        latest = self._latest
        return float("inf") if latest is None or latest.started <= self._stale_since else latest.age

    def usable(self) -> RevocationList | None:
        """Return the list, as fresh as the settings demand; ``None`` if it cannot be read and the settings fail open.

        Raises:
            InvalidTokenError: ``stale``, if it cannot be read and the settings fail closed.
        """
        self.follow_tests()
        config = conf.get_config()
        interval = config.revocation_poll_interval.total_seconds()
        if _is_on_event_loop():
            reading = self.fresh_from_thread(interval)
        else:
            reading = self.fresh(interval=interval, patience=WAIT_SECONDS)
        is_too_old = reading is None or reading.age > config.revocation_max_staleness.total_seconds()
        if is_too_old and not config.revocation_fail_open:
            raise InvalidTokenError("stale")
        return reading.value if reading else None

    def follow_tests(self) -> None:
        """Forget the list if another test runs than the one that read it. Outside of tests, nothing happens."""
        number, block = test_scope()
        thread = threading.get_ident()
        if self._scope is not None:
            known_number, known_block, known_thread = self._scope
            # Other threads of a test do not take part in its transaction, and do not show whether it has ended.
            is_known = block == known_block or (block == 0 and thread != known_thread)
            if number == known_number and is_known:
                return
            self.forget()
        self._scope = number, block, thread

    def fresh_from_thread(self, interval: float) -> Reading[LocalList] | None:
        """Return the latest reading, and have the thread read the list if it is older than the interval.

        The caller, and with it the event loop, waits only if there is no list yet, or if it is older than two intervals
        although reading it does not fail: that is, for the first request, and after a suspension of the machine.

        Raises:
            SynchronousOnlyOperation: if the thread cannot be started.
        """
        self.interval, self._used_on_loop = interval, time.monotonic()
        if self.age() <= interval:
            return self._latest
        with self._changed:
            if not self._has_thread():
                return self.fresh(interval=interval, patience=0)
            if not self._failed:
                self._wake_thread()
                goal = self._attempts + 1
                # Not self.age(): right after a revocation by this process, the list is stale but not yet too old.
                if self._latest is None or self._latest.age > 2 * (interval + self._took):
                    self._changed.wait_for(lambda: self._attempts >= goal, LOOP_WAIT_SECONDS)
        return self._latest

    def is_needed(self) -> bool:
        """Tell whether the thread is to go on. In tests it reads once: a later test has another database."""
        return not is_testing() and time.monotonic() - self._used_on_loop < LOOP_IDLE_SECONDS

    def run_once(self) -> float:
        close_old_connections()
        try:
            return super().run_once()
        finally:
            close_old_connections()

    def read(self, last: LocalList | None) -> LocalList:
        """Read what is new; or everything, once in a while and when an entry may have been removed. One query."""
        full = (
            last is None
            or last.fully_read_at <= self._wrong_since
            or self._began - last.fully_read_at >= FULL_READ_SECONDS
        )
        # By the clock that judges the tokens: an entry must not leave the list before they expire.
        oldest = timezone.now() - timedelta(seconds=issuer_clock.ahead()) - conf.get_config().revocation_retention
        if not settings.USE_TZ:
            oldest -= SUMMER_TIME
        sids: dict[str, datetime] = {}
        jtis: dict[str, datetime] = {}
        if last is not None and not full:
            sids.update((sid, at) for sid, at in last.sids.items() if at >= oldest)
            jtis.update((jti, at) for jti, at in last.jtis.items() if at >= oldest)
        newest = max([*sids.values(), *jtis.values(), oldest + OVERLAP])
        # Not later than now: a clock that has been set back has left entries in the future.
        since = min(newest, timezone.now()) - OVERLAP
        not_before = 0
        for kind, key, at in _revoked_since(since, oldest):
            if kind == "sid":
                sids[key if len(key) == 36 else _with_dashes(key)] = at
            elif kind == "jti":
                jtis[key] = at
            else:
                not_before = max(not_before, math.floor(epoch(at)))
        fully_read_at = self._began if last is None or full else last.fully_read_at
        return LocalList(sids=sids, jtis=jtis, not_before=not_before, fully_read_at=fully_read_at)

    def report(self, error: Exception) -> None:
        """Log that the list cannot be read."""
        logger.error("The revocation list cannot be read.", exc_info=error)


_list = LocalRevocations()


def check(token: AccessToken) -> None:
    """Refuse an access token of our own that has been revoked, or whose session has been.

    At most one query per poll interval and process.

    Raises:
        InvalidTokenError: ``revoked``; or ``stale``, if the list cannot be read and is too old.
    """
    revoked = _list.usable()
    if revoked is not None and revoked.covers(token.claims):
        raise InvalidTokenError("revoked")


def mark_stale(*, removed: bool = False) -> None:
    """Make the next request of this process read the list again, because this process has changed the tables.

    Args:
        removed: Whether an entry may have been taken back. Then everything is read: a reading of what is new would keep
            the entry.
    """
    _list.mark_stale(removed=removed)


def mark_stale_on_commit(using: str, *, removed: bool = False) -> None:
    """Mark the list as stale now, and inside a transaction once more when it commits.

    Before the commit, another thread may read the list and find the rows as they were.

    Args:
        using: The database of the transaction.
        removed: As for :func:`mark_stale`.
    """
    mark_stale(removed=removed)
    transaction.on_commit(lambda: mark_stale(removed=removed), using=using, robust=True)


def latest(*, max_age: float) -> Reading[LocalList] | None:
    """Return the list to publish it; ``None`` if it cannot be read now.

    At most one query per ``max_age`` and process, even if this process revokes more often than that.

    Args:
        max_age: How old the list may be, in seconds.
    """
    _list.follow_tests()
    reading = _list.latest
    if reading is None or reading.age > max_age:
        reading = _list.fresh(interval=max_age, patience=WAIT_SECONDS)
    return reading if reading is not None and reading.age <= 2 * max_age else None


def forget() -> None:
    """Forget the list, as if this process had just been started."""
    _list.forget()


def _is_on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _with_dashes(digits: str) -> str:
    """Write a UUID as tokens do. Databases without a UUID type return 32 digits, and ``UUID()`` would be slow."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _revoked_since(since: datetime, oldest: datetime) -> Iterable[tuple[str, str, datetime]]:
    """Read all kinds of entries in one query: the kind, the id and the time of each.

    Args:
        since: From when on revoked sessions and tokens are read.
        oldest: From when on the times of signing everyone out are read.
    """
    names = ("RefreshToken", "BlacklistedToken", "NotBefore")
    sessions, tokens, times = (apps.get_model("django_jwtauth", name).objects for name in names)
    text = CharField()
    revoked = sessions.filter(revoked_at__gte=since)
    blacklisted = tokens.filter(created_at__gte=since)
    everyone = times.filter(not_before__gte=oldest)
    found: Iterable[tuple[str, str, datetime]] = revoked.values_list(
        Value("sid", text), Cast("pk", text), F("revoked_at")
    ).union(
        blacklisted.values_list(Value("jti", text), Cast("jti", text), F("created_at")),
        everyone.values_list(Value("everyone", text), Value("", text), F("not_before")),
        all=True,
    )
    return found
