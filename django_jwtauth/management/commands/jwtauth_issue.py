"""Issue tokens to a user who does not sign in: a service account."""

import contextlib
import io
import json
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
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
        with contextlib.nullcontext() if output is None else _new_file(output) as file:
            try:
                pair = sessions.start(
                    user,
                    scope=options["scope"],
                    audience=options["audience"],
                    refreshable=not options["access_only"],
                )
            except InvalidTokenError:
                raise CommandError(f"The user {options['username']!r} is not active.") from None
            except (JWTAuthError, ImproperlyConfigured, ValueError) as error:
                raise CommandError(str(error)) from None
            try:
                self._write(pair, file)
            except OSError as error:
                sessions.revoke(pair.session, note="not delivered")
                raise CommandError(f"The tokens cannot be written: {error.strerror}") from None
        if output is not None:
            self.stdout.write(f"{output}: tokens of session {pair.session.pk}")

    def _write(self, pair: sessions.TokenPair, file: io.FileIO | None) -> None:
        answer = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in, "scope": pair.scope}
        if pair.refresh:
            answer |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        text = json.dumps(answer)
        if file is None:
            self.stdout.write(text)
            self.stdout.flush()
            return
        rest = f"{text}\n".encode()
        while rest:  # a disk that gets full takes a part
            rest = rest[file.write(rest) :]


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[io.FileIO]:
    """Open a file that only its owner may read; if anything fails, there will be none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    try:
        # Unbuffered: what cannot be written is known at once.
        with io.FileIO(descriptor, "w") as file:
            yield file
    except BaseException:
        os.unlink(path)
        raise
