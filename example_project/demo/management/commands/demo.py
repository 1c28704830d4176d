"""``manage.py demo``: serve the example, or prove that it works."""

import errno
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from example_project.demo import accounts, trial

HOST = "127.0.0.1"

GUIDE = """
  Start page  {base}{index}
  Admin       {base}{admin}
  Sessions    {base}{sessions_admin}

  Users       {users}

To paste into a shell; sign in:

  TOKENS=$(curl -s {base}{token} -d username={ada.username} -d password={ada.password})
  part() {{ echo "$TOKENS" | sed "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/"; }}
  ACCESS=$(part access); REFRESH=$(part refresh); echo "$TOKENS"

Call the API, the second time without any query for the user:

  curl -H "Authorization: Bearer $ACCESS" {base}{orders} -d item=Tea -d quantity=2
  curl -H "Authorization: Bearer $ACCESS" {base}{whoami}

Refresh. Within REFRESH_GRACE_PERIOD ({grace:g} seconds) of the sign-in or of the last new refresh token, the same
refresh token comes back, with a new access token; only after that time there is a new one.

  TOKENS=$(curl -s {base}{refresh} -d refresh=$REFRESH)
  ACCESS=$(part access); REFRESH=$(part refresh); echo "$TOKENS"

Verify, list the sessions, sign out everywhere:

  curl {base}{verify} -d token=$ACCESS
  curl -H "Authorization: Bearer $ACCESS" {base}{sessions}
  curl -H "Authorization: Bearer $ACCESS" -X POST {base}{logout_all}

Ctrl-C ends the demo. It is kept in {database}.
"""
ADDRESSES = {
    "index": "index",
    "admin": "admin:index",
    "sessions_admin": "admin:django_jwtauth_refreshtoken_changelist",
    "token": "jwtauth:token",
    "orders": "order-list",
    "whoami": "whoami",
    "refresh": "jwtauth:token-refresh",
    "verify": "jwtauth:token-verify",
    "sessions": "jwtauth:session-list",
    "logout_all": "jwtauth:logout-all",
}


class Command(BaseCommand):
    """Serve the example on this machine, or with ``--check`` run its story against a server of its own."""

    help = "Sets up the example with two users and serves it; with --check proves step by step that it works."
    requires_system_checks = ()  # runserver makes them; and they would open the database, which --check leaves alone

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--port", type=int, default=8000, help="where to serve on 127.0.0.1 (default: %(default)s)")
        parser.add_argument(
            "--check",
            action="store_true",
            help="serve on a free port with an empty database of its own, go through the whole story over HTTP, and "
            "exit with 1 if a step is wrong; nothing is left behind",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the one or the other."""
        if not settings.DEBUG:
            raise CommandError("The demo has users with well-known passwords, so it runs only with DEBUG = True.")
        if options["check"]:
            trial.run(self.stdout)
            return
        try:
            self.serve(options["port"])
        except KeyboardInterrupt:
            self.stdout.write("\nThe demo has ended.")

    def serve(self, port: int) -> None:
        """Set everything up, say how to use it, and serve until Ctrl-C."""
        _refuse_unusable(port)
        call_command("migrate", verbosity=0, stdout=self.stdout)
        for account in accounts.ACCOUNTS:
            accounts.ensure(account)
        self.stdout.write(_guide(port))
        call_command(
            "runserver",
            f"{HOST}:{port}",
            use_reloader=False,
            stdout=self.stdout,
            shutdown_message="\nThe demo has ended.",
        )


def _refuse_unusable(port: int) -> None:
    """Say now, and clearly, that it is impossible to serve here, before anything has been done."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            why = "is taken by another program" if taken else f"cannot be used ({error})"
            raise CommandError(f"Port {port} {why}. Choose another one: manage.py demo --port NUMBER") from None


def _guide(port: int) -> str:
    return GUIDE.format(
        base=f"http://{HOST}:{port}",
        ada=accounts.ADA,
        users=", ".join(f"{account.username} (password {account.password})" for account in accounts.ACCOUNTS),
        grace=settings.JWTAUTH["REFRESH_GRACE_PERIOD"].total_seconds(),
        database=settings.DEMO_DATABASE,
        **{word: reverse(name) for word, name in ADDRESSES.items()},
    )
