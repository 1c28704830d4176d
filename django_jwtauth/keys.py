"""Keys and key sets: loading, signing, verifying, thumbprints, the public JWK Set (RFC 7517, 7518, 7638, 8037).

A key has exactly one algorithm. That is the defence against algorithm confusion (RFC 8725 section 3.1): the algorithm
of a token is only compared with that of the key, and never chooses anything.
"""

import binascii
import contextlib
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

from ._core import signatures
from ._core.key_rules import (
    ALGORITHMS,
    CURVE_NAMES,
    CURVES,
    EDDSA_NAMES,
    HMAC_BYTES,
    MAX_KID_LENGTH,
    MAX_RSA_BITS,
    MIN_RSA_BITS,
    MIN_RSA_EXPONENT,
    RSA_ALGORITHMS,
    SUPPORTED_ALGORITHMS,
    check_asymmetric,
    check_secret,
    checked_kid,
    quoted,
    unsupported,
)
from .arguments import expect, expect_list, wrong
from .errors import InvalidKeyError
from .secret import Secret, hidden

__all__ = [
    "CURVES",
    "EDDSA_NAMES",
    "HMAC_BYTES",
    "MAX_KID_LENGTH",
    "MAX_RSA_BITS",
    "MIN_RSA_BITS",
    "MIN_RSA_EXPONENT",
    "RSA_ALGORITHMS",
    "SUPPORTED_ALGORITHMS",
    "Key",
    "KeySet",
    "b64url_decode",
    "b64url_encode",
    "derive_secret",
]

_KEY_FILE_SUFFIXES = (".pem", ".key", ".pub", ".crt", ".txt", ".p8")
_MAX_PATH_LENGTH = 255
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")
# What only the standard alphabet has becomes a character that no alphabet has.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/...")
_PADDING = (b"", b"", b"==", b"=")
# By the number of characters beyond the last four: those that leave no bits over, and so may come last.
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
_ALG_OF_CURVE = {crv: alg for alg, crv in CURVE_NAMES.items()} | {"Ed25519": "EdDSA"}
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64url_encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_BASE64URL, b"=").decode("ascii")


def b64url_decode(data: bytes) -> bytes:
    """Decode base64url. Only the canonical form is accepted, so that no two texts mean the same bytes.

    Raises:
        ValueError: for padding, other characters, an impossible length or stray bits at the end.
    """
    beyond = len(data) % 4
    if beyond and data[-1:] not in _LAST[beyond]:
        raise ValueError("not canonical base64url")
    return binascii.a2b_base64(data.translate(_TO_BASE64) + _PADDING[beyond], strict_mode=True)


def derive_secret(secret: str | bytes | Secret, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose from a master secret, with HKDF-SHA256 (RFC 5869).

    Args:
        secret: The master secret, e.g. ``SECRET_KEY``.
        purpose: What the derived secret is for. Each purpose gives an unrelated secret.
    """
    secret = hidden(secret)
    info = f"django-jwtauth {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(_utf8(secret).reveal())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Key:
    """One key with its one algorithm. It can verify, and sign if it holds the private part."""

    kid: str
    """What tokens name it by."""
    alg: str
    """Its algorithm, e.g. ``ES256``."""
    thumbprint: str = field(repr=False)
    """Identifies the key material, whatever its ``kid``: RFC 7638, or for a secret a digest of our own."""
    _public: Any = field(repr=False)
    _private: Any = field(repr=False)

    @classmethod
    def from_secret(cls, secret: str | bytes | Secret, *, alg: str = "HS256", kid: str | None = None) -> Self:
        """Make a symmetric key.

        Args:
            secret: At least as many bytes as the hash has (RFC 7518 section 3.2); a ``str`` counts as UTF-8.
            alg: ``HS256``, ``HS384`` or ``HS512``.
            kid: Its name; by default one that is derived from the secret. (An RFC 7638 thumbprint of a secret must
                not be published, says section 7 there.)

        Raises:
            InvalidKeyError: if the secret is too short, well known, or really a public key.
        """
        secret = hidden(secret)
        if not isinstance(secret.reveal(), str | bytes):
            raise wrong("secret", "a str or bytes", secret.reveal())
        if alg not in HMAC_BYTES:
            raise InvalidKeyError(f"A secret cannot be used with {quoted(alg)}, only with {', '.join(HMAC_BYTES)}.")
        material = _utf8(secret)
        check_secret(material, alg)
        digest = hmac.digest(material.reveal(), b"django-jwtauth kid", "sha256")
        name = b64url_encode(digest[:16])
        return cls(kid=checked_kid(kid, name), alg=alg, thumbprint=name, _public=material, _private=material)

    @classmethod
    def from_pem(cls, pem: str | bytes | Secret, *, alg: str, kid: str | None = None) -> Self:
        """Make a key from a PEM text: a private key, or a public key that only verifies.

        Args:
            pem: PKCS #8, PKCS #1, SEC 1 or SubjectPublicKeyInfo, not encrypted.
            alg: The algorithm it is to be used with.
            kid: Its name; by default its RFC 7638 thumbprint.

        Raises:
            InvalidKeyError: if it cannot be read, is too weak, or does not fit the algorithm.
        """
        pem = hidden(pem)
        if not isinstance(pem.reveal(), str | bytes):
            raise wrong("pem", "a str or bytes", pem.reveal())
        data = _utf8(pem)
        problem = ""
        try:
            if b"PRIVATE KEY-----" in data.reveal():
                key: Any = load_pem_private_key(data.reveal(), password=None)
            else:
                key = load_pem_public_key(data.reveal())
        except TypeError:
            problem = "The PEM private key is encrypted; decrypt it first."
        except (ValueError, UnsupportedAlgorithm):
            problem = "The PEM text does not hold a private or public key that can be read."
            if rb"\n" in data.reveal():
                problem += r" It has the two characters \n where its lines should end: replace them by line breaks."
        if problem:
            raise InvalidKeyError(problem)
        return cls._asymmetric(key, alg=alg, kid=kid)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any] | Secret) -> Self:
        """Make a key from a JWK (RFC 7517).

        ``alg`` may be missing where the curve determines it (EC, Ed25519). A ``kid`` is kept.

        Raises:
            InvalidKeyError: if a member is missing, broken or contradicts another one, if ``use`` or ``key_ops`` are
                not for signatures, or if the key is too weak.
        """
        jwk = hidden(jwk)
        if not isinstance(jwk.reveal(), Mapping):
            raise wrong("jwk", "a dict", jwk.reveal())
        member = jwk.reveal().get
        kty, alg = member("kty"), member("alg") or _ALG_OF_CURVE.get(str(member("crv")))
        if not isinstance(alg, str):
            raise InvalidKeyError("The JWK needs the member 'alg'.")
        if member("use", "sig") != "sig":
            raise InvalidKeyError("The JWK is not for signatures: its 'use' is not 'sig'.")
        signs = "d" in jwk.reveal() or kty == "oct"
        operations = member("key_ops", ["sign", "verify"])
        if not isinstance(operations, list) or ("sign" if signs else "verify") not in operations:
            raise InvalidKeyError("The JWK's 'key_ops' do not fit: a private key needs 'sign', a public one 'verify'.")
        kid = member("kid")
        if kid is not None and not isinstance(kid, str):
            raise InvalidKeyError("The JWK's 'kid' must be a string.")
        algorithm = ALGORITHMS.get("EdDSA" if alg in EDDSA_NAMES else alg)
        if algorithm is None:
            raise InvalidKeyError(unsupported(alg))
        key: Secret | None = None
        # PyJWT raises its own errors, but also TypeError or AttributeError for members of odd types.
        with contextlib.suppress(Exception):
            key = Secret(algorithm.from_jwk(dict(jwk.reveal())))
        if key is None:
            raise InvalidKeyError(f"The JWK does not hold a key for {alg}.")
        if kty == "oct":
            return cls.from_secret(key, alg=alg, kid=kid)
        made = cls._asymmetric(key.reveal(), alg=alg, kid=kid)
        public = made.public_jwk() or {}
        for name in ("crv", "x", "y", "n", "e"):
            if name in public and public[name] != member(name):
                # A trusted public part next to an attacker's private part, or a second spelling of the same key.
                raise InvalidKeyError(f"The JWK's member {name!r} does not match its key.")
        return made

    @classmethod
    def load(cls, entry: Mapping[str, Any] | Secret) -> Self:
        """Make a key from an entry of ``SIGNING_KEYS``.

        Args:
            entry: ``{"alg", "pem"}``, ``{"alg", "file"}``, ``{"alg", "secret"}`` or a JWK.

        Raises:
            InvalidKeyError: saying what is wrong with it.
        """
        entry = hidden(entry)
        if "kty" in entry.reveal():
            return cls.from_jwk(entry)
        members = set(entry.reveal())
        if len(members) != 2 or "alg" not in members or not members & {"pem", "file", "secret"}:
            raise InvalidKeyError("A key is {'alg', 'pem'}, {'alg', 'file'}, {'alg', 'secret'} or a JWK with 'kty'.")
        alg, (source,) = entry.reveal()["alg"], members - {"alg"}
        value = Secret(entry.reveal()[source])
        if not isinstance(alg, str):
            raise InvalidKeyError("The key's 'alg' must be a string.")
        if source == "file":
            problem = ""
            try:
                value = Secret(Path(value.reveal()).read_bytes())
            except (OSError, TypeError, ValueError) as error:
                # Not always with the path, which OSError shows too: it may be a key that was put here by mistake.
                name = f" {str(Path(value.reveal()))!r}" if _is_surely_a_path(value.reveal()) else ""
                problem = f"The key file{name} cannot be read: {getattr(error, 'strerror', None) or error}."
            if problem:
                raise InvalidKeyError(problem)
            return cls.from_pem(value, alg=alg)
        if not isinstance(value.reveal(), str | bytes):
            raise InvalidKeyError(f"The key's {source!r} must be str or bytes, not {type(value.reveal()).__name__}.")
        return cls.from_pem(value, alg=alg) if source == "pem" else cls.from_secret(value, alg=alg)

    @classmethod
    def generate(cls, alg: str) -> Self:
        """Make a new random private key (RSA: 3072 bits; HMAC: as many bytes as the hash has)."""
        expect(str, "a str, such as 'ES256'", alg=alg)
        if alg in CURVES:
            return cls._asymmetric(ec.generate_private_key(CURVES[alg]()), alg=alg)
        if alg in RSA_ALGORITHMS:
            return cls._asymmetric(rsa.generate_private_key(MIN_RSA_EXPONENT, 3072), alg=alg)
        if alg in EDDSA_NAMES:
            return cls._asymmetric(ed25519.Ed25519PrivateKey.generate(), alg=alg)
        if alg in HMAC_BYTES:
            return cls.from_secret(secrets.token_bytes(HMAC_BYTES[alg]), alg=alg)
        raise InvalidKeyError(unsupported(alg))

    @classmethod
    def _asymmetric(cls, key: Any, *, alg: str, kid: str | None = None) -> Self:
        alg = "EdDSA" if alg in EDDSA_NAMES else alg
        private = key if isinstance(key, _PrivateKey) else None
        public = private.public_key() if private else key
        check_asymmetric(public, alg)
        # RFC 7638 section 3: the required members, sorted, without white space.
        canonical = json.dumps(_public_members(public), separators=(",", ":"), sort_keys=True).encode()
        thumbprint = b64url_encode(hashlib.sha256(canonical).digest())
        return cls(kid=checked_kid(kid, thumbprint), alg=alg, thumbprint=thumbprint, _public=public, _private=private)

    @property
    def can_sign(self) -> bool:
        """Whether it holds the private part, or the secret."""
        return self._private is not None

    @property
    def is_symmetric(self) -> bool:
        """Whether it is a secret: whoever can verify with it can also sign."""
        return self.alg in HMAC_BYTES

    def accepts(self, alg: object) -> bool:
        """Tell whether a token's ``alg`` names this key's algorithm."""
        return alg in EDDSA_NAMES if self.alg == "EdDSA" else alg == self.alg

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, in the form of RFC 7518.

        Raises:
            InvalidKeyError: if this is a public key.
        """
        if not self.can_sign:
            raise InvalidKeyError("This key is public: it verifies, but cannot sign.")
        if self.is_symmetric:
            return signatures.mac(self.alg, hidden(self._private).reveal(), message)
        return ALGORITHMS[self.alg].sign(message, hidden(self._private).reveal())

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this is the key's signature of the message. The time it takes tells nothing about a secret."""
        key = self._public
        return signatures.verify(self.alg, key.reveal() if isinstance(key, Secret) else key, message, signature)

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
    is_fixed = True

    def __init__(self, keys: Iterable[Key]) -> None:
        """Collect keys.

        Raises:
            TypeError: if ``keys`` is not a list of keys.
            InvalidKeyError: if there is no key, or if two keys share a ``kid`` or the key material (a key has one
                algorithm).
        """
        if not hasattr(keys, "__iter__"):
            raise wrong("keys", "a list of keys", keys)
        self._keys = tuple(keys)
        expect_list(Key, "a list of keys", keys=self._keys)
        self._by_kid = {key.kid: key for key in self._keys}
        if not self._keys:
            raise InvalidKeyError("A key set needs at least one key.")
        if len(self._by_kid) != len(self._keys):
            raise InvalidKeyError("Two keys of a key set have the same 'kid'.")
        if len({key.thumbprint for key in self._keys}) != len(self._keys):
            raise InvalidKeyError("A key set holds the same key twice; a key has one algorithm and one 'kid'.")

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, kid: object) -> Key | None:
        """Return the key of that ``kid``, or ``None``. Any value may be passed."""
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


def _is_surely_a_path(value: object) -> bool:
    """Tell whether this names a file, and cannot be the text of a key that was put in the wrong place."""
    if not isinstance(value, str | Path):
        return False
    path = Path(value)
    if len(str(path)) > _MAX_PATH_LENGTH or not str(path).isprintable() or "-----" in str(path):
        return False
    # Base64 may have slashes too, but no folder of that name exists.
    is_in_a_folder = path.parent not in (Path(), Path(path.anchor))
    return path.suffix in _KEY_FILE_SUFFIXES or (is_in_a_folder and path.parent.is_dir())


def _utf8(text: Secret) -> Secret:
    """Return the bytes of a key that was given as text or bytes."""
    # Not as the context of our error: this one holds the whole text.
    with contextlib.suppress(UnicodeEncodeError):
        return Secret(text.reveal().encode() if isinstance(text.reveal(), str) else bytes(text.reveal()))
    raise InvalidKeyError("The text of a key must be well-formed Unicode.")


def _public_members(public: Any) -> dict[str, str]:
    """Return exactly the members that RFC 7638 hashes, which are also all that a public JWK needs."""
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        return {"kty": "RSA", "n": _b64_uint(rsa_numbers.n), "e": _b64_uint(rsa_numbers.e)}
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(public.public_bytes_raw())}
    ec_numbers = public.public_numbers()
    size = (public.curve.key_size + 7) // 8
    crv = next(CURVE_NAMES[alg] for alg, curve in CURVES.items() if isinstance(public.curve, curve))
    return {"kty": "EC", "crv": crv, "x": _b64_uint(ec_numbers.x, size), "y": _b64_uint(ec_numbers.y, size)}


def _b64_uint(number: int, size: int = 0) -> str:
    return b64url_encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))
