"""The servers of the demo: their addresses, and how one process starts the others."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from django.conf import settings
from django.core.management.base import CommandError

from example_project.demo import accounts

HOST = "127.0.0.1"
STOP_SECONDS = 5.0


def base(port: int) -> str:
    """Return the address of the server on this port."""
    return f"http://{HOST}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of the three servers."""

    orders: int = 8000
    stock: int = 8001
    page: int = 8002

    def environment(self) -> dict[str, str]:
        """Return what the settings of each server read, so that they find one another."""
        return {
            "DEMO_ISSUER": base(self.orders),
            "DEMO_STOCK_URL": base(self.stock),
            "DEMO_PAGE_URL": base(self.page),
            "DEMO_ACCOUNTS": json.dumps([asdict(account) for account in accounts.ACCOUNTS]),
        }


def stock_settings() -> str:
    """Return the name of the settings module of the stock service."""
    return os.environ.get("DEMO_STOCK_SETTINGS_MODULE", "example_project.stock.settings")


@contextmanager
def stock_service(ports: Ports) -> Iterator[None]:
    """Serve the stock service; see :func:`_child`."""
    with _child("stock service", ports.stock, stock_settings(), ports):
        yield


@contextmanager
def page(ports: Ports) -> Iterator[None]:
    """Serve the page; see :func:`_child`."""
    with _child("page's server", ports.page, "example_project.page.settings", ports):
        yield


@contextmanager
def _child(name: str, port: int, settings_module: str, ports: Ports) -> Iterator[None]:
    """Serve from a child process. When either process ends, so does the other.

    Raises:
        CommandError: if the child process ends by itself.
    """
    child = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "example_project.demo.child", f"{HOST}:{port}"],
        cwd=settings.BASE_DIR,
        env={**os.environ, **ports.environment(), "DJANGO_SETTINGS_MODULE": settings_module},
        stdin=subprocess.PIPE,  # held open by this process alone, so it closes however this process ends
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
            raise CommandError(f"The {name} exited with {child.returncode}, so the demo ends.") from None
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
    """Let SIGTERM unwind the stack, as Ctrl-C does. Otherwise the child processes would go on running."""

    def leave(*args: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
