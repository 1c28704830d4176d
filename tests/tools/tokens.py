"""Access tokens of another issuer, and a verifier for them."""

import json

import pytest

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet, b64url_encode
from django_jwtauth.verifier import Verifier

NOW = 1_800_000_000
KEY = Key.from_secret(b"Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn")
ES256 = Key.generate("ES256")
CLAIMS = {
    "iss": "https://auth.example.com",
    "sub": "1",
    "aud": "https://api.example.com",
    "client_id": "web",
    "iat": NOW - 10,
    "exp": NOW + 290,
    "jti": "token-1",
    "sid": "session-1",
}


def claims(**changes):
    """Good claims with changes; ``...`` leaves one out."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}


def token(key=KEY, **changes):
    return jws.sign(claims(**changes), typ="at+jwt", key=key)


def raw_token(payload, key=KEY):
    header = json.dumps({"alg": key.alg, "typ": "at+jwt", "kid": key.kid}).encode()
    message = f"{b64url_encode(header)}.{b64url_encode(payload)}"
    return f"{message}.{b64url_encode(key.sign(message.encode()))}"


def make(**changes):
    arguments = {"issuer": CLAIMS["iss"], "audience": CLAIMS["aud"], "keys": KeySet([KEY, ES256]), **changes}
    return Verifier(**arguments)


def refused(verifier, raw, now=NOW):
    with pytest.raises(InvalidTokenError) as caught:
        verifier.verify(raw, now=now)
    return caught.value.reason


# Claims that are refused, with a good signature

TEXTS = {
    "missing": ...,
    "null": None,
    "empty": "",
    "number": 1,
    "true": True,
    "list": ["1"],
    "object": {"a": 1},
    "NUL": "1\x00",
    "newline": "1\n",
    "delete": "\x7f",
    "C1 control": "1\x85",
}
