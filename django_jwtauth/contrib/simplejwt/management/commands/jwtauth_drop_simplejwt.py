"""Drop the tables of Simple JWT."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from ... import moving


class Command(BaseCommand):
    """Drop both tables of the blacklist app."""

    help = (
        "Drops the two tables of Simple JWT's blacklist app, and forgets its migrations and permissions. Imported and "
        "exchanged sessions do not need them, and the tokens that they revoke stay revoked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="drop them; without this, nothing is done")

    def handle(self, *args: Any, **options: Any) -> None:
        if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
            raise CommandError("Remove 'rest_framework_simplejwt.token_blacklist' from INSTALLED_APPS first.")
        if not options["yes"]:
            raise CommandError("This cannot be undone. Add --yes to drop the tables.")
        done = moving.drop_tables()
        self.stdout.write("The tables were dropped." if done else "The tables were not there.")
