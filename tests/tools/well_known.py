"""The public documents, and somebody who reads them."""

import time

import jwt
import pytest

from django_jwtauth import published_list
from tests.tools.keys import key_for

ISSUER = "https://auth.example.com"
JWKS, METADATA, LIST = (
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwt-revocations",
)
CHANGES = f"{LIST}/changes"
DOCUMENTS = {
    # url: content type, seconds a cache may keep it, whether its ETag is weak
    JWKS: ("application/jwk-set+json", 60, False),
    METADATA: ("application/json", 300, False),
    LIST: ("application/jwt", 1, True),
    CHANGES: ("application/jwt", 1, True),
}
each_document = pytest.mark.parametrize("url", DOCUMENTS)
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
SECRET = "5d9f3c1a7e-this-is-a-secret-of-64-bytes-or-more-4b8d2f6a0c9e7b5d3f1a"


def entry(alg):
    return {"alg": alg, "secret": SECRET} if alg.startswith("HS") else {"alg": alg, "pem": key_for(alg).private_pem()}


def jwtauth(*algs, **more):
    return {"ISSUER": ISSUER, "SIGNING_KEYS": [entry(alg) for alg in algs], **more}


class Clock:
    """Both clocks of the process: they stand still, at the beginning of a signing period, until told to go on."""

    def __init__(self):
        self.monotonic = 1000.0
        self.wall = time.time() // published_list.SIGNING_PERIOD * published_list.SIGNING_PERIOD

    def go(self, seconds):
        self.monotonic += seconds
        self.wall += seconds


def verified(response, jwks, *, algorithms=("ES256",), times=False):
    """Read the list as a service does that knows nothing of us but the key set. Its clock is not held."""
    raw = response.content.decode()
    header = jwt.get_unverified_header(raw)
    keys = {found.key_id: found for found in jwt.PyJWKSet.from_dict(jwks).keys}
    claims = jwt.decode(
        raw,
        keys[header["kid"]],
        algorithms=list(algorithms),
        issuer=ISSUER,
        options={"require": ["iss", "iat", "exp"], "verify_exp": times, "verify_iat": times},
    )
    return header, claims


def read_list(http):
    return verified(http.get(LIST), http.get(JWKS).json())[1]


ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA")
