"""Is it revoked? Answered from memory, without a query per request.

Each process keeps the list of what was revoked lately: the ids of sessions and of single access tokens. Entries
stay until every access token they concern has expired, so the list is short however many sessions there were.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import Error, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast
from django.utils import timezone

from . import conf
from .errors import InvalidTokenError
from .verifier import AccessToken

logger = logging.getLogger("django_jwtauth")

OVERLAP = timedelta(seconds=60)
"""How far each reading goes back behind the newest entry seen: for transactions that commit late."""
FULL_READ_SECONDS = 60.0
"""How often everything is read anew, for what committed even later."""
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0
SUMMER_TIME = timedelta(hours=1)
"""How far local times, which is what ``USE_TZ = False`` stores, may jump."""
WAIT_SECONDS = 10.0
"""How long a request waits for another one that reads the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The revocation list as it was read at one moment."""

    started: float
    """When the reading of it began, on the monotonic clock."""
    full_at: float
    """When all of it was last read, on the monotonic clock."""
    entries: Mapping[str, datetime] = field(repr=False)
    """Session ids (``sid``) and token ids (``jti``), with the time of their revocation."""


class RevocationList:
    """The list of this process, read from the database when it is needed and no longer fresh."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        """Begin with nothing; after a fork too, for another thread of the parent may have held the lock."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._stale_since = self._reread_since = 0.0
        self._backoff = FIRST_BACKOFF_SECONDS
        self._retry_at = 0.0

    def mark_stale(self) -> None:
        """Make the next request read the list anew: something was revoked in this process."""
        self._stale_since = time.monotonic()

    def reread(self) -> None:
        """Make the next request read all of the list: an entry may be gone, which no incremental reading can tell."""
        self._reread_since = self._stale_since = time.monotonic()

    def entries(self) -> Mapping[str, datetime] | None:
        """Return the list, as fresh as the settings ask; ``None`` if it cannot be had and they fail open.

        Raises:
            InvalidTokenError: ``stale``, if it cannot be had and they do not.
        """
        if self._pid != os.getpid():
            self._renew()
        config = conf.get_config()
        interval = config.revocation_poll_interval.total_seconds()
        age, lock = self._age(), self._lock
        if age > interval and lock.acquire(timeout=WAIT_SECONDS if age > 2 * interval else 0):
            # One thread reads. Past twice the interval the others wait for it here, and then find the list fresh.
            try:
                if self._age() > interval and time.monotonic() >= self._retry_at:
                    self._read()
            finally:
                lock.release()
        snapshot = self._snapshot
        if snapshot is None or time.monotonic() - snapshot.started > config.revocation_max_staleness.total_seconds():
            if not config.revocation_fail_open:
                raise InvalidTokenError("stale")
            return snapshot.entries if snapshot else None
        return snapshot.entries

    def _age(self) -> float:
        """Return the age of the list in seconds; infinite if something was revoked here since it was read."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.started <= self._stale_since:
            return float("inf")
        return time.monotonic() - snapshot.started

    def _read(self) -> None:
        started = time.monotonic()
        last = self._snapshot
        full = last is None or last.full_at <= self._reread_since or started - last.full_at >= FULL_READ_SECONDS
        oldest = timezone.now() - conf.get_config().revocation_retention
        if not settings.USE_TZ:
            oldest -= SUMMER_TIME
        known = {} if last is None or full else {key: at for key, at in last.entries.items() if at >= oldest}
        since = max([*known.values(), oldest + OVERLAP]) - OVERLAP
        try:
            known.update(_revoked_since(since))
        except Error:
            self._retry_at = started + self._backoff
            self._backoff = min(2 * self._backoff, MAX_BACKOFF_SECONDS)
            logger.exception("The revocation list cannot be read.")
            return
        self._backoff, self._retry_at = FIRST_BACKOFF_SECONDS, 0.0
        full_at = started if last is None or full else last.full_at
        self._snapshot = Snapshot(started=started, full_at=full_at, entries=known)


_list = RevocationList()
mark_stale = _list.mark_stale


def mark_stale_on_commit(using: str) -> None:
    """Make this process read its list anew, now and, inside a transaction, once more when it commits."""
    _now_and_on_commit(_list.mark_stale, using)


def reread_on_commit(using: str) -> None:
    """Make this process read all of its list anew, now and, inside a transaction, once more when it commits."""
    _now_and_on_commit(_list.reread, using)


def check(token: AccessToken) -> None:
    """Refuse an access token that was revoked, or whose session was.

    At most one query per poll interval and process; else none.

    Raises:
        InvalidTokenError: ``revoked``; or ``stale``, if the list cannot be read and is too old.
    """
    entries = _list.entries()
    if entries and (token.sid in entries or token.jti in entries):
        raise InvalidTokenError("revoked")


def _now_and_on_commit(action: Callable[[], None], using: str) -> None:
    action()
    transaction.on_commit(action, using=using, robust=True)


def _revoked_since(since: datetime) -> dict[str, datetime]:
    """Read both kinds of revocations, in one query."""
    sessions = apps.get_model("django_jwtauth", "RefreshToken")
    tokens = apps.get_model("django_jwtauth", "BlacklistedToken")
    using = sessions.write_alias()
    text = CharField()
    revoked = sessions.objects.using(using).filter(revoked_at__gte=since)
    blacklisted = tokens.objects.using(using).filter(created_at__gte=since)
    rows = revoked.values_list(Value("sid", text), Cast("pk", text), F("revoked_at")).union(
        blacklisted.values_list(Value("jti", text), Cast("jti", text), F("created_at")), all=True
    )
    # Without a UUID type of its own, a database gives 32 digits where a token has dashes between them.
    return {str(uuid.UUID(key)) if kind == "sid" else key: at for kind, key, at in rows}
