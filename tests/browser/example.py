"""The example project as a real server, and devices that are signed in there."""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from example_project.demo.accounts import ADA
from example_project.demo.client import Client

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("JWTAUTH_TEST_CHROMIUM", "/usr/bin/chromium")
LAUNCH = {
    "executable_path": CHROMIUM,
    # As root, as in containers, Chromium has no sandbox; and it shall call nobody. Windows of the same site share a
    # process, where each would take half a second for one of its own.
    "args": ["--no-sandbox", "--disable-background-networking", "--renderer-process-limit=1"],
}
"""How Playwright starts the browser."""
PATIENCE = 60.0
"""How long anything may take that should take no time; so that a test that fails does end."""
READ_BY_EXAMPLE = ("DJANGO_", "DEMO_")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"


class Example:
    """``manage.py demo`` with a database of its own, in a process of its own."""

    def __init__(self, directory):
        self.port, self.stock_port, self.page_port = _free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.page_url = f"http://127.0.0.1:{self.page_port}"
        self.database = directory / "demo.sqlite3"
        self._log = directory / "demo.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_EXAMPLE)}
        self._environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "tests.browser.served",
            "DEMO_DATABASE": str(self.database),
            "DEMO_ISSUER": self.url,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = None

    def start(self):
        """Start it, and wait until all three of its servers answer."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.browser.serve", *self._ports()],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,  # it ends when this closes
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not all(map(_is_open, (self.port, self.stock_port, self.page_port))):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def _ports(self):
        ports = {"--port": self.port, "--stock-port": self.stock_port, "--page-port": self.page_port}
        return [part for option, port in ports.items() for part in (option, str(port))]

    def end(self):
        """End it, and see that it does end."""
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE / 2)
        finally:
            self._process.kill()
            self._process.wait()
        assert not any(map(_is_open, (self.port, self.stock_port, self.page_port)))
        assert "Traceback" not in self.log, self.log

    def run(self, module, *arguments):
        """Run a module of ours in a process of its project; return what it has printed."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def log(self):
        """What it has written."""
        return self._log.read_text()


@contextlib.contextmanager
def running(directory, *people):
    """Run the example until the end, with groups of ``people.py``; see :func:`serving`."""
    with serving(Example(directory)) as example:
        if people:
            example.run("tests.browser.people", *people)
        yield example


@contextlib.contextmanager
def serving(example):
    """Run an example until the end. Its log is shown if something fails."""
    try:
        example.start()
        yield example
    except BaseException:
        sys.stderr.write(example.log)
        raise
    finally:
        example.end()


class Device:
    """A device that somebody has signed in on, over HTTP as any app would."""

    def __init__(self, example, account=ADA, *, user_agent=FIREFOX):
        self._client = Client(example.port, user_agent)
        form = {"username": account.username, "password": account.password}
        tokens = self._client.send("POST", "/api/auth/token/", data=form).expect(200)
        self.access, self.refresh = tokens["access"], tokens["refresh"]

    @property
    def session(self):
        """The id of its session."""
        payload = self.access.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"]

    def refusal(self):
        """Call the API, and say why it refuses the access token; empty if it does not."""
        return _reason(self._client.send("GET", "/api/orders/", token=self.access))

    def refresh_refusal(self):
        """Refresh, and say why the refresh token is refused; empty if it is not."""
        return _reason(self._client.send("POST", "/api/auth/token/refresh/", data={"refresh": self.refresh}))


def _reason(answer):
    return "" if answer.status == 200 else answer.expect(401)["reason"]


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_ours(url):
    """Tell whether an address is one of this machine: pages shall load nothing from elsewhere."""
    return re.match(r"(https?://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:)", url) is not None
