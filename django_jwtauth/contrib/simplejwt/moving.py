"""What the commands do: import outstanding tokens, count what is left, and drop the old tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from ... import audit, conf, users
from ..._core import events
from ...database import database_now, write
from ...errors import InvalidTokenError
from ...models import NotBefore, RefreshToken, RevokedReason
from ...sessions import revoke
from ...sessions._adopt import adopted, insert
from . import tables
from .models import BlacklistedToken, EndedTokens, ExchangedToken, OutstandingToken
from .reading import session_id_of
from .settings import get_settings

BATCH_SIZE = 1000
OLD_APP = "token_blacklist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import is."""

    seen: int = 0
    imported: int = 0

    def plus(self, seen: int, imported: int) -> "Progress":
        """Return the next state."""
        return Progress(seen=self.seen + seen, imported=self.imported + imported)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What an operator wants to know before the bridge goes."""

    exchanged: int
    """Old refresh tokens that were exchanged."""
    waiting: int
    """Imported sessions whose old token has not been exchanged, and is still good."""
    outstanding: int | None
    """Refresh tokens that Simple JWT has issued, and that are neither exchanged nor imported nor revoked nor expired.
    ``None`` if its tables are not there."""
    last_used_at: datetime | None
    """When an old refresh token was last accepted."""
    is_over: bool
    """Whether ``UNTIL`` has come, so that no old token is accepted any more."""

    @property
    def is_nothing(self) -> bool:
        """Whether the bridge can be removed, because no old token can still be used."""
        return self.is_over or (not self.waiting and self.outstanding == 0)


def importable(now: datetime) -> models.QuerySet[OutstandingToken]:
    """Return the tokens of Simple JWT that are neither revoked nor expired, and have a user."""
    revoked = BlacklistedToken.objects.filter(token=models.OuterRef("pk"))
    rows = OutstandingToken.objects.filter(expires_at__gt=now, user_id__isnull=False)
    return rows.exclude(models.Exists(revoked))


def import_tokens(*, batch_size: int, dry_run: bool) -> Iterator[Progress]:
    """Make sessions of outstanding tokens, in batches. It may be interrupted and repeated: nothing is imported twice.

    Memory stays constant: neither the tokens themselves nor more than one batch are read.
    """
    alias = RefreshToken.write_alias()
    now = database_now(alias)
    progress, last = Progress(), 0
    while True:
        rows = importable(now).filter(pk__gt=last).order_by("pk").defer("token")
        batch = list(rows[:batch_size])
        if not batch:
            return
        last = batch[-1].pk
        pairs = _sessions_of(batch, now)
        if not dry_run and pairs:
            _store(pairs, alias)
        progress = progress.plus(len(batch), len(pairs))
        yield progress


def remains(*, exact: bool = True) -> Remains:
    """Count what was exchanged, and what is left.

    Args:
        exact: Look at each token of Simple JWT and its user. Otherwise a few statements count them, and the tokens of
            users who may not sign in count too.
    """
    now = database_now(RefreshToken.write_alias())
    live = models.Exists(RefreshToken.objects.unrevoked().filter(pk=models.OuterRef("pk")))
    rows = ExchangedToken.objects
    outstanding = None
    waiting = rows.filter(live, exchanged_at__isnull=True, expires_at__gt=now).count()
    if tables.are_there():
        outstanding = 0
        for progress in import_tokens(batch_size=BATCH_SIZE, dry_run=True) if exact else ():
            outstanding = progress.imported
        if not exact:
            outstanding = max(0, importable(now).count() - waiting)
    return Remains(
        exchanged=rows.filter(exchanged_at__isnull=False).count(),
        waiting=waiting,
        outstanding=outstanding,
        last_used_at=rows.aggregate(latest=models.Max("last_used_at"))["latest"],
        is_over=now >= get_settings().until,
    )


def drop_tables() -> bool:
    """Drop the tables of Simple JWT's blacklist app, and Django's records of them.

    Our own table keeps which tokens they revoke.

    Returns:
        Whether they were there.
    """
    alias = RefreshToken.write_alias()
    if not tables.are_there(alias):
        return False
    _keep_blacklist(alias)
    connection = connections[alias]
    with connection.cursor() as cursor:
        # In this order: one refers to the other.
        for model in (BlacklistedToken, OutstandingToken):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(model._meta.db_table)}")
    # Or a later `migrate` would take the tables to be there.
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app=OLD_APP).delete()
    ContentType.objects.using(alias).filter(app_label=OLD_APP).delete()
    return True


def _keep_blacklist(alias: str) -> None:
    """Remember the revoked tokens. A row without a session means that a token must never become one."""
    now = database_now(alias)
    rows = BlacklistedToken.objects.order_by("pk")
    if not get_settings().sliding_claim:  # those may have successors with the same jti, which expire later
        rows = rows.filter(token__expires_at__gt=now - get_settings().leeway)
    last = 0
    while batch := list(rows.filter(pk__gt=last).values_list("pk", "token__jti", "token__expires_at")[:BATCH_SIZE]):
        last = batch[-1][0]
        kept = {session_id_of(jti): expires_at for _, jti, expires_at in batch}
        for row in ExchangedToken.objects.filter(pk__in=kept, imported_at__isnull=False, exchanged_at__isnull=True):
            revoke(row.pk, reason=RevokedReason.LOGOUT)
        ExchangedToken.objects.bulk_create(
            [ExchangedToken(pk=key, expires_at=expires_at) for key, expires_at in kept.items()], ignore_conflicts=True
        )


Pair = tuple[ExchangedToken, RefreshToken]


def _sessions_of(batch: Sequence[OutstandingToken], now: datetime) -> list[Pair]:
    """Return what a batch becomes, without what has become a session already, or may not."""
    ids = {row.pk: session_id_of(row.jti) for row in batch}
    known = set(ExchangedToken.objects.filter(pk__in=ids.values()).values_list("pk", flat=True))
    todo = [row for row in batch if ids[row.pk] not in known]
    keys = {row.user_id for row in todo}
    people: dict[Any, Any] = get_user_model()._base_manager.using(RefreshToken.write_alias()).in_bulk(keys)
    ended = dict(EndedTokens.objects.filter(pk__in=keys).values_list("pk", "not_before"))
    everyone = NotBefore.objects.aggregate(latest=models.Max("not_before"))["latest"]
    idle = conf.get_config().refresh_token_lifetime
    pairs: list[Pair] = []
    for row in todo:
        signed_in_at = row.created_at or now
        times = [time for time in (ended.get(row.user_id), everyone) if time is not None]
        user = people.get(row.user_id)
        if user is None or not users.is_active(user) or any(signed_in_at <= time for time in times):
            continue
        # The session goes idle when the token would have expired; at the earliest an idle limit after it was issued,
        # and at the latest one after the import.
        last_seen_at = min(max(row.expires_at - idle, signed_in_at), now)
        try:
            session = adopted(
                user, session_id=ids[row.pk], signed_in_at=signed_in_at, last_seen_at=last_seen_at, now=now
            )
        except InvalidTokenError:
            continue
        pairs.append((ExchangedToken(pk=session.pk, expires_at=row.expires_at, imported_at=now), session))
    return pairs


def _store(pairs: Sequence[Pair], alias: str) -> None:
    def store() -> int:
        with transaction.atomic(using=alias):
            ExchangedToken.objects.bulk_create([row for row, _ in pairs], ignore_conflicts=True)
            insert([session for _, session in pairs])
        return len(pairs)

    write(store, using=alias)
    audit.tell_on_commit(events.SESSIONS_IMPORTED, using=alias, count=len(pairs))
