"""Signed tokens that are refused. All bad ones here bear a signature of the right key."""

import base64
import hashlib
import hmac
import json
import string

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet, b64url_decode, b64url_encode
from tests.tools.jws import (
    CLAIMS,
    ED25519,
    ES256,
    GOOD,
    HS256,
    JSON,
    P256_ORDER,
    RS256,
    H,
    P,
    S,
    header,
    refused,
    resigned,
    signed,
    verify,
)
from tests.tools.products import each_row

FORMS = {
    "empty": "",
    "dots": "..",
    "one segment": H,
    "two segments": f"{H}.{P}",
    "signature stripped": f"{H}.{P}.",
    "header missing": f".{P}.{S}",
    "payload missing (detached)": f"{H}..{S}",
    "four segments": f"{GOOD}.{S}",
    "five segments (JWE)": f"{H}.{P}.{S}.{P}.{S}",
    "trailing dot": f"{GOOD}.",
    "JSON serialization": json.dumps({"payload": P, "protected": H, "signature": S}),
    "trailing =": f"{GOOD}=",
    "trailing ==": f"{GOOD}==",
    "padded payload": resigned(f"{H}.{P}="),
    "padded header": resigned(f"{H}==.{P}"),
    "newline at the end": f"{GOOD}\n",
    "space before": f" {GOOD}",
    "tab inside": f"{H}.\t{P}.{S}",
    "standard alphabet": resigned(f"{b64url_encode(header(note='>>>???')).replace('-', '+').replace('_', '/')}+.{P}"),
    "impossible length": resigned(f"{H}.{P}A" if len(P) % 4 == 0 else f"{H}.{P + 'A' * (5 - len(P) % 4)}"),
    "percent-encoded": GOOD.replace(".", "%2E"),
    "quoted": f'"{GOOD}"',
    "with its scheme": f"Bearer {GOOD}",
    "NUL at the end": f"{GOOD}\x00",
    "full-width letters": GOOD.replace("e", "ｅ"),
    "lone surrogate": f"{GOOD}\ud800",
    "dotless i": GOOD.replace("I", "ı"),
}


@each_row("raw", FORMS.values(), ids=FORMS)
@each_row("kind", [str, bytes], ids=["str", "bytes"])
def test_a_text_that_is_no_canonical_compact_token_is_refused(raw, kind):
    assert refused(raw if kind is str else raw.encode("utf-8", "surrogatepass")) == "invalid"


@pytest.mark.parametrize("index", [0, 1, 2], ids=["header", "payload", "signature"])
def test_stray_bits_are_refused(index):
    """Where a length is no multiple of three bytes, some bits mean nothing: each text would have twins."""
    parts = signed(header(a=""), b'{"sub": "1"}  ').split(".")
    first, last = parts[index][:-1], parts[index][-1]
    same = base64.urlsafe_b64decode(f"{parts[index]}==")
    others = [first + char for char in string.ascii_letters + string.digits + "-_" if char != last]
    twins = [text for text in others if base64.urlsafe_b64decode(f"{text}==") == same]
    assert twins
    for twin in twins:
        parts[index] = twin
        raw = ".".join(parts) if index == 2 else resigned(".".join(parts[:2]))
        assert refused(raw) == "invalid"


HEADERS = {
    "none": (header(alg="none"), "invalid"),
    "None": (header(alg="None"), "invalid"),
    "NONE": (header(alg="NONE"), "invalid"),
    "nOnE": (header(alg="nOnE"), "invalid"),
    "none and a space": (header(alg="none "), "invalid"),
    "alg empty": (header(alg=""), "invalid"),
    "alg missing": (header(alg=...), "invalid"),
    "alg null": (header(alg=None), "invalid"),
    "alg list": (header(alg=["HS256"]), "invalid"),
    "alg object": (header(alg={"HS256": 1}), "invalid"),
    "alg number": (header(alg=256), "invalid"),
    "alg lower case": (header(alg="hs256"), "invalid"),
    "alg with a space": (header(alg="HS256 "), "invalid"),
    "alg of the same family": (header(alg="HS512"), "invalid"),
    "alg of another key": (header(alg="ES256"), "invalid"),
    "kid missing": (header(kid=...), "invalid"),
    "kid null": (header(kid=None), "invalid"),
    "kid number": (header(kid=1), "invalid"),
    "kid list": (header(kid=["hs"]), "invalid"),
    "kid object": (header(kid={"hs": 1}), "invalid"),
    "kid empty": (header(kid=""), "invalid"),
    "kid of another case": (header(kid="HS"), "invalid"),
    "kid of another key": (header(kid=RS256.kid), "invalid"),
    "kid is a path": (header(kid="../../../../dev/null"), "invalid"),
    "kid is SQL": (header(kid="x' UNION SELECT 'secret'--"), "invalid"),
    "kid is a command": (header(kid="hs|whoami"), "invalid"),
    "kid is a URL": (header(kid="http://127.0.0.1:9/key"), "invalid"),
    "kid with NUL": (header(kid="hs\x00"), "invalid"),
    "kid is long": (header(kid="k" * 3000), "invalid"),
    "kid is a lone surrogate": (header(kid="\ud800"), "invalid"),
    "typ missing": (header(typ=...), "wrong_type"),
    "typ null": (header(typ=None), "wrong_type"),
    "typ JWT": (header(typ="JWT"), "wrong_type"),
    "typ of a refresh token": (header(typ="rt+jwt"), "wrong_type"),
    "typ of a revocation list": (header(typ="revocations+jwt"), "wrong_type"),
    "typ of a logout token": (header(typ="logout+jwt"), "wrong_type"),
    "typ empty": (header(typ=""), "wrong_type"),
    "typ number": (header(typ=7), "wrong_type"),
    "typ list": (header(typ=["at+jwt"]), "wrong_type"),
    "typ object": (header(typ={}), "wrong_type"),
    "typ with parameters": (header(typ="at+jwt; a=b"), "wrong_type"),
    "typ with a space": (header(typ=" at+jwt"), "wrong_type"),
    "typ with application/ twice": (header(typ="application/application/at+jwt"), "wrong_type"),
    "typ of another tree": (header(typ="text/at+jwt"), "wrong_type"),
    "crit empty": (header(crit=[]), "invalid"),
    "crit unknown": (header(crit=["exp"], exp=1), "invalid"),
    "crit no list": (header(crit="b64"), "invalid"),
    "crit null": (header(crit=None), "invalid"),
    "crit naming alg": (header(crit=["alg"]), "invalid"),
    "crit naming b64": (header(crit=["b64"], b64=True), "invalid"),
    "b64 true": (header(b64=True), "invalid"),
    "b64 false": (header(b64=False), "invalid"),
    "b64 as string": (header(b64="false"), "invalid"),
    "b64 zero": (header(b64=0), "invalid"),
    "b64 null": (header(b64=None), "invalid"),
    "alg twice": (b'{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"hs"}', "invalid"),
    "alg twice, escaped": (b'{"\\u0061lg":"none","alg":"HS256","typ":"at+jwt","kid":"hs"}', "invalid"),
    "kid twice": (b'{"alg":"HS256","typ":"at+jwt","kid":"hs","kid":"hs"}', "invalid"),
    "typ twice": (b'{"alg":"HS256","typ":"at+jwt","kid":"hs","typ":"at+jwt"}', "invalid"),
    "twice inside a member": (b'{"alg":"HS256","typ":"at+jwt","kid":"hs","a":{"b":1,"b":1}}', "invalid"),
}


@each_row(("header_bytes", "reason"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_not_exactly_ours_is_refused(header_bytes, reason):
    assert refused(signed(header_bytes)) == reason


@each_row("data", JSON.values(), ids=JSON)
def test_json_that_is_not_strictly_that_is_refused(data):
    assert refused(signed(payload=data), max_length=2_000_000) == "invalid"
    assert refused(signed(data), max_length=2_000_000) == "invalid"


def test_a_signature_of_another_key_or_text_is_refused():
    other = Key.from_secret(b"another-secret-of-at-least-32-bytes!", kid="hs")
    _, _, foreign = signed(key=other).split(".")
    changed = b64url_encode(b'{"sub":"2"}')
    for raw in (f"{H}.{P}.{foreign}", f"{H}.{changed}.{S}", f"{b64url_encode(header(a=1))}.{P}.{S}"):
        assert refused(raw) == "invalid"


@each_row("key", [ES256, ED25519, RS256], ids=lambda key: key.alg)
@each_row("alg", ["HS256", "HS384", "HS512"])
@each_row("form", ["PEM", "PEM stripped", "JWK", "JWK Set", "raw"])
def test_a_public_key_is_never_taken_for_a_secret(key, alg, form):
    """RFC 8725 section 2.1. What everybody knows must not sign."""
    jwk = key.public_jwk()
    secret = {
        "PEM": key.public_pem().encode(),
        "PEM stripped": key.public_pem().strip().encode(),
        "JWK": json.dumps(jwk).encode(),
        "JWK Set": json.dumps({"keys": [jwk]}).encode(),
        "raw": b64url_decode(jwk.get("x", jwk.get("n")).encode()),
    }[form]
    message = f"{b64url_encode(header(key, alg=alg))}.{P}"
    digest = hmac.digest(secret, message.encode(), getattr(hashlib, f"sha{alg[2:]}"))
    assert refused(f"{message}.{b64url_encode(digest)}") == "invalid"


def es256_signatures():
    raw = jws.sign(CLAIMS, typ="at+jwt", key=ES256)
    signature = b64url_decode(raw.rsplit(".", 1)[1].encode())
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    n = P256_ORDER.to_bytes(32, "big")
    return raw.rsplit(".", 1)[0], {
        "r = s = 0": bytes(64),
        "r = s = n": n + n,
        "r = 0": bytes(32) + signature[32:],
        "s = n": signature[:32] + n,
        "s + n": signature[:32] + (s + P256_ORDER).to_bytes(33, "big"),
        "DER": encode_dss_signature(r, s),
        "empty": b"",
        "too short": signature[:-1],
        "too long": signature + b"\x00",
        "half": signature[:32],
        "swapped": signature[32:] + signature[:32],
        "of P-384's length": signature + bytes(32),
    }


@each_row("name", es256_signatures()[1])
def test_odd_ecdsa_signatures_are_refused(name):
    message, signatures = es256_signatures()
    assert refused(f"{message}.{b64url_encode(signatures[name])}") == "invalid"


@each_row("key", [ED25519, RS256, HS256], ids=lambda key: key.alg)
@each_row("signature", [b"\x00", bytes(64), bytes(256), b"\xff" * 64, b"\xff" * 256, b"\xff" * 1000])
def test_odd_signatures_are_refused(key, signature):
    assert refused(f"{b64url_encode(header(key))}.{P}.{b64url_encode(signature)}") == "invalid"


def test_the_second_ecdsa_signature_is_another_text_of_the_same_token():
    """Anybody can turn (r, s) into (r, n - s); hence nothing may be keyed by a token's text but what may be lost."""
    raw = jws.sign({**CLAIMS, "jti": "one"}, typ="at+jwt", key=ES256)
    message, signature = raw.rsplit(".", 1)
    der = encode_dss_signature(*_halves(b64url_decode(signature.encode())))
    r, s = decode_dss_signature(der)
    twin = f"{message}.{b64url_encode(r.to_bytes(32, 'big') + (P256_ORDER - s).to_bytes(32, 'big'))}"
    assert twin != raw
    assert verify(twin).claims == verify(raw).claims


def _halves(signature):
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def test_whatever_the_crypto_library_raises_is_a_bad_signature():
    misfit = Key(kid="hs", alg="ES256", thumbprint="", _public=ED25519._public, _private=None)
    with pytest.raises(AttributeError):
        misfit.verify(b"message", bytes(64))
    raw = signed(header(alg="ES256"))
    with pytest.raises(InvalidTokenError) as caught:
        jws.verify_signature(raw, profile=jws.ACCESS, keys=KeySet([misfit]), max_length=4096)
    assert caught.value.reason == "invalid"
