"""What the tests tell the servers they start.

``JWTAUTH_SERVERS_CONFIG``  a JSON file with the ``JWTAUTH`` setting; a number is a duration in seconds
``JWTAUTH_SERVERS_REMOTE``  constants of ``django_jwtauth._core.remote`` to change, as JSON: a test cannot wait for some
``JWTAUTH_SERVERS_LOG``     the file that requests and queries are written to, one line of JSON each
``JWTAUTH_TEST_NAME``       the name of the database
"""

import json
import os
import time
from datetime import timedelta
from pathlib import Path

from django_jwtauth._core import remote


def jwtauth():
    """Return the ``JWTAUTH`` setting."""
    path = os.environ.get("JWTAUTH_SERVERS_CONFIG")
    given = json.loads(Path(path).read_text()) if path else {}
    return {name: timedelta(seconds=value) if type(value) in (int, float) else value for name, value in given.items()}


def change_times():
    """Make the times shorter that no setting says."""
    for name, seconds in json.loads(os.environ.get("JWTAUTH_SERVERS_REMOTE", "{}")).items():
        if not hasattr(remote, name):
            raise ValueError(f"There is no {name} any more.")
        setattr(remote, name, seconds)


def log(**entry):
    """Write a line. It has one ``write``, so lines of several processes do not mix."""
    entry |= {"pid": os.getpid(), "at": time.monotonic()}
    file = os.open(os.environ["JWTAUTH_SERVERS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(file)
