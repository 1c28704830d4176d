"""Signed tokens of exactly these bytes."""

import json

import pytest

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet, b64url_encode
from tests.tools.keys import key_for

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECRET = b"Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn"
HS256 = Key.from_secret(SECRET, kid="hs")
ES256 = Key.generate("ES256")
ED25519 = Key.generate("EdDSA")
RS256 = key_for("RS256")
KEYS = KeySet([HS256, ES256, ED25519, RS256])
CLAIMS = {"sub": "1"}
PAYLOAD = json.dumps(CLAIMS).encode()


def verify(raw, max_length=4096):
    return jws.verify_signature(raw, profile=jws.ACCESS, keys=KEYS, max_length=max_length)


def refused(raw, **kwargs):
    """The reason why it is refused; no other exception may come out."""
    with pytest.raises(InvalidTokenError) as caught:
        verify(raw, **kwargs)
    assert caught.value.code == "token_not_valid"
    return caught.value.reason


def header(key=HS256, **changes):
    members = {"alg": key.alg, "typ": "at+jwt", "kid": key.kid, **changes}
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def signed(header_bytes=None, payload=PAYLOAD, *, key=HS256):
    """A token of exactly these bytes, with a good signature."""
    parts = [header(key) if header_bytes is None else header_bytes, payload]
    message = ".".join(b64url_encode(part) for part in parts)
    return f"{message}.{b64url_encode(key.sign(message.encode()))}"


def resigned(message, key=HS256):
    """A token whose first two segments are this very text, with a good signature."""
    return f"{message}.{b64url_encode(key.sign(message.encode()))}"


GOOD = signed()
# What is refused

H, P, S = GOOD.split(".")
JSON = {
    "no JSON": b"payload",
    "list": b'[{"sub":"1"}]',
    "string": b'"sub"',
    "number": b"1",
    "null": b"null",
    "cut off": b'{"sub":"1"',
    "two objects": b'{"sub":"1"}{"sub":"1"}',
    "NUL after": b'{"sub":"1"}\x00',
    "comment": b'{"sub":"1"/**/}',
    "single quotes": b"{'sub':'1'}",
    "trailing comma": b'{"sub":"1",}',
    "duplicate": b'{"sub":"1","sub":"1"}',
    "duplicate, escaped": b'{"sub":"1","\\u0073ub":"1"}',
    "duplicate, nested": b'{"sub":"1","a":[{"b":1,"b":2}]}',
    "NaN": b'{"sub":"1","a":NaN}',
    "Infinity": b'{"sub":"1","a":Infinity}',
    "-Infinity": b'{"sub":"1","a":[-Infinity]}',
    "1e999": b'{"sub":"1","a":1e999}',
    "-1e999": b'{"sub":"1","a":{"b":-1e999}}',
    "5000 digits": b'{"sub":"1","a":' + b"9" * 5000 + b"}",
    "deep list": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep and cut off": b"[" * 100_000,
    "byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "UTF-16": PAYLOAD.decode().encode("utf-16"),
    "UTF-16-LE": PAYLOAD.decode().encode("utf-16-le"),
    "UTF-16-BE": PAYLOAD.decode().encode("utf-16-be"),
    "UTF-32": PAYLOAD.decode().encode("utf-32"),
    "UTF-32-LE": PAYLOAD.decode().encode("utf-32-le"),
    "UTF-7": b'{"sub":"+AGE-"}\xff',
    "latin-1": '{"sub":"é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"sub":"\xc0\xaf"}',
    "surrogate as UTF-8": b'{"sub":"\xed\xa0\x80"}',
    "lone surrogate": b'{"sub":"\\ud800"}',
    "lone surrogate as a name": b'{"sub":"1","\\udfff":1}',
    "lone surrogate inside": b'{"sub":"1","a":[{"b":"x\\udc00y"}]}',
    "raw newline in a string": b'{"sub":"1\n"}',
    "zip": b"x\x9c\xabV*.MR\xb2RP2T\xaa\x05\x00\x18\xf6\x03\x9c",
}
