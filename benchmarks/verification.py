"""Verifying a token, without Django: against a bare ``jwt.decode``, and against one signature."""

import itertools
import secrets
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from django_jwtauth._core import jws
from django_jwtauth.keys import Key, KeySet, b64url_decode
from django_jwtauth.secret import hidden
from django_jwtauth.verifier import Verifier

from .measure import Call, Options, Row, Table, in_turns

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"
COLD = {"HS256": "≤ 0.6", "ES256": "≤ 0.85", "EdDSA": "≤ 0.9"}
REMEMBERED = 10_000


def access_token(key: Key) -> str:
    """Return a new access token, with what ours have in them."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "1",
        "aud": AUDIENCE,
        "client_id": "first-party",
        "iat": now,
        "exp": now + 3600,
        "jti": secrets.token_urlsafe(16),
        "sid": str(uuid.uuid4()),
        "auth_time": now,
        "amr": ["pwd"],
    }
    return jws.sign(claims, typ="at+jwt", key=key)


def verifier(key: Key, *, cache_size: int) -> Verifier:
    """Return a verifier of that key."""
    return Verifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        keys=KeySet([key]),
        max_lifetime=timedelta(hours=1),
        cache_size=cache_size,
    )


def loaded(key: Key) -> Any:
    """Return a key as PyJWT takes it without loading it again."""
    return hidden(key._public).reveal() if key.is_symmetric else jwt.PyJWK(key.public_jwk() or {}).key


def raw_signature(key: Key, raw: str) -> Call:
    """Return what verifies one ES256 signature with cryptography, and does nothing else."""
    message, _, encoded = raw.rpartition(".")
    signature = b64url_decode(encoded.encode())
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    der, data, algorithm = encode_dss_signature(r, s), message.encode(), ec.ECDSA(hashes.SHA256())
    return lambda: key._public.verify(der, data, algorithm)


def run(options: Options) -> Iterator[Row | Table]:
    """Compare."""
    for alg, goal in COLD.items():
        key = Key.generate(alg)
        public = loaded(key)
        # More of them than are remembered, so that each is new when its turn comes again.
        new = itertools.cycle([access_token(key) for _ in range(2000)]).__next__
        cold, warm, known = verifier(key, cache_size=500), verifier(key, cache_size=4096), access_token(key)

        def theirs(alg: str = alg, public: Any = public, new: Call = new) -> Any:
            return jwt.decode(new(), public, algorithms=[alg], audience=AUDIENCE, issuer=ISSUER)

        actions: dict[str, Call] = {
            "cold": lambda cold=cold, new=new: lambda: cold.verify(new()),
            "jwt": lambda theirs=theirs: theirs,
            "warm": lambda warm=warm, known=known: lambda: warm.verify(known),
        }
        if alg == "ES256":
            signature = raw_signature(key, known)
            actions["raw"] = lambda signature=signature: signature
        found = in_turns(actions, rounds=options.rounds(60), calls=100)
        name = f"verify, a new token, {alg}"
        yield Row(name=name, ours=found["cold"], peer="PyJWT", theirs=found["jwt"], unit="µs", goal=goal)
        name = f"verify, a known token, {alg}"
        yield Row(name=name, ours=found["warm"], peer="PyJWT", theirs=found["jwt"], unit="µs")
        if "raw" in found:
            name = "verify, a known token, against one ES256 signature"
            yield Row(name=name, ours=found["warm"], peer="cryptography", theirs=found["raw"], unit="µs", goal="≤ 0.1")
    yield Table(
        title=f"Memory of {REMEMBERED:,} remembered tokens",
        head=("algorithm", "MB", "bytes per token", "bytes of the token itself"),
        rows=tuple(memory(alg) for alg in COLD),
    )


def memory(alg: str) -> tuple[str, ...]:
    """Return how much memory remembered tokens take."""
    key = Key.generate(alg)
    remembering = verifier(key, cache_size=REMEMBERED)
    length = len(access_token(key))
    remembering.verify(access_token(key))  # what is made once is there
    tracemalloc.start()
    for _ in range(REMEMBERED):
        remembering.verify(access_token(key))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return alg, f"{used / 1e6:.1f}", f"{used / REMEMBERED:.0f}", str(length)
