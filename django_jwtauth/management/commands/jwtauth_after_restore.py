"""End all sessions that a restored backup has brought back."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import sessions
from ...models import RefreshToken, RevokedReason

NOTE = "The database was restored from a backup."


class Command(BaseCommand):
    """Sign everyone out after a restore, because nobody knows which sessions have been revoked since the backup."""

    help = (
        "Run this after the database was restored from a backup, before the service is opened. It signs everyone out: "
        "a session that was revoked after the backup was taken would be accepted again, and so would a stolen refresh "
        "token that had been replaced by then. Services without a database follow within their usual bound."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask for a confirmation"
        )
        parser.add_argument("--note", default=NOTE, help="what the admin shows as the reason (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        count = RefreshToken.objects.live().count()
        if options["interactive"]:
            self.stdout.write(f"This ends {count} session(s): all users have to sign in again.")
            try:
                answer = input("Type 'everyone' to go on: ")
            except EOFError:
                raise CommandError(
                    "There is nobody to ask, so nothing has changed. Use --no-input in scripts."
                ) from None
            if answer != "everyone":
                raise CommandError("Nothing has changed.")
        try:
            entry = sessions.revoke_everyone(reason=RevokedReason.ADMIN, note=options["note"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        # If this server's clock is behind the former one's, some sessions began in its future.
        later = RefreshToken.objects.filter(created_at__gt=entry.not_before)
        count = max(count, sessions.revoke(later, reason=RevokedReason.ADMIN, note=options["note"]))
        self.stdout.write(f"{count} session(s) ended.")
        self.stdout.write(
            "Passwords, deactivated users and permissions are as they were when the backup was taken: repeat what has "
            "been changed since. Django's own sessions, such as those of the admin, go on: delete them if necessary."
        )
