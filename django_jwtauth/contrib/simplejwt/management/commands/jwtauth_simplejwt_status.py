"""Tell whether the bridge to Simple JWT can go."""

from typing import Any

from django.core.management.base import BaseCommand

from ... import moving
from ...settings import get_settings


class Command(BaseCommand):
    """Count what was exchanged, and what is left."""

    help = "Says how many refresh tokens of Simple JWT were exchanged, how many are left, and when the last one came."

    def handle(self, *args: Any, **options: Any) -> None:
        remains = moving.remains()
        unknown = "unknown, since Simple JWT's tables are not there"
        self.stdout.write(f"exchanged: {remains.exchanged}")
        self.stdout.write(f"imported and waiting for their client: {remains.waiting}")
        self.stdout.write(f"outstanding: {unknown if remains.outstanding is None else remains.outstanding}")
        self.stdout.write(f"an old refresh token was last accepted: {remains.last_used_at or 'never'}")
        self.stdout.write(f"no old token is accepted from: {get_settings().until.date()}")
        if remains.is_nothing:
            self.stdout.write("Nothing is left: the bridge can be removed.")
