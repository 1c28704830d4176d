"""The issuer is gone."""

import time

import pytest

from .process import DJANGO, POLL_SECONDS, gunicorn, make_issuer, running, wait_until, watch_refusals

INTERVAL = 0.5
MAX_STALENESS = 4.0
MAX_BACKOFF_SECONDS = 10.0
SLACK = 3.0
ONE_WORKER = gunicorn("--worker-class", "gthread", "--threads", "4", DJANGO, workers=1)


@pytest.fixture
def mortal_issuer(database, es256, tmp_path):
    """An issuer that may be killed."""
    with running(make_issuer(tmp_path, database, es256)) as server:
        yield server


def test_the_issuer_is_killed_and_comes_back(mortal_issuer, serve):
    issuer = mortal_issuer
    times = {"REVOCATION_POLL_INTERVAL": INTERVAL, "REVOCATION_MAX_STALENESS": MAX_STALENESS}
    closed = serve(ONE_WORKER, issuer, **times)
    opened = serve(ONE_WORKER, issuer, **times, REVOCATION_FAIL_OPEN=True)
    good, ended, late = issuer.sign_in(), issuer.sign_in(), issuer.sign_in()
    for service in (closed, opened):
        assert service.ask(token=good["access"]).reason == ""
    since = issuer.sign_out(ended)
    for service in (closed, opened):
        watch_refusals(service, ended["access"], since=since, workers=1)

    issuer.kill()
    killed = time.monotonic()

    # For as long as the setting says nothing has changed.
    while (answer := closed.ask(token=good["access"])).reason == "":
        assert opened.ask(token=good["access"]).reason == ""
        assert opened.ask(token=ended["access"]).reason == "revoked"
        assert answer.sent - killed < MAX_STALENESS + SLACK
    assert answer.reason == "stale"
    assert answer.sent - killed > MAX_STALENESS - 2 * INTERVAL

    # Then the one refuses all, and the other only what it knew.
    for _ in range(20):
        assert closed.ask(token=good["access"]).reason == "stale"
        assert closed.ask(token=ended["access"]).reason == "stale"
        assert opened.ask(token=good["access"]).reason == ""
        assert opened.ask(token=ended["access"]).reason == "revoked"
    assert "The revocation list of" in closed.output

    # Who starts now has no keys, so there is nothing to be open about.
    blind = serve(ONE_WORKER, issuer, REVOCATION_FAIL_OPEN=True)
    assert blind.ask(token=good["access"]).reason == "stale"

    issuer.start()
    since = issuer.sign_out(late)  # it is there
    for service in (closed, blind):
        seconds = MAX_BACKOFF_SECONDS + INTERVAL + SLACK
        wait_until(lambda service=service: service.ask(token=good["access"]).reason == "", seconds=seconds)
    for service in (closed, opened, blind):
        bound = MAX_BACKOFF_SECONDS + POLL_SECONDS + INTERVAL + SLACK
        watch_refusals(service, late["access"], since=since, workers=1, bound=bound)
        assert service.ask(token=ended["access"]).reason == "revoked"
        assert service.ask(token=issuer.sign_in()["access"]).reason == ""
