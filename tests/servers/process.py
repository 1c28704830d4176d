"""Servers in processes of their own, and what they answer."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from django_jwtauth.keys import Key

ROOT = Path(__file__).parents[2]
AUDIENCE = "https://stock.example"
POLL_SECONDS = 1.0
BOUND = POLL_SECONDS + 2.0
"""Within so many seconds other services refuse what was revoked: the bound that the documentation gives."""
WORKERS = 2
PATIENCE = 60.0
"""How long anything may take that should take no time; so that a test that fails does end."""
GUNICORN = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--graceful-timeout", str(int(PATIENCE))]
UVICORN = [sys.executable, "-m", "uvicorn", "--no-access-log"]
DJANGO = "django.core.wsgi:get_wsgi_application()"
PRELOADED = ["--preload", "tests.servers.preloaded:application"]


def gunicorn(*arguments, workers=WORKERS):
    return lambda fd: [*GUNICORN, "--bind", f"fd://{fd}", "--workers", str(workers), *arguments]


def uvicorn(*arguments, workers=WORKERS):
    return lambda fd: [*UVICORN, "--fd", str(fd), "--workers", str(workers), *arguments]


class Port:
    """A port of the loopback address. It stays ours while no server listens there."""

    def __init__(self):
        self._reserved = self._bind(0)
        self.number = self._reserved.getsockname()[1]

    def listen(self):
        listener = self._bind(self.number)
        listener.listen(128)
        return listener

    def close(self):
        self._reserved.close()

    @staticmethod
    def _bind(number):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", number))
        return bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    body: dict
    worker: int
    """The process that has answered."""
    sent: float
    """When the request was sent, on the monotonic clock."""
    received: float
    """When the answer was there."""
    retry_after: str = ""
    """The header of that name."""

    @property
    def reason(self):
        """Why the token was refused; empty if it was not."""
        assert self.status in (200, 401) or (self.status == 503 and self.body["reason"] == "stale"), self
        return "" if self.status == 200 else self.body["reason"]


class Server:
    """A server in processes of its own. Its log is shown if the test fails."""

    def __init__(self, command, directory, *, settings, remote=None, **environment):
        self.port = Port()
        self.url = f"http://127.0.0.1:{self.port.number}"
        self.requests = self.connection_errors = 0
        self._command = command
        self._config = directory / f"{self.port.number}.json"
        self._log = directory / f"{self.port.number}.log"
        self._output = directory / f"{self.port.number}.out"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": str(ROOT),
            "JWTAUTH_SERVERS_CONFIG": str(self._config),
            "JWTAUTH_SERVERS_LOG": str(self._log),
            "JWTAUTH_SERVERS_REMOTE": json.dumps(remote or {}),
            **environment,
        }
        self._process = None
        # A connection for each request, so that any worker may answer.
        self._http = httpx.Client(
            base_url=self.url, timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self.configure(**settings)

    def configure(self, **settings):
        """Write the ``JWTAUTH`` setting for the next start of a worker."""
        self._config.write_text(json.dumps(settings))

    def start(self):
        """Start it. Requests wait until it is ready."""
        with self.port.listen() as listener, self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(listener.fileno()),
                cwd=ROOT,
                env=self._environment,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def shell(self, script):
        """Run a script in a process of its project; return what it has printed."""
        command = [sys.executable, "-m", "django", "shell", "-c", script]
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, check=True, timeout=PATIENCE, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def end(self):
        """End it as a service manager would, and see that it does end."""
        self._http.close()
        self.port.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            status = self._process.wait(timeout=PATIENCE / 2)  # before gunicorn would kill a worker that does not end
        finally:
            self.kill()
        # uvicorn ends by the signal itself.
        assert status in (0, -signal.SIGTERM), self.output
        assert "Traceback" not in self.output, self.output

    def kill(self):
        """End all of its processes at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)

    def reload(self):
        """Have gunicorn read the settings anew, in new workers, and wait until the old ones have gone."""
        old = self.workers()
        self._process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.workers()) == len(old) and not self.workers() & old)

    def workers(self):
        """Return the processes that gunicorn's first one has started."""
        pid = self._process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    @property
    def output(self):
        """What it has written."""
        return self._output.read_text() if self._output.exists() else ""

    @property
    def log(self):
        """What ``config.log()`` has written."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def ask(self, path="/", *, method=None, token=None, sent_token=None, headers=None, **data):
        """Send a request, anew if the connection breaks: then the server has not refused anything.

        Args:
            path: The path.
            method: By default POST with a body, and GET without one.
            token: The access token of the request.
            sent_token: The token in its body.
            headers: More headers.
            data: What else is in the body.
        """
        data |= {"token": sent_token} if sent_token else {}
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        method = method or ("POST" if data else "GET")
        for _ in range(10):
            sent = time.monotonic()
            self.requests += 1
            try:
                response = self._http.request(method, path, headers=headers, json=data or None)
            except httpx.TimeoutException:
                raise AssertionError(f"no answer: {self.output}") from None
            except httpx.TransportError:
                assert self._process.poll() is None, self.output
                self.connection_errors += 1
                time.sleep(0.1)
                continue
            is_json = response.headers.get("content-type", "").endswith("json")
            return Answer(
                status=response.status_code,
                body=response.json() if is_json else {},
                worker=int(response.headers.get("worker", 0)),
                sent=sent,
                received=time.monotonic(),
                retry_after=response.headers.get("retry-after", ""),
            )
        raise AssertionError(f"no connection: {self.output}")

    # An issuer:

    def sign_in(self):
        """Return the tokens of a new session."""
        answer = self.ask("/auth/token/", username="ada", password="correct horse")
        assert answer.status == 200, answer
        return answer.body

    def sign_out(self, pair):
        """End a session. Returns when that was done."""
        answer = self.ask("/auth/token/blacklist/", refresh=pair["refresh"])
        assert answer.status == 200, answer
        return time.monotonic()

    def paths(self, *, since=0.0):
        """Count the requests since a time, by path."""
        return Counter(entry["path"] for entry in self.log if "path" in entry and entry["at"] >= since)


def wait_until(condition, seconds=PATIENCE):
    """Wait until something is so that no event tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def ask_every_worker(server, token, *, path="/", workers=WORKERS):
    """Ask until each worker has answered; return the answers."""
    answers = []
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(4) as pool:
        while len({answer.worker for answer in answers}) < workers:
            assert time.monotonic() < deadline, "some worker never answers"
            answers += pool.map(lambda _: server.ask(path, token=token), range(8))
    return answers


def sign_out_and_watch(issuer, server, pairs, *, path="/", bound=BOUND):
    """End sessions one after the other, and ask all the time until each worker has refused the access token of each.

    Returns:
        How many seconds after the end of the session each worker refused each token for the first time.
    """

    def watch(number):
        time.sleep(number * 0.35)  # so that they come at different moments between two polls
        pair = pairs[number]
        ended = issuer.sign_out(pair)
        return watch_refusals(server, pair["access"], since=ended, path=path, bound=bound)

    with ThreadPoolExecutor(len(pairs)) as pool:
        return [seconds for refused in pool.map(watch, range(len(pairs))) for seconds in refused]


def watch_refusals(server, token, *, since, path="/", workers=WORKERS, bound=BOUND):
    """Ask until each worker has refused a token; none may accept it later than the bound, or again."""
    refused = {}
    while len(refused) < workers:
        answer = server.ask(path, token=token)
        after = answer.sent - since
        if answer.status == 401:
            assert answer.reason == "revoked", answer
            refused.setdefault(answer.worker, after)
        else:
            assert answer.status == 200, answer
            assert answer.worker not in refused, "refused, and then accepted again"
            assert after <= bound, "accepted too late"
        assert after < bound + PATIENCE, "some worker never answers"
    return refused.values()


def new_key():
    return {"alg": "ES256", "pem": Key.generate("ES256").private_pem()}


@contextlib.contextmanager
def running(server):
    """Run a server until the test is over."""
    try:
        server.start()
        yield server
    except BaseException:
        sys.stderr.write(f"{server.url}\n{server.output}\n")
        raise
    finally:
        server.end()


def make_issuer(directory, database, key, *, name=None, **settings):
    """Make a server of the project that signs people in."""
    server = Server(
        gunicorn("--worker-class", "sync", DJANGO),
        directory,
        settings={},
        DJANGO_SETTINGS_MODULE="tests.servers.settings",
        JWTAUTH_TEST_NAME=database,
    )
    server.settings = {
        "ISSUER": name or server.url,
        "AUDIENCE": [AUDIENCE],
        "REVOCATION_POLL_INTERVAL": POLL_SECONDS,
        "SIGNING_KEYS": [key],
        **settings,
    }
    server.configure(**server.settings)
    return server
