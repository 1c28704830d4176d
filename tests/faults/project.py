"""The project under gunicorn, and the people who use it while something fails."""

import contextlib
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.servers.process import DJANGO, POLL_SECONDS, Server, gunicorn, wait_until

WORKERS, THREADS = 2, 4
RECOVERY = 60.0
"""Within so many seconds after the fault is over, all requests succeed again: also on a machine that is busy."""
TABS = 2
SIGN_OUT, REFRESH, STATEFUL, STATELESS = "/auth/token/blacklist/", "/auth/token/refresh/", "/stateful/", "/stateless/"

PREPARE = """
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0)
get_user_model().objects.create_user("ada", password="correct horse")
"""


class Project(Server):
    """A server of the project. What it logs about a fault is no failure."""

    def __init__(self, directory, database, *, workers=WORKERS, module="tests.faults.settings", **environment):
        command = gunicorn("--worker-class", "gthread", "--threads", str(THREADS), DJANGO, workers=workers)
        super().__init__(
            command,
            directory,
            settings={"REVOCATION_POLL_INTERVAL": POLL_SECONDS, **environment.pop("jwtauth", {})},
            DJANGO_SETTINGS_MODULE=module,
            JWTAUTH_FAULTS_DATABASE=json.dumps(database),
            **environment,
        )

    def end(self):
        """End it, however it is."""
        self._http.close()
        self.port.close()
        self.kill()

    def wait_for_the_database(self):
        """Wait until each thread of each worker has noticed that it is there again."""
        everybody = 2 * WORKERS * THREADS

        def is_there():
            return all(answer.status == 200 for answer in pool.map(lambda _: self.ask("/users/"), range(2 * everybody)))

        with ThreadPoolExecutor(everybody) as pool:
            wait_until(is_there, RECOVERY)
            wait_until(is_there, RECOVERY)

    def look_at_the_clock(self):
        """Have each worker see the database's clock, as everyday traffic does."""
        seen = set()
        deadline = time.monotonic() + RECOVERY
        while len(seen) < WORKERS:
            assert time.monotonic() < deadline, "some worker never answers"
            seen.add(self.ask("/auth/token/", username="ada", password="correct horse").worker)

    @contextlib.contextmanager
    def reports_at_most_once_a_minute(self, text):
        """See that no process logs a text more than once a minute, however many requests meet the fault."""
        begun, known = time.monotonic(), self.output.count(text)
        yield
        minutes = 1 + (time.monotonic() - begun) // 60
        found = self.output.count(text) - known
        assert found <= WORKERS * minutes, f"{found} times: {self.output}"

    def kill_a_worker(self):
        """Kill one of its workers; gunicorn starts another one."""
        os.kill(min(self.workers()), signal.SIGKILL)

    def is_refused(self, pair):
        """Tell whether the tokens of a session are refused everywhere."""
        answers = [self.ask(REFRESH, refresh=pair["refresh"]), self.ask(STATEFUL, token=pair["access"])]
        return {(answer.status, answer.body["reason"]) for answer in answers} == {(401, "revoked")}


class Tab(threading.Thread):
    """One of several tabs of a browser, all with the same session: it goes on whatever it is answered."""

    def __init__(self, server, pair):
        super().__init__(daemon=True)
        self.server = server
        self.refresh, self.access = pair["refresh"], pair["access"]
        self.answers = []
        self.is_over = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.is_over.is_set():
                self.once()
                time.sleep(0.02)
        except BaseException as error:
            self.error = error

    def once(self):
        """Refresh, and call a view with each class."""
        answer = self.note(REFRESH, self.server.ask(REFRESH, refresh=self.refresh))
        if answer.status == 200:
            self.refresh, self.access = answer.body["refresh"], answer.body["access"]
        for path in (STATEFUL, STATELESS):
            self.note(path, self.server.ask(path, token=self.access))

    def note(self, path, answer):
        """Keep an answer."""
        self.answers.append((path, answer))
        return answer

    def succeeded_since(self, moment):
        """Tell whether it got everything in a row since a moment."""
        latest = self.answers[-3:]
        return len(latest) == 3 and all(answer.sent >= moment and answer.status == 200 for _, answer in latest)


@contextlib.contextmanager
def people(server, *pairs):
    """Let people use their sessions, each in some tabs, until the block ends. Gives the tabs."""
    tabs = [Tab(server, pair) for pair in pairs for _ in range(TABS)]
    for tab in tabs:
        tab.start()
    try:
        wait_until(lambda: all(tab.succeeded_since(0) for tab in tabs))
        yield tabs
    finally:
        for tab in tabs:
            tab.is_over.set()
        for tab in tabs:
            tab.join(30)
    assert [tab.error for tab in tabs if tab.error] == []


def assert_recovery(tabs, moment):
    """All tabs get everything within the bound."""
    try:
        wait_until(lambda: all(tab.succeeded_since(moment) for tab in tabs), seconds=RECOVERY)
    except AssertionError:
        late = [tab.answers[-3:] for tab in tabs if not tab.succeeded_since(moment)]
        raise AssertionError(f"not within {RECOVERY} s after {moment}: {late}") from None


def make_due(database, tabs):
    """Let the next refresh of each session rotate. Until all tabs have the present token, that would make one late."""
    wait_until(lambda: all(len({tab.refresh for tab in session}) == 1 for session in by_session(tabs)))
    database.make_due()


def by_session(tabs):
    """Return the tabs of each session."""
    return [tabs[n : n + TABS] for n in range(0, len(tabs), TABS)]


def assert_nobody_lost(server, tabs):
    """Nobody saw anything but success and 503, and all tabs of a session still have one session together."""
    for path, answer in (each for tab in tabs for each in tab.answers):
        if answer.status != 200:
            told = (path, answer, server.output)
            assert (answer.status, answer.retry_after, path != STATELESS) == (503, "1", True), told
            assert answer.body["code"] == "temporarily_unavailable"
    for tab in tabs:
        # A connection that was cut may be left in some thread, and is replaced once it has been used.
        wait_until(lambda tab=tab: tab.once() or tab.succeeded_since(0), seconds=RECOVERY)
    for session in by_session(tabs):
        found = {tab.refresh for tab in session}
        assert len(found) == 1, f"{len(found)} refresh tokens"


def statuses(tabs, *paths):
    """Return the statuses that were seen at some paths."""
    return {answer.status for tab in tabs for path, answer in tab.answers if path in paths}
