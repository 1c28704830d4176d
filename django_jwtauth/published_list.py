"""What other services get of our revocation list: divided into parts, limited, and signed no more often than necessary.

A part holds what was revoked in some seconds, so most parts never change until they leave the list as a whole. All
processes of an issuer divide their lists at the same times, and so name the same parts; see ``_core.revocation_list``.
"""

import hashlib
import json
import logging
import math
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from . import conf
from ._core.per_tenant import PerTenant
from ._core.polling import Reading
from ._core.revocation_list import MAX_ENTRIES, Part, RevocationList, SignedList
from .database import epoch
from .keys import Key
from .local_list import LocalList, part_number, stored

logger = logging.getLogger("django_jwtauth")

Ids = tuple[set[str], set[str]]
"""Of sessions, and of tokens."""

SIGNING_PERIOD = 30
"""How many seconds a signed document is served, as long as nothing changes, before it is signed again."""
REPLAY_SECONDS = 2 * SIGNING_PERIOD
"""How many seconds an attacker who withholds newer lists can replay an old one."""
CHANGES_SECONDS = 15
"""For how many seconds at least the document of changes has the ids of a part that has changed."""
CHANGES_INTERVALS = 6
"""For how many poll intervals at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDocument:
    """A signed document, and its entity tag."""

    body: bytes = field(repr=False)
    etag: str
    """Weak, because processes write the same content in different bytes (RFC 9110 section 8.8.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What was made of one reading of the list."""

    started: float
    """When the reading began, on the monotonic clock."""
    local: LocalList | None = None
    """The list as it was read."""
    not_before: int = 0
    """In seconds since 1970."""
    length: timedelta = timedelta(0)
    """How much time each part stands for."""
    ids: Mapping[int, Ids] = field(default_factory=dict, repr=False)
    """The ids that are published, by the number of the part."""
    parts: Mapping[int, Part] = field(default_factory=dict)
    """The parts, in the order of their numbers."""
    changed_at: Mapping[int, float] = field(default_factory=dict)
    """When each part was first seen as it is now, on the monotonic clock."""


class Publisher:
    """Makes the documents, and remembers the last ones. A very long list takes a second to divide or to sign."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # one thread works, and the others wait for what it makes
        self._state: _State | None = None
        self._last: dict[bool, tuple[tuple[object, ...], SignedDocument]] = {}

    def document(
        self, reading: Reading[LocalList], config: conf.Config, key: Key, *, changes: str, only_changes: bool
    ) -> SignedDocument:
        """Return the list, or the document of changes: the last one, if it says the same.

        Args:
            reading: The list of this process.
            config: The settings.
            key: What to sign with.
            changes: Where the document of changes is, relative to the list; empty if the project does not serve it.
            only_changes: Whether that document is wanted.
        """
        with self._lock:
            if self._state is None or self._state.local is not reading.value:
                self._state = _state(reading, config, self._state)
            return self._signed(self._state, reading, config, key, changes=changes, only_changes=only_changes)

    def _signed(
        self,
        state: _State,
        reading: Reading[LocalList],
        config: conf.Config,
        key: Key,
        *,
        changes: str,
        only_changes: bool,
    ) -> SignedDocument:
        issued_at = int(reading.started_at)
        signed_list = SignedList(
            revoked=RevocationList(not_before=state.not_before),
            issued_at=issued_at,
            expires_at=issued_at + REPLAY_SECONDS,
            ttl=math.ceil(config.revocation_poll_interval.total_seconds()),
            max_lifetime=math.ceil(config.access_token_lifetime.total_seconds()),
            parts=tuple(part.name for part in state.parts.values()),
            known={part.name: part for part in state.parts.values()},
            changes=changes,
        )
        content = (
            *(config.issuer, key.kid, issued_at // SIGNING_PERIOD, signed_list.ttl, signed_list.max_lifetime),
            *(signed_list.revoked.not_before, changes, signed_list.parts),
        )
        last = self._last.get(only_changes)
        if last is not None and last[0] == (key, *content):
            return last[1]
        if only_changes:
            since = reading.started - _window(config)
            included = {state.parts[number].name for number, at in state.changed_at.items() if at > since}
            body = signed_list.sign_changes(included, issuer=config.issuer, key=key)
        else:
            body = signed_list.sign(issuer=config.issuer, key=key)
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
        document = SignedDocument(body=body.encode(), etag=f'W/"{digest}"')
        self._last[only_changes] = ((key, *content), document)
        return document


def _state(reading: Reading[LocalList], config: conf.Config, last: _State | None) -> _State:
    """Make the parts of a list, and find out which of them have changed."""
    started, local = reading.started, reading.value
    ids, not_before = _bounded(local)
    # What has changed since cannot be told from a list of long ago: then its time says whether a part is new.
    is_known = last is not None and last.length == local.part_length and started - last.started <= _window(config)
    former = last if last is not None and is_known else _State(started=started)
    new_from = part_number(stored(reading.started_at - _window(config)), local.part_length)
    parts: dict[int, Part] = {}
    changed_at: dict[int, float] = {}
    for number in sorted(ids):
        known = former.parts.get(number)
        parts[number] = part = known if known and former.ids[number] == ids[number] else Part.of(*ids[number])
        if part == known:
            changed_at[number] = former.changed_at[number]
        else:
            changed_at[number] = started if is_known or number >= new_from else float("-inf")
    return _State(
        started=started,
        local=local,
        not_before=not_before,
        length=local.part_length,
        ids=ids,
        parts=parts,
        changed_at=changed_at,
    )


def _window(config: conf.Config) -> float:
    """Return for how many seconds the document of changes has the ids of a part that has changed."""
    return max(CHANGES_SECONDS, CHANGES_INTERVALS * config.poll_seconds)


def _bounded(local: LocalList) -> tuple[dict[int, Ids], int]:
    """Return what others do not refuse as too long. If there are too many ids, one time replaces the oldest.

    That revokes all older access tokens, also those of sessions that are alive; their clients refresh them. The newest
    ids stay: were the time that of the newest one, each revocation would make everybody refresh.

    Returns:
        The ids of each part, by its number; and the time.
    """
    left = MAX_ENTRIES
    bounded: dict[int, Ids] = {}
    for number in sorted(local.parts, reverse=True):
        sids, jtis = ids = local.parts[number]
        if len(sids) + len(jtis) <= left:
            left -= len(sids) + len(jtis)
            bounded[number] = ids
            continue
        logger.error(
            "More than %d sessions and tokens were revoked lately: one time is published instead of the oldest ids.",
            MAX_ENTRIES,
        )
        times = sorted([*map(local.sids.__getitem__, sids), *map(local.jtis.__getitem__, jtis)])
        last_replaced = times[-left - 1]
        bounded[number] = (
            {sid for sid in sids if local.sids[sid] > last_replaced},
            {jti for jti in jtis if local.jtis[jti] > last_replaced},
        )
        return bounded, max(math.floor(epoch(last_replaced)), local.not_before)
    return bounded, local.not_before


_publishers = PerTenant(lambda tenant: Publisher())  # of the tenant "", if there are none


def publisher(tenant: str) -> Publisher:
    """Return the publisher of a tenant."""
    return _publishers.get(tenant)


def forget() -> None:
    """Forget the documents that were signed last, as if this process had just been started."""
    _publishers.forget()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
    os.register_at_fork(after_in_child=forget)  # the parent's locks with them
