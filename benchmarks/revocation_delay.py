"""How long it takes until another service refuses a revoked token: three real processes, measured from the commit.

This process revokes. A second process, with Django and the same database, publishes the list. A third process has only
a Verifier, polls that list, and verifies the token all the time.

Run ``python benchmarks/revocation_delay.py``; :mod:`project` explains the choice of database. Fails if any delay is
longer than the documentation promises.
"""

import contextlib
import random
import socket
import socketserver
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from project import EVERYONE, SIZES, configure, fill, machine, new_database, say, table

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key
from django_jwtauth.verifier import Verifier

TRIES = 20
INTERVAL = timedelta(seconds=2)  # the default of REVOCATION_POLL_INTERVAL
BOUND = INTERVAL.total_seconds() + 2


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def publish(listener: int, pem: str, database: str) -> None:
    """Run the issuer's web server on a socket that is already listening."""
    with _Server(("127.0.0.1", 0), _Silent, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = socket.socket(fileno=listener)
        server.server_name, server.server_port = server.socket.getsockname()
        server.setup_environ()
        configure(issuer=f"http://127.0.0.1:{server.server_port}", pem=pem, database=database)
        from django.core.wsgi import get_wsgi_application

        server.set_app(get_wsgi_application())
        say("ready")
        server.serve_forever()


def watch(issuer: str) -> None:
    """Run the other service: for each token, report when it is accepted, and when it is refused."""
    verifier = Verifier(issuer=issuer, audience=issuer, poll_interval=INTERVAL)
    for line in sys.stdin:
        raw = line.strip()
        try:
            verifier.verify(raw)
        except InvalidTokenError as error:
            say(f"refused at once: {error.reason}")
            continue
        say("accepted")
        while True:
            try:
                verifier.verify(raw)
            except InvalidTokenError as error:
                say(f"{error.reason} {time.time()!r}")
                break
            time.sleep(0.002)


@contextlib.contextmanager
def process(*arguments: str, inherits: tuple[int, ...] = ()) -> Iterator[Callable[..., str]]:
    """Run this file in a new process. Yields a function that sends it a line, if given, and reads its next line."""
    child = subprocess.Popen(  # noqa: S603 - it is this file
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=inherits,
    )

    def ask(line: str = "") -> str:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("it has pipes")
        if line:
            child.stdin.write(f"{line}\n")
            child.stdin.flush()
        answer = child.stdout.readline().strip()
        if not answer:
            raise AssertionError(f"{arguments[0]} has ended")
        return answer

    try:
        yield ask
    finally:
        child.kill()
        child.communicate()


def measure(ask: Callable[..., str], revoke: Callable[[Any], Any]) -> list[float]:
    """Return how many seconds each revocation took."""
    from django.contrib.auth import get_user_model

    from django_jwtauth import sessions

    user = get_user_model().objects.get()
    delays = []
    for _ in range(TRIES):
        # A sign-in in the second in which everyone was signed out could give a token that is refused.
        time.sleep(1.1)
        pair = sessions.start(user)
        if (answer := ask(pair.access)) != "accepted":
            raise AssertionError(answer)
        time.sleep(random.uniform(0, INTERVAL.total_seconds()))  # noqa: S311 - at a random moment of the poll interval
        revoke(pair.session)
        committed = time.time()
        reason, _, refused = ask().partition(" ")
        delay = float(refused) - committed
        if reason != "revoked" or delay > BOUND:
            raise AssertionError(f"{reason} after {delay:.2f} s")
        delays.append(delay)
    return delays


def main() -> None:
    """Measure, and print the table."""
    key = Key.generate("ES256")
    # The socket is opened here and inherited by each issuer, because the URL is a setting in both processes.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with new_database(issuer=url, key=key) as database:
            rows = [[name, *map("{:.2f}".format, delays)] for name, delays in measure_all(listener, url, key, database)]
            say("", f"Seconds from the commit until the token is refused, {TRIES} tries each ({machine()}).", "")
    table(["revoked", "minimum", "median", "maximum"], rows)
    say(f"All are below {BOUND:g} s.")


def measure_all(listener: socket.socket, url: str, key: Key, database: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Measure with lists of all sizes."""
    from django_jwtauth import sessions

    for size in (*SIZES, 0):
        fill(revoked=size, live=0 if size else EVERYONE)
        fd = listener.fileno()
        with (
            process("publish", str(fd), key.private_pem(), database, inherits=(fd,)) as issuer,
            process("watch", url) as ask,
        ):
            if (answer := issuer()) != "ready":
                raise AssertionError(answer)
            delays = measure(ask, sessions.revoke if size else lambda _: sessions.revoke_everyone())
        name = f"{size:,} in the list" if size else f"everyone, of {EVERYONE:,} sessions"
        say(f"{name}: {', '.join(f'{delay:.2f}' for delay in sorted(delays))}")
        yield name, (min(delays), statistics.median(delays), max(delays))


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]), *sys.argv[3:])
    elif sys.argv[1:2] == ["watch"]:
        watch(sys.argv[2])
    else:
        main()
