"""Notes that something of a session's present generation has been seen: then no response was lost.

A session's ``unseen_since`` is when its present generation was made, as long as nothing of it has been seen. ``None``
means that something has, or that nobody knows: then a previous token that comes late is reuse. So it is after a step-up
and a change of password. Without ``REFRESH_RETRY_PERIOD`` it is always ``None``. The note goes by the row alone, so a
process that still has the old settings, or already has the new ones, makes it too.

A request never fails because of this, and waits for a lock for a fraction of a second only. In a transaction the note
waits until that has ended: it would hold a lock on the row for as long, and if it were rolled back with the request, a
stolen token would pass.
"""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import Error, connections, transaction

from .. import outages
from ..database import epoch, is_in_transaction, write
from ..models import RefreshToken, RefreshTokenQuerySet
from ..verifier import AccessToken

logger = logging.getLogger("django_jwtauth")

# A retry that is being answered has the row for as long as one UPDATE takes. A transaction of the project may have it
# for much longer, and is not waited for.
TRIES = 10
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something of a generation has been seen."""

    pk: UUID
    """Of the session."""
    unseen_since: datetime
    """Tells the generation: a later one has another time."""
    using: str
    """The database."""


class _Waiting(threading.local):
    """The notes of this thread that wait for the end of a transaction: it belongs to a connection of the thread."""

    def __init__(self) -> None:
        self.notes: list[Note] = []


_waiting = _Waiting()


def note_token(session: RefreshToken, token: AccessToken) -> None:
    """Note that an access token has been accepted, if it was minted since the last rotation.

    Its ``iat`` is the database's time in whole seconds, as it was read for the refresh that minted the token. So a
    token that was minted in the same second before the rotation counts as seen, too.

    Args:
        session: Its session.
        token: The token.
    """
    since = session.unseen_since
    if since is not None and token.claims["iat"] >= int(epoch(since)):
        note(session)


def note(session: RefreshToken) -> None:
    """Note that something of the present generation of a session has been seen, unless that is known."""
    since = session.unseen_since
    if since is None:
        return
    using = RefreshToken.write_alias()
    seen = Note(pk=session.pk, unseen_since=since, using=using)
    if is_in_transaction(using):
        _waiting.notes.append(seen)
        transaction.on_commit(_store_waiting, using=using)
    else:
        _store(seen)


def request_has_ended(**kwargs: Any) -> None:
    """Store what has waited for a transaction that was rolled back. A receiver of ``request_finished``."""
    used = {seen.using for seen in _waiting.notes}
    _store_waiting()
    for using in used:
        connections[using].close_if_unusable_or_obsolete()  # Django has done that before this used it again


def _store_waiting() -> None:
    ready = [seen for seen in _waiting.notes if not is_in_transaction(seen.using)]
    _waiting.notes = [seen for seen in _waiting.notes if seen not in ready]
    for seen in ready:
        _store(seen)


def _store(seen: Note) -> None:
    """Store a note. If that is impossible now, the next request with a token of this generation tries again."""
    rows = RefreshToken.objects.filter(pk=seen.pk, unseen_since=seen.unseen_since)
    try:
        for _ in range(TRIES):
            if _mark_seen(rows, seen.using) or not rows.exists():
                return
            time.sleep(PAUSE_SECONDS)
    except Error as error:
        if outages.is_news("seen"):
            logger.warning(
                "It could not be stored that a client has got its tokens (%s). Until it can be, its previous refresh "
                "token may be accepted for as long as REFRESH_RETRY_PERIOD says.",
                " ".join(f"{type(error).__name__}: {error}".split()),
            )


def _mark_seen(rows: RefreshTokenQuerySet, using: str) -> int:
    """Write the note, unless another connection is changing the row. Returns the number of rows that were changed."""
    features: Any = connections[using].features
    if not features.has_select_for_update_skip_locked:
        return rows.update(unseen_since=None)

    def mark() -> int:
        with transaction.atomic(using=using):
            free = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
            return rows.filter(pk__in=free).update(unseen_since=None) if free else 0

    return write(mark, using=using)
