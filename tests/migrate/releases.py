"""Servers of the releases of a project, each a process of its own, and how their clients reach them."""

import http.client
import json
import os
import subprocess
import sys
import threading

from tests.tools.processes import ROOT


class Release:
    """A server that runs one release of the project."""

    def __init__(self, name, variant, file, **environment):
        self.name = name
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.migrate.project",
            "JWTAUTH_TEST_RELEASE": name,
            "JWTAUTH_TEST_VARIANT": variant,
            "JWTAUTH_TEST_FILE": str(file),
            **environment,
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(self._python("tests.migrate.release"), cwd=ROOT, env=self.environment, **pipes)
        self._connections = threading.local()
        self.port = None

    def _python(self, *words):
        return [sys.executable, "-W", "ignore", "-m", *words]

    def start(self, *words):
        """Start a command of ``manage.py`` beside the server, and return its process."""
        return subprocess.Popen(
            self._python("django", *words), cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL
        )

    def ready(self):
        """Wait until the server listens, and return it."""
        if self.port is None:
            self.port = json.loads(self.process.stdout.readline())
        return self

    def tell(self, *order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, method, url, body=None, token=""):
        """Send a request on this thread's own connection, and return the status and the body of the response."""
        if not hasattr(self._connections, "mine"):
            self._connections.mine = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._connections.mine.request(method, url, body and json.dumps(body), headers)
        response = self._connections.mine.getresponse()
        content = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(content) if is_json else content[:500].decode()

    def stop(self):
        self.ready()
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()
