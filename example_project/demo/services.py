"""The two services of the demo: where they are, and how one process starts the other."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError

HOST = "127.0.0.1"
ORDERS_PORT = 8000
STOCK_PORT = 8001
STOP_SECONDS = 5.0


def base(port: int) -> str:
    """Return the address of the service at this port."""
    return f"http://{HOST}:{port}"


def stock_settings() -> str:
    """Return the module with the settings of the stock service."""
    return os.environ.get("DEMO_STOCK_SETTINGS_MODULE", "example_project.stock.settings")


@contextmanager
def stock_service(port: int, *, issuer: str) -> Iterator[None]:
    """Serve the stock service by a process of its own that ends with this one, and this one with it.

    Raises:
        CommandError: if the stock service ends by itself.
    """
    child = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "example_project.demo.child", f"{HOST}:{port}"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": stock_settings(), "DEMO_ISSUER": issuer},
        stdin=subprocess.PIPE,  # held open by this process alone, so it closes whatever way this process ends
        stdout=subprocess.DEVNULL,  # the banner; what is logged goes to stderr
    )
    ending = threading.Event()
    ended_first = threading.Event()

    def watch() -> None:
        child.wait()
        if not ending.is_set():
            ended_first.set()
            signal.raise_signal(signal.SIGTERM)  # whose handler runs in the main thread

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except SystemExit:
        if ended_first.is_set():
            raise CommandError(f"The stock service has ended, with {child.returncode}, and so the demo ends.") from None
        raise
    finally:
        ending.set()
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        watcher.join()


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack, as Ctrl-C does: otherwise the processes that we have started would go on."""

    def leave(*args: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
