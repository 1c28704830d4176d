"""A long list, and a hundred services that poll one issuer with two workers."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.verifier import Verifier

from .process import AUDIENCE, PATIENCE, WORKERS, make_issuer, running

LIST = "/.well-known/jwt-revocations"
CHANGES = f"{LIST}/changes"
SERVICES = 100
ENTRIES = 20_000
SECONDS = 2.0
"""The default of the interval in which a service polls."""
BOUND = SECONDS + 2.0
"""Within so many seconds all services refuse what was revoked: the bound that the documentation gives."""

# The user of the tests has no session of these; they end with the test.
FILL = """
import os, time, uuid
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from django_jwtauth.models import RefreshToken

user, _ = get_user_model().objects.get_or_create(username="many")

def rows(count, spread):
    now = timezone.now()
    times = dict.fromkeys(("created_at", "rotated_at", "auth_time"), now - timedelta(minutes=10))
    RefreshToken.objects.bulk_create(
        [
            RefreshToken(
                user=user, secret=os.urandom(32), auth_hash=os.urandom(32), expires_at=now + timedelta(days=1),
                revoked_at=now - spread * number / count, revoked_reason="admin", **times,
            )
            for number in range(count)
        ],
        batch_size=5000,
    )
"""
BEGIN = f"{FILL}\nrows({ENTRIES}, timedelta(minutes=4))"
GO_ON = f"{FILL}\nfor _ in range(200):\n    rows(1, timedelta(0))\n    time.sleep(0.1)"
END = f"{FILL}\nRefreshToken.objects.filter(user=user).delete(); user.delete()"


@pytest.fixture
def issuer(database, es256, tmp_path):
    with running(make_issuer(tmp_path, database, es256, REVOCATION_POLL_INTERVAL=SECONDS)) as server:
        server.shell(BEGIN)
        yield server
        server.shell(END)


def accepts(service, token):
    try:
        service.verify(token)
    except InvalidTokenError as error:
        if error.reason != "revoked":
            raise
        return False
    return True


def test_a_hundred_services_on_two_workers_keep_the_bound(issuer, figure):
    pairs = [issuer.sign_in() for _ in range(5)]
    services = [Verifier(issuer=issuer.url, audience=AUDIENCE) for _ in range(SERVICES)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda service: accepts(service, pairs[0]["access"]), services))
    began = time.monotonic()
    delays = []
    with ThreadPoolExecutor(1) as pool:
        running_on = pool.submit(issuer.shell, GO_ON)  # ten revocations a second
        for pair in pairs[1:]:
            ended = issuer.sign_out(pair)
            waiting = services
            while waiting:
                asked, before = time.monotonic(), len(waiting)
                waiting = [service for service in waiting if accepts(service, pair["access"])]
                delays += [time.monotonic() - ended] * (before - len(waiting))
                assert not waiting or asked - ended <= BOUND, f"{len(waiting)} services accept it too late"
                time.sleep(0.02)
        running_on.result(PATIENCE)
    figure("a hundred services: refused after", delays)
    assert all(accepts(service, pairs[0]["access"]) for service in services)
    # Each of them fetched the list once, when it began, and only what has changed since.
    assert issuer.paths()[LIST] <= SERVICES + SERVICES // 10
    passed = time.monotonic() - began
    assert issuer.paths(since=began)[CHANGES] >= SERVICES * passed / SECONDS / 4
    assert len({entry["pid"] for entry in issuer.log if entry.get("path") == CHANGES}) == WORKERS
    for service in services:
        assert len(service.revocations.latest.value.revoked.sids) > ENTRIES
        service.revocations.stop()
        service.keys.stop()
