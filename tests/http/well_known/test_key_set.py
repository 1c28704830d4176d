"""The key set: public members of asymmetric keys, and nothing else."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from django_jwtauth import conf
from django_jwtauth.keys import Key, b64url_encode
from tests.tools.keys import key_for
from tests.tools.well_known import ALGORITHMS, ISSUER, JWKS, LIST, METADATA, PRIVATE, SECRET, entry, jwtauth

# The key set


MEMBERS = {
    "ES": {"kty", "crv", "x", "y", "kid", "alg", "use"},
    "RS": {"kty", "n", "e", "kid", "alg", "use"},
    "PS": {"kty", "n", "e", "kid", "alg", "use"},
    "Ed": {"kty", "crv", "x", "kid", "alg", "use"},
}
SYMMETRIC = ("HS256", "HS384", "HS512")


def private_numbers(alg):
    """The private parts of a key, in every form they could be written down in."""
    private = key_for(alg)._private
    if alg == "EdDSA":
        values = [private.private_bytes_raw()]
    else:
        numbers = private.private_numbers()
        names = (
            ("d", "p", "q", "dmp1", "dmq1", "iqmp") if isinstance(private, rsa.RSAPrivateKey) else ("private_value",)
        )
        integers = [getattr(numbers, name) for name in names]
        values = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in integers]
    return [form for value in values for form in (b64url_encode(value).encode(), value.hex().encode(), value)]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_key_set_holds_public_members_and_nothing_else(http, settings, alg):
    settings.JWTAUTH = jwtauth(alg)
    body = http.get(JWKS).content
    document = json.loads(body)
    assert document.keys() == {"keys"}
    (published,) = document["keys"]
    assert published.keys() == MEMBERS[alg[:2]]
    assert (published["alg"], published["use"], published["kid"]) == (alg, "sig", key_for(alg).kid)
    assert not any(form in body for form in private_numbers(alg))
    # And it is that key: a stock verifier accepts what is signed with it.
    signed = key_for(alg).sign(b"message")
    assert Key.from_jwk(published).verify(b"message", signed)
    assert jwt.PyJWK(published).Algorithm.verify(b"message", jwt.PyJWK(published).key, signed)


@pytest.mark.parametrize("alg", SYMMETRIC)
def test_with_secrets_only_the_key_set_is_empty_and_there_is_no_list(http, settings, alg):
    settings.JWTAUTH = jwtauth(alg)
    assert http.get(JWKS).json() == {"keys": []}
    assert "jwt_revocations_uri" not in http.get(METADATA).json()
    response = http.get(LIST)
    assert response.status_code == 404
    assert response["Cache-Control"] == "no-store"
    assert response["Access-Control-Allow-Origin"] == "*"


def test_by_default_there_is_nothing_to_hand_out(http, settings):
    settings.JWTAUTH = {}
    assert http.get(JWKS).json() == {"keys": []}
    assert http.get(LIST).status_code == 404
    assert http.get(METADATA).status_code == 404


def test_of_a_mixed_set_only_the_asymmetric_keys_are_published_in_their_order(http, settings):
    private_jwk = {
        **key_for("EdDSA").public_jwk(),
        "kid": "ours",
        "d": b64url_encode(key_for("EdDSA")._private.private_bytes_raw()),
        "x5u": "https://evil.example.net",
        "key_ops": ["sign", "verify"],
        "comment": "internal",
    }
    public_jwk = {**key_for("ES512").public_jwk(), "kid": "retired"}
    oct_jwk = {"kty": "oct", "alg": "HS384", "k": b64url_encode(SECRET.encode() * 2)}
    settings.JWTAUTH = {
        "ISSUER": ISSUER,
        "SIGNING_KEYS": [
            entry("RS256"),
            entry("HS512"),
            entry("ES256"),
            oct_jwk,
            private_jwk,
            {"alg": "ES384", "pem": key_for("ES384").public_pem()},
            public_jwk,
        ],
    }
    body = http.get(JWKS).content
    assert json.loads(body) == {
        "keys": [
            key_for("RS256").public_jwk(),
            key_for("ES256").public_jwk(),
            {**key_for("EdDSA").public_jwk(), "kid": "ours"},
            key_for("ES384").public_jwk(),
            public_jwk,
        ]
    }
    assert all(MEMBERS[jwk["alg"][:2]] == jwk.keys() for jwk in json.loads(body)["keys"])
    assert not any(PRIVATE & jwk.keys() for jwk in json.loads(body)["keys"])
    for secret in (SECRET.encode(), b64url_encode(SECRET.encode()).encode(), oct_jwk["k"].encode()):
        assert secret not in body
    for alg in ("RS256", "ES256", "EdDSA", "ES384", "ES512"):
        assert not any(form in body for form in private_numbers(alg))
    config = conf.get_config()
    for hidden in [*config.refresh_keys, *(found for found in config.signing_keys if found.is_symmetric)]:
        assert hidden.kid.encode() not in body


@pytest.mark.django_db
def test_who_signs_with_a_secret_has_no_list_although_an_asymmetric_key_is_published(http, settings):
    settings.JWTAUTH = jwtauth("HS256", "ES256")
    assert [jwk["alg"] for jwk in http.get(JWKS).json()["keys"]] == ["ES256"]
    assert http.get(LIST).status_code == 404
    assert "jwt_revocations_uri" not in http.get(METADATA).json()


def test_the_key_set_follows_the_settings_at_once(http, settings):
    before = http.get(JWKS)
    settings.JWTAUTH = jwtauth("ES256", "ES384")
    after = http.get(JWKS, headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert len(after.json()["keys"]) == 2
