"""Whatever arrives at the verifier."""

from hypothesis import given
from hypothesis import strategies as st

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import b64url_decode, b64url_encode
from tests.tools.tokens import CLAIMS, NOW, claims, make, refused, token

# Whatever arrives

RESERVED = st.sampled_from(sorted({*CLAIMS, "nbf", "auth_time", "scope", "acr"}))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
VERIFIER = make(max_token_length=100_000)


@given(st.text(st.characters()) | st.binary())
def test_arbitrary_input_is_refused_as_a_token_and_in_no_other_way(raw):
    refused(VERIFIER, raw)


@given(st.dictionaries(RESERVED, VALUES, min_size=1))
def test_arbitrary_registered_claims_give_a_token_or_a_refusal(changes):
    try:
        read = VERIFIER.verify(token(**changes), now=NOW)
    except InvalidTokenError:
        return
    assert read.claims == claims(**changes)
    assert all(type(read.claims[name]) is int for name in ("iat", "exp"))


@given(st.dictionaries(st.text().map("x_{}".format), VALUES, max_size=5))
def test_arbitrary_custom_claims_round_trip_from_the_key_and_from_the_cache(custom):
    raw = token(**custom)
    assert VERIFIER.verify(raw, now=NOW).claims == VERIFIER.verify(raw, now=NOW).claims == {**CLAIMS, **custom}


GOOD = token()


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_one_changed_character_is_always_refused(index, char):
    assert VERIFIER.verify(GOOD, now=NOW)
    mutated = GOOD[:index] + char + GOOD[index + 1 :]
    if mutated != GOOD:
        assert refused(VERIFIER, mutated) in ("invalid", "wrong_type")


@given(st.data())
def test_changed_bytes_of_a_payload_are_always_refused(data):
    header, payload, signature = GOOD.split(".")
    decoded = bytearray(b64url_decode(payload.encode()))
    decoded[data.draw(st.integers(0, len(decoded) - 1))] ^= data.draw(st.integers(1, 255))
    assert refused(VERIFIER, f"{header}.{b64url_encode(bytes(decoded))}.{signature}") == "invalid"
