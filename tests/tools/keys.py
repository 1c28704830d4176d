"""Keys in all their forms."""

import functools

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

from django_jwtauth.keys import (
    CURVES,
    HMAC_BYTES,
    RSA_ALGORITHMS,
    SUPPORTED_ALGORITHMS,
    Key,
    b64url_encode,
)

ASYMMETRIC = [alg for alg in SUPPORTED_ALGORITHMS if alg not in HMAC_BYTES]
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
EC = {alg: ec.generate_private_key(curve()) for alg, curve in CURVES.items()}
PRIVATE = {**dict.fromkeys(RSA_ALGORITHMS, RSA), **EC, "EdDSA": ED25519}
SECRET = "Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn25oVtiQxMCyZKEBlPwrA4N6hDguOjSI-"  # 64 bytes
RFC7638_RSA = {  # RFC 7638 section 3.1
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
        "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"
        "zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEg"
        "U8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC8037_ED25519 = {  # RFC 8037 appendix A.1
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


@functools.cache
def key_for(alg):
    """Return one key for each asymmetric algorithm. RSA keys of the library's own have 3072 bits, which takes long."""
    return Key.from_pem(pem(PRIVATE[alg]), alg=alg)


def public_pem(key, form=PublicFormat.SubjectPublicKeyInfo, encoding=Encoding.PEM):
    return key.public_key().public_bytes(encoding, form)


def jwk(alg, /, **changes):
    """The private JWK of a key, as PyJWT writes it."""
    members = {**get_default_algorithms()[alg].to_jwk(PRIVATE[alg], as_dict=True), "key_ops": None, "alg": alg}
    members |= changes
    return {name: value for name, value in members.items() if value is not None}


def public_jwk(alg, /, **changes):
    private = ("d", "p", "q", "dp", "dq", "qi")
    return {name: value for name, value in jwk(alg, **changes).items() if name not in private}


def oct_jwk(secret=SECRET, **changes):
    return {"kty": "oct", "k": b64url_encode(secret.encode()), "alg": "HS256", **changes}


def assert_pair(private, public, alg):
    """One signs what the other verifies, and nothing else."""
    signature = private.sign(b"message")
    assert public.alg == private.alg == alg
    assert public.kid == private.kid
    assert public.verify(b"message", signature)
    assert not public.verify(b"massage", signature)


def assert_no_material(error, *values):
    """No twelve characters of a value that could be key material are in the error or its attributes."""
    shown = f"{error} {error!r} {error.__dict__}"
    for value in values:
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        pieces = {text[start : start + 12] for start in range(len(text) - 11)}
        assert not [piece for piece in pieces if piece in shown]
