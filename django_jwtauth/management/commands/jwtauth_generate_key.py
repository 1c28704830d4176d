"""Generate a signing key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...keys import HMAC_BYTES, SUPPORTED_ALGORITHMS, Key
from ..private_file import new_private_file, write_all


class Command(BaseCommand):
    """Print a new private key, or write it to a file that only its owner can read."""

    help = "Generates a key for JWTAUTH['SIGNING_KEYS'] and prints it, or writes it to a new file (mode 0600)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        asymmetric = [alg for alg in SUPPORTED_ALGORITHMS if alg not in HMAC_BYTES]
        parser.add_argument("--alg", choices=asymmetric, default="ES256", help="the algorithm (default: %(default)s)")
        parser.add_argument("--output", metavar="FILE", help="the file to write it to; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        key = Key.generate(options["alg"])
        pem, output = key.private_pem(), options["output"]
        if output is None:
            self.stdout.write(pem, ending="")
            return
        with new_private_file(output) as file:
            try:
                write_all(file, pem)
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}") from None
        self.stdout.write(f"{output}: {key.alg} key, kid {key.kid}")
