"""An issuer in a process of its own: ``python -m tests.interop.serve``.

It takes a free port, says its URL in one line, and serves until its standard input ends.
"""

import json
import os
import sys
import threading

import django
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

USERS = ("ada", "bob", "cleo", "dora")
PASSWORD = "correct horse"


class QuietHandler(WSGIRequestHandler):
    """Says nothing of requests that go well."""

    def log_message(self, format, *args):
        if not str(args[1]).startswith(("2", "3")):
            super().log_message(format, *args)


def main():
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    url = f"http://127.0.0.1:{server.server_port}"
    # The issuer is where it listens, which nobody knows before, unless it stands in for another one.
    given = json.loads(os.environ["JWTAUTH_INTEROP"])
    given["jwtauth"].setdefault("ISSUER", url)
    os.environ["JWTAUTH_INTEROP"] = json.dumps(given)

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User  # possible from here on

    for name in USERS:
        User.objects.create_user(name, password=PASSWORD)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(url, flush=True)  # noqa: T201
    sys.stdin.read()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
