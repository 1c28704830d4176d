"""Key sets of another issuer (RFC 7517)."""

import json

from django_jwtauth._core import jws
from django_jwtauth._core.fetch import FetchError
from django_jwtauth._core.remote import ASYMMETRIC_ALGORITHMS, MAX_KEYS, read_jwks
from django_jwtauth.keys import MAX_KID_LENGTH
from tests.fuzz.target import Target, require
from tests.tools.keys import RFC7638_RSA, RFC8037_ED25519

P256 = {  # RFC 7515 appendix A.3
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ED25519 = {name: value for name, value in RFC8037_ED25519.items() if name != "d"}
KEYS = [{**key, "kid": str(number)} for number, key in enumerate([RFC7638_RSA, ED25519, P256])]
ODD_MEMBERS = [
    {"kid": "x" * 300},
    {"kid": ""},
    {"kid": 1},
    {"kid": "\x00\n\u2028"},
    {"alg": "none"},
    {"alg": ["ES256"]},
    {"alg": "HS256"},
    {"kty": "oct", "k": "AA"},
    {"kty": ["RSA"]},
    {"use": "enc"},
    {"key_ops": ["verify", 1, None]},
    {"key_ops": "verify"},
    {"crv": "secp256k1"},
    {"crv": {}},
    {"x": "AA"},
    {"x": 1, "y": None},
    {"y": P256["x"]},
    {"n": "AQAB"},
    {"n": RFC7638_RSA["n"] * 7},
    {"e": "AQ"},
    {"e": RFC7638_RSA["n"]},
    {"d": RFC8037_ED25519["d"]},
    {"x5c": ["MIIB"], "x5u": "file:///etc/passwd", "jku": "http://127.0.0.1"},
    {"oth": [], "p": "AQ", "q": "AQ"},
]


def seeds():
    """Return good key sets, and one for each odd member of each key."""
    yield json.dumps({"keys": KEYS}).encode()
    for keys in (None, {}, [], [None], [[]], [KEYS[0]] * 2, [{}] * (MAX_KEYS + 1), [{"kty": "RSA", "kid": "a"}]):
        yield json.dumps({"keys": keys}).encode()
    for odd in ODD_MEMBERS:
        for key in KEYS:
            yield json.dumps({"keys": [{**key, **odd}]}).encode()


def check(data):
    """A document is refused, or gives public keys that one can verify with: at most as many as it has, each once."""
    try:
        document = jws.load_object(data)
    except (ValueError, RecursionError):
        return
    try:
        keys = read_jwks(document, algorithms=ASYMMETRIC_ALGORITHMS)
    except FetchError:
        return
    entries = {entry["kid"]: entry for entry in document["keys"] if isinstance(entry.get("kid"), str)}
    require(len({key.kid for key in keys}) == len(keys) <= min(len(entries), MAX_KEYS), "more keys than entries")
    for key in keys:
        entry = entries[key.kid]
        require(len(key.kid) <= MAX_KID_LENGTH, "the kid is too long")
        require(key.alg in ASYMMETRIC_ALGORITHMS and not key.is_symmetric and not key.can_sign, key)
        require(entry.get("use", "sig") == "sig", "a key for encryption is accepted")
        public = key.public_jwk()
        material = {"kty", "crv", "n", "e", "x", "y"} & public.keys()
        require(all(entry[name] == public[name] for name in material), "the key is another one than it says")
        require(entry.get("alg", key.alg) in (key.alg, "Ed25519"), "the algorithm is another one than it says")
        for length in (0, 1, 64, 96, 132, 256, 1024):
            require(not key.verify(b"message", b"\x01" * length), "it accepts what nobody has signed")


TARGET = Target(
    name="key_sets",
    check=check,
    seeds=seeds,
    words=(
        *("keys", "kty", "RSA", "EC", "OKP", "oct", "crv", "P-256", "P-384", "P-521", "Ed25519", "kid", "alg", "use"),
        *("key_ops", "verify", "sign", "sig", "enc", "ES256", "RS256", "PS256", "EdDSA", "x", "y", "n", "e", "AQAB"),
        *("x5c", "x5u", "true", "null", "\\u0000", "\\ud800"),
    ),
    max_length=16_384,
    runs=4000,
)
