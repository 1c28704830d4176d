"""Two issuers that share keys and a database, each with several workers."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from .process import (
    POLL_SECONDS,
    WORKERS,
    ask_every_worker,
    make_issuer,
    running,
    sign_out_and_watch,
)

LIST = "/.well-known/jwt-revocations"


@pytest.fixture(scope="module")
def second_issuer(issuer, database, es256, tmp_path_factory):
    """The same project once more, as behind a load balancer."""
    with running(make_issuer(tmp_path_factory.mktemp("second"), database, es256, name=issuer.url)) as server:
        yield server


def test_what_one_issuer_revoked_the_other_refuses(issuer, second_issuer, figure):
    pairs = [issuer.sign_in() for _ in range(4)]
    for pair in pairs:
        assert {answer.reason for answer in ask_every_worker(second_issuer, pair["access"], path="/stateless/")} == {""}
    # At the issuer itself there is no poll on the way, only the interval.
    refused = sign_out_and_watch(issuer, second_issuer, pairs, path="/stateless/", bound=POLL_SECONDS + 0.5)
    figure("another issuer: refused after", refused)


def test_one_query_per_second_and_process(issuer, second_issuer, figure):
    token = issuer.sign_in()["access"]
    ask_every_worker(second_issuer, token, path="/stateless/")
    began, former = time.monotonic(), second_issuer.requests

    def ask(path):
        while time.monotonic() < began + 2.5:
            assert second_issuer.ask(path, token=token).status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, ["/stateless/", LIST] * 2))
    seconds, requests = time.monotonic() - began, second_issuer.requests - former
    queries = [entry for entry in second_issuer.log if "query" in entry and entry["at"] >= began]
    assert {entry["query"] for entry in queries} == {"list"}
    counts = Counter(entry["pid"] for entry in queries)
    assert len(counts) == WORKERS
    assert requests > 20 * len(queries)
    for count in counts.values():
        assert count <= seconds / POLL_SECONDS + 1
    figure(
        f"one query per process and, with {requests / seconds:.0f} requests per second,",
        [seconds / count for count in counts.values()],
    )
