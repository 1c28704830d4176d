"""Is it revoked? Answered from memory, without a query per request.

Each process keeps the list of what was revoked lately here, at the issuer: the ids of sessions and of single access
tokens. Entries stay until every access token they concern has expired, so the list is short however many sessions
there were.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import Error, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast
from django.utils import timezone

from . import conf
from ._core.polling import CachedValue, Reading
from ._core.revocation_list import RevocationList
from .database import epoch
from .errors import InvalidTokenError
from .verifier import AccessToken

logger = logging.getLogger("django_jwtauth")

OVERLAP = timedelta(seconds=60)
"""How far each reading goes back behind the newest entry seen: for transactions that commit late."""
FULL_READ_SECONDS = 60.0
"""How often everything is read anew, for what committed even later."""
SUMMER_TIME = timedelta(hours=1)
"""How far local times, which is what ``USE_TZ = False`` stores, may jump."""
WAIT_SECONDS = 10.0
"""How long a request waits for another one that reads the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The tables as they were read at one moment."""

    full_at: float
    """When all of it was last read, on the monotonic clock."""
    sids: Mapping[str, datetime] = field(repr=False)
    """Session ids, with the time of their revocation."""
    jtis: Mapping[str, datetime] = field(repr=False)
    """Ids of access tokens, likewise."""
    revoked: RevocationList
    """The list made of them."""


class LocalRevocations(CachedValue[Snapshot]):
    """The list of this process, read from the database when it is needed and no longer fresh."""

    expected_errors = (Error,)

    def forget(self) -> None:
        """Start again with no list."""
        super().forget()
        self._stale_since = self._reread_since = float("-inf")

    def mark_stale(self) -> None:
        """Make the next request read the list anew: something was revoked in this process."""
        self._stale_since = time.monotonic()

    def reread(self) -> None:
        """Make the next request read all of the list: an entry may be gone, which no incremental reading can tell."""
        self._reread_since = self._stale_since = time.monotonic()

    def age(self) -> float:
        """Return the age of the list in seconds; infinite if something was revoked here since it was read."""
        reading = self._latest
        return float("inf") if reading is None or reading.started <= self._stale_since else reading.age

    def current(self) -> RevocationList | None:
        """Return the list, as fresh as the settings ask; ``None`` if it cannot be had and they fail open.

        Raises:
            InvalidTokenError: ``stale``, if it cannot be had and they do not.
        """
        config = conf.get_config()
        reading = self.fresh(interval=config.revocation_poll_interval.total_seconds(), patience=WAIT_SECONDS)
        if reading is None or reading.age > config.revocation_max_staleness.total_seconds():
            if not config.revocation_fail_open:
                raise InvalidTokenError("stale")
            return reading.value.revoked if reading else None
        return reading.value.revoked

    def read(self, last: Snapshot | None) -> Snapshot:
        """Read what is new, and once in a while everything. One query."""
        full = last is None or last.full_at <= self._reread_since or self._began - last.full_at >= FULL_READ_SECONDS
        oldest = timezone.now() - conf.get_config().revocation_retention
        if not settings.USE_TZ:
            oldest -= SUMMER_TIME
        sids: dict[str, datetime] = {}
        jtis: dict[str, datetime] = {}
        if last is not None and not full:
            sids.update((sid, at) for sid, at in last.sids.items() if at >= oldest)
            jtis.update((jti, at) for jti, at in last.jtis.items() if at >= oldest)
        newest = max([*sids.values(), *jtis.values(), oldest + OVERLAP])
        # Not after the present time: a clock that was set back has left entries of the future.
        since = min(newest, timezone.now()) - OVERLAP
        not_before = 0
        for kind, key, at in _revoked_since(since, oldest):
            if kind == "sid":
                sids[key if len(key) == 36 else _with_dashes(key)] = at
            elif kind == "jti":
                jtis[key] = at
            else:
                not_before = max(not_before, math.floor(epoch(at)))
        revoked = RevocationList(sids=sids, jtis=jtis, not_before=not_before)
        full_at = self._began if last is None or full else last.full_at
        return Snapshot(full_at=full_at, sids=sids, jtis=jtis, revoked=revoked)

    def report(self, error: Exception) -> None:
        """Log it."""
        logger.error("The revocation list cannot be read.", exc_info=error)


_list = LocalRevocations()
mark_stale = _list.mark_stale
reread = _list.reread


def mark_stale_on_commit(using: str) -> None:
    """Make this process read its list anew, now and, inside a transaction, once more when it commits."""
    _now_and_on_commit(_list.mark_stale, using)


def reread_on_commit(using: str) -> None:
    """Make this process read all of its list anew, now and, inside a transaction, once more when it commits."""
    _now_and_on_commit(_list.reread, using)


def check(token: AccessToken) -> None:
    """Refuse an access token of our own that was revoked, or whose session was.

    At most one query per poll interval and process; else none.

    Raises:
        InvalidTokenError: ``revoked``; or ``stale``, if the list cannot be read and is too old.
    """
    revoked = _list.current()
    if revoked is not None and revoked.covers(token.claims):
        raise InvalidTokenError("revoked")


def published(*, max_age: float) -> Reading[Snapshot] | None:
    """Return the list for others to read; ``None`` if it cannot be read now.

    At most one query per ``max_age`` and process, also when this process revokes more often than that.

    Args:
        max_age: How old the copy of this process may be, in seconds.
    """
    reading = _list.latest
    if reading is None or reading.age > max_age:
        reading = _list.fresh(interval=max_age, patience=WAIT_SECONDS)
    return reading if reading is not None and reading.age <= 2 * max_age else None


def _now_and_on_commit(action: Callable[[], None], using: str) -> None:
    action()
    transaction.on_commit(action, using=using, robust=True)


def _with_dashes(digits: str) -> str:
    """Write a UUID as tokens do. Databases without such a type give 32 digits; UUID() would take most of the time."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _revoked_since(since: datetime, oldest: datetime) -> Iterable[tuple[str, str, datetime]]:
    """Read all kinds of revocations, in one query: what it is, which, and when."""
    sessions = apps.get_model("django_jwtauth", "RefreshToken")
    tokens = apps.get_model("django_jwtauth", "BlacklistedToken")
    using = sessions.write_alias()
    times = apps.get_model("django_jwtauth", "NotBefore").objects.using(using)
    text = CharField()
    revoked = sessions.objects.using(using).filter(revoked_at__gte=since)
    blacklisted = tokens.objects.using(using).filter(created_at__gte=since)
    recent = times.filter(not_before__gte=oldest)
    return revoked.values_list(Value("sid", text), Cast("pk", text), F("revoked_at")).union(
        blacklisted.values_list(Value("jti", text), Cast("jti", text), F("created_at")),
        recent.values_list(Value("not_before", text), Value("", text), F("not_before")),
        all=True,
    )
