"""How long it takes until another service refuses a revoked token: three real processes, measured from the commit.

This process revokes. A second process, with Django and the same database, publishes the list. A third process has only
a Verifier, polls that list, and verifies the token all the time.

Fails if any delay is longer than the documentation promises.
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

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key
from django_jwtauth.verifier import Verifier

from .measure import Options, Row, Table
from .project import EVERYONE, configure, database_settings, fill, new_database, say
from .report import ROOT

SIZES = (1, 10_000, 100_000)
"""The numbers of revoked sessions in the list."""

TRIES = 20
INTERVAL = timedelta(seconds=2)  # the default of REVOCATION_POLL_INTERVAL
BOUND = INTERVAL.total_seconds() + 2


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def publish(listener: int, pem: str, vendor: str, database: str, *, only_list: bool = False) -> None:
    """Run the issuer's web server on a socket that is already listening.

    Args:
        listener: The file descriptor of the socket.
        pem: The signing key.
        vendor: The kind of database.
        database: Its name.
        only_list: Whether to leave out the changes of the list, so that services fetch all of it.
    """
    with _Server(("127.0.0.1", 0), _Silent, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = socket.socket(fileno=listener)
        server.server_name, server.server_port = server.socket.getsockname()
        server.setup_environ()
        databases = {"default": database_settings(vendor, database)}
        configure(databases=databases, issuer=f"http://127.0.0.1:{server.server_port}", pem=pem)
        from django.core.wsgi import get_wsgi_application

        from django_jwtauth.urls_well_known import urlpatterns as documents

        if only_list:
            documents[:] = [document for document in documents if document.name != "revocation-changes"]
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
        [sys.executable, "-m", "benchmarks.revocation_delay", *arguments],
        cwd=ROOT,
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


def measure(
    ask: Callable[..., str], revoke: Callable[[Any], Any], *, tries: int = TRIES, bound: float = BOUND
) -> list[float]:
    """Return how many seconds each revocation took.

    Raises:
        AssertionError: if it took longer than the bound.
    """
    from django.contrib.auth import get_user_model

    from django_jwtauth import sessions

    user = get_user_model().objects.get()
    delays = []
    for _ in range(tries):
        # A sign-in in the second in which everyone was signed out could give a token that is refused.
        time.sleep(1.1)
        pair = sessions.start(user)
        while (answer := ask(pair.access)) == "refused at once: stale":
            time.sleep(1)  # a very long list takes longer than a request waits, the first time
        if answer != "accepted":
            raise AssertionError(answer)
        time.sleep(random.uniform(0, INTERVAL.total_seconds()))  # noqa: S311 - at a random moment of the poll interval
        revoke(pair.session)
        committed = time.time()
        reason, _, refused = ask().partition(" ")
        delay = float(refused) - committed
        if reason != "revoked" or delay > bound:
            raise AssertionError(f"{reason} after {delay:.2f} s")
        delays.append(delay)
    return delays


def run(options: Options) -> Iterator[Row | Table]:
    """Measure."""
    key = Key.generate("ES256")
    # The socket is opened here and inherited by each issuer, because the URL is a setting in both processes.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        pem = key.private_pem()
        with new_database(options.database, issuer=url, pem=pem) as database:
            found = measure_all(listener, url, key, options.database, database)
            rows = tuple((name, *map("{:.2f}".format, delays)) for name, delays in found)
            title = f"Seconds from the commit until the token is refused, {TRIES} tries each; all below {BOUND:g} s"
            yield Table(
                title=title, head=("revoked", "minimum", "median", "maximum"), rows=rows, database=options.database
            )


def measure_all(
    listener: socket.socket, url: str, key: Key, vendor: str, database: str
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Measure with lists of all sizes."""
    from django_jwtauth import sessions

    for size in (*SIZES, 0):
        fill(revoked=size, live=0 if size else EVERYONE)
        fd = listener.fileno()
        with (
            process("publish", str(fd), key.private_pem(), vendor, database, inherits=(fd,)) as issuer,
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
        publish(int(sys.argv[2]), *sys.argv[3:6], only_list=len(sys.argv) > 6)
    else:
        watch(sys.argv[2])
