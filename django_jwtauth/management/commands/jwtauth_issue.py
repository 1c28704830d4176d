"""Issue tokens to a user who does not sign in, such as a service account."""

import contextlib
import io
import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from ... import sessions, usernames, users
from ...errors import InvalidTokenError, JWTAuthError
from ...models import RefreshToken
from ..private_file import new_private_file, write_all


class Command(BaseCommand):
    """Print a token response, or write it to a file that only its owner can read."""

    help = (
        "Starts a session for a user, such as a service account, and prints its tokens as the sign-in endpoint would, "
        "or writes them to a new file (mode 0600). The session can be seen and revoked like any other."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="the user that the tokens are for")
        parser.add_argument("--scope", default="", help="scopes, separated by spaces")
        parser.add_argument("--audience", default="", help="the audience of the access tokens (default: AUDIENCE)")
        parser.add_argument(
            "--access-only", action="store_true", help="no refresh token: the session ends with the access token"
        )
        parser.add_argument("--output", metavar="FILE", help="the file to write them to; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        model = get_user_model()
        output = options["output"]
        try:
            name = {model.USERNAME_FIELD: usernames.normalize(options["username"])}
            user = model._default_manager.using(RefreshToken.write_alias()).get(**name)
        except (model.DoesNotExist, *usernames.NOT_A_VALUE):
            raise CommandError(f"There is no user {options['username']!r}.") from None
        # The file is opened first, or a failure would leave a session whose tokens nobody has.
        with contextlib.nullcontext() if output is None else new_private_file(output) as file:
            try:
                pair = sessions.start(
                    user,
                    scope=options["scope"],
                    audience=options["audience"],
                    refreshable=not options["access_only"],
                )
            except InvalidTokenError:
                raise CommandError(f"The user {options['username']!r} {self._why_not(user)}.") from None
            except (JWTAuthError, ImproperlyConfigured, ValueError) as error:
                raise CommandError(str(error)) from None
            try:
                self._write(pair, file)
            except OSError as error:
                sessions.revoke(pair.session, note="not delivered")
                raise CommandError(f"The tokens cannot be written: {error.strerror}") from None
        if output is not None:
            self.stdout.write(f"{output}: tokens of session {pair.session.pk}")

    def _why_not(self, user: Any) -> str:
        if not users.is_active(user):
            return "is not active"
        if not users.follows_rule(user):
            return "is refused by JWTAUTH['USER_AUTHENTICATION_RULE']"
        return "is refused by AUTHENTICATION_BACKENDS"

    def _write(self, pair: sessions.TokenPair, file: io.FileIO | None) -> None:
        answer = {"access": pair.access, "token_type": "Bearer", "expires_in": pair.expires_in, "scope": pair.scope}
        if pair.refresh:
            answer |= {"refresh": pair.refresh, "refresh_expires_in": pair.refresh_expires_in}
        text = json.dumps(answer)
        if file is None:
            self.stdout.write(text)
            self.stdout.flush()
            return
        write_all(file, f"{text}\n")
