"""Key sets, encodings and derived secrets."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jwtauth.errors import InvalidKeyError
from django_jwtauth.keys import (
    Key,
    KeySet,
    b64url_decode,
    b64url_encode,
    derive_secret,
)
from tests.tools.keys import RSA, SECRET, jwk, oct_jwk, public_jwk, public_pem
from tests.tools.products import each_row

# Key sets


def test_a_key_set_finds_by_kid_only_and_asks_no_questions():
    keys = KeySet([Key.from_jwk(jwk("ES256", kid="a")), Key.from_pem(public_pem(RSA), alg="RS256")])
    assert [key.alg for key in keys] == ["ES256", "RS256"]
    assert len(keys) == 2
    assert keys.get("a") is keys.signing_key
    assert [kid for kid in ("b", "", None, 0, ["a"], {}, b"a") if keys.get(kid) is not None] == []


KEY_SETS = {
    "none": ([], "at least one"),
    "one kid": ([jwk("ES256", kid="a"), jwk("ES384", kid="a")], "same 'kid'"),
    "one key, two algorithms": ([jwk("RS256", kid="a"), jwk("PS256", kid="b")], "twice"),
    "one secret, two algorithms": ([oct_jwk(kid="a"), oct_jwk(alg="HS512", kid="b")], "twice"),
    "one key, two kids": ([jwk("ES256", kid="a"), public_jwk("ES256", kid="b")], "twice"),
    "one key twice": ([jwk("ES256"), jwk("ES256")], "same 'kid'"),
}


@each_row(("entries", "message"), KEY_SETS.values(), ids=KEY_SETS)
def test_one_key_has_one_kid_and_one_algorithm(entries, message):
    with pytest.raises(InvalidKeyError, match=message):
        KeySet([Key.load(entry) for entry in entries])


def test_the_first_key_must_be_able_to_sign():
    keys = KeySet([Key.load(public_jwk("ES256")), Key.load(jwk("RS256"))])
    with pytest.raises(InvalidKeyError, match="first key"):
        _ = keys.signing_key


# Encodings and derived secrets


@each_row("text", ["", "AA", "_-8", "AAAA", "-_-_"])
def test_canonical_base64url_round_trips(text):
    assert b64url_encode(b64url_decode(text.encode())) == text


@each_row("text", ["A", "AB", "AAB", "AA==", "AAA=", "AA AA", "AAAA\n", "+/+/", "AA.A", "AAAAA", "ä"])
def test_any_other_spelling_of_base64url_is_refused(text):
    with pytest.raises(ValueError, match=r"base64|padd|number of data"):
        b64url_decode(text.encode())


def outcome(decode, text):
    try:
        return decode(text.encode())
    except ValueError:
        return None


def decoded_and_encoded_again(data):
    decoded = base64.urlsafe_b64decode(data + b"===")
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != data:
        raise ValueError("other bytes")
    return decoded


@given(st.text("AQgwBEe-_+/=. \n\x00", max_size=8))
def test_base64url_is_accepted_exactly_if_encoding_gives_it_again(text):
    assert outcome(b64url_decode, text) == outcome(decoded_and_encoded_again, text)


def test_each_purpose_and_each_master_secret_gives_an_unrelated_secret():
    derived = {derive_secret(master, purpose) for master in (SECRET, "other") for purpose in ("a", "b")}
    assert len(derived) == 4
    assert derive_secret(SECRET, "a") == derive_secret(SECRET.encode(), "a")
    assert all(len(secret) == 32 for secret in derived)
