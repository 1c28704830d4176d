"""Signed tokens: their form, type, algorithm and signature. All bad ones here bear a signature of the right key."""

import base64
import hashlib
import hmac
import json
import string

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import SUPPORTED_ALGORITHMS, Key, KeySet, b64url_decode, b64url_encode

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECRET = b"Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn"
HS256 = Key.from_secret(SECRET, kid="hs")
ES256 = Key.generate("ES256")
ED25519 = Key.generate("EdDSA")
RS256 = Key.generate("RS256")
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


# What passes


@pytest.mark.parametrize("alg", SUPPORTED_ALGORITHMS)
def test_each_algorithm_signs_and_verifies(alg):
    key = Key.generate(alg)
    raw = jws.sign({**CLAIMS, "name": "Ärger 🔑"}, typ="at+jwt", key=key)
    for text in (raw, raw.encode()):
        read = jws.verify_signature(text, profile=jws.ACCESS, keys=KeySet([key]), max_length=4096)
        assert read.claims == {"sub": "1", "name": "Ärger 🔑"}
        assert read.key is key
        assert jws.reload(read.payload) == read.claims
    assert json.loads(b64url_decode(raw.split(".")[0].encode())) == {"alg": alg, "typ": "at+jwt", "kid": key.kid}


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_the_type_is_compared_as_a_media_type(typ):
    assert verify(signed(header(typ=typ))).claims == CLAIMS


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_ed25519_token_may_use_either_name(alg):
    assert verify(signed(header(ED25519, alg=alg), key=ED25519)).claims == CLAIMS


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c", "x5t", "cty", "note"])
def test_other_header_members_are_not_looked_at(member):
    assert verify(signed(header(**{member: ["https://evil.example/"]}))).key is HS256


def test_what_signs_the_same_claims_twice_gives_the_same_text():
    for key in (HS256, ED25519, RS256):
        assert jws.sign(CLAIMS, typ="at+jwt", key=key) == jws.sign(CLAIMS, typ="at+jwt", key=key)


def test_a_token_of_exactly_the_greatest_length_passes_and_one_more_byte_is_refused():
    assert verify(GOOD, max_length=len(GOOD)).claims == CLAIMS
    assert refused(GOOD, max_length=len(GOOD) - 1) == "invalid"


def test_a_signed_token_shows_no_claims_in_its_repr():
    raw = jws.sign({"sub": "ada-lovelace"}, typ="at+jwt", key=HS256)
    assert "lovelace" not in repr(verify(raw))


# What is refused

H, P, S = GOOD.split(".")
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


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", [str, bytes], ids=["str", "bytes"])
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


@pytest.mark.parametrize(("header_bytes", "reason"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_not_exactly_ours_is_refused(header_bytes, reason):
    assert refused(signed(header_bytes)) == reason


@pytest.mark.parametrize("data", JSON.values(), ids=JSON)
def test_json_that_is_not_strictly_that_is_refused(data):
    assert refused(signed(payload=data), max_length=2_000_000) == "invalid"
    assert refused(signed(data), max_length=2_000_000) == "invalid"


def test_a_signature_of_another_key_or_text_is_refused():
    other = Key.from_secret(b"another-secret-of-at-least-32-bytes!", kid="hs")
    _, _, foreign = signed(key=other).split(".")
    changed = b64url_encode(b'{"sub":"2"}')
    for raw in (f"{H}.{P}.{foreign}", f"{H}.{changed}.{S}", f"{b64url_encode(header(a=1))}.{P}.{S}"):
        assert refused(raw) == "invalid"


@pytest.mark.parametrize("key", [ES256, ED25519, RS256], ids=lambda key: key.alg)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["PEM", "PEM stripped", "JWK", "JWK Set", "raw"])
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


@pytest.mark.parametrize("name", es256_signatures()[1])
def test_odd_ecdsa_signatures_are_refused(name):
    message, signatures = es256_signatures()
    assert refused(f"{message}.{b64url_encode(signatures[name])}") == "invalid"


@pytest.mark.parametrize("key", [ED25519, RS256, HS256], ids=lambda key: key.alg)
@pytest.mark.parametrize("signature", [b"\x00", bytes(64), bytes(256), b"\xff" * 64, b"\xff" * 256, b"\xff" * 1000])
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


# Whose it claims to be, and other types


def test_the_issuer_that_a_token_claims_is_read_before_its_signature():
    raw = jws.sign({"iss": "https://auth.example.com"}, typ="at+jwt", key=HS256)
    for text in (raw, raw.encode(), raw[:-4] + "AAAA"):
        assert jws.claimed_issuer(text, max_length=4096) == "https://auth.example.com"


CLAIMING_NOBODY = {
    "no issuer": GOOD,
    "number": signed(payload=b'{"iss":1}'),
    "null": signed(payload=b'{"iss":null}'),
    "list": signed(payload=b'{"iss":["a"]}'),
    "two": signed(payload=b'{"iss":"a","iss":"b"}'),
    "no object": signed(payload=b'["iss"]'),
    "no JSON": signed(payload=b"x"),
    "deep": signed(payload=b"[" * 100_000),
    "one segment": "x",
    "not ASCII": "ä",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("raw", CLAIMING_NOBODY.values(), ids=CLAIMING_NOBODY)
def test_a_token_that_claims_no_issuer_is_refused(raw):
    with pytest.raises(InvalidTokenError) as caught:
        jws.claimed_issuer(raw, max_length=1_000_000)
    assert caught.value.reason == "invalid"


def test_a_token_that_is_too_long_claims_nothing():
    raw = jws.sign({"iss": "a"}, typ="at+jwt", key=HS256)
    assert jws.claimed_issuer(raw, max_length=len(raw)) == "a"
    with pytest.raises(InvalidTokenError):
        jws.claimed_issuer(raw, max_length=len(raw) - 1)


LIST = {"iss": "i", "iat": 1000, "exp": 2000, "ttl": 2, "max_lifetime": 300}


@pytest.mark.parametrize(
    "changes",
    [{name: value} for name in ("ttl", "max_lifetime") for value in (..., None, -1, 2**31, True, 1.0, "1")]
    + [{name: ...} for name in LIST],
    ids=repr,
)
def test_a_revocation_list_needs_its_claims_but_no_audience(changes):
    def check(claims):
        raw = jws.sign(claims, typ="revocations+jwt", key=HS256)
        jws.verify(raw, profile=jws.REVOCATIONS, keys=KEYS, issuer="i", audience=None, max_length=4096, now=1500)

    check(LIST)
    check({**LIST, "aud": "somebody", "ttl": 0})
    with pytest.raises(InvalidTokenError) as caught:
        check({name: value for name, value in {**LIST, **changes}.items() if value is not ...})
    assert caught.value.reason == "invalid"


# All of it, in order

WHOLE = {"iss": "i", "sub": "1", "aud": "a", "client_id": "c", "iat": 1000, "exp": 2000, "jti": "j", "sid": "s"}
FAULTS = {
    "too long": ({"max_length": 10}, {}, "invalid"),
    "type": ({"profile": jws.REFRESH}, {}, "wrong_type"),
    "key": ({"keys": KeySet([Key.generate("ES256")])}, {}, "invalid"),
    "claims": ({}, {"jti": ""}, "invalid"),
    "issuer": ({"issuer": "other"}, {}, "wrong_issuer"),
    "audience": ({"audience": ["other"]}, {}, "wrong_audience"),
    "expiry": ({"now": 2000}, {}, "expired"),
}


def verdict(options, claims):
    raw = jws.sign({**WHOLE, **claims}, typ="at+jwt", key=HS256)
    options = {
        **{"profile": jws.ACCESS, "keys": KEYS, "issuer": "i", "audience": ["a"], "max_length": 4096, "now": 1500},
        **options,
    }
    try:
        return jws.verify(raw, **options).claims["sub"]
    except InvalidTokenError as error:
        return error.reason


def test_the_first_check_that_fails_gives_the_reason():
    assert verdict({}, {}) == "1"
    for options, claims, reason in FAULTS.values():
        assert verdict(options, claims) == reason
    options, claims = {}, {}
    for other_options, other_claims, reason in reversed(FAULTS.values()):
        options, claims = options | other_options, claims | other_claims
        assert verdict(options, claims) == reason


def test_times_are_ignored_only_for_those_who_say_so_and_any_audience_only_for_none():
    assert verdict({"now": 2004, "leeway": 5}, {}) == "1"
    assert verdict({"now": 1301, "max_lifetime": 300}, {}) == "expired"
    assert verdict({"now": 999, "max_lifetime": 300}, {}) == "not_yet_valid"
    assert verdict({"now": 1500}, {"nbf": 1501}) == "not_yet_valid"
    for now in (0, 5000):
        assert verdict({"now": now, "ignore_times": True, "max_lifetime": 300}, {"nbf": 1501}) == "1"
    assert verdict({"audience": None}, {"aud": "anybody"}) == "1"
    assert verdict({"audience": []}, {}) == "wrong_audience"


# Times and signing


def test_without_a_greatest_lifetime_iat_is_information_only():
    claims = {"iat": 1000, "exp": 2000}
    jws.check_times(claims, leeway=0, now=500)
    with pytest.raises(InvalidTokenError) as caught:
        jws.check_times(claims, leeway=0, now=500, max_lifetime=5000)
    assert caught.value.reason == "not_yet_valid"


@pytest.mark.parametrize(
    "claims", [{"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}], ids=["NaN", "Infinity", "surrogate"]
)
def test_what_would_be_refused_is_not_signed(claims):
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        jws.sign(claims, typ="at+jwt", key=HS256)


# Whatever arrives

calm = settings(deadline=None)  # a busy machine is no failure


@calm
@given(st.text(st.characters()) | st.binary())
def test_arbitrary_input_is_refused_as_a_token_and_in_no_other_way(raw):
    refused(raw)


@calm
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_arbitrary_bytes_with_a_good_signature_are_refused_and_nothing_else(header_bytes, payload):
    refused(signed(header_bytes, payload))
    refused(signed(header_bytes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@calm
@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_arbitrary_claims_round_trip(claims):
    read = verify(jws.sign(claims, typ="at+jwt", key=HS256), max_length=100_000)
    assert read.claims == claims
    assert jws.reload(read.payload) == claims


@calm
@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "x"]), json_values))
def test_arbitrary_headers_with_a_good_signature_are_refused(members):
    refused(signed(json.dumps(members).encode()), max_length=100_000)


@pytest.mark.parametrize("key", [HS256, ES256, ED25519, RS256], ids=lambda key: key.alg)
def test_no_character_of_a_token_can_be_changed_left_out_or_doubled(key):
    raw = jws.sign(CLAIMS, typ="at+jwt", key=key)
    for index, char in enumerate(raw):
        for other in {"A" if char != "A" else "B", ".", "", char * 2, chr(ord(char) ^ 1), "="} - {char}:
            mutated = raw[:index] + other + raw[index + 1 :]
            assert refused(mutated) in ("invalid", "wrong_type"), mutated
