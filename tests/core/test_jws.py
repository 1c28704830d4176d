"""Signed tokens: what passes, times, and whatever arrives."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import HMAC_BYTES, SUPPORTED_ALGORITHMS, Key, KeySet, b64url_decode, b64url_encode
from tests.tools.jws import CLAIMS, ED25519, ES256, GOOD, HS256, KEYS, RS256, header, refused, signed, verify
from tests.tools.keys import key_for
from tests.tools.products import each_row

# What passes


@each_row("alg", SUPPORTED_ALGORITHMS)
def test_each_algorithm_signs_and_verifies(alg):
    key = Key.generate(alg) if alg in HMAC_BYTES else key_for(alg)
    raw = jws.sign({**CLAIMS, "name": "Ärger 🔑"}, typ="at+jwt", key=key)
    for text in (raw, raw.encode()):
        read = jws.verify_signature(text, profile=jws.ACCESS, keys=KeySet([key]), max_length=4096)
        assert read.claims == {"sub": "1", "name": "Ärger 🔑"}
        assert read.key is key
        assert jws.reload(read.payload) == read.claims
    assert json.loads(b64url_decode(raw.split(".")[0].encode())) == {"alg": alg, "typ": "at+jwt", "kid": key.kid}


@each_row("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_the_type_is_compared_as_a_media_type(typ):
    assert verify(signed(header(typ=typ))).claims == CLAIMS


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_ed25519_token_may_use_either_name(alg):
    assert verify(signed(header(ED25519, alg=alg), key=ED25519)).claims == CLAIMS


@each_row("member", ["jku", "x5u", "jwk", "x5c", "x5t", "cty", "note"])
def test_other_header_members_are_not_looked_at(member):
    assert verify(signed(header(**{member: ["https://evil.example/"]}))).key is HS256


def test_a_header_is_remembered_without_its_verdict():
    long = "x" * 1000
    for key, note in ((HS256, ""), (HS256, long)):
        raw = signed(header(key, note=note))
        other = KeySet([Key.from_secret(b"another-secret-of-at-least-32-bytes!", kid=key.kid), ES256])
        for _ in range(2):
            assert verify(raw).claims == CLAIMS
            for keys, profile, reason in ((other, jws.ACCESS, "invalid"), (KEYS, jws.REFRESH, "wrong_type")):
                with pytest.raises(InvalidTokenError) as caught:
                    jws.verify_signature(raw, profile=profile, keys=keys, max_length=4096)
                assert caught.value.reason == reason
    known = jws._known_header.cache_info()
    assert known.currsize <= known.maxsize


def test_what_signs_the_same_claims_twice_gives_the_same_text():
    for key in (HS256, ED25519, RS256):
        assert jws.sign(CLAIMS, typ="at+jwt", key=key) == jws.sign(CLAIMS, typ="at+jwt", key=key)


def test_a_token_of_exactly_the_greatest_length_passes_and_one_more_byte_is_refused():
    assert verify(GOOD, max_length=len(GOOD)).claims == CLAIMS
    assert refused(GOOD, max_length=len(GOOD) - 1) == "invalid"


def test_a_signed_token_shows_no_claims_in_its_repr():
    raw = jws.sign({"sub": "ada-lovelace"}, typ="at+jwt", key=HS256)
    assert "lovelace" not in repr(verify(raw))


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


@each_row("raw", CLAIMING_NOBODY.values(), ids=CLAIMING_NOBODY)
def test_a_token_that_claims_no_issuer_is_refused(raw):
    with pytest.raises(InvalidTokenError) as caught:
        jws.claimed_issuer(raw, max_length=1_000_000)
    assert caught.value.reason == "invalid"


def test_a_token_that_is_too_long_claims_nothing():
    raw = jws.sign({"iss": "a"}, typ="at+jwt", key=HS256)
    assert jws.claimed_issuer(raw, max_length=len(raw)) == "a"
    with pytest.raises(InvalidTokenError):
        jws.claimed_issuer(raw, max_length=len(raw) - 1)


def test_a_header_of_megabytes_is_not_read():
    """Nobody has signed it yet, and JSON takes many times its length in memory."""
    header = b64url_encode(b'{"a":[' + b"[]," * 200_000 + b"[]]}")
    tracemalloc.start()
    try:
        with pytest.raises(InvalidTokenError) as caught:
            jws.verify_signature(f"{header}.e30.AA", profile=jws.REVOCATIONS, keys=KEYS, max_length=1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "invalid"
    assert peak < 6 * len(header)  # it would be twenty times


LIST = {"iss": "i", "iat": 1000, "exp": 2000, "ttl": 2, "max_lifetime": 300}


@each_row(
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


@given(st.text(st.characters()) | st.binary())
def test_arbitrary_input_is_refused_as_a_token_and_in_no_other_way(raw):
    refused(raw)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_arbitrary_bytes_with_a_good_signature_are_refused_and_nothing_else(header_bytes, payload):
    refused(signed(header_bytes, payload))
    refused(signed(header_bytes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_arbitrary_claims_round_trip(claims):
    read = verify(jws.sign(claims, typ="at+jwt", key=HS256), max_length=100_000)
    assert read.claims == claims
    assert jws.reload(read.payload) == claims


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
