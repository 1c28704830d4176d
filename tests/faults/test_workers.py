"""Workers are killed and replaced, and one server's clock is wrong, while people use their sessions."""

import time

import pytest

from tests.servers.process import POLL_SECONDS, watch_refusals

from .project import (
    RECOVERY,
    REFRESH,
    STATEFUL,
    STATELESS,
    assert_nobody_lost,
    assert_recovery,
    make_due,
    people,
    statuses,
)

on_postgresql = pytest.mark.parametrize("database", ["PostgreSQL"], indirect=True, scope="session")


@on_postgresql
def test_workers_die_and_are_replaced_in_the_middle_of_refreshes(database, project):
    good = [project.sign_in() for _ in range(3)]
    broken = project.connection_errors
    database.make_due()
    with people(project, *good) as tabs:
        for _ in range(3):
            make_due(database, tabs)
            project.kill_a_worker()
            time.sleep(0.5)
        make_due(database, tabs)
        project.reload()
        assert_recovery(tabs, time.monotonic())
    assert_nobody_lost(project, tabs)
    assert statuses(tabs, REFRESH, STATEFUL, STATELESS) == {200}
    assert project.connection_errors > broken  # which is all that a client sees


@on_postgresql
@pytest.mark.parametrize("minutes", [5, -5])
def test_a_server_with_a_wrong_clock_judges_as_the_others_do(database, project, serve, minutes):
    other = serve(database.settings(), prepare=False, JWTAUTH_FAULTS_CLOCK=str(minutes * 60))
    for server in (project, other):
        server.look_at_the_clock()
    for here, there in [(project, other), (other, project)]:
        pair, alone = here.sign_in(), here.sign_in()
        for path in (STATEFUL, STATELESS):
            assert there.ask(path, token=pair["access"]).status == 200
        database.make_due()
        again = there.ask(REFRESH, refresh=pair["refresh"])
        assert (again.status, here.ask(REFRESH, refresh=pair["refresh"]).body["refresh"]) == (
            200,
            again.body["refresh"],
        )
        # What is revoked at either is revoked at both.
        assert there.ask("/auth/token/revoke/", sent_token=alone["access"]).status == 200
        since = there.sign_out(again.body)
        for server in (here, there):
            assert server.ask(STATEFUL, token=alone["access"]).reason == "revoked"
            assert server.is_refused(again.body)
            for token in (alone["access"], again.body["access"]):
                watch_refusals(server, token, since=since, path=STATELESS, bound=POLL_SECONDS + RECOVERY)
