"""Make sessions of the refresh tokens that Simple JWT has issued."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import moving, tables


class Command(BaseCommand):
    """Import outstanding tokens in batches."""

    help = (
        "Makes a session of each refresh token of Simple JWT that is neither revoked nor expired, so that the admin "
        "and the users' lists of devices show them before their clients come. An imported token is still exchanged "
        "into its own session. It is safe to run at any time, to interrupt, and to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and write nothing")
        parser.add_argument("--batch-size", type=int, default=1000, help="rows per batch (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.")
        if not tables.are_there():
            raise CommandError("There are no tables of Simple JWT's blacklist app, so there is nothing to import.")
        progress = moving.Progress()
        try:
            for progress in moving.import_tokens(batch_size=options["batch_size"], dry_run=options["dry_run"]):
                if self.stdout.isatty():
                    self.stdout.write(f"\r{progress.seen} tokens, {progress.imported} sessions", ending="")
        except KeyboardInterrupt:
            message = "Interrupted. What was imported is kept: run the command again for the rest."
            raise CommandError(message, returncode=130) from None
        if self.stdout.isatty():
            self.stdout.write("\r", ending="")
        words = "would be imported" if options["dry_run"] else "imported"
        self.stdout.write(f"{progress.seen} tokens are good; {progress.imported} sessions {words}")
