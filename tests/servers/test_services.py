"""Services that have no database and trust an issuer, under the servers that people run."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .process import (
    BOUND,
    DJANGO,
    PATIENCE,
    POLL_SECONDS,
    PRELOADED,
    WORKERS,
    ask_every_worker,
    gunicorn,
    sign_out_and_watch,
    uvicorn,
    wait_until,
    watch_refusals,
)

SYNC = ["--worker-class", "sync"]
GTHREAD = ["--worker-class", "gthread", "--threads", "4"]
DJANGO_SERVERS = {
    "sync": gunicorn(*SYNC, DJANGO),
    "sync-preload": gunicorn(*SYNC, *PRELOADED),
    "gthread": gunicorn(*GTHREAD, DJANGO),
    "gthread-preload": gunicorn(*GTHREAD, *PRELOADED),
    "uvicorn": uvicorn("--factory", "django.core.asgi:get_asgi_application"),
}
PLAIN_SERVERS = {
    "fastapi": uvicorn("tests.servers.plain:app"),
    "asgi": uvicorn("tests.servers.plain:asgi"),
    "wsgi": gunicorn(*GTHREAD, "tests.servers.plain:wsgi"),
}
JWKS = "/.well-known/jwks.json"
LIST = "/.well-known/jwt-revocations"
CHANGES = f"{LIST}/changes"


@pytest.fixture(scope="module")
def ended(issuer):
    """The access token of a session that has ended, as each worker of the issuer knows."""
    pair = issuer.sign_in()
    issuer.sign_out(pair)
    time.sleep(POLL_SECONDS)
    return pair["access"]


@pytest.mark.parametrize("kind", DJANGO_SERVERS)
def test_a_django_service(kind, issuer, serve, ended, figure):
    pairs = [issuer.sign_in() for _ in range(5)]
    began = time.monotonic()
    service = serve(DJANGO_SERVERS[kind], issuer)

    # Cold processes: those who come first wait for the list.
    with ThreadPoolExecutor(8) as pool:
        cold = list(pool.map(lambda _: service.ask(token=ended), range(8)))
    assert {answer.reason for answer in cold} == {"revoked"}

    answers = ask_every_worker(service, pairs[0]["access"])
    assert {answer.reason for answer in answers} == {""}
    assert answers[0].body["issuer"] == issuer.url
    assert service.ask(token=f"{pairs[0]['access']}A").reason == "invalid"
    assert service.ask().status == 401

    # Before the fork, keys and list were fetched once by the parent, which then goes on.
    processes = WORKERS + kind.endswith("preload")
    fetches = issuer.paths(since=began)
    assert fetches.keys() - {CHANGES} == {"/.well-known/oauth-authorization-server", JWKS, LIST}
    assert processes <= fetches[JWKS] <= 2 * processes

    figure(f"{kind}: refused after", end_under_load(issuer, service, pairs[1:], processes=processes))
    assert {answer.reason for answer in ask_every_worker(service, pairs[0]["access"])} == {""}


def end_under_load(issuer, service, pairs, *, processes):
    """End sessions and watch it, while all that the issuer is asked is what has changed in its list.

    That is once per interval and process. A process that has just been started, or could not keep up, fetches the list.

    Returns:
        After how many seconds they were refused.
    """
    began, former = time.monotonic(), service.requests
    seconds = sign_out_and_watch(issuer, service, pairs)
    fetches, passed = issuer.paths(since=began), time.monotonic() - began
    assert fetches.pop("/auth/token/blacklist/") == len(pairs)
    assert CHANGES in fetches
    assert fetches.keys() <= {LIST, CHANGES}
    polls = sum(fetches.values())
    assert WORKERS <= polls <= processes * (passed / POLL_SECONDS + 1) + fetches[LIST]
    assert service.requests - former > 10 * polls
    return seconds


@pytest.mark.parametrize("kind", ["sync-preload", "gthread-preload"])
def test_workers_that_are_replaced(kind, issuer, serve, ended):
    good = issuer.sign_in()["access"]
    command = DJANGO_SERVERS[kind]
    service = serve(lambda fd: [*command(fd), "--max-requests", "15"], issuer)
    workers = set()
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(4) as pool:
        while len(workers) < 3 * WORKERS:
            assert time.monotonic() < deadline
            for token, reason in ((good, ""), (ended, "revoked")):
                for answer in pool.map(lambda token: service.ask(token=token), [token] * 4):
                    assert answer.reason == reason
                    workers.add(answer.worker)
    assert service.connection_errors <= len(workers)


@pytest.mark.parametrize("kind", PLAIN_SERVERS)
def test_a_service_without_django(kind, issuer, serve, figure):
    pairs = [issuer.sign_in() for _ in range(4)]
    service = serve(PLAIN_SERVERS[kind], issuer)
    answers = ask_every_worker(service, pairs[0]["access"])
    assert {answer.reason for answer in answers} == {""}
    assert {answer.body["configured"] for answer in answers} == {False}
    assert answers[0].body["issuer"] == issuer.url
    assert service.ask(token=f"{pairs[0]['access']}A").reason == "invalid"
    assert service.ask().reason == "invalid"
    figure(f"{kind}: refused after", end_under_load(issuer, service, pairs[1:], processes=WORKERS))


def test_everyone_is_signed_out(issuer, serve, figure):
    pairs = [issuer.sign_in() for _ in range(4)]
    service = serve(DJANGO_SERVERS["gthread"], issuer)
    for pair in pairs:
        assert {answer.reason for answer in ask_every_worker(service, pair["access"])} == {""}

    script = "import time; from django_jwtauth import sessions; sessions.revoke_everyone(); print(time.monotonic())"
    since = float(issuer.shell(script).split()[-1])

    with ThreadPoolExecutor(4) as pool:
        refused = pool.map(lambda pair: watch_refusals(service, pair["access"], since=since), pairs)
        figure("everyone: refused after", [seconds for values in refused for seconds in values])
    for pair in pairs:
        assert issuer.ask("/auth/token/refresh/", refresh=pair["refresh"]).reason == "revoked"
    # Those who sign in from the next second on are welcome.
    wait_until(lambda: not service.ask(token=issuer.sign_in()["access"]).reason, seconds=BOUND)
