"""The database is restored from a backup that knows nothing of what was revoked since."""

import time

import pytest

from tests.servers.process import wait_until, watch_refusals

from .project import RECOVERY, REFRESH, STATEFUL, STATELESS


@pytest.mark.parametrize("database", ["PostgreSQL"], indirect=True, scope="session")
def test_the_command_ends_what_the_backup_has_brought_back(database, project):
    ended, rotated, copied = project.sign_in(), project.sign_in(), project.sign_in()
    database.stop()
    database.save()
    database.start()
    project.wait_for_the_database()
    lost = project.sign_in()
    project.sign_out(ended)
    database.make_due()
    for pair in (rotated, copied):
        pair["new"] = project.ask(REFRESH, refresh=pair["refresh"]).body
        assert pair["new"]["refresh"] != pair["refresh"]
    database.stop()
    database.restore()
    database.start()
    project.wait_for_the_database()

    # This is why there is a command.
    assert project.ask(STATEFUL, token=ended["access"]).status == 200
    assert project.ask(REFRESH, refresh=copied["refresh"]).status == 200
    assert project.ask(REFRESH, refresh=rotated["new"]["refresh"]).reason == "ahead"

    printed = project.shell(
        "from django.core.management import call_command; call_command('jwtauth_after_restore', '--noinput')"
    )
    over = time.monotonic()
    assert "session(s) ended" in printed
    for pair in (ended, rotated, rotated["new"], copied, copied["new"], lost):
        assert project.ask(REFRESH, refresh=pair["refresh"]).reason in ("revoked", "invalid")
        assert project.ask(STATEFUL, token=pair["access"]).reason in ("revoked", "invalid")
        watch_refusals(project, pair["access"], since=over, path=STATELESS, bound=RECOVERY)
    new = project.sign_in()
    assert project.ask(STATEFUL, token=new["access"]).status == 200
    assert project.ask(REFRESH, refresh=new["refresh"]).status == 200
    # A service without a look at the session also refuses what began in the second in which everyone was signed out.
    wait_until(lambda: project.ask(STATELESS, token=project.sign_in()["access"]).status == 200)
