"""Which keys are accepted: the algorithms, how large a key must be, and which keys everybody knows."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from ..errors import InvalidKeyError
from ..secret import Secret

CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
EDDSA_NAMES = ("EdDSA", "Ed25519")  # RFC 8037's name, which we emit, and RFC 9864's
SUPPORTED_ALGORITHMS = (*CURVES, *RSA_ALGORITHMS, "EdDSA", *HMAC_BYTES)

MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS = 8192  # the time of a verification grows with the square
MIN_RSA_EXPONENT = 65537  # FIPS 186-5 appendix A.1
MAX_KID_LENGTH = 256

CURVE_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED_ALGORITHMS}
"""PyJWT's implementations."""

# Secrets from tutorials that are long enough to pass the length rule.
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


def check_asymmetric(public: object, alg: str) -> None:
    """Refuse a key that is too weak, or of another kind than its algorithm (RFC 8725 section 3.5).

    Args:
        public: The public key.
        alg: The algorithm it is to be used with.

    Raises:
        InvalidKeyError: saying what is wrong.
    """
    if alg in CURVES:
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES[alg]):
            raise InvalidKeyError(f"{alg} needs an elliptic curve key on {CURVE_NAMES[alg]}.")
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
        raise InvalidKeyError(unsupported(alg))


def check_secret(secret: Secret, alg: str) -> None:
    """Refuse a secret that is too short, publicly known, or really a public key.

    Args:
        secret: The secret, as bytes.
        alg: The algorithm it is to be used with, one of :data:`HMAC_BYTES`.

    Raises:
        InvalidKeyError: saying what is wrong.
    """
    problem = ""
    try:
        # Refuses public keys and certificates in PEM, DER, SSH or JWK form (algorithm confusion).
        ALGORITHMS[alg].prepare_key(secret.reveal())
    except PyJWTError as error:
        problem = str(error)
    if problem:
        raise InvalidKeyError(f"This cannot be an {alg} secret: {problem}")
    if len(secret) < HMAC_BYTES[alg]:
        raise InvalidKeyError(
            f"A secret for {alg} must have at least {HMAC_BYTES[alg]} bytes, this one has {len(secret)}."
        )
    if secret.reveal() in _KNOWN_SECRETS or len(set(secret.reveal())) < 5:
        raise InvalidKeyError("This secret is publicly known or trivial to guess.")


def checked_kid(kid: str | None, default: str) -> str:
    """Return the ``kid`` of a key, or the default if it has none.

    Raises:
        InvalidKeyError: if it is empty, too long, or not printable.
    """
    if kid is None:
        return default
    if not 0 < len(kid) <= MAX_KID_LENGTH or not kid.isprintable():
        raise InvalidKeyError(f"A 'kid' has 1 to {MAX_KID_LENGTH} printable characters.")
    return kid


def unsupported(alg: str) -> str:
    """Return the message about an algorithm that is not supported."""
    return f"The algorithm {quoted(alg)} is not supported; use one of {', '.join(SUPPORTED_ALGORITHMS)}."


def quoted(alg: str) -> str:
    """Quote an algorithm, unless it is so long that it may be key material in the wrong place."""
    return repr(alg) if len(alg) <= 16 else "'…'"
