"""``manage.py demo --check``: the real server, in a directory of its own, and the whole story over HTTP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from example_project.demo.client import Client, StepError
from example_project.demo.story import Story

START_SECONDS = 30.0
STOP_SECONDS = 5.0
GRACE_SECONDS = 2.0
POLL_SECONDS = 0.5

_Process = subprocess.Popen[bytes]


def run(output: OutputWrapper) -> None:
    """Go through the story, a line for each step.

    Raises:
        CommandError: if a step is wrong. That ends the story, for each step builds on those before it.
    """
    good, bad = _marks(output)
    with _sigterm_as_exit(), _directory() as directory:
        log = directory / "server.log"
        with _server(log) as (process, port):
            output.write(f"A server of its own at http://127.0.0.1:{port}/, with an empty database in {directory}:")
            start = ("The server starts.", partial(_wait_until_it_answers, process, port))
            for line, step in (start, *Story(port, grace_seconds=GRACE_SECONDS).steps()):
                try:
                    step()
                except Exception as error:
                    what = str(error) if isinstance(error, StepError) else repr(error)
                    output.write(f"{bad} {line}\n\n{what}\n\nThe server's log:\n{log.read_text(errors='replace')}")
                    raise CommandError(f"This step is wrong: {line}") from None
                output.write(f"{good} {line}")
    output.write("All is as promised.")


def _marks(output: OutputWrapper) -> tuple[str, str]:
    """Return the marks of good and of wrong steps: plain text in a file, or where there are no such characters."""
    if output.isatty() and str(getattr(output, "encoding", "")).lower().startswith("utf"):
        return "✔", "✘"
    return "ok    ", "WRONG "


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack, as Ctrl-C does: otherwise the server would go on without us."""

    def leave(*args: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory inside the checkout, and at the end remove it with all that is in it."""
    parent = settings.BASE_DIR / ".demo"
    parent.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="check-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        with suppress(OSError):  # another check is under way
            parent.rmdir()


@contextmanager
def _server(log: Path) -> Iterator[tuple[_Process, int]]:
    """Start ``manage.py demo``, as anybody would, beside its log; at the end stop it, whatever happened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DEMO_DATABASE": str(log.with_name("demo.sqlite3")),
        "DEMO_REFRESH_GRACE_PERIOD": str(GRACE_SECONDS),
        "DEMO_REVOCATION_POLL_INTERVAL": str(POLL_SECONDS),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    try:
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: _Process, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(StepError):  # it does not listen yet
            Client(port, "demo").open("/")
            return
        time.sleep(0.1)
    ended = process.returncode
    raise StepError(f"It ended with {ended}." if ended is not None else f"No answer within {START_SECONDS:g} seconds.")
