"""Everything at once: nothing forks, nothing that has ended is accepted, nobody is signed out, and nothing fails.

``JWTAUTH_LOAD_SECONDS`` and ``JWTAUTH_LOAD_PEOPLE`` make it longer and more.
"""

import sys
from collections import Counter

import pytest

from tests.faults.databases import MariaDB, PostgreSQL
from tests.faults.project import Project
from tests.servers.process import POLL_SECONDS, running

from . import entries
from .checker import Log, broken, history
from .people import PEOPLE, SECONDS, START_HEADER, Operator, Person, password

BOUND = 2 * POLL_SECONDS
"""Within so many seconds the processes of the issuer refuse what was revoked: the interval, and as much for reading."""
OLD_ROWS = 5000
PREPARE = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django_jwtauth.models import RefreshToken
call_command("migrate", verbosity=0)
users = get_user_model()
password = make_password({password!r})
users.objects.bulk_create(users(username=f"user {{n}}", password=password) for n in range({people}))
long_ago = RefreshToken.objects.now() - timedelta(days=400)
times = dict.fromkeys(("created_at", "rotated_at", "auth_time", "expires_at", "revoked_at"), long_ago)
about = {{"auth_hash": bytes(32), "revoked_reason": "logout", **times}}
RefreshToken.objects.bulk_create([RefreshToken(**about) for _ in range({rows})], 500)
"""
COUNT_OLD_ROWS = """
from django_jwtauth.models import RefreshToken
print(RefreshToken.objects.filter(expires_at__lt=RefreshToken.objects.now()).count())
"""
ATOMIC, RETRY = {"ATOMIC_REQUESTS": True}, {"REFRESH_RETRY_PERIOD": 12 * 3600.0}
# The program, the options of the connection, other settings of the database, and of the library.
PROJECTS = {
    "PostgreSQL, late retries": (PostgreSQL, {}, {}, RETRY),
    "PostgreSQL, repeatable read": (PostgreSQL, {"isolation_level": 3}, {}, {}),
    "MariaDB, atomic requests": (MariaDB, {}, ATOMIC, {}),
    "MariaDB, repeatable read, late retries": (MariaDB, {"isolation_level": "repeatable read"}, {}, RETRY),
    "SQLite": (None, {"init_command": "PRAGMA journal_mode=WAL", "timeout": 20}, {}, {}),
}
ALWAYS = {entries.SIGN_IN, entries.REFRESH, entries.STATEFUL, entries.STATELESS, entries.END, entries.PASSWORD}
"""What has surely happened, also in the short form."""


@pytest.mark.parametrize(("kind", "options", "settings", "more"), PROJECTS.values(), ids=PROJECTS.keys())
def test_everything_at_once(kind, options, settings, more, tmp_path, request, capsys):
    if kind is None:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database"), "OPTIONS": options}
    else:
        daemon = kind()
        request.addfinalizer(daemon.remove)
        daemon.start()
        database = daemon.settings()
        database["OPTIONS"] |= options
    database |= settings
    # A window that a busy machine does not exceed.
    jwtauth = {"REFRESH_GRACE_PERIOD": 5.0, "REQUEST_START_HEADER": START_HEADER, **more}
    with running(Project(tmp_path, database, workers=4, module="tests.load.settings", jwtauth=jwtauth)) as server:
        server.shell(PREPARE.format(people=PEOPLE, password=password(0), rows=OLD_ROWS))
        server.wait_for_the_database()
        crowd = [Operator(server), *(Person(server, number, BOUND, retries=bool(more)) for number in range(PEOPLE))]
        for each in crowd:
            each.start()
        for each in crowd:
            each.join(SECONDS + 600)
        assert "Traceback" not in server.output
        old_rows = int(server.shell(COUNT_OLD_ROWS).split()[-1])
    log = Log([entry for each in crowd for entry in each.log], bound=BOUND)
    done = Counter(entry.act for entry in log.entries)
    with capsys.disabled():
        sys.stdout.write(
            f"\n    {PEOPLE} people, {len(log.sessions)} sessions, {crowd[0].purges} purges, {dict(done)}\n"
        )
    assert [each.error for each in crowd if each.error or each.is_alive()] == []
    found = broken(log)
    assert not found, "\n".join(map(str, [*found[:20], "The history of the first:", *history(log, found[0][1])]))
    assert set(done) >= ALWAYS
    assert old_rows == 0
