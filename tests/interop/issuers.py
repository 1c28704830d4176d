"""Running issuers, and the tokens they issue: good ones, and those that everybody must refuse."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django_jwtauth._core import jws
from django_jwtauth.keys import Key, b64url_decode, b64url_encode

from .serve import PASSWORD
from .table import ALGORITHMS
from .verifiers import get

ROOT = Path(__file__).parents[2]
AUDIENCE = "https://orders.example"
KEYS = {algorithm: Key.generate(algorithm) for algorithm in ALGORITHMS}


def signing_keys(algorithm):
    """Return the setting: one key signs, and the set is a mixed one, as while keys are being replaced."""
    signing = {"alg": algorithm, "pem": KEYS[algorithm].private_pem()}
    return [signing, *({"alg": alg, "pem": key.public_pem()} for alg, key in KEYS.items() if alg != algorithm)]


class Issuer:
    """A Django project that issues tokens, in a process of its own."""

    def __init__(self, directory, algorithm, *, settings=None, **jwtauth):
        """Start it; it is not awaited yet.

        Args:
            directory: For its database.
            algorithm: That of its tokens.
            settings: What differs in the other settings.
            jwtauth: What differs in ``JWTAUTH``.
        """
        setting = {
            "SIGNING_KEYS": signing_keys(algorithm),
            "AUDIENCE": AUDIENCE,
            "LEEWAY": 0,
            "REVOCATION_POLL_INTERVAL": 1,
            **jwtauth,
        }
        given = {
            "database": str(directory / f"{os.urandom(8).hex()}.sqlite3"),
            "jwtauth": setting,
            "settings": settings or {},
        }
        self.directory = directory
        self.algorithm = algorithm
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.serve"],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.interop.settings",
                "JWTAUTH_INTEROP": json.dumps(given),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._url = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.end()

    @property
    def url(self):
        """Where it is, as soon as it serves: also its ``ISSUER``."""
        if not self._url:
            self._url = self._process.stdout.readline().strip()
            assert self._url, "the issuer has not started"
        return self._url

    def again(self, **jwtauth):
        """Start the same project once more, with something that differs."""
        return Issuer(self.directory, self.algorithm, **{"ISSUER": self.url, **jwtauth})

    def post(self, path, body=None, token=""):
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(
            f"{self.url}/api/auth/{path}", data=json.dumps(body or {}).encode(), headers=headers
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or "null")

    def sign_in(self, username="ada"):
        return self.post("token/", {"username": username, "password": PASSWORD})

    def end(self):
        if self._process.stdin.closed:
            return
        self._process.stdin.close()
        try:
            status = self._process.wait(timeout=30)
        finally:
            self._process.kill()
            self._process.stdout.close()
        assert status == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A running issuer of one algorithm, and what is brought to the verifiers of its tokens."""

    issuer: Issuer
    good: str
    bad: dict[str, str]
    """What everybody should refuse, by what is wrong with it."""


@contextmanager
def running(directory):
    """Yield an offer for each algorithm."""
    with ExitStack() as stack:
        issuers = [stack.enter_context(Issuer(directory, algorithm)) for algorithm in ALGORITHMS]
        with ExitStack() as only_now:
            short = [only_now.enter_context(issuer.again(ACCESS_TOKEN_LIFETIME=1)) for issuer in issuers]
            offers = {issuer.algorithm: offer(issuer, other) for issuer, other in zip(issuers, short, strict=True)}
        wait_until(max(claims_of(offer.bad["expired"])["exp"] for offer in offers.values()) + 1)
        yield offers


def offer(issuer, short):
    """Collect the tokens of an issuer, and of the same one whose tokens soon expire."""
    pair = issuer.sign_in()
    header, payload, signature = pair["access"].split(".")
    claims = claims_of(pair["access"])
    other_payload = b64url_encode(json.dumps({**claims, "sub": "2"}).encode())
    other_signature = ("B" if signature[0] == "A" else "A") + signature[1:]
    key = KEYS[issuer.algorithm]
    namesake = Key.from_pem(Key.generate(key.alg).private_pem(), alg=key.alg, kid=key.kid)
    metadata = json.loads(get(f"{issuer.url}/.well-known/oauth-authorization-server"))
    bad = {
        "payload": f"{header}.{other_payload}.{signature}",
        "signature": f"{header}.{payload}.{other_signature}",
        "expired": short.sign_in()["access"],
        "key": jws.sign(claims, typ="at+jwt", key=namesake),
        "issuer": jws.sign({**claims, "iss": "https://other.example"}, typ="at+jwt", key=key),
        "audience": jws.sign({**claims, "aud": "https://stock.example"}, typ="at+jwt", key=key),
        "typ": jws.sign(claims, typ="JWT", key=key),
        "refresh token": pair["refresh"],
        # Signed with the same key for the same issuer, and public.
        "revocation list": get(metadata["jwt_revocations_uri"]),
    }
    return Offer(issuer=issuer, good=pair["access"], bad=bad)


def claims_of(token):
    return json.loads(b64url_decode(token.split(".")[1].encode()))


def wait_until(moment):
    time.sleep(max(0, moment - time.time()))
