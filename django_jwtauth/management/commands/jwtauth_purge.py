"""Delete rows that nobody needs any more."""

import functools
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from ...database import write
from ...models import BlacklistedToken, NotBefore, RefreshToken


class Command(BaseCommand):
    """Purge the tables in batches."""

    help = (
        "Deletes sessions that have expired, were idle for too long, or were revoked more than PURGE_REVOKED_AFTER "
        "ago, and blacklisted access tokens that have expired. Never deletes a row that may still be on the revocation "
        "list. It is safe to run at any time, and to interrupt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")
        parser.add_argument("--batch-size", type=int, default=1000, help="rows per statement (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.")
        now = RefreshToken.objects.now()
        for model in (RefreshToken, BlacklistedToken, NotBefore):
            rows = model.objects.purgeable(now)
            name = model._meta.verbose_name_plural
            if options["dry_run"]:
                self.stdout.write(f"{name}: {rows.count()} would be deleted")
            else:
                self.stdout.write(f"{name}: {self.delete(rows, options['batch_size'], str(name))} deleted")

    def delete(self, rows: QuerySet[Any], batch_size: int, name: str) -> int:
        """Delete in batches, each in its own transaction, so that nobody waits for long and memory stays constant."""
        deleted, left, is_last = 0, rows, False
        while not is_last:
            # Only the last key of the batch is passed, so the statement is equally short for any size.
            end = left.order_by("pk").values_list("pk", flat=True)[batch_size - 1 : batch_size].first()
            is_last = end is None
            batch = left if is_last else left.filter(pk__lte=end)
            # All conditions are repeated: a session may have been refreshed since its key was read. If another purge
            # was faster, nothing is left of the batch.
            deleted += write(functools.partial(_delete, batch), using=rows.db)
            left = rows if is_last else rows.filter(pk__gt=end)
            if self.stdout.isatty():
                self.stdout.write(f"\r{name}: {deleted} deleted", ending="")
        if self.stdout.isatty():
            self.stdout.write("\r", ending="")
        return deleted


def _delete(rows: QuerySet[Any]) -> int:
    """Delete rows in one statement, unless models of the project refer to ours, and return how many there were."""
    return rows.delete()[1].get(rows.model._meta.label, 0)
