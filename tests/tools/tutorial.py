"""The tutorial, pasted block by block into an empty folder, by somebody with three terminals."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

from tests.tools.demo import free_port
from tests.tools.docs import page
from tests.tools.processes import ROOT

PATIENCE = 300.0
FENCES = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = re.compile(r"(end of|new file|everything in) `([\w/.]+)`")
TERMINALS = ("first terminal", "second terminal", "third terminal")
READY = "Quit the server"
DONE = "--- done"


def blocks():
    """Yield each block of the page: the paragraph before it, its language, and its text."""
    before, *parts = FENCES.split(page("docs/tutorial.md"))
    for language, block, after in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield " ".join(before.strip().rpartition("\n\n")[2].split()), language, block
        before = after


class Terminal:
    """A shell, which runs what is pasted into it."""

    def __init__(self, path, environment, log):
        self.log = log
        with log.open("w") as output:
            self._shell = subprocess.Popen(
                ["bash", "-e", "-o", "pipefail"],
                cwd=path,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def paste(self, lines, until):
        """Paste lines, and return what is printed from then on, up to some text."""
        before = len(self.log.read_text())
        self._shell.stdin.write(lines)
        self._shell.stdin.flush()
        printed = self.read(before, until)
        assert printed is not None, self.log.read_text()
        return printed

    def read(self, before, until, patience=PATIENCE):
        """Return what is printed after a position, up to some text, or ``None`` if that does not come."""
        deadline = time.monotonic() + patience
        while until not in (printed := self.log.read_text()[before:]):
            assert self._shell.poll() is None, self.log.read_text()
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
        return printed.partition(until)[0]

    def close(self):
        """End the shell, and what runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        self._shell.stdin.close()


class Reader:
    """Somebody who does what the page says, with the built wheel in place of a clone."""

    def __init__(self, path, stack):
        self.path = path
        self.folder = path / "shop"
        self.ports = {"8000": str(free_port()), "8001": str(free_port())}
        self._stack = stack
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DJANGO_", "COVERAGE_", "PYTHON", "VIRTUAL_ENV"))
        }
        programs = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        self._environment = {
            **inherited,
            "PATH": programs,
            "PYTHONUNBUFFERED": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self._terminals = [self._open(path, TERMINALS[0])]
        self._servers = []
        self._wheel = build_wheel(path)

    def url(self, port):
        """Return the address of the service that the page has at a port."""
        return f"http://localhost:{self.ports[port]}"

    def do(self, said, language, block):
        """Do what one block is for, and return what its commands print."""
        block = self._here(block)
        if language == "sh":
            return self._type(said, block)
        how, name = FILES.search(said).groups()
        file = self.folder / name
        assert file.exists() == (how != "new file"), (said, name)
        file.parent.mkdir(exist_ok=True)
        seen = {terminal: len(terminal.log.read_text()) for _, terminal in self._servers}
        file.write_text(f"{file.read_text()}{block}" if how == "end of" else block)
        for project, terminal in self._servers:
            if how == "end of" and name.startswith(f"{project}/"):
                self._wait_for_restart(file, terminal, seen[terminal])
        return None

    def _type(self, said, block):
        """Type commands into the terminal that the page names, the first one if it names none."""
        if "runserver" in block:
            assert block.rstrip().rpartition("\n")[2].startswith("python "), "the server is the last command"
            terminal = self._open(self.folder, TERMINALS[len(self._terminals)])
            assert TERMINALS[len(self._terminals)] in said, said
            self._terminals.append(terminal)
            self._servers.append((block.partition("/manage.py")[0].rpartition(" ")[2], terminal))
            return terminal.paste(block, READY)
        assert not any(name in said for name in TERMINALS[1:]), said
        return self._terminals[0].paste(f"{block}\necho '{DONE}'\n", DONE).rstrip("\n")

    def _wait_for_restart(self, file, terminal, before):
        """Wait until a server has restarted because one of its files was changed."""
        deadline = time.monotonic() + PATIENCE
        while terminal.read(before, READY, patience=5) is None:
            assert time.monotonic() < deadline, terminal.log.read_text()
            # A server that has just started first looks at its files a moment later, and cannot know how they were.
            os.utime(file)

    def _open(self, path, name):
        terminal = Terminal(path, self._environment, self.path / f"{name.split()[0]}.log")
        self._stack.callback(terminal.close)
        return terminal

    def _here(self, block):
        """Return a block with free ports, and with the path of the wheel: all else is as printed."""
        for printed, free in self.ports.items():
            block = re.sub(rf"\b{printed}\b", free, block)
        return block.replace("path/to/django-jwtauth", str(self._wheel))


def build_wheel(path):
    """Build the wheel of this checkout, in an environment of its own, and return its path."""
    subprocess.run([sys.executable, "-m", "venv", path / "build"], check=True)
    command = [path / "build" / "bin" / "python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", path / "wheels", ROOT]
    subprocess.run(command, check=True, cwd=path)
    (wheel,) = (path / "wheels").glob("*.whl")
    return wheel


def follow(reader, steps):
    """Do what blocks are for, compare what is printed with what the page shows, and return how often it shows that."""
    printed, compared = "", 0
    for said, language, block in steps:
        if language == "text":
            # An ellipsis stands for anything.
            pattern = ".*".join(map(re.escape, block.rstrip("\n").split("…")))
            assert re.fullmatch(pattern, printed, re.DOTALL), (block, printed)
            compared += 1
        else:
            printed = reader.do(said, language, block)
    return compared
