"""The demo's key file."""

import subprocess
import sys

import pytest

from django_jwtauth.keys import Key
from example_project.key_file import KeyFile
from tests.tools.demo import CHECKOUT, manage

# Each test starts processes.
pytestmark = pytest.mark.long

# The key


PRINT_KID = """
import sys
from pathlib import Path
from django_jwtauth.keys import Key
from example_project.key_file import KeyFile
file = KeyFile(path=Path(sys.argv[1]))
sys.stdin.read()
sys.stdout.write(Key.load({"alg": "ES256", "file": file}).kid)
"""


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    path = tmp_path / "key.pem"
    command = [sys.executable, "-c", PRINT_KID, str(path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    try:
        for process in processes:
            process.stdin.close()  # now all of them go
        kids = {process.stdout.read() for process in processes}
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    assert kids == {Key.load({"alg": "ES256", "file": path}).kid}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_who_is_late_takes_the_key_that_is_there(tmp_path):
    path = tmp_path / "key.pem"
    file = KeyFile(path=path)
    first = Key.load({"alg": "ES256", "file": file}).kid
    file._make()  # has not seen the file before
    assert Key.load({"alg": "ES256", "file": file}).kid == first
    assert list(tmp_path.iterdir()) == [path]


def test_key_of_the_demo_is_made_beside_its_database_and_kept(environment, tmp_path):
    assert manage(environment, "check").returncode == 0
    path = tmp_path / "demo.sqlite3-key.pem"
    pem = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert manage(environment, "check").returncode == 0
    assert path.read_text() == pem


def test_key_file_that_cannot_be_read_is_a_clear_error(environment, tmp_path):
    done = manage({**environment, "DEMO_SIGNING_KEY_FILE": str(tmp_path / "nowhere.pem")}, "check")
    assert done.returncode == 1
    assert "(jwtauth.E001) JWTAUTH['SIGNING_KEYS'][0]: The key file" in done.stderr
    assert "nowhere.pem' cannot be read: No such file" in done.stderr
