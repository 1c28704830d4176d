"""SQLite's disk is full, or Redis is gone."""

import contextlib
import sqlite3

import pytest

from .project import REFRESH, STATEFUL, STATELESS

SIGN_IN, RIGHT = "/auth/token/", {"username": "ada", "password": "correct horse"}


def test_with_a_full_disk_people_can_read_and_when_there_is_room_again_all_goes_on(serve, sqlite, tmp_path):
    pages = tmp_path / "pages"
    pages.write_text("1000000")
    server = serve(sqlite, JWTAUTH_FAULTS_PAGES=str(pages))
    pair, ended = server.sign_in(), server.sign_in()
    server.sign_out(ended)
    with contextlib.closing(sqlite3.connect(sqlite["NAME"])) as connection:
        (used,) = connection.execute("PRAGMA page_count").fetchone()
    pages.write_text(str(used + 4))  # from now on
    server.reload()
    answers = [server.ask(SIGN_IN, **RIGHT)]
    while answers[-1].status == 200:
        answers.append(server.ask(SIGN_IN, **RIGHT))
    assert 1 < len(answers) < 200
    assert (answers[-1].status, answers[-1].retry_after) == (503, "1")
    assert answers[-1].body["reason"] == "unavailable"
    for path in (STATEFUL, STATELESS):
        assert server.ask(path, token=pair["access"]).status == 200
    assert server.ask(REFRESH, refresh=pair["refresh"]).status == 200
    assert server.is_refused(ended)

    pages.write_text("1000000")
    server.reload()
    assert server.ask(SIGN_IN, **RIGHT).status == 200
    assert server.is_refused(ended)
    assert server.output.count("The database is not available") <= 2  # once a minute and process


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_without_its_cache_the_service_goes_on_and_with_it_the_limits_hold_again(serve, sqlite, redis, fault):
    server = serve(
        sqlite,
        JWTAUTH_FAULTS_REDIS=f"redis://127.0.0.1:{redis.port}/0",
        jwtauth={"THROTTLE_RATES": {"login": "5/hour", "login_address": None, "login_username": None, "refresh": None}},
    )
    pair = server.sign_in()
    getattr(redis, fault)()
    wrong = {**RIGHT, "password": "wrong"}
    assert [server.ask(SIGN_IN, **wrong).status for _ in range(6)] == [401] * 6
    assert server.ask(SIGN_IN, **RIGHT).status == 200
    assert server.ask(REFRESH, refresh=pair["refresh"]).status == 200
    assert server.ask(STATEFUL, token=pair["access"]).status == 200
    assert 1 <= server.output.count('detail="throttles let everything pass"') <= 2

    (redis.start if fault == "kill" else redis.resume)()
    statuses = [server.ask(SIGN_IN, **wrong).status for _ in range(12)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert server.ask(REFRESH, refresh=pair["refresh"]).status == 200
