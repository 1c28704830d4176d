"""The revocation list as a value, and the signed document that carries it."""

import json
import time
from dataclasses import FrozenInstanceError

import pytest

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import MAX_BYTES, RevocationList, SignedList
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet
from tests.tools.keys import key_for
from tests.tools.products import each_row

NOW = 1_800_000_000
ISSUER = "https://auth.example.com"
KEY = Key.generate("EdDSA")
OTHER = Key.generate("EdDSA")
CLAIMS = {"sub": "1", "sid": "session-1", "jti": "token-1", "iat": NOW}
REVOKED = RevocationList(sids={"session-b": 1, "session-a": 1}, jtis={"b", "a"}, not_before=NOW - 5)
DOCUMENT = SignedList(revoked=REVOKED, issued_at=NOW, expires_at=NOW + 60, ttl=2, max_lifetime=300)


def read(raw, *, now=NOW, leeway=5, issuer=ISSUER, keys=(KEY,)):
    return SignedList.read(raw, issuer=issuer, keys=KeySet(keys), leeway=leeway, now=now)


def refused(raw, **kwargs):
    with pytest.raises(InvalidTokenError) as caught:
        read(raw, **kwargs)
    return caught.value.reason


@each_row(
    ("revoked", "covered"),
    [
        ({}, False),
        ({"sids": {"session-1"}}, True),
        pytest.param({"sids": {"token-1", "1", "session-10"}}, False, id="sids of others"),
        ({"jtis": {"token-1"}}, True),
        ({"jtis": {"session-1"}}, False),
        ({"not_before": NOW}, True),
        ({"not_before": NOW - 1}, False),
    ],
    ids=repr,
)
def test_what_a_list_covers(revoked, covered):
    assert RevocationList(**revoked).covers(CLAIMS) is covered


def test_lists_are_values_that_do_not_show_whom_they_name():
    assert "session-a" not in repr(DOCUMENT)
    with pytest.raises(FrozenInstanceError):
        REVOKED.not_before = 0


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256"])
def test_a_document_that_was_signed_can_be_read(alg):
    key = key_for(alg)
    raw = DOCUMENT.sign(issuer=ISSUER, key=key)
    document = read(raw.encode(), keys=[key])
    assert document.content() == DOCUMENT.content()
    assert (document.issued_at, document.expires_at) == (NOW, NOW + 60)
    for name in ("session-a", "session-b"):
        assert document.revoked.covers({**CLAIMS, "sid": name})
    assert not document.revoked.covers(CLAIMS)


def test_the_same_list_is_written_in_the_same_order():
    content = DOCUMENT.content()
    assert content == {
        "ttl": 2,
        "max_lifetime": 300,
        "not_before": NOW - 5,
        "sids": ["session-a", "session-b"],
        "jtis": ["a", "b"],
    }
    other = RevocationList(sids=frozenset(["session-a", "session-b"]), jtis=["b", "a"], not_before=NOW - 5)
    twin = SignedList(revoked=other, issued_at=NOW, expires_at=NOW + 60, ttl=2, max_lifetime=300)
    assert json.dumps(twin.content()) == json.dumps(content)
    assert twin.sign(issuer=ISSUER, key=KEY) == DOCUMENT.sign(issuer=ISSUER, key=KEY)


def test_times_count_to_the_second_with_the_leeway():
    raw = DOCUMENT.sign(issuer=ISSUER, key=KEY).encode()
    for now in (NOW - 5, NOW, NOW + 64.9):
        assert read(raw, now=now).issued_at == NOW
    assert refused(raw, now=NOW - 5.1) == "not_yet_valid"
    assert refused(raw, now=NOW + 65) == "expired"
    assert refused(raw, now=NOW + 60, leeway=0) == "expired"


def test_it_is_the_list_of_one_issuer_under_its_own_keys():
    raw = DOCUMENT.sign(issuer=ISSUER, key=KEY).encode()
    assert refused(raw, issuer=f"{ISSUER}/") == "wrong_issuer"
    assert refused(raw, keys=[OTHER]) == "invalid"
    impostor = Key.from_pem(OTHER.private_pem(), alg="EdDSA", kid=KEY.kid)
    assert refused(DOCUMENT.sign(issuer=ISSUER, key=impostor).encode()) == "invalid"


def test_it_names_nobody_as_audience_and_may_name_somebody():
    claims = {"iss": ISSUER, "iat": NOW, "exp": NOW + 60, **DOCUMENT.content()}
    assert read(jws.sign({**claims, "aud": "x"}, typ="revocations+jwt", key=KEY).encode())
    for typ in ("at+jwt", "rt+jwt", "JWT", "statuslist+jwt"):
        assert refused(jws.sign(claims, typ=typ, key=KEY).encode()) == "wrong_type"


def test_claims_that_a_reader_does_not_know_are_ignored():
    claims = {"iss": ISSUER, "iat": NOW, "exp": NOW + 60, **DOCUMENT.content(), "subs": {"1": NOW}, "next": [1]}
    found = read(jws.sign(claims, typ="revocations+jwt", key=KEY).encode())
    assert found.content() == DOCUMENT.content()
    assert not found.revoked.covers(CLAIMS)


def test_a_hundred_thousand_sessions_are_looked_up_at_once():
    sids = [f"{number:036d}" for number in range(100_000)]
    document = SignedList(
        revoked=RevocationList(sids=sids), issued_at=NOW, expires_at=NOW + 60, ttl=2, max_lifetime=300
    )
    raw = document.sign(issuer=ISSUER, key=KEY).encode()
    assert len(raw) < MAX_BYTES / 5
    found = read(raw)
    began = time.perf_counter()
    for _ in range(10_000):
        assert not found.revoked.covers(CLAIMS)
    assert time.perf_counter() - began < 20  # a search through all of it would take minutes
    assert found.revoked.covers({**CLAIMS, "sid": sids[-1]})
