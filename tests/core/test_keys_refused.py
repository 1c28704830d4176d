"""Keys that are refused, and without showing them."""

import json
import math
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from django.utils import timezone

from django_jwtauth.errors import InvalidKeyError
from django_jwtauth.keys import (
    HMAC_BYTES,
    Key,
    b64url_encode,
)
from tests.tools.keys import EC, RSA, SECRET, assert_no_material, jwk, oct_jwk, pem, public_jwk, public_pem
from tests.tools.products import each_row

# What is refused


def certificate():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "auth.example.com")])
    now = timezone.now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(EC["ES256"].public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now)
    return builder.sign(EC["ES256"], hashes.SHA256()).public_bytes(Encoding.PEM)


def rsa_public(modulus, exponent=65537):
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def faulty_modulus():
    """A modulus of ROCA's form: a power of 65537 modulo the product of the first primes (CVE-2017-15361)."""
    primes = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97]
    primes += [101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167]
    product = math.prod(primes)
    modulus = product * (2**2048 // product) + pow(65537, 2**61 - 1, product)
    while modulus.bit_length() > 2048 or modulus % 2 == 0:
        modulus -= product
    return modulus


def spki(public):
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


RSA_1024 = pem(rsa.generate_private_key(65537, 1024))
WEAK = {
    "RSA 1024": ("RS256", RSA_1024, "2048 to 8192 bits"),
    "RSA 1024, PS": ("PS256", RSA_1024, "2048 to 8192 bits"),
    "RSA 2047": ("RS256", spki(rsa_public(2**2046 + 1)), "2048 to 8192 bits"),
    "RSA 8193": ("RS256", spki(rsa_public(2**8192 + 1)), "2048 to 8192 bits"),
    "e = 3": ("RS256", pem(rsa.generate_private_key(3, 2048)), "exponent"),
    "e = 65535": ("RS256", spki(rsa_public(RSA.public_key().public_numbers().n, 65535)), "exponent"),
    "ROCA": ("RS256", spki(rsa_public(faulty_modulus())), "ROCA"),
    "P-384 for ES256": ("ES256", pem(EC["ES384"]), "P-256"),
    "P-256 for ES384": ("ES384", pem(EC["ES256"]), "P-384"),
    "P-256 for ES512": ("ES512", pem(EC["ES256"]), "P-521"),
    "secp256k1": ("ES256", pem(ec.generate_private_key(ec.SECP256K1())), "P-256"),
    "ES256K": ("ES256K", pem(ec.generate_private_key(ec.SECP256K1())), "not supported"),
    "EC for RS256": ("RS256", pem(EC["ES256"]), "needs an RSA key"),
    "RSA for ES256": ("ES256", pem(RSA), "elliptic curve"),
    "RSA for EdDSA": ("EdDSA", pem(RSA), "Ed25519"),
    "Ed448": ("EdDSA", pem(ed448.Ed448PrivateKey.generate()), "Ed25519"),
    "X25519": ("EdDSA", pem(x25519.X25519PrivateKey.generate()), "Ed25519"),
    "asymmetric for HS256": ("HS256", pem(RSA), "needs a secret"),
    "public for HS256": ("HS256", public_pem(RSA), "needs a secret"),
    "ES521": ("ES521", pem(EC["ES512"]), "not supported"),
    "none": ("none", pem(RSA), "not supported"),
    "lower case": ("rs256", pem(RSA), "not supported"),
    "empty alg": ("", pem(RSA), "not supported"),
    "encrypted PKCS #8": ("RS256", pem(RSA, encryption=BestAvailableEncryption(b"pw")), "encrypted"),
    "encrypted PKCS #1": (
        "RS256",
        pem(RSA, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"pw")),
        "encrypted",
    ),
    "certificate": ("ES256", certificate(), "cannot|does not hold"),
    "SSH public key": ("RS256", public_pem(RSA, PublicFormat.OpenSSH, Encoding.OpenSSH), "does not hold"),
    "DER": ("RS256", public_pem(RSA, encoding=Encoding.DER), "does not hold"),
    "cut off": ("RS256", pem(RSA)[:400], "does not hold"),
    "no PEM": ("RS256", "a key", "does not hold"),
    "empty": ("RS256", "", "does not hold"),
    "lone surrogate": ("RS256", "\ud800" + pem(RSA), "Unicode"),
}


@each_row(("alg", "text", "message"), WEAK.values(), ids=WEAK)
def test_pem_that_is_weak_unfit_or_unreadable_is_refused(alg, text, message):
    with pytest.raises(InvalidKeyError, match=message) as caught:
        Key.load({"alg": alg, "pem": text})
    assert_no_material(caught.value, text)


def test_rsa_of_2048_bits_and_more_is_good():
    for bits in (2048, 8192):  # a modulus of that length; that it has factors, nobody checks
        assert Key.from_pem(spki(rsa_public(2 ** (bits - 1) + 1)), alg="RS256").alg == "RS256"


SECRETS = {
    "empty": ("HS256", "", "empty"),
    "1 byte": ("HS256", "x", "at least 32"),
    "31 bytes for HS256": ("HS256", SECRET[:31], "at least 32"),
    "47 bytes for HS384": ("HS384", SECRET[:47], "at least 48"),
    "63 bytes for HS512": ("HS512", SECRET[:63], "at least 64"),
    "known": ("HS256", "a-string-secret-at-least-256-bits-long", "publicly known"),
    "known, as bytes": ("HS256", b"your-256-bit-secret-your-256-bit-secret", "publicly known"),
    "one character": ("HS256", "a" * 64, "trivial"),
    "four characters": ("HS256", "abcd" * 16, "trivial"),
    "zeros": ("HS512", bytes(64), "trivial"),
    "public PEM": ("HS256", public_pem(RSA), "asymmetric"),
    "public PEM, stripped": ("HS256", public_pem(RSA).strip(), "asymmetric"),
    "public PKCS #1": ("HS256", public_pem(RSA, PublicFormat.PKCS1), "asymmetric"),
    "private PEM": ("HS256", pem(RSA), "asymmetric"),
    "public DER": ("HS256", public_pem(RSA, encoding=Encoding.DER), "asymmetric"),
    "public DER, EC": ("HS256", public_pem(EC["ES256"], encoding=Encoding.DER), "asymmetric"),
    "public SSH": ("HS256", public_pem(RSA, PublicFormat.OpenSSH, Encoding.OpenSSH), "asymmetric"),
    "certificate": ("HS256", certificate(), "asymmetric"),
    "certificate, DER": (
        "HS256",
        x509.load_pem_x509_certificate(certificate()).public_bytes(Encoding.DER),
        "asymmetric",
    ),
    "JWK": ("HS256", json.dumps(public_jwk("RS256")), "JWK"),
    "JWK Set": ("HS256", json.dumps({"keys": [public_jwk("ES256")]}, indent=2), "JWK"),
    "for an asymmetric algorithm": ("ES256", SECRET, "cannot be used with 'ES256'"),
    "for none": ("none", SECRET, "cannot be used with 'none'"),
    "alg and secret swapped": (SECRET, "HS256", "cannot be used with"),
    "lone surrogate": ("HS256", SECRET + "\udfff", "Unicode"),
}


@each_row(("alg", "secret", "message"), SECRETS.values(), ids=SECRETS)
def test_a_secret_that_is_short_known_or_no_secret_is_refused(alg, secret, message):
    with pytest.raises(InvalidKeyError, match=message) as caught:
        Key.load({"alg": alg, "secret": secret})
    assert_no_material(caught.value, secret)
    assert SECRET not in str(caught.value)


def test_the_length_of_a_secret_counts_bytes_and_exactly_enough_is_enough():
    for alg, length in HMAC_BYTES.items():
        assert Key.from_secret(SECRET[:length], alg=alg).alg == alg
    assert Key.from_secret("äöüßéàôñ" * 2).alg == "HS256"  # 16 characters, 32 bytes


OTHER = ed25519.Ed25519PrivateKey.generate()
P256 = public_jwk("ES256")
JWKS = {
    "no alg": (jwk("RS256", alg=None), "'alg'"),
    "alg is no string": (jwk("RS256", alg=["RS256"]), "'alg'"),
    "alg none": (jwk("RS256", alg="none"), "not supported"),
    "ES521": (jwk("ES512", alg="ES521"), "not supported"),
    "alg of another kind": (jwk("RS256", alg="ES256"), "does not hold a key for ES256"),
    "alg of another curve": (jwk("ES256", alg="ES384"), "P-384"),
    "RSA as HS256": (public_jwk("RS256", alg="HS256"), "does not hold a key for HS256"),
    "secret as RS256": (oct_jwk(alg="RS256"), "does not hold a key for RS256"),
    "secret for encryption": (oct_jwk(alg="A256GCM"), "not supported"),
    "empty secret": (oct_jwk(k=""), "does not hold a key for HS256"),
    "short secret": (oct_jwk(secret="short"), "at least 32"),
    "secret without alg": ({"kty": "oct", "k": b64url_encode(SECRET.encode())}, "'alg'"),
    "use enc": (jwk("ES256", use="enc"), "'use'"),
    "use null": ({**jwk("ES256"), "use": None}, "'use'"),
    "use list": (jwk("ES256", use=["sig"]), "'use'"),
    "private key_ops verify": (jwk("ES256", key_ops=["verify"]), "'key_ops'"),
    "public key_ops sign": (public_jwk("ES256", key_ops=["sign"]), "'key_ops'"),
    "secret key_ops verify": (oct_jwk(key_ops=["verify"]), "'key_ops'"),
    "key_ops encrypt": (jwk("ES256", key_ops=["encrypt"]), "'key_ops'"),
    "key_ops empty": (jwk("ES256", key_ops=[]), "'key_ops'"),
    "key_ops string": (jwk("ES256", key_ops="sign"), "'key_ops'"),
    "key_ops null": ({**jwk("ES256"), "key_ops": None}, "'key_ops'"),
    "trusted x, other d": ({**jwk("EdDSA"), "d": b64url_encode(OTHER.private_bytes_raw())}, "EdDSA|'x'"),
    "trusted x and y, other d": ({**jwk("ES256"), "d": b64url_encode(bytes(31) + b"\x05")}, "ES256|'x'"),
    "trusted n, other d": ({**jwk("RS256"), "d": b64url_encode(bytes(200) + b"\x05")}, "RS256"),
    "point off the curve": ({**P256, "y": P256["x"]}, "does not hold a key for ES256"),
    "short coordinate": ({**P256, "x": "AQAB"}, "does not hold a key for ES256"),
    "x of another type": ({**P256, "x": 5}, "does not hold a key for ES256"),
    "x missing": ({"kty": "EC", "crv": "P-256"}, "does not hold a key for ES256"),
    "d null": ({**jwk("ES256"), "d": None}, "does not hold a key for ES256"),
    "secp256k1": ({**P256, "crv": "secp256k1"}, "does not hold a key|P-256"),
    "crv of another type": ({**P256, "crv": []}, "does not hold a key for ES256"),
    "x spelt otherwise": ({**P256, "x": P256["x"] + "="}, "'x'"),
    "e spelt otherwise": (public_jwk("RS256", e="AAEAAQ"), "'e'"),
    "n spelt otherwise": (public_jwk("RS256", n="AA" + public_jwk("RS256")["n"]), "'n'|does not hold"),
    "RSA 1024": ({"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": b64url_encode(b"\x81" * 128)}, "bits"),
    "kty unknown": ({"kty": "XXX", "alg": "ES256"}, "does not hold a key for ES256"),
    "kty missing": ({"alg": "ES256", "crv": "P-256", "x": P256["x"]}, "A key is"),
    "Ed448": ({"kty": "OKP", "crv": "Ed448", "alg": "EdDSA", "x": b64url_encode(bytes(57))}, "Ed25519|EdDSA"),
}


@each_row(("entry", "message"), JWKS.values(), ids=JWKS)
def test_a_jwk_that_is_broken_contradictory_or_for_something_else_is_refused(entry, message):
    with pytest.raises(InvalidKeyError, match=message) as caught:
        Key.load(entry)
    assert_no_material(caught.value, *[value for name, value in entry.items() if name in ("d", "k", "p", "q")])


@pytest.mark.parametrize("operations", [["sign"], ["sign", "verify"]])
def test_key_ops_that_fit_are_good(operations):
    assert Key.from_jwk(jwk("ES256", key_ops=operations, use="sig")).can_sign
    assert Key.from_jwk(public_jwk("ES256", key_ops=["verify"])).alg == "ES256"


ENTRIES = {
    "empty": {},
    "alg only": {"alg": "ES256"},
    "no alg": {"pem": pem(RSA)},
    "two sources": {"alg": "RS256", "pem": pem(RSA), "file": "key.pem"},
    "unknown member": {"alg": "RS256", "pem": pem(RSA), "kid": "a"},
    "misspelt": {"alg": "RS256", "path": "key.pem"},
    "alg is no string": {"alg": None, "pem": pem(RSA)},
    "pem is a number": {"alg": "RS256", "pem": 10**40},
    "secret is a number": {"alg": "HS256", "secret": 10**40},
    "secret is a list": {"alg": "HS256", "secret": [SECRET]},
    "file missing": {"alg": "RS256", "file": "/no/such/secret"},
    "file is a directory": {"alg": "RS256", "file": "/"},
    "file is no path": {"alg": "RS256", "file": 7},
    "file with NUL": {"alg": "RS256", "file": "key\x00.pem"},
    "PEM in place of the file": {"alg": "RS256", "file": pem(RSA)},
    "secret in place of the file": {"alg": "HS256", "file": SECRET},
    "PEM in place of the algorithm": {"alg": pem(EC["ES256"]), "pem": pem(EC["ES256"])},
}


@each_row("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_that_is_no_key_is_refused_without_showing_it(entry):
    with pytest.raises(InvalidKeyError) as caught:
        Key.load(entry)
    assert_no_material(caught.value, *[value for value in entry.values() if value not in ("RS256", "HS256", "ES256")])


def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path):
    (tmp_path / "key.pem").write_text(SECRET)
    with pytest.raises(InvalidKeyError) as caught:
        Key.load({"alg": "ES256", "file": tmp_path / "key.pem"})
    assert_no_material(caught.value, SECRET)


@each_row("alg", ["none", "ES521", "RS1", "dir", ""])
def test_no_key_is_generated_for_an_algorithm_we_do_not_know(alg):
    with pytest.raises(InvalidKeyError, match="not supported"):
        Key.generate(alg)


def test_a_pem_from_an_environment_variable_gets_a_hint():
    pem = Key.generate("ES256").private_pem().replace("\n", "\\n")
    with pytest.raises(InvalidKeyError, match=r"two characters \\n where its lines should end"):
        Key.load({"alg": "ES256", "pem": pem})


@pytest.mark.parametrize("name", ["/no/such/folder/key.pem", "{folder}/key", "jwt.key"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_missing_key_file_is_named_if_it_is_surely_a_path(tmp_path, name, kind):
    path = kind(name.format(folder=tmp_path))
    with pytest.raises(InvalidKeyError, match="No such file") as caught:
        Key.load({"alg": "ES256", "file": path})
    assert repr(str(path)) in str(caught.value)


@each_row("text", ["c2VjcmV0/c2VjcmV0", "/c2VjcmV0", "c2VjcmV0", "A" * 300 + ".pem", "-----BEGIN.pem", "a\n.pem"])
def test_what_might_be_a_key_is_not_shown(text):
    with pytest.raises(InvalidKeyError, match="The key file cannot be read") as caught:
        Key.load({"alg": "ES256", "file": text})
    assert text[:12] not in str(caught.value)
