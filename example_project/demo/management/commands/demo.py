"""``manage.py demo``: serve the example, or check that it works."""

import errno
import logging
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test import override_settings
from django.urls import reverse

from example_project.demo import accounts, services, trial
from example_project.demo.services import HOST, Ports

GUIDE = """
  The page    {page}/

  Start page  {base}{index}
  Admin       {base}{admin}
  Sessions    {base}{sessions_admin}
  Stock       {stock}/

  Users       {users}

The following lines can be pasted into a shell. Sign in:

  TOKENS=$(curl -s {base}{token} -d username={ada.username} -d password={ada.password})
  part() {{ echo "$TOKENS" | sed "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/"; }}
  ACCESS=$(part access); REFRESH=$(part refresh); echo "$TOKENS"

Call the API; the second call needs no query for the user:

  curl -H "Authorization: Bearer $ACCESS" {base}{orders} -d item=Tea -d quantity=2
  curl -H "Authorization: Bearer $ACCESS" {base}{whoami}

Use the same token in the stock service, which has no database. Only {mary.username}, who is in the group warehouse, may
change a quantity; {ada.username} is refused:

  curl -H "Authorization: Bearer $ACCESS" {stock}/api/stock/
  curl -H "Authorization: Bearer $ACCESS" -X PATCH {stock}/api/stock/tea/ -d quantity=99
  TOKENS=$(curl -s {base}{token} -d username={mary.username} -d password={mary.password})
  curl -H "Authorization: Bearer $(part access)" -X PATCH {stock}/api/stock/tea/ -d quantity=99

The stock service reads this from the orders service: where everything is, the public keys, and what was revoked.

  curl {base}{metadata}
  curl {base}{jwks}
  curl {base}{revocations}

Refresh. Within REFRESH_GRACE_PERIOD ({grace:g} seconds) of the sign-in or of the last rotation, you get the same
refresh token back, with a new access token. After that time, you get a new refresh token too.

  TOKENS=$(curl -s {base}{refresh} -d refresh=$REFRESH)
  ACCESS=$(part access); REFRESH=$(part refresh); echo "$TOKENS"

Verify, list the sessions, sign out everywhere:

  curl {base}{verify} -d token=$ACCESS
  curl -H "Authorization: Bearer $ACCESS" {base}{sessions}
  curl -H "Authorization: Bearer $ACCESS" -X POST {base}{logout_all}

From then on both services refuse the token, the stock service after at most {bound:g} seconds:

  curl -H "Authorization: Bearer $ACCESS" {stock}/api/stock/

Ctrl-C stops all servers. The data stays in {database}.
"""
DEFAULT_PORTS = Ports()
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
    "metadata": "metadata",
    "jwks": "jwks",
    "revocations": "revocations",
}


class Command(BaseCommand):
    """Serve the example on this machine, or with ``--check`` run its story against separate servers."""

    help = (
        "Sets up the example with three users, and serves its two services and the page that calls them. With --check, "
        "verifies step by step that they work."
    )
    requires_system_checks = ()  # runserver runs them; and they would open the database, which --check does not touch

    def add_arguments(self, parser: ArgumentParser) -> None:
        for option, service, port in (
            ("--port", "the orders service, which issues the tokens,", DEFAULT_PORTS.orders),
            ("--stock-port", "the stock service", DEFAULT_PORTS.stock),
            ("--page-port", "the page", DEFAULT_PORTS.page),
        ):
            parser.add_argument(
                option, type=int, default=port, help=f"where to serve {service} on {HOST} (default: %(default)s)"
            )
        parser.add_argument(
            "--check",
            action="store_true",
            help="serve on free ports with a separate, empty database, run the whole story over HTTP, and exit with 1 "
            "if a step fails; nothing is left behind",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo has users with well-known passwords, so it runs only with DEBUG = True.")
        if options["check"]:
            trial.run(self.stdout)
            return
        try:
            self.serve(Ports(orders=options["port"], stock=options["stock_port"], page=options["page_port"]))
        except KeyboardInterrupt:
            self.stdout.write("\nThe demo has ended.")

    def serve(self, ports: Ports) -> None:
        """Set everything up, print the guide, and serve until Ctrl-C."""
        if len({ports.orders, ports.stock, ports.page}) < 3:
            raise CommandError(
                "The servers need three ports: manage.py demo --port NUMBER --stock-port NUMBER --page-port NUMBER"
            )
        _refuse_unusable(ports.orders, "--port")
        _refuse_unusable(ports.stock, "--stock-port")
        _refuse_unusable(ports.page, "--page-port")
        issuer, page = services.base(ports.orders), services.base(ports.page)
        own = override_settings(
            # Tokens must name the address that is served here, because other services look for the keys there.
            JWTAUTH={**settings.JWTAUTH, "ISSUER": issuer},
            ISSUER=issuer,
            STOCK_URL=services.base(ports.stock),
            PAGE_URL=page,
            CORS_ALLOWED_ORIGINS=[page],
            CSRF_TRUSTED_ORIGINS=[page],
        )
        with own, services.sigterm_as_exit():
            call_command("migrate", verbosity=0, stdout=self.stdout)
            for account in accounts.ACCOUNTS:
                accounts.ensure(account)
            logging.getLogger("django.server").addFilter(_is_worth_a_line)
            with services.stock_service(ports), services.page(ports):
                self.stdout.write(_guide(ports))
                call_command(
                    "runserver",
                    f"{HOST}:{ports.orders}",
                    use_reloader=False,
                    stdout=self.stdout,
                    shutdown_message="\nThe demo has ended.",
                )


def _refuse_unusable(port: int, option: str) -> None:
    """Refuse an unusable port with a clear message, before anything has been done."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            if not port:
                raise OverflowError("it means any port")
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            why = "is in use by another program" if taken else f"cannot be used ({error})"
            raise CommandError(f"Port {port} {why}. Choose another: manage.py demo {option} NUMBER") from None


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out the stock service's regular, successful requests for the revocation list and its changes."""
    return record.levelno > logging.INFO or "GET /.well-known/jwt-revocations" not in record.getMessage()


def _guide(ports: Ports) -> str:
    return GUIDE.format(
        base=services.base(ports.orders),
        stock=services.base(ports.stock),
        page=services.base(ports.page),
        ada=accounts.ADA,
        mary=accounts.MARY,
        users=", ".join(f"{account.username} (password {account.password})" for account in accounts.ACCOUNTS),
        grace=settings.JWTAUTH["REFRESH_GRACE_PERIOD"].total_seconds(),
        bound=settings.JWTAUTH["REVOCATION_POLL_INTERVAL"].total_seconds() + 2,
        database=settings.DEMO_DATABASE,
        **{word: reverse(name) for word, name in ADDRESSES.items()},
    )
