"""Verifying signatures (RFC 7518, RFC 8037): one prepared function for each algorithm. Signing, where it is one call.

PyJWT does the same, but makes hashes and paddings anew for each signature.
"""

import hmac
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}

_DIGESTS = {f"HS{bits}": f"sha{bits}" for bits in _HASHES}

Verify = Callable[[Any, bytes, bytes], bool]
"""A function of key, message and signature."""


def mac(alg: str, secret: bytes, message: bytes) -> bytes:
    """Return the HMAC of a message, which signs it (RFC 7518 section 3.2).

    Args:
        alg: The key's algorithm, one of HS256, HS384 and HS512.
        secret: The key.
        message: What is signed.
    """
    return hmac.digest(secret, message, _DIGESTS[alg])


def _hmac(alg: str) -> Verify:
    digest = _DIGESTS[alg]

    def verify(secret: bytes, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, message, digest), signature)

    return verify


def _ecdsa(bits: str) -> Verify:
    algorithm = ec.ECDSA(_HASHES[bits])

    def verify(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
        size = (key.key_size + 7) // 8
        if len(signature) != 2 * size:  # RFC 7518 section 3.4: both numbers have the length of the curve's
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), message, algorithm)
        return True

    return verify


def _rsa(bits: str, scheme: padding.AsymmetricPadding) -> Verify:
    digest = _HASHES[bits]

    def verify(key: Any, message: bytes, signature: bytes) -> bool:
        key.verify(signature, message, scheme, digest)
        return True

    return verify


def _pss(bits: str) -> padding.PSS:
    digest = _HASHES[bits]  # RFC 7518 section 3.5: for the mask too, and the salt is as long
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


def _eddsa(key: Any, message: bytes, signature: bytes) -> bool:
    key.verify(signature, message)
    return True


_VERIFY: dict[str, Verify] = {
    "EdDSA": _eddsa,
    **{f"HS{bits}": _hmac(f"HS{bits}") for bits in _HASHES},
    **{f"ES{bits}": _ecdsa(bits) for bits in _HASHES},
    **{f"RS{bits}": _rsa(bits, padding.PKCS1v15()) for bits in _HASHES},
    **{f"PS{bits}": _rsa(bits, _pss(bits)) for bits in _HASHES},
}


def verify(alg: str, key: Any, message: bytes, signature: bytes) -> bool:
    """Tell whether this is the key's signature of the message.

    Args:
        alg: The key's algorithm.
        key: The secret as bytes, or the public key.
        message: What was signed.
        signature: In the form of RFC 7518.
    """
    try:
        return _VERIFY[alg](key, message, signature)
    except InvalidSignature:
        return False
