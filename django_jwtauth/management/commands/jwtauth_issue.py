"""Issue tokens to a user who does not sign in: a service account."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from ... import sessions
from ...errors import InvalidTokenError, JWTAuthError
from ...models import RefreshToken


class Command(BaseCommand):
    """Print a token response, or write it to a file that only its owner may read."""

    help = (
        "Starts a session for a user, such as a service account, and prints its tokens as the sign-in endpoint would; "
        "or writes them to a new file (mode 0600). The session can be seen and revoked as all others."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("username", help="who the tokens are for")
        parser.add_argument("--scope", default="", help="scopes, separated by spaces")
        parser.add_argument("--audience", default="", help="for whom the access tokens are (default: AUDIENCE)")
        parser.add_argument(
            "--access-only", action="store_true", help="no refresh token: the session ends with the access token"
        )
        parser.add_argument("--output", metavar="FILE", help="where to write them; the file must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue them."""
        users = get_user_model()
        output = options["output"]
        try:
            name = {users.USERNAME_FIELD: options["username"]}
            user = users._default_manager.using(RefreshToken.write_alias()).get(**name)
        except users.DoesNotExist:
            raise CommandError(f"There is no user {options['username']!r}.") from None
        # Before there is a session: one whose tokens nobody gets would be left.
        descriptor = None if output is None else _create(output)
        try:
            pair = sessions.start(
                user,
                scope=options["scope"],
                audience=options["audience"],
                refreshable=not options["access_only"],
            )
        except (JWTAuthError, ValueError) as error:
            if descriptor is not None:
                os.close(descriptor)
                os.unlink(output)
            inactive = isinstance(error, InvalidTokenError)
            raise CommandError(f"The user {options['username']!r} is not active." if inactive else str(error)) from None
        answer = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in, "scope": pair.scope}
        if pair.refresh:
            answer |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        text = json.dumps(answer)
        if descriptor is None:
            self.stdout.write(text)
            return
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
        self.stdout.write(f"{output}: tokens of session {pair.session.pk}")


def _create(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
