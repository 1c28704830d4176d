"""README and quickstart, pasted block by block into a new project, as somebody does who tries the library."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

from tests.tools.demo import free_port
from tests.tools.docs import page, section
from tests.tools.processes import ROOT

PATIENCE = 120.0
FENCES = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = {"Email address:": "", "Password:": "correct horse", "Password (again):": "correct horse"}


class Project:
    """A project as ``startproject`` makes it, with a terminal for its server and one for everything else."""

    def __init__(self, path):
        self.path = path
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "COVERAGE_"))}
        path_of_python = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        self._environment = {**inherited, "PATH": path_of_python, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._shell = ["bash", "-e", "-o", "pipefail", "-c"]
        subprocess.run([sys.executable, "-m", "django", "startproject", "project", path], check=True, cwd=path)

    def add(self, file, block):
        """Append a block to a file of the project."""
        with (self.path / "project" / file).open("a") as opened:
            opened.write(block)

    def run(self, lines):
        """Run lines of a shell, and return what they print. An error of HTTP is an error."""
        lines = lines.replace("localhost:8000", f"localhost:{self.port}").replace("curl ", "curl --fail-with-body ")
        done = subprocess.run(
            [*self._shell, lines],
            cwd=self.path,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (lines, done.stdout, done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def serving(self, lines):
        """Run lines of which the last one serves, answer what they ask, and end them."""
        assert lines.rstrip().endswith("python manage.py runserver")
        terminal, other_end = pty.openpty()
        process = subprocess.Popen(
            [*self._shell, f"{lines.rstrip()} localhost:{self.port}"],
            cwd=self.path,
            env=self._environment,
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
        )
        os.close(other_end)
        timer = threading.Timer(PATIENCE, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        reader = threading.Thread(target=_read_on, args=(terminal,))
        try:
            _answer(terminal)
            reader.start()
            yield
        finally:
            timer.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
            os.close(terminal)


def _answer(terminal):
    """Type the answers as they are asked for, until the server says that it runs."""
    seen, asked = "", list(ANSWERS.items())
    while "Quit the server" not in seen:
        try:
            seen += os.read(terminal, 4096).decode()
        except OSError:
            raise AssertionError(seen) from None
        if asked and seen.rstrip().endswith(asked[0][0]):
            os.write(terminal, f"{asked.pop(0)[1]}\n".encode())
            seen += "\n"
    assert asked == []


def _read_on(terminal):
    with contextlib.suppress(OSError):  # the other end has closed
        while os.read(terminal, 4096):
            pass


def blocks(text):
    """Return the blocks that are to be pasted: those for the settings, the URLs, the server and the other terminal."""
    settings, urls, shell = [], [], []
    for language, block in FENCES.findall(text):
        if language == "sh":
            shell.append(block)
        elif "INSTALLED_APPS" in block:
            settings.append(block)
        elif "urlpatterns" in block:
            urls.append(block)
    lines = "".join(block for block in shell if "pip install" not in block)
    server, runserver, client = lines.partition("python manage.py runserver\n")
    assert settings
    assert urls
    assert "createsuperuser" in server
    return settings, urls, server + runserver, client


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "heading", "calls"), [("README.md", "## Use it", 4), ("docs/quickstart.md", "# Quickstart", 7)]
)
def test_the_blocks_work_when_they_are_pasted_one_after_the_other(tmp_path, name, heading, calls):
    settings, urls, server, client = blocks(section(page(name), heading))
    assert client.count("curl ") == calls
    project = Project(tmp_path)
    for block in settings:
        project.add("settings.py", block)
    for block in urls:
        project.add("urls.py", block)
    with project.serving(server):
        printed = project.run(client)
        assert '"current":true' in printed
        assert '"refresh_expires_in"' in printed
        token = "curl -s localhost:8000/api/auth/token/ -d username=ada -d password='correct horse'"
        access = project.run(f"""{token} | sed 's/.*"access":"//; s/".*//'""").strip()
        for path in re.findall(r'path\("(api/\w+/)", \w+\.as_view', "".join(urls)):
            assert project.run(f'curl -s localhost:8000/{path} -H "Authorization: Bearer {access}"')
