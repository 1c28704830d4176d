"""Has an access token been revoked? Answered from memory, without a query per request.

Each process of the issuer keeps a list of what has been revoked lately: the ids of sessions and of single access
tokens, and the time of the last ``sessions.revoke_everyone()``. An entry stays until every access token it concerns has
expired, so the list is short, however many sessions there have been.
"""

import functools
import math
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.apps import apps
from django.db import Error, close_old_connections, connections, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast

from . import audit, conf
from ._core import events
from ._core.clock import clock_holder, process_time, stopwatch
from ._core.per_tenant import PerTenant
from ._core.polling import PolledValue, Reading
from ._core.revocation_list import RevocationList
from .database import epoch, is_in_transaction, is_testing, test_scope
from .errors import InvalidTokenError
from .local_list import CLOCK_TOLERANCE_SECONDS, Entries, LocalList, needed_from, part_length, stored
from .patience import run_with_patience
from .tenants import is_on_event_loop
from .verifier import AccessToken

OVERLAP = timedelta(seconds=60)
"""How far each reading goes back behind the newest entry it knows, for transactions that commit late."""
FULL_READ_SECONDS = 60.0
"""How often everything is read again, for transactions that commit even later."""
LONG_LIST = 10_000
"""From how many ids on a list is long: reading what is new copies it, which then takes milliseconds."""
LONG_LIST_PAUSE_SECONDS = 1.0
"""How long a long list is used even if this process revokes something."""
WAIT_SECONDS = 10.0
"""How long a request waits for another one that is reading the list."""
LOOP_WAIT_SECONDS = 1.0
"""How long a request on an event loop waits for the thread that reads the list, if there is none that may be used."""
LOOP_IDLE_SECONDS = 600.0
"""How long after the last request on an event loop that thread goes on."""
TENANT_LOOP_IDLE_SECONDS = 10.0
"""The same where there are tenants, each with a thread of its own: not for long, because there may be many."""


class LocalRevocations(PolledValue[LocalList]):
    """The list of this process, or that of one of its tenants.

    It is read from the database when a request needs it and it is no longer fresh. On an event loop, where no query may
    run, a thread reads it: again and again, so that no request waits for it.
    """

    expected_errors = (Error,)
    _read_in_tests = False

    def __init__(self, tenant: str = "") -> None:
        """Prepare; nothing is read before the first use.

        Args:
            tenant: Whose list it is; empty if there are no tenants.
        """
        super().__init__(interval=0.0, timeout=WAIT_SECONDS)  # the settings are not read yet
        self.tenant = tenant

    def forget(self) -> None:
        """Start again with no list."""
        super().forget()
        self._scope: tuple[int, int, int] | None = None
        self._used_on_loop = float("-inf")
        self._stale_since = self._wrong_since = float("-inf")

    def mark_stale(self, *, removed: bool = False) -> None:
        """See :func:`mark_stale`."""
        now = stopwatch.seconds()
        if removed:
            self._wrong_since = now  # first: a reading that begins between these lines must be a full one
        self._stale_since = now

    def age(self) -> float:
        """Return the age of the list in seconds.

        It is infinite if it does not reach back far enough, or if this process has revoked something since it was read.
        But where the list is long, one reading serves all that is revoked within a second.
        """
        latest = self._latest
        if latest is None or not latest.value.reaches_back() or self._is_outdated(latest):
            return float("inf")
        return latest.age

    def _is_outdated(self, reading: Reading[LocalList]) -> bool:
        """Tell whether this process has revoked something since a reading, so that the next one is due at once."""
        found = reading.value
        return reading.started <= self._stale_since and not (
            reading.age < LONG_LIST_PAUSE_SECONDS and len(found.sids) + len(found.jtis) >= LONG_LIST
        )

    def usable(self) -> RevocationList | None:
        """Return the list, as fresh as the settings demand; ``None`` if it cannot be read and the settings fail open.

        Raises:
            InvalidTokenError: ``stale``, if it cannot be read and the settings fail closed.
        """
        config = conf.get_config()
        interval = config.poll_seconds
        self.follow_tests()
        if is_on_event_loop():
            reading = self.fresh_from_thread(interval)
        else:
            reading = self.fresh(interval=interval, patience=WAIT_SECONDS)
        is_usable = (
            reading is not None
            and reading.age <= config.revocation_max_staleness.total_seconds()
            and reading.value.reaches_back()
        )
        if not is_usable and not config.revocation_fail_open:
            raise InvalidTokenError("stale")
        return reading.value if reading else None

    def follow_tests(self) -> None:
        """Forget the list if another test runs than the one that read it. Outside of tests, nothing happens."""
        number, block = test_scope()
        self._read_in_tests = is_testing()  # the line above has determined it
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
        although reading it does not fail: that is, for the first request, and after a suspension of the machine. A
        database that hangs stops the event loop once, not once per request.

        Raises:
            SynchronousOnlyOperation: if the thread cannot be started.
            ImproperlyConfigured: if there are tenants, and ``TENANT_CONTEXT`` is not set.
        """
        if self.tenant:
            conf.require_tenant_context()
        self.interval, self._used_on_loop = interval, stopwatch.seconds()
        if self.age() <= interval:
            return self._latest
        with self._changed:
            if not self._has_thread():
                return self.fresh(interval=interval, patience=0)
            if not self._failed:
                self._wake_thread()
                goal = self._attempts + 1
                # Not self.age(): right after a revocation by this process, the list is stale but not yet too old.
                latest = self._latest
                limit = 2 * (interval + self._took)
                if latest is None or latest.age > limit or not latest.value.reaches_back():
                    self._changed.wait_for(lambda: self._attempts >= goal, self._left(LOOP_WAIT_SECONDS))
        return self._latest

    def _attempt_and_release(self, lock: threading.Lock, patience: float) -> None:
        """Read the list, and wait no longer than the patience, if this thread can do without its connection."""
        attempt = functools.partial(super()._attempt_and_release, lock, patience)
        caller = threading.get_ident()

        def action() -> None:
            _local.is_own_thread = threading.get_ident() != caller
            attempt()

        # A function of the project may find the current tenant in a variable of the thread. In another thread, it would
        # find none, or another one.
        can_wait_in_thread = not self.tenant or conf.get_shared_config().tenant_context is not None
        if is_on_event_loop() or not can_wait_in_thread:
            action()
        else:
            run_with_patience(action, patience)

    def is_needed(self) -> bool:
        """Tell whether the thread is to go on. In tests it reads once: a later test has another database."""
        idle = TENANT_LOOP_IDLE_SECONDS if self.tenant else LOOP_IDLE_SECONDS
        return not is_testing() and stopwatch.seconds() - self._used_on_loop < idle

    def run_once(self) -> float:
        _local.is_own_thread = True
        close_old_connections()
        try:
            return super().run_once()
        finally:
            close_old_connections()
            if self.tenant:
                connections.close_all()  # of this thread; a thread for each tenant would keep too many open

    def read(self, last: LocalList | None) -> LocalList:
        """Read what is new; or everything, once in a while and when an entry may have been removed. One query."""
        if not self.tenant or not getattr(_local, "is_own_thread", False):
            return self._read(last)
        with conf.tenant_context(self.tenant):  # no request has made the tenant current in our own thread
            return self._read(last)

    def _read(self, last: LocalList | None) -> LocalList:
        begins_at, length = needed_from(), part_length(conf.get_config())
        full = (
            last is None
            or last.part_length != length
            or begins_at < last.begins_at - CLOCK_TOLERANCE_SECONDS
            or last.fully_read_at <= self._wrong_since
            or self._began - last.fully_read_at >= FULL_READ_SECONDS
        )
        if last is not None and not full:
            begins_at = max(begins_at, last.begins_at)
        entries = Entries(None if full else last, begins_at=begins_at, length=length)
        # Not later than now: a clock that has been set back has left entries in the future.
        since = max(min(entries.newest, stored(process_time())) - OVERLAP, entries.oldest)
        not_before = 0
        for kind, key, at in _revoked_since(since, entries.oldest):
            if kind == "sid":
                entries.add(0, key if len(key) == 36 else _with_dashes(key), at)
            elif kind == "jti":
                entries.add(1, key, at)
            else:
                not_before = max(not_before, math.floor(epoch(at)))
        if clock_holder() or _may_be_rolled_back():
            # A test may move the time back, or what was found may not be committed: the next reading is full again.
            fully_read_at = float("-inf")
        else:
            fully_read_at = self._began if last is None or full else last.fully_read_at
        return entries.as_list(not_before=not_before, begins_at=begins_at, fully_read_at=fully_read_at)

    def report(self, error: Exception) -> None:
        """Log that the list cannot be read."""
        audit.tell(events.REVOCATIONS_UNREADABLE, reason=type(error).__name__, exc_info=error)


_local = threading.local()
_list = LocalRevocations()
_lists = PerTenant(LocalRevocations)


def _current_list() -> LocalRevocations:
    tenant = conf.get_config().tenant
    return _lists.get(tenant) if tenant else _list


def check(token: AccessToken, config: conf.Config | None = None, now: float | None = None) -> None:
    """Refuse an access token of our own that has been revoked, or whose session has been.

    At most one query per poll interval and process.

    Args:
        token: The token.
        config: The settings, if the caller has them.
        now: The time, if the caller has it.

    Raises:
        InvalidTokenError: ``revoked``; or ``stale``, if the list cannot be read and is too old.
    """
    config = config or conf.get_config()
    known = _lists.get(config.tenant) if config.tenant else _list
    latest, interval, monotonic = known._latest, config.poll_seconds, stopwatch.seconds()
    revoked: RevocationList | None
    # Each request comes here: this is known.age(), with fewer calls.
    if (
        latest is None
        or monotonic - latest.started > interval
        or not -interval <= time.time() - latest.started_at <= interval
        or (latest.started <= known._stale_since and known._is_outdated(latest))
        or (now or config.clock()) - config.retention_seconds < latest.value.begins_at - CLOCK_TOLERANCE_SECONDS
        or known._read_in_tests
    ):
        revoked = known.usable()
    else:
        # It is not too old either: the settings do not allow a shorter limit.
        known._used_on_loop, revoked = monotonic, latest.value  # if there is a polling thread, it continues
    if revoked is not None and revoked.covers(token.registered):
        raise InvalidTokenError("revoked")


def mark_stale(*, removed: bool = False) -> None:
    """Make the next request of this process read the list again, because this process has changed the tables.

    Args:
        removed: Whether an entry may have been taken back. Then everything is read: a reading of what is new would keep
            the entry.
    """
    _current_list().mark_stale(removed=removed)


def mark_stale_on_commit(using: str, *, removed: bool = False) -> None:
    """Mark the list as stale now, and inside a transaction once more when it commits.

    Before the commit, another thread may read the list and find the rows as they were.

    Args:
        using: The database of the transaction.
        removed: As for :func:`mark_stale`.
    """
    changed = _current_list()  # by the time of the commit, another tenant may be the current one
    changed.mark_stale(removed=removed)
    transaction.on_commit(lambda: changed.mark_stale(removed=removed), using=using, robust=True)


def latest(*, max_age: float) -> Reading[LocalList] | None:
    """Return the list to publish it; ``None`` if it cannot be read now.

    At most one query per ``max_age`` and process, even if this process revokes more often than that. A reading that
    takes longer than ``max_age`` is good for the request that waits for it.

    Args:
        max_age: How old the list may be, in seconds.
    """
    published = _current_list()
    published.follow_tests()
    began, reading = stopwatch.seconds(), published.latest
    if reading is None or reading.age > max_age:
        reading = published.fresh(interval=max_age, patience=WAIT_SECONDS)
    if reading is None or (reading.age > 2 * max_age and reading.started < began):
        return None
    return reading


def forget() -> None:
    """Forget the list, and those of all tenants, as if this process had just been started."""
    _list.forget()
    _lists.forget()


def _may_be_rolled_back() -> bool:
    """Tell whether the tables were read in a transaction that waits for its commit, perhaps with a revocation in it."""
    using = apps.get_model("django_jwtauth", "RefreshToken").write_alias()
    return is_in_transaction(using) and bool(connections[using].run_on_commit)


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
