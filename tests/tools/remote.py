"""What the tests of another issuer's keys and list share."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, b64url_encode
from tests.tools.issuers import PATIENCE, Answer, as_json
from tests.tools.keys import key_for

MIB = 1024 * 1024
HOUR, DAY = 3600, 86400
RSA = key_for("RS256")
OTHER = Key.generate("ES256")


def refused(verifier, raw):
    with pytest.raises(InvalidTokenError) as caught:
        verifier.verify(raw)
    return caught.value.reason


def together(count, function):
    barrier = threading.Barrier(count)

    def call(_):
        barrier.wait(PATIENCE)
        try:
            return function()
        except InvalidTokenError as error:
            return error.reason

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def no_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


# Key sets


def jwks_with(issuer, **changes):
    (entry,) = issuer.jwks()["keys"]
    return as_json({"keys": [{**entry, **changes}]})


def other_jwk(kid=None):
    jwk = Key.generate("ES256").public_jwk()
    return jwk if kid is None else {**jwk, "kid": kid}


# Unknown keys


def strangers(issuer, count):
    """Tokens with random kids."""
    _, payload, signature = issuer.token().split(".")
    for _ in range(count):
        header = {"alg": "ES256", "typ": "at+jwt", "kid": str(uuid.uuid4())}
        yield f"{b64url_encode(json.dumps(header).encode())}.{payload}.{signature}"


def a_list_of(issuer, **changes):
    return Answer(body=issuer.document(**changes).encode())
