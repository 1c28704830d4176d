"""Keys and key sets: loading, checking, thumbprints, the public JWK Set (RFC 7517, 7518, 7638, 8037).

A key has exactly one algorithm, which is the defence against every algorithm confusion (RFC 8725 section 3.1):
the algorithm of a token is compared with its key's and never chooses anything.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from .errors import InvalidKeyError

CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
EDDSA_NAMES = ("EdDSA", "Ed25519")  # RFC 8037's name, which we emit, and RFC 9864's
SUPPORTED_ALGORITHMS = (*CURVES, *RSA_ALGORITHMS, "EdDSA", *HMAC_BYTES)

MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS = 8192  # each verification costs its square
MIN_RSA_EXPONENT = 65537  # FIPS 186-5 appendix A.1
MAX_KID_LENGTH = 256

_CRV = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_ALG_OF_CRV = {crv: alg for alg, crv in _CRV.items()} | {"Ed25519": "EdDSA"}
_ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED_ALGORITHMS}
# Secrets that stand in tutorials and are long enough to pass the length rule.
_KNOWN_SECRETS = frozenset(
    {
        b"a-string-secret-at-least-256-bits-long",
        b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        b"your-256-bit-secret-your-256-bit-secret",
        b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    }
)
# Moduli of CVE-2017-15361 (ROCA) lie in the subgroup of 65537 modulo each of these primes; others do not.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)

_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64url_encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(data: bytes) -> bytes:
    """Decode base64url, canonical form only, so that no two texts mean the same bytes.

    Raises:
        ValueError: for padding, other characters, an impossible length or stray bits at the end.
    """
    decoded = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != data:
        raise ValueError("not canonical base64url")
    return decoded


def derive_secret(secret: str | bytes, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose from a master secret, with HKDF-SHA256 (RFC 5869).

    Args:
        secret: The master secret, e.g. ``SECRET_KEY``.
        purpose: What the derived secret is for; each purpose gives an unrelated secret.
    """
    material = secret.encode() if isinstance(secret, str) else secret
    info = f"django-jwtauth {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(material)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Key:
    """One key with its one algorithm. It can verify, and sign if it holds the private part."""

    kid: str
    """What tokens call it."""
    alg: str
    """Its algorithm, e.g. ``ES256``."""
    thumbprint: str = field(repr=False)
    """Tells the key material apart whatever its ``kid``: RFC 7638, or for a secret a digest of our own."""
    _public: Any = field(repr=False)
    _private: Any = field(repr=False)

    @classmethod
    def from_secret(cls, secret: str | bytes, *, alg: str = "HS256", kid: str | None = None) -> Self:
        """Make a symmetric key.

        Args:
            secret: At least as many bytes as the hash has (RFC 7518 section 3.2); a ``str`` counts as UTF-8.
            alg: ``HS256``, ``HS384`` or ``HS512``.
            kid: Its name; by default one derived from the secret. (An RFC 7638 thumbprint of a secret may
                not be published, section 7 there.)

        Raises:
            InvalidKeyError: if the secret is too short, well known, or really a public key.
        """
        if alg not in HMAC_BYTES:
            raise InvalidKeyError(f"A secret cannot be used with {_shown(alg)}, only with {', '.join(HMAC_BYTES)}.")
        material = _utf8(secret)
        try:
            # Refuses public keys and certificates in PEM, DER, SSH or JWK form (algorithm confusion).
            _ALGORITHMS[alg].prepare_key(material)
        except PyJWTError as error:
            raise InvalidKeyError(f"This cannot be an {alg} secret: {error}") from None
        if len(material) < HMAC_BYTES[alg]:
            raise InvalidKeyError(
                f"A secret for {alg} must have at least {HMAC_BYTES[alg]} bytes, this one has {len(material)}."
            )
        if material in _KNOWN_SECRETS or len(set(material)) < 5:
            raise InvalidKeyError("This secret is publicly known or trivial to guess.")
        digest = hmac.digest(material, b"django-jwtauth kid", "sha256")
        name = b64url_encode(digest[:16])
        return cls(kid=_checked_kid(kid, name), alg=alg, thumbprint=name, _public=material, _private=material)

    @classmethod
    def from_pem(cls, pem: str | bytes, *, alg: str, kid: str | None = None) -> Self:
        """Make a key from a PEM text: a private key, or a public one that only verifies.

        Args:
            pem: PKCS #8, PKCS #1, SEC 1 or SubjectPublicKeyInfo, not encrypted.
            alg: The algorithm it is for.
            kid: Its name; by default its RFC 7638 thumbprint.

        Raises:
            InvalidKeyError: if it cannot be read, is too weak, or does not fit the algorithm.
        """
        data = _utf8(pem)
        private = b"PRIVATE KEY-----" in data
        try:
            key: Any = load_pem_private_key(data, password=None) if private else load_pem_public_key(data)
        except TypeError:
            raise InvalidKeyError("The PEM private key is encrypted; give it unencrypted.") from None
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKeyError("The PEM text does not hold a private or public key that can be read.") from None
        return cls._asymmetric(key, alg=alg, kid=kid)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Make a key from a JWK (RFC 7517).

        ``alg`` may be missing where the curve says it (EC, Ed25519). A ``kid`` is kept.

        Raises:
            InvalidKeyError: if a member is missing, broken or contradicts another one; if ``use`` or
                ``key_ops`` are not for signatures; if the key is too weak.
        """
        kty, alg = jwk.get("kty"), jwk.get("alg") or _ALG_OF_CRV.get(str(jwk.get("crv")))
        if not isinstance(alg, str):
            raise InvalidKeyError("The JWK needs the member 'alg'.")
        if jwk.get("use", "sig") != "sig":
            raise InvalidKeyError("The JWK is not for signatures: its 'use' is not 'sig'.")
        signs = "d" in jwk or kty == "oct"
        operations = jwk.get("key_ops", ["sign", "verify"])
        if not isinstance(operations, list) or ("sign" if signs else "verify") not in operations:
            raise InvalidKeyError("The JWK's 'key_ops' do not fit: a private key needs 'sign', a public one 'verify'.")
        kid = jwk.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise InvalidKeyError("The JWK's 'kid' must be a string.")
        algorithm = _ALGORITHMS.get("EdDSA" if alg in EDDSA_NAMES else alg)
        if algorithm is None:
            raise InvalidKeyError(_unsupported(alg))
        try:
            key = algorithm.from_jwk(dict(jwk))
        except Exception:
            # PyJWT raises its own errors, but also TypeError or AttributeError for members of odd types.
            raise InvalidKeyError(f"The JWK does not hold a key for {alg}.") from None
        if kty == "oct":
            return cls.from_secret(key, alg=alg, kid=kid)
        made = cls._asymmetric(key, alg=alg, kid=kid)
        public = made.public_jwk() or {}
        for name in ("crv", "x", "y", "n", "e"):
            if name in public and public[name] != jwk.get(name):
                # A trusted public part beside an attacker's private one, or a second spelling of the same key.
                raise InvalidKeyError(f"The JWK's member {name!r} is not that of its key.")
        return made

    @classmethod
    def load(cls, entry: Mapping[str, Any]) -> Self:
        """Make a key from an entry of ``SIGNING_KEYS``.

        Args:
            entry: ``{"alg", "pem"}``, ``{"alg", "file"}``, ``{"alg", "secret"}`` or a JWK.

        Raises:
            InvalidKeyError: naming what is wrong with it.
        """
        if "kty" in entry:
            return cls.from_jwk(entry)
        members = set(entry)
        if len(members) != 2 or "alg" not in members or not members & {"pem", "file", "secret"}:
            raise InvalidKeyError("A key is {'alg', 'pem'}, {'alg', 'file'}, {'alg', 'secret'} or a JWK with 'kty'.")
        alg, (source,) = entry["alg"], members - {"alg"}
        value = entry[source]
        if not isinstance(alg, str):
            raise InvalidKeyError("The key's 'alg' must be a string.")
        if source == "file":
            try:
                return cls.from_pem(Path(value).read_bytes(), alg=alg)
            except (OSError, TypeError, ValueError) as error:
                # Without the path, which OSError names too: it may be a key, put in by mistake.
                why = getattr(error, "strerror", None) or error
                raise InvalidKeyError(f"The key file cannot be read: {why}.") from None
        if not isinstance(value, str | bytes):
            raise InvalidKeyError(f"The key's {source!r} must be str or bytes, not {type(value).__name__}.")
        return cls.from_pem(value, alg=alg) if source == "pem" else cls.from_secret(value, alg=alg)

    @classmethod
    def generate(cls, alg: str) -> Self:
        """Make a new random private key (RSA: 3072 bits; HMAC: as many bytes as the hash has)."""
        if alg in CURVES:
            return cls._asymmetric(ec.generate_private_key(CURVES[alg]()), alg=alg)
        if alg in RSA_ALGORITHMS:
            return cls._asymmetric(rsa.generate_private_key(MIN_RSA_EXPONENT, 3072), alg=alg)
        if alg in EDDSA_NAMES:
            return cls._asymmetric(ed25519.Ed25519PrivateKey.generate(), alg=alg)
        if alg in HMAC_BYTES:
            return cls.from_secret(secrets.token_bytes(HMAC_BYTES[alg]), alg=alg)
        raise InvalidKeyError(_unsupported(alg))

    @classmethod
    def _asymmetric(cls, key: Any, *, alg: str, kid: str | None = None) -> Self:
        alg = "EdDSA" if alg in EDDSA_NAMES else alg
        private = key if isinstance(key, _PrivateKey) else None
        public = private.public_key() if private else key
        _check_fit(public, alg)
        # RFC 7638 section 3: the required members, sorted, without white space.
        canonical = json.dumps(_public_members(public), separators=(",", ":"), sort_keys=True).encode()
        thumbprint = b64url_encode(hashlib.sha256(canonical).digest())
        return cls(kid=_checked_kid(kid, thumbprint), alg=alg, thumbprint=thumbprint, _public=public, _private=private)

    @property
    def can_sign(self) -> bool:
        """Whether it holds the private part."""
        return self._private is not None

    @property
    def is_symmetric(self) -> bool:
        """Whether who verifies with it could also sign."""
        return self.alg in HMAC_BYTES

    def accepts(self, alg: object) -> bool:
        """Tell whether a token's ``alg`` names this key's algorithm."""
        return alg in EDDSA_NAMES if self.alg == "EdDSA" else alg == self.alg

    def sign(self, message: bytes) -> bytes:
        """Return the signature as RFC 7518 writes it.

        Raises:
            InvalidKeyError: if this is a public key.
        """
        if not self.can_sign:
            raise InvalidKeyError("This key is public: it verifies, but cannot sign.")
        return _ALGORITHMS[self.alg].sign(message, self._private)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this key's over the message. Takes constant time for secrets."""
        return _ALGORITHMS[self.alg].verify(message, self._public, signature)

    def public_jwk(self) -> dict[str, str] | None:
        """Return the public members with ``kid``, ``alg`` and ``use``, or ``None`` for a symmetric key."""
        if self.is_symmetric:
            return None
        return {**_public_members(self._public), "kid": self.kid, "alg": self.alg, "use": "sig"}

    def private_pem(self) -> str:
        """Return the private key as PKCS #8 PEM, for a key file.

        Raises:
            InvalidKeyError: if there is no private asymmetric key.
        """
        if self.is_symmetric or not self.can_sign:
            raise InvalidKeyError("Only a private asymmetric key has a PEM form.")
        pem: bytes = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode("ascii")

    def public_pem(self) -> str:
        """Return the public key as SubjectPublicKeyInfo PEM.

        Raises:
            InvalidKeyError: if the key is symmetric.
        """
        if self.is_symmetric:
            raise InvalidKeyError("A symmetric key has no public part.")
        pem: bytes = self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode("ascii")


class KeySet:
    """Several keys, found by ``kid``. Immutable; the first one signs."""

    __slots__ = ("_by_kid", "_keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        """Collect keys.

        Raises:
            InvalidKeyError: if there is none, or two share a ``kid`` or the key material (one key, one algorithm).
        """
        self._keys = tuple(keys)
        self._by_kid = {key.kid: key for key in self._keys}
        if not self._keys:
            raise InvalidKeyError("A key set needs at least one key.")
        if len(self._by_kid) != len(self._keys):
            raise InvalidKeyError("Two keys of a key set have the same 'kid'.")
        if len({key.thumbprint for key in self._keys}) != len(self._keys):
            raise InvalidKeyError("A key stands twice in a key set; a key has one algorithm and one 'kid'.")

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, kid: object) -> Key | None:
        """Return the key of that ``kid``, or ``None``. Any value may be asked for."""
        return self._by_kid.get(kid) if isinstance(kid, str) else None

    @property
    def signing_key(self) -> Key:
        """The key that signs: the first.

        Raises:
            InvalidKeyError: if it is public.
        """
        if not self._keys[0].can_sign:
            raise InvalidKeyError("The first key signs, and needs its private part.")
        return self._keys[0]

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the JWK Set of the asymmetric keys: public members, ``kid``, ``alg``, ``use``, nothing else."""
        return {"keys": [jwk for key in self._keys if (jwk := key.public_jwk()) is not None]}


def _unsupported(alg: str) -> str:
    return f"The algorithm {_shown(alg)} is not supported; take one of {', '.join(SUPPORTED_ALGORITHMS)}."


def _shown(alg: str) -> str:
    """Quote an algorithm, unless it is so long that it may be key material in the wrong place."""
    return repr(alg) if len(alg) <= 16 else "'…'"


def _utf8(text: str | bytes) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError:
        # From None: the original holds the whole text.
        raise InvalidKeyError("The text of a key must be well-formed Unicode.") from None


def _checked_kid(kid: str | None, default: str) -> str:
    if kid is None:
        return default
    if not 0 < len(kid) <= MAX_KID_LENGTH or not kid.isprintable():
        raise InvalidKeyError(f"A 'kid' has 1 to {MAX_KID_LENGTH} printable characters.")
    return kid


def _check_fit(public: object, alg: str) -> None:
    """Refuse a key that is too weak or of another kind than its algorithm (RFC 8725 section 3.5)."""
    if alg in CURVES:
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES[alg]):
            raise InvalidKeyError(f"{alg} needs an elliptic curve key on {_CRV[alg]}.")
    elif alg in RSA_ALGORITHMS:
        if not isinstance(public, rsa.RSAPublicKey):
            raise InvalidKeyError(f"{alg} needs an RSA key.")
        if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
            raise InvalidKeyError(f"RSA keys have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, not {public.key_size}.")
        numbers = public.public_numbers()
        if numbers.e < MIN_RSA_EXPONENT:
            raise InvalidKeyError(f"The RSA public exponent must be at least {MIN_RSA_EXPONENT}, not {numbers.e}.")
        if all(numbers.n % prime in {pow(65537, i, prime) for i in range(prime)} for prime in _ROCA_PRIMES):
            raise InvalidKeyError("This RSA key was made by a faulty generator (ROCA, CVE-2017-15361).")
    elif alg == "EdDSA":
        if not isinstance(public, ed25519.Ed25519PublicKey):
            raise InvalidKeyError("EdDSA needs an Ed25519 key.")
    elif alg in HMAC_BYTES:
        raise InvalidKeyError(f"{alg} needs a secret, not an asymmetric key.")
    else:
        raise InvalidKeyError(_unsupported(alg))


def _public_members(public: Any) -> dict[str, str]:
    """Return exactly the members that RFC 7638 hashes, which are also all that a public JWK needs."""
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        return {"kty": "RSA", "n": _b64_uint(rsa_numbers.n), "e": _b64_uint(rsa_numbers.e)}
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(public.public_bytes_raw())}
    ec_numbers = public.public_numbers()
    size = (public.curve.key_size + 7) // 8
    crv = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[public.curve.name]
    return {"kty": "EC", "crv": crv, "x": _b64_uint(ec_numbers.x, size), "y": _b64_uint(ec_numbers.y, size)}


def _b64_uint(number: int, size: int = 0) -> str:
    return b64url_encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))
