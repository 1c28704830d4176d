"""The signing key is replaced while people work. The steps and waiting times are those of the documentation."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_jwtauth._core import jws
from django_jwtauth.keys import Key

from .process import DJANGO, WORKERS, ask_every_worker, gunicorn, make_issuer, new_key, running

LIFETIME = 9.0
LEEWAY = 1.0
# In place of 5 minutes and 30 seconds. An unknown ``kid`` shall not help: with the right steps there is none.
KEYS_SECONDS = 2.0
TIMES = {"KEYS_SECONDS": KEYS_SECONDS, "UNKNOWN_KID_SECONDS": 60.0}
# Without the first step there is one, and nothing else shall help.
UNKNOWN_KID_SECONDS = 11.0
OTHER_TIMES = {"KEYS_SECONDS": 300.0, "UNKNOWN_KID_SECONDS": UNKNOWN_KID_SECONDS}
SLACK = 1.0
VISITORS = 3
GTHREAD = gunicorn("--worker-class", "gthread", "--threads", "4", DJANGO)


@pytest.fixture
def old():
    return new_key()


@pytest.fixture
def new():
    return new_key()


@pytest.fixture
def reloaded_issuer(database, old, tmp_path):
    """An issuer whose settings are changed while it runs."""
    times = {"ACCESS_TOKEN_LIFETIME": LIFETIME, "LEEWAY": LEEWAY, "REFRESH_GRACE_PERIOD": 3.0}
    with running(make_issuer(tmp_path, database, old, **times)) as server:
        yield server


class Visitors:
    """People who sign in, use their token until it is about to expire, refresh it, and begin again."""

    def __init__(self, issuer, service):
        self.issuer = issuer
        self.service = service
        self.accepted = Counter()
        self.refused = []
        self.late = 0
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(VISITORS)

    def __enter__(self):
        self._visits = [self._pool.submit(self._visit) for _ in range(VISITORS)]
        return self

    def __exit__(self, *exception):
        self._over.set()
        self._pool.shutdown()
        for visit in self._visits:
            visit.result()

    def _visit(self):
        while not self._over.is_set():
            pair = self.issuer.sign_in()
            self.accepted["sign-in"] += 1
            for _ in range(2):
                self._use(pair["access"])
                answer = self.issuer.ask("/auth/token/refresh/", refresh=pair["refresh"])
                if self.judge("refresh", answer):
                    pair = answer.body

    def _use(self, token):
        kid = kid_of(token)
        expires = time.monotonic() + LIFETIME
        while time.monotonic() < expires - 1.0 and not self._over.is_set():  # a second, since tokens have whole ones
            self.judge(f"service {kid}", self.service.ask(token=token), expires)
            self.judge(f"issuer {kid}", self.issuer.ask("/stateless/", token=token), expires)
            self._over.wait(0.02)

    def judge(self, what, answer, expires=float("inf")):
        """Count an answer. Returns whether it was no refusal."""
        if answer.status == 200:
            self.accepted[what] += 1
            return True
        if answer.reason == "expired" and answer.received > expires:
            self.late += 1  # it waited that long while workers started, so it is no fault of the keys
        else:
            self.refused.append((what, answer.reason, answer.sent))
        return False


def kid_of(token):
    return jws.load_object(jws.b64url_decode(token.split(".")[0].encode()))["kid"]


def kids(*keys):
    return [Key.load(key).kid for key in keys]


def published(issuer):
    return [key["kid"] for key in issuer.ask("/.well-known/jwks.json").body["keys"]]


def public(key):
    return {"alg": key["alg"], "pem": Key.load(key).public_pem()}


def set_keys(issuer, *keys):
    """Change the setting and have all workers read it."""
    issuer.configure(**{**issuer.settings, "SIGNING_KEYS": list(keys)})
    issuer.reload()
    assert published(issuer) == kids(*keys)


def test_nobody_notices(reloaded_issuer, serve, old, new):
    issuer = reloaded_issuer
    service = serve(GTHREAD, issuer, remote=TIMES, LEEWAY=LEEWAY)
    old_kid, new_kid = kids(old, new)
    with Visitors(issuer, service) as visitors:
        time.sleep(1)
        # 1: the new key is published, and verifies. Wait until every service has fetched it.
        set_keys(issuer, old, public(new))
        time.sleep(KEYS_SECONDS + SLACK)
        assert f"service {new_kid}" not in visitors.accepted
        # 2: it signs. Wait until what the old one signed has expired.
        last = issuer.sign_in()["access"]
        expires = time.monotonic() + LIFETIME
        assert kid_of(last) == old_kid
        set_keys(issuer, new, public(old))
        assert kid_of(issuer.sign_in()["access"]) == new_kid
        for server, path in ((issuer, "/stateless/"), (service, "/")):
            for answer in ask_every_worker(server, last, path=path):
                visitors.judge("last", answer, expires)
        time.sleep(LIFETIME + LEEWAY + SLACK)
        # 3: the old one goes.
        set_keys(issuer, new)
        retired = Counter(visitors.accepted)
        time.sleep(KEYS_SECONDS + SLACK)
    assert visitors.refused == []
    accepted = visitors.accepted
    for kid in (old_kid, new_kid):
        assert accepted[f"service {kid}"] > 50
        assert accepted[f"issuer {kid}"] > 50
    assert accepted["sign-in"] >= VISITORS
    assert accepted["refresh"] >= 2 * VISITORS
    assert accepted["last"] >= 2 * WORKERS
    assert accepted[f"service {new_kid}"] > retired[f"service {new_kid}"]
    assert accepted[f"service {old_kid}"] == retired[f"service {old_kid}"]
    assert issuer.connection_errors + service.connection_errors + visitors.late <= 10


def test_without_the_first_step_tokens_are_refused(reloaded_issuer, serve, old, new):
    issuer = reloaded_issuer
    service = serve(GTHREAD, issuer, remote=OTHER_TIMES, LEEWAY=LEEWAY)
    ask_every_worker(service, issuer.sign_in()["access"])
    fetched = time.monotonic()
    with Visitors(issuer, service) as visitors:
        set_keys(issuer, new, public(old))
        time.sleep(max(fetched + UNKNOWN_KID_SECONDS + 2 * SLACK - time.monotonic(), 0))
        mended = time.monotonic()
        time.sleep(SLACK)
    (new_kid,) = kids(new)
    assert f"service {new_kid}" in {what for what, *_ in visitors.refused}
    assert {reason for _, reason, _ in visitors.refused} == {"invalid"}
    # It mends itself: each worker of the service has asked for the unknown key, and found it.
    assert visitors.accepted[f"service {new_kid}"] > 10
    assert max(sent for *_, sent in visitors.refused) < mended
