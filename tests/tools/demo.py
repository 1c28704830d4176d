"""The example project, as somebody uses it."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from tests.tools.processes import ROOT

CHECKOUT = ROOT
MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]
OPTIONS = ("--port", "--stock-port", "--page-port")
READ_BY_EXAMPLE = ("DJANGO_SETTINGS_MODULE", "DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DEMO_")


def manage(environment, *arguments):
    return subprocess.run([*MANAGE, *arguments], env=environment, capture_output=True, text=True, timeout=600)


EACH = """
import contextlib, io, json, os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
results = []
for arguments in json.loads(sys.argv[1]):
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            execute_from_command_line(["manage.py", *arguments])
    except SystemExit as exit:
        results.append([exit.code, errors.getvalue()])
    else:
        results.append([0, errors.getvalue()])
print(json.dumps(results))
"""


def manage_each(environment, *calls):
    """Call ``manage.py`` several times, in one process; return the exit status and the errors of each call."""
    command = [sys.executable, "-c", EACH, json.dumps(calls)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout)


def broken(environment, tmp_path, orders="", *, stock=""):
    """Let manage.py use settings that differ from the example's, in the orders service or in the stock service."""
    quick = "PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']"
    environment = {**environment, "PYTHONPATH": str(tmp_path)}
    for variable, original, changes in (
        ("DJANGO_SETTINGS_MODULE", "example_project.settings", f"{quick}\n{orders}"),
        ("DEMO_STOCK_SETTINGS_MODULE", "example_project.stock.settings", stock),
    ):
        name = f"broken_{variable.lower()}"
        lines = ["import os", "from datetime import timedelta", f"from {original} import *", changes]
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
        environment[variable] = name
    return environment


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def assert_nothing_left(output):
    """Neither the servers of a check nor its directory."""
    address = r"http://127\.0\.0\.1:(\d+)/"
    *ports, directory = re.search(
        f"at {address}, {address} and {address}, with an empty database in (.+):", output
    ).groups()
    assert Path(directory).parent == CHECKOUT / ".demo"
    assert not Path(directory).exists()
    assert not any(map(is_taken, ports))


@contextmanager
def serving(environment, tmp_path):
    """The demo, once both services answer; with their ports, and the file of what it says."""
    port, stock_port, page_port, said = free_port(), free_port(), free_port(), tmp_path / "said"
    ports = ["--port", str(port), "--stock-port", str(stock_port), "--page-port", str(page_port)]
    command = [*MANAGE, "demo", *ports]
    # A shell that runs us in the background lets its children ignore SIGINT, and theirs too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("w") as file:
        demo = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 120
        while None in (get(port, "/"), get(stock_port, "/"), get(page_port, "/")):
            assert demo.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield SimpleNamespace(process=demo, port=port, stock_port=stock_port, page_port=page_port, said=said)
    finally:
        demo.kill()
        demo.wait()


def get(port, path):
    """The status of a page, or ``None`` where nobody listens."""
    answer = read(port, path)
    return answer and answer[0]


def read(port, path):
    """Status and body of a page, or ``None`` where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status, response.read()  # all of it, or the server would complain of a broken pipe
    except ConnectionError:
        return None
    finally:
        connection.close()


def wait_until_ended(port):
    deadline = time.monotonic() + 120
    while is_taken(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
