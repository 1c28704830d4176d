"""Keys: what loads, and what is shown."""

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from django_jwtauth.errors import InvalidKeyError
from django_jwtauth.keys import (
    HMAC_BYTES,
    SUPPORTED_ALGORITHMS,
    Key,
    KeySet,
    b64url_decode,
    b64url_encode,
)
from tests.tools.keys import (
    ASYMMETRIC,
    ED25519,
    PRIVATE,
    RFC7638_RSA,
    RFC8037_ED25519,
    RSA,
    SECRET,
    assert_pair,
    jwk,
    key_for,
    oct_jwk,
    pem,
    public_jwk,
    public_pem,
)
from tests.tools.products import each_row, in_turn

# What loads


FORMS = {
    "PEM": lambda alg, path: {"alg": alg, "pem": pem(PRIVATE[alg])},
    "bytes": lambda alg, path: {"alg": alg, "pem": pem(PRIVATE[alg]).encode()},
    "JWK": lambda alg, path: jwk(alg),
    "PKCS #1 or SEC 1": lambda alg, path: {"alg": alg, "pem": pem(PRIVATE[alg], PrivateFormat.TraditionalOpenSSL)},
    "file": lambda alg, path: {"alg": alg, "file": path},
    "name of a file": lambda alg, path: {"alg": alg, "file": str(path)},
}
"""How a private key is given. Where it is an RSA key, loading it takes long."""


@pytest.mark.parametrize(("alg", "form"), in_turn({alg: alg for alg in ASYMMETRIC}, FORMS))
def test_a_key_loads_from_every_form_and_signs_for_its_public_part(alg, form, tmp_path):
    if (alg, form) == ("EdDSA", FORMS["PKCS #1 or SEC 1"]):
        form = FORMS["PEM"]  # there is no other
    path = tmp_path / "key.pem"
    path.write_text(pem(PRIVATE[alg]))
    private = Key.load(form(alg, path))
    assert private.can_sign
    assert not private.is_symmetric
    for entry in ({"alg": alg, "pem": public_pem(PRIVATE[alg])}, public_jwk(alg)):
        loaded = Key.load(entry)
        assert not loaded.can_sign
        assert_pair(private, loaded, alg)


@each_row("alg", HMAC_BYTES)
@each_row("form", ["secret", "bytes", "jwk"])
def test_a_secret_loads_from_every_form(alg, form):
    entry = {
        "secret": {"alg": alg, "secret": SECRET},
        "bytes": {"alg": alg, "secret": SECRET.encode()},
        "jwk": oct_jwk(alg=alg),
    }[form]
    key = Key.load(entry)
    assert key.is_symmetric
    assert key.can_sign
    assert_pair(key, Key.from_secret(SECRET, alg=alg), alg)


@pytest.mark.parametrize(
    "alg",
    [
        "ES256",
        "ES384",
        "ES512",
        "RS256",
        pytest.param("PS512", marks=pytest.mark.long),
        "EdDSA",
        "Ed25519",
        *HMAC_BYTES,
    ],
)
def test_a_generated_key_signs_and_is_new_each_time(alg):
    key = Key.generate(alg)
    assert_pair(key, key, "EdDSA" if alg == "Ed25519" else alg)
    assert key.kid != Key.generate(alg).kid


@each_row("alg", ASYMMETRIC)
def test_pem_texts_load_back(alg):
    key = key_for(alg)
    assert_pair(Key.from_pem(key.private_pem(), alg=alg), Key.from_pem(key.public_pem(), alg=alg), alg)


@pytest.mark.parametrize("crv", ["P-256", "P-384", "P-521", "Ed25519"])
def test_alg_may_be_missing_where_the_curve_says_it(crv):
    alg = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}[crv]
    assert Key.from_jwk(jwk(alg, alg=None)).alg == alg


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_both_names_of_ed25519_are_accepted_and_eddsa_is_emitted(name, form):
    key = Key.load({"alg": name, "pem": pem(ED25519)} if form == "pem" else jwk("EdDSA", alg=name))
    assert key.alg == "EdDSA"
    assert key.public_jwk()["alg"] == "EdDSA"
    assert key.accepts("EdDSA")
    assert key.accepts("Ed25519")
    assert not key.accepts("ES256")


@each_row("alg", SUPPORTED_ALGORITHMS)
def test_a_key_accepts_no_algorithm_but_its_own(alg):
    key = Key.from_secret(SECRET, alg=alg) if alg in HMAC_BYTES else Key.from_pem(public_pem(PRIVATE[alg]), alg=alg)
    others = {*SUPPORTED_ALGORITHMS, "none", "None", "", alg.lower()} - {alg}
    assert [other for other in [*others, None, [alg], {"alg": alg}, 1] if key.accepts(other)] == []
    assert key.accepts(alg)


def test_a_public_key_cannot_sign():
    with pytest.raises(InvalidKeyError, match="cannot sign"):
        Key.load(public_jwk("ES256")).sign(b"message")


# Names


def test_thumbprint_of_rfc_7638_section_3_1():
    key = Key.from_jwk({**RFC7638_RSA})
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert key.kid == "2011-04-29"  # its own is kept
    del (without := {**RFC7638_RSA})["kid"]
    assert Key.from_jwk(without).kid == key.thumbprint


def test_thumbprint_and_signature_of_rfc_8037_appendix_a():
    key = Key.from_jwk(RFC8037_ED25519)
    assert key.kid == key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
    assert b64url_encode(signature) == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def test_the_kid_of_a_secret_is_no_hash_that_could_be_searched_for():
    key = Key.from_secret(SECRET)
    canonical = json.dumps({"k": b64url_encode(SECRET.encode()), "kty": "oct"}, separators=(",", ":")).encode()
    for text in (canonical, SECRET.encode()):
        digest = hashes.Hash(hashes.SHA256())
        digest.update(text)
        assert not b64url_encode(digest.finalize()).startswith(key.kid)
    assert key.kid == Key.from_secret(SECRET).kid


@pytest.mark.parametrize("kid", ["2026-01", "k" * 256, "clé", "../../etc/passwd"])
def test_a_kid_is_kept_whatever_it_spells(kid):
    assert Key.from_jwk(jwk("ES256", kid=kid)).kid == kid
    assert Key.from_secret(SECRET, kid=kid).kid == kid


@each_row("kid", ["", "k" * 257, "a\nb", "a\x00", "\ud800", 7, ["a"], {}], ids=lambda kid: repr(kid)[:12])
def test_a_kid_that_is_no_short_printable_text_is_refused(kid):
    with pytest.raises(InvalidKeyError, match="'kid'"):
        Key.from_jwk(jwk("ES256", kid=kid))


# What is shown


@each_row("alg", ASYMMETRIC)
def test_a_public_jwk_has_the_public_members_and_kid_alg_use_only(alg):
    for entry in (jwk(alg, x5u="https://example.com/", x5c=["x"], note="private"), public_jwk(alg)):
        shown = Key.from_jwk(entry).public_jwk()
        own = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[shown["kty"]]
        assert set(shown) == {"kty", "kid", "alg", "use"} | own
        assert {name: shown[name] for name in own} == {name: entry[name] for name in own}
        assert (shown["alg"], shown["use"]) == (alg, "sig")


def test_the_jwk_set_shows_asymmetric_keys_and_never_a_secret():
    keys = KeySet([Key.from_secret(SECRET), Key.from_jwk(jwk("ES256")), Key.from_pem(public_pem(RSA), alg="RS256")])
    assert [entry["alg"] for entry in keys.public_jwks()["keys"]] == ["ES256", "RS256"]
    assert KeySet([Key.from_secret(SECRET)]).public_jwks() == {"keys": []}


def test_coordinates_keep_their_leading_zeros():
    """RFC 7518 section 6.2.1.2: the length is that of the curve, whatever the number."""
    public = (ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 2000))
    short = next(key for key in public if key.public_numbers().x < 2**248)
    key = Key.from_pem(short.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), alg="ES256")
    assert len(b64url_decode(key.public_jwk()["x"].encode())) == 32


def test_a_secret_has_no_pem_form_and_a_public_key_no_private_one():
    secret = Key.from_secret(SECRET)
    for call in (secret.private_pem, secret.public_pem, Key.load(public_jwk("ES256")).private_pem):
        with pytest.raises(InvalidKeyError):
            call()


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "HS256"])
def test_repr_shows_neither_secret_nor_private_members(alg):
    entry = oct_jwk() if alg == "HS256" else jwk(alg)
    key = Key.from_jwk(entry)
    shown = f"{key!r} {key} {KeySet([key])!r}"
    assert key.kid in shown
    assert not [name for name in ("k", "d", "p", "x", "n") if name in entry and entry[name] in shown]
    assert SECRET not in shown
    assert repr(ED25519) not in shown
