"""Authenticated requests per second: gunicorn with two workers, and wrk (https://github.com/wg/wrk) as the load."""

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from . import project
from .measure import Options, Row, Table
from .report import ROOT

SECRET = "a secret for the benchmark only, of good length"  # noqa: S105 - it protects nothing
NAMES = ("open", "stateless", "simplejwt-stateless", "session", "simplejwt", "knox", "oauth-toolkit")


def application() -> Any:
    """Return the application, in a worker."""
    from django.core.wsgi import get_wsgi_application

    database = project.database_settings("postgresql", os.environ["BENCHMARK_DATABASE"])
    project.configure(databases={"default": database}, SECRET_KEY=SECRET)
    return get_wsgi_application()


def run(options: Options) -> Iterator[Row | Table]:
    """Compare. The views do nothing; they differ in how they authenticate."""
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("This needs wrk: apt-get install wrk.")
    with project.new_database("postgresql", SECRET_KEY=SECRET) as database:
        from . import peers

        headers = peers.headers(peers.user())
        with _server(database) as url:
            rates: dict[str, list[float]] = {name: [] for name in NAMES}
            for _ in range(2 if options.quick else 7):
                for name in NAMES:
                    rates[name].append(_rate(wrk, f"{url}/{name}/", headers.get(name, ""), 1 if options.quick else 4))
        found = {name: statistics.median(values) for name, values in rates.items()}
        for ours, their, peer, goal in (
            ("stateless", "open", "the view without authentication", "≥ 0.9"),
            ("stateless", "simplejwt-stateless", peers.SIMPLEJWT, ""),
            ("session", "simplejwt", peers.SIMPLEJWT, ""),
            ("session", "knox", peers.KNOX, ""),
            ("session", "oauth-toolkit", peers.OAUTH_TOOLKIT, ""),
        ):
            words = "stateless" if ours == "stateless" else "with user and session"
            yield Row(
                name=f"requests per second, gunicorn, {words}",
                ours=found[ours],
                peer=peer,
                theirs=found[their],
                unit="/s",
                goal=goal,
                per_second=True,
                database="postgresql",
            )


@contextlib.contextmanager
def _server(database: str) -> Iterator[str]:
    """Run gunicorn, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"fd://{listener.fileno()}"]
        server = subprocess.Popen(  # noqa: S603 - our own
            [*command, "--log-level", "error", "benchmarks.load:application()"],
            cwd=ROOT,
            env={**os.environ, "BENCHMARK_DATABASE": database},
            pass_fds=(listener.fileno(),),
        )
        try:
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _rate(wrk: str, url: str, authorization: str, seconds: int) -> float:
    """Return the requests per second; any answer but 200 is an error."""
    command = [wrk, "--threads", "1", "--connections", "8", "--duration", f"{seconds}s", "--timeout", "30s"]
    header = ["--header", f"Authorization: {authorization}"] if authorization else []
    done = subprocess.run([*command, *header, url], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise AssertionError(done.stdout)
    (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)
    time.sleep(0.1)
    return float(rate)
