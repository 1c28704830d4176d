"""Servers of databases and caches that belong to the tests, so that they may be stopped, killed and paused.

Each has a directory and a port of its own. They run as somebody who is not root, since PostgreSQL refuses root.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE = 30.0


def free_port():
    """Return a port that nobody uses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def program(*names, places=()):
    """Return the path of a program that has one of these names."""
    for name in names:
        for place in [None, "/usr/sbin", *map(str, places)]:
            if found := shutil.which(name, path=place):
                return found
    raise AssertionError(f"{' or '.join(names)} is needed")


def somebody():
    """Return who the servers run as; ``None`` for ourselves."""
    if os.getuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "mysql", "nobody") if name in known)


class Daemon:
    """A server in a process of its own."""

    ending = signal.SIGTERM

    def __init__(self):
        self.port = free_port()
        self._user = somebody()
        self.directory = Path(tempfile.mkdtemp(prefix="jwtauth-faults-"))
        if self._user:
            shutil.chown(self.directory, self._user)
        self._process = None
        self._stopped = []

    def command(self):
        """Return the command that starts it."""
        raise NotImplementedError

    def is_ready(self):
        """Tell whether it answers."""
        raise NotImplementedError

    def run(self, *command):
        """Run a program, as the user that the server runs as, and return when it has ended."""
        done = subprocess.run(
            command, cwd=self.directory, user=self._user, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        """Start it, and return when it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:  # what a killed one has left may be in use
                with (self.directory / "log").open("ab") as log:
                    self._process = subprocess.Popen(
                        self.command(),
                        cwd=self.directory,
                        user=self._user,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
            if self.is_ready():
                return
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def stop(self):
        """Stop it in good order."""
        self._process.send_signal(self.ending)
        self._process.wait(timeout=PATIENCE)

    def kill(self):
        """End all of its processes at once, as a power cut would."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(timeout=PATIENCE)

    def pause(self):
        """Stop all of its processes for a while."""
        self._stopped = self.processes()
        for pid in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self):
        """Let them go on."""
        for pid in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._stopped = []

    def processes(self):
        """Return its processes, the first one first."""
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def remove(self):
        """End it, and remove what it has written."""
        self.resume()
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Database(Daemon):
    """A database server with an empty database ``jwtauth``."""

    hour = ""
    """An hour, in its SQL."""

    def settings(self):
        """Return the entry in ``DATABASES``."""
        raise NotImplementedError

    def connect(self):
        """Return a connection of the driver's."""
        raise NotImplementedError

    def execute(self, sql):
        """Run a statement, and return the rows if there are any."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def make_due(self):
        """Let the next refresh of each session rotate."""
        self.execute(f"UPDATE django_jwtauth_refreshtoken SET rotated_at = rotated_at - {self.hour}")

    def is_ready(self):
        try:
            self.execute("SELECT 1")
        except Exception:
            return False
        return True

    def cut(self):
        """End all connections but the one that does so."""
        raise NotImplementedError

    def save(self):
        """Make a backup, while the server is stopped."""
        self.run("cp", "-a", "data", "backup")

    def restore(self):
        """Put the backup in the place of the data, while the server is stopped."""
        self.run("rm", "-rf", "data")
        self.run("cp", "-a", "backup", "data")


class PostgreSQL(Database):
    """PostgreSQL."""

    hour = "INTERVAL '1 hour'"
    ending = signal.SIGINT  # without waiting for its clients

    def __init__(self):
        super().__init__()
        self._programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        initdb = program("initdb", places=self._programs)
        self.run(initdb, "--auth=trust", "--username=postgres", "--no-sync", "-E", "UTF8", "-D", "data")

    def command(self):
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        server = program("postgres", places=self._programs)
        settings = [f"--{name}={value}" for name, value in options.items()]
        return [server, "-D", "data", "-p", str(self.port), *settings]

    def settings(self):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "OPTIONS": {"connect_timeout": 3},
        }

    def connect(self):
        import psycopg

        about = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": "postgres"}
        return psycopg.connect(**about, connect_timeout=3, autocommit=True)

    def cut(self):
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


class MariaDB(Database):
    """MariaDB."""

    hour = "INTERVAL 1 HOUR"
    _QUICK = (
        "--innodb-flush-log-at-trx-commit=2",
        "--innodb-flush-method=nosync",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=8M",
    )
    """What is written survives a process that is killed, not a power cut."""

    def __init__(self):
        super().__init__()
        self.run(
            program("mariadb-install-db", "mysql_install_db"),
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._QUICK,
        )

    def command(self):
        options = {
            "datadir": self.directory / "data",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "socket": self.directory / "socket",
            "pid-file": self.directory / "pid",
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        return [program("mariadbd", "mysqld"), "--no-defaults", "--skip-name-resolve", *self._QUICK, *settings]

    def settings(self):
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "jwtauth",
            "USER": "root",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "OPTIONS": {"charset": "utf8mb4", "connect_timeout": 3, "read_timeout": 10},
        }

    def connect(self):
        import MySQLdb

        self._create_database()
        return MySQLdb.connect(
            host="127.0.0.1", port=self.port, user="root", database="jwtauth", connect_timeout=3, autocommit=True
        )

    def _create_database(self):
        import MySQLdb

        with contextlib.closing(
            MySQLdb.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=3)
        ) as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS jwtauth")

    def cut(self):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> connection_id()"
            )
            for (number,) in cursor.fetchall():
                with contextlib.suppress(Exception):  # it may have ended by itself
                    cursor.execute(f"KILL {number}")


class Redis(Daemon):
    """Redis."""

    def command(self):
        return [program("redis-server", "valkey-server"), "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]

    def is_ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=3) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
