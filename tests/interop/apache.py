"""Apache with mod_oauth2 in front of a static file: a process of its own, not the machine's."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PAGE = "It is open.\n"
PORT_TAKEN = "could not bind to address"
SURROUNDINGS = """\
ServerName 127.0.0.1
Listen 127.0.0.1:PORT
ServerRoot "DIRECTORY"
DefaultRuntimeDir "DIRECTORY"
PidFile "DIRECTORY/pid"
ErrorLog "DIRECTORY/log"
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authn_core_module MODULES/mod_authn_core.so
LoadModule authz_core_module MODULES/mod_authz_core.so
"""
# Apache serves nothing as root.
USER = "User nobody\nGroup nogroup\n"


@contextmanager
def serving(issuer, audience, *, metadata=False):
    """Yield the URL of the page; whoever asks for it needs an access token.

    Args:
        issuer: Whose tokens to trust.
        audience: For whom they must be.
        metadata: Whether to find the keys through the metadata.
    """
    # Not below the directory of the tests, where another user could not read.
    with tempfile.TemporaryDirectory(prefix="jwtauth-interop-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "site").mkdir()
        (directory / "site" / "page.txt").write_text(PAGE)
        process, port = start(directory, issuer, audience, metadata=metadata)
        try:
            yield f"http://127.0.0.1:{port}/page.txt"
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


def start(directory, issuer, audience, *, metadata):
    surroundings = SURROUNDINGS + (USER if os.geteuid() == 0 else "")
    configuration = surroundings + Path(__file__).with_name("apache.conf").read_text()
    if metadata:
        keys, found = "jwks_uri ISSUER/.well-known/jwks.json", "metadata ISSUER/.well-known/oauth-authorization-server"
        assert keys in configuration
        configuration = configuration.replace(keys, found)
    log = directory / "log"
    for _ in range(10):
        # Apache cannot be given port 0. Another process may be quicker to take the port: then another one.
        port = free_port()
        values = {"PORT": port, "DIRECTORY": directory, "MODULES": MODULES, "ISSUER": issuer, "AUDIENCE": audience}
        text = configuration
        for word, value in values.items():
            text = text.replace(word, str(value))
        (directory / "apache.conf").write_text(text)
        with (directory / "said").open("w") as said:
            process = subprocess.Popen(
                [program(), "-f", str(directory / "apache.conf"), "-DFOREGROUND"], stdout=said, stderr=said
            )
        if listens(process, port):
            return process, port
        told = (directory / "said").read_text() + (log.read_text() if log.exists() else "")
        assert PORT_TAKEN in told, told
    raise AssertionError("All ports are taken.")


def program():
    found = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "Install the Debian packages apache2 and libapache2-mod-oauth2."
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(process, port):
    """Wait until it listens, or has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
        time.sleep(0.05)
    return False
