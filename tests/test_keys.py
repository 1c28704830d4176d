"""Keys: what loads, what is refused, what is shown, and what never is."""

import json
import math

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from django.utils import timezone
from jwt.algorithms import get_default_algorithms

from django_jwtauth.errors import InvalidKeyError
from django_jwtauth.keys import (
    CURVES,
    HMAC_BYTES,
    RSA_ALGORITHMS,
    SUPPORTED_ALGORITHMS,
    Key,
    KeySet,
    b64url_decode,
    b64url_encode,
    derive_secret,
)

ASYMMETRIC = [alg for alg in SUPPORTED_ALGORITHMS if alg not in HMAC_BYTES]
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
EC = {alg: ec.generate_private_key(curve()) for alg, curve in CURVES.items()}
PRIVATE = {**dict.fromkeys(RSA_ALGORITHMS, RSA), **EC, "EdDSA": ED25519}
SECRET = "Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn25oVtiQxMCyZKEBlPwrA4N6hDguOjSI-"  # 64 bytes

RFC7638_RSA = {  # RFC 7638 section 3.1
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
        "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"
        "zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEg"
        "U8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC8037_ED25519 = {  # RFC 8037 appendix A.1
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


def public_pem(key, form=PublicFormat.SubjectPublicKeyInfo, encoding=Encoding.PEM):
    return key.public_key().public_bytes(encoding, form)


def jwk(alg, /, **changes):
    """The private JWK of a key, as PyJWT writes it."""
    members = {**get_default_algorithms()[alg].to_jwk(PRIVATE[alg], as_dict=True), "key_ops": None, "alg": alg}
    members |= changes
    return {name: value for name, value in members.items() if value is not None}


def public_jwk(alg, /, **changes):
    private = ("d", "p", "q", "dp", "dq", "qi")
    return {name: value for name, value in jwk(alg, **changes).items() if name not in private}


def oct_jwk(secret=SECRET, **changes):
    return {"kty": "oct", "k": b64url_encode(secret.encode()), "alg": "HS256", **changes}


def assert_pair(private, public, alg):
    """One signs what the other verifies, and nothing else."""
    signature = private.sign(b"message")
    assert public.alg == private.alg == alg
    assert public.kid == private.kid
    assert public.verify(b"message", signature)
    assert not public.verify(b"massage", signature)


# What loads


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_key_loads_from_every_form_and_signs_for_its_public_part(alg, tmp_path):
    key = PRIVATE[alg]
    forms = [{"alg": alg, "pem": pem(key)}, {"alg": alg, "pem": pem(key).encode()}, jwk(alg)]
    if alg != "EdDSA":  # PKCS #1 or SEC 1
        forms.append({"alg": alg, "pem": pem(key, PrivateFormat.TraditionalOpenSSL)})
    (tmp_path / "key.pem").write_text(pem(key))
    forms += [{"alg": alg, "file": tmp_path / "key.pem"}, {"alg": alg, "file": str(tmp_path / "key.pem")}]
    public = [{"alg": alg, "pem": public_pem(key)}, public_jwk(alg)]
    for entry in forms:
        private = Key.load(entry)
        assert private.can_sign
        assert not private.is_symmetric
        for public_entry in public:
            loaded = Key.load(public_entry)
            assert not loaded.can_sign
            assert_pair(private, loaded, alg)


@pytest.mark.parametrize("alg", HMAC_BYTES)
@pytest.mark.parametrize("form", ["secret", "bytes", "jwk"])
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


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "RS256", "PS512", "EdDSA", "Ed25519", *HMAC_BYTES])
def test_a_generated_key_signs_and_is_new_each_time(alg):
    key = Key.generate(alg)
    assert_pair(key, key, "EdDSA" if alg == "Ed25519" else alg)
    assert key.kid != Key.generate(alg).kid


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_pem_texts_load_back(alg):
    key = Key.load({"alg": alg, "pem": pem(PRIVATE[alg])})
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


@pytest.mark.parametrize("alg", SUPPORTED_ALGORITHMS)
def test_a_key_accepts_no_algorithm_but_its_own(alg):
    key = Key.from_secret(SECRET, alg=alg) if alg in HMAC_BYTES else Key.from_pem(pem(PRIVATE[alg]), alg=alg)
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


@pytest.mark.parametrize(
    "kid", ["", "k" * 257, "a\nb", "a\x00", "\ud800", 7, ["a"], {}], ids=lambda kid: repr(kid)[:12]
)
def test_a_kid_that_is_no_short_printable_text_is_refused(kid):
    with pytest.raises(InvalidKeyError, match="'kid'"):
        Key.from_jwk(jwk("ES256", kid=kid))


# What is shown


@pytest.mark.parametrize("alg", ASYMMETRIC)
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


WEAK = {
    "RSA 1024": ("RS256", pem(rsa.generate_private_key(65537, 1024)), "2048 to 8192 bits"),
    "RSA 1024, PS": ("PS256", pem(rsa.generate_private_key(65537, 1024)), "2048 to 8192 bits"),
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


@pytest.mark.parametrize(("alg", "text", "message"), WEAK.values(), ids=WEAK)
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


@pytest.mark.parametrize(("alg", "secret", "message"), SECRETS.values(), ids=SECRETS)
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


@pytest.mark.parametrize(("entry", "message"), JWKS.values(), ids=JWKS)
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
    "file missing": {"alg": "RS256", "file": "/no/such/key.pem"},
    "file is a directory": {"alg": "RS256", "file": "/"},
    "file is no path": {"alg": "RS256", "file": 7},
    "file with NUL": {"alg": "RS256", "file": "key\x00.pem"},
    "PEM in place of the file": {"alg": "RS256", "file": pem(RSA)},
    "secret in place of the file": {"alg": "HS256", "file": SECRET},
    "PEM in place of the algorithm": {"alg": pem(EC["ES256"]), "pem": pem(EC["ES256"])},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_that_is_no_key_is_refused_without_showing_it(entry):
    with pytest.raises(InvalidKeyError) as caught:
        Key.load(entry)
    assert_no_material(caught.value, *[value for value in entry.values() if value not in ("RS256", "HS256", "ES256")])


def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path):
    (tmp_path / "key.pem").write_text(SECRET)
    with pytest.raises(InvalidKeyError) as caught:
        Key.load({"alg": "ES256", "file": tmp_path / "key.pem"})
    assert_no_material(caught.value, SECRET)


@pytest.mark.parametrize("alg", ["none", "ES521", "RS1", "dir", ""])
def test_no_key_is_generated_for_an_algorithm_we_do_not_know(alg):
    with pytest.raises(InvalidKeyError, match="not supported"):
        Key.generate(alg)


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


@pytest.mark.parametrize(("entries", "message"), KEY_SETS.values(), ids=KEY_SETS)
def test_one_key_has_one_kid_and_one_algorithm(entries, message):
    with pytest.raises(InvalidKeyError, match=message):
        KeySet([Key.load(entry) for entry in entries])


def test_the_first_key_must_be_able_to_sign():
    keys = KeySet([Key.load(public_jwk("ES256")), Key.load(jwk("RS256"))])
    with pytest.raises(InvalidKeyError, match="first key"):
        _ = keys.signing_key


# Encodings and derived secrets


@pytest.mark.parametrize("text", ["", "AA", "_-8", "AAAA", "-_-_"])
def test_canonical_base64url_round_trips(text):
    assert b64url_encode(b64url_decode(text.encode())) == text


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "AA==", "AAA=", "AA AA", "AAAA\n", "+/+/", "AA.A", "AAAAA", "ä"])
def test_any_other_spelling_of_base64url_is_refused(text):
    with pytest.raises(ValueError, match=r"base64|padd|number of data"):
        b64url_decode(text.encode())


def test_each_purpose_and_each_master_secret_gives_an_unrelated_secret():
    derived = {derive_secret(master, purpose) for master in (SECRET, "other") for purpose in ("a", "b")}
    assert len(derived) == 4
    assert derive_secret(SECRET, "a") == derive_secret(SECRET.encode(), "a")
    assert all(len(secret) == 32 for secret in derived)


def assert_no_material(error, *values):
    """No twelve characters of a value that could be key material are in the error or its attributes."""
    shown = f"{error} {error!r} {error.__dict__}"
    for value in values:
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        pieces = {text[start : start + 12] for start in range(len(text) - 11)}
        assert not [piece for piece in pieces if piece in shown]
