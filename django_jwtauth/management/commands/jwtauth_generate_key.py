"""Make a new signing key."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...keys import HMAC_BYTES, SUPPORTED_ALGORITHMS, Key


class Command(BaseCommand):
    """Print a new private key, or write it to a file that only its owner may read."""

    help = "Makes a new key for JWTAUTH['SIGNING_KEYS'] and prints it, or writes it to a new file (mode 0600)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        asymmetric = [alg for alg in SUPPORTED_ALGORITHMS if alg not in HMAC_BYTES]
        parser.add_argument("--alg", choices=asymmetric, default="ES256", help="the algorithm (default: %(default)s)")
        parser.add_argument("--output", metavar="FILE", help="where to write it; the file must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        key = Key.generate(options["alg"])
        pem, output = key.private_pem(), options["output"]
        if output is None:
            self.stdout.write(pem, ending="")
            return
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
        self.stdout.write(f"{output}: {key.alg} key, kid {key.kid}")
