"""``manage.py demo --check``: runs the whole story over HTTP, against real servers in a temporary directory."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from example_project.demo import services
from example_project.demo.client import Client, StepError
from example_project.demo.story import Stage, Story

START_SECONDS = 120.0
STOP_SECONDS = 30.0
GRACE_SECONDS = 2.0
POLL_SECONDS = 0.5

_Process = subprocess.Popen[bytes]


def run(output: OutputWrapper) -> None:
    """Run the story, and print a line for each step.

    Raises:
        CommandError: if a step fails. That ends the story, because each step builds on the previous ones.
    """
    good, bad = _marks(output)
    with services.sigterm_as_exit(), _directory() as directory, _stage(directory) as (stage, programs):
        orders, stock, page = map(services.base, (stage.orders_port, stage.stock_port, stage.page_port))
        output.write(f"Servers at {orders}/, {stock}/ and {page}/, with an empty database in {directory}:")

        def start() -> None:
            for program in programs:
                program.start()
            for program in programs:
                program.wait_until_it_answers()

        for line, step in (("The services start.", start), *Story(stage).steps()):
            try:
                took = step()
            except Exception as error:
                what = str(error) if isinstance(error, StepError) else repr(error)
                logs = "".join(program.read_log() for program in programs)
                output.write(f"{bad} {line}\n\n{what}\n{logs}")
                raise CommandError(f"This step failed: {line}") from None
            output.write(f"{good} {line}" + (f" It took {took:.1f} seconds." if took is not None else ""))
    output.write("Everything works as promised.")


def _marks(output: OutputWrapper) -> tuple[str, str]:
    """Return the marks for steps that passed and failed: plain text for files and for terminals without UTF-8."""
    if output.isatty() and str(getattr(output, "encoding", "")).lower().startswith("utf"):
        return "✔", "✘"
    return "ok    ", "FAILED"


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory inside the checkout, and remove it with its contents at the end."""
    parent = settings.BASE_DIR / ".demo"
    parent.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="check-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        with suppress(OSError):  # another check is running
            parent.rmdir()


class Program:
    """A ``manage.py`` command in a separate process that writes a log."""

    def __init__(self, *arguments: str, ports: tuple[int, ...], environment: dict[str, str], log: Path) -> None:
        """Describe the process; it is not started yet.

        Args:
            *arguments: For ``manage.py``.
            ports: The ports it serves on.
            environment: Variables to add to the environment of this process.
            log: The file for its output.
        """
        self.arguments = arguments
        self.ports = ports
        self.environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self.log = log
        self._process: _Process | None = None

    def start(self) -> None:
        """Start the process without waiting for it."""
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *self.arguments]
        with self.log.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=self.environment
            )

    def wait_until_it_answers(self) -> None:
        """Wait until it listens on all its ports.

        Raises:
            StepError: if it ends first, or takes too long.
        """
        deadline = time.monotonic() + START_SECONDS
        for port in self.ports:
            while not _answers(port):
                if self._process and self._process.poll() is not None:
                    raise StepError(f"manage.py {self.arguments[0]} exited with {self._process.returncode}.")
                if time.monotonic() >= deadline:
                    raise StepError(f"No answer from {services.base(port)} within {START_SECONDS:g} seconds.")
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, if it was started."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def read_log(self) -> str:
        """Return its output, below a heading."""
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"\nThe log of manage.py {' '.join(self.arguments)}:\n{said}"


@contextmanager
def _stage(directory: Path) -> Iterator[tuple[Stage, list[Program]]]:
    """Prepare ``manage.py demo``, as anybody would start it, and a second server of the stock service.

    The second server goes on when the demo is stopped. At the end both are stopped, whatever has happened.
    """
    orders_port, stock_port, page_port, second_stock_port = _free_ports(4)
    demo = Program(
        "demo",
        *("--port", str(orders_port), "--stock-port", str(stock_port), "--page-port", str(page_port)),
        ports=(orders_port, stock_port, page_port),
        environment={
            "DEMO_DATABASE": str(directory / "demo.sqlite3"),
            "DEMO_REFRESH_GRACE_PERIOD": str(GRACE_SECONDS),
            "DEMO_REVOCATION_POLL_INTERVAL": str(POLL_SECONDS),
        },
        log=directory / "demo.log",
    )
    second_stock = Program(
        "runserver",
        *("--noreload", "--settings", services.stock_settings(), f"{services.HOST}:{second_stock_port}"),
        ports=(second_stock_port,),
        environment={
            "DEMO_ISSUER": services.base(orders_port),
            "DEMO_REVOCATION_POLL_INTERVAL": str(POLL_SECONDS),
        },
        log=directory / "stock.log",
    )

    def start() -> None:
        demo.start()
        demo.wait_until_it_answers()

    with ExitStack() as stack:
        stack.callback(demo.stop)
        stack.callback(second_stock.stop)
        stage = Stage(
            orders_port=orders_port,
            stock_port=stock_port,
            page_port=page_port,
            second_stock_port=second_stock_port,
            grace_seconds=GRACE_SECONDS,
            poll_seconds=POLL_SECONDS,
            stop=demo.stop,
            start=start,
        )
        yield stage, [demo, second_stock]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((services.HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _answers(port: int) -> bool:
    with suppress(StepError):  # it does not listen yet
        Client(port, "demo").open("/")
        return True
    return False
