"""Reads tokens of Simple JWT: under its own key, algorithm and rules, and with nothing that it would not accept."""

import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from ... import conf
from ..._core import jws
from ...errors import InvalidTokenError
from ...keys import b64url_decode
from ...secret import Secret, hidden
from .settings import OldSettings, get_settings

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not_yet_valid"),
    (jwt.InvalidAudienceError, "wrong_audience"),
    (jwt.InvalidIssuerError, "wrong_issuer"),
)
MAX_LENGTH = 16_384
"""Simple JWT has no limit of its own. No server accepts a longer header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldToken:
    """A token of Simple JWT that has been verified. Whether it was revoked is another question."""

    jti: str = field(repr=False)
    user_id: str
    issued_at: int
    """Seconds since 1970; 0 if the token does not say."""
    expires_at: int
    sliding_until: int | None
    """Until when a sliding token may be exchanged; ``None`` for a token of another type."""
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def is_sliding(self) -> bool:
        """Whether this is a sliding token: it is sent with each request, and refreshed too."""
        return self.sliding_until is not None

    @property
    def good_until(self) -> int:
        """The last second at which this token, or one that Simple JWT has made of it, may be exchanged."""
        return max(self.expires_at, self.sliding_until or 0)

    def require_exchangeable(self) -> None:
        """Refuse a sliding token whose time for refreshing is over.

        Raises:
            InvalidTokenError: ``expired``.
        """
        if self.sliding_until is not None and self.sliding_until + get_settings().leeway.total_seconds() <= time.time():
            raise InvalidTokenError("expired")

    @property
    def session_id(self) -> uuid.UUID:
        """The id of the session that this refresh token becomes. One token, one id: so it becomes one session."""
        return session_id_of(self.jti)


def session_id_of(jti: str) -> uuid.UUID:
    """Return the id of the session that the refresh token with a ``jti`` becomes."""
    return uuid.UUID(bytes=hashlib.sha256(b"simplejwt " + jti.encode()).digest()[:16], version=5)


def looks_old(raw: Secret) -> bool:
    """Tell whether a token has the header that Simple JWT gives its tokens. Ours have another ``typ``."""
    try:
        header = _part(raw, 0)
    except (ValueError, RecursionError):
        return False
    return header.get("typ", "JWT") == "JWT" and header.get("alg") == get_settings().algorithm


def read(raw: Secret, token_type: str) -> OldToken:
    """Verify a token of Simple JWT.

    Args:
        raw: The token as it was sent.
        token_type: ``access`` or ``refresh``. A sliding token is both, if the project accepts them.

    Raises:
        InvalidTokenError: with the reason.
    """
    old = get_settings()
    if time.time() >= old.until.timestamp():
        raise InvalidTokenError("invalid")
    claims = _verified(raw, old)
    said = claims.get(old.token_type_claim) if old.token_type_claim is not None else None
    is_sliding = bool(old.sliding_claim) and (
        said == "sliding" if old.token_type_claim else old.sliding_claim in claims
    )
    if old.token_type_claim is not None and said != token_type and not is_sliding:
        raise InvalidTokenError("wrong_type")
    sliding_until = claims.get(old.sliding_claim) if is_sliding else None
    if is_sliding and type(sliding_until) is not int:
        raise InvalidTokenError("invalid")
    jti = claims.get(old.jti_claim) if old.jti_claim else _digest(raw)
    user_id, iat = claims.get(old.user_id_claim), claims.get("iat", 0)
    if not isinstance(jti, str) or not jti or not isinstance(user_id, str | int) or isinstance(user_id, bool):
        raise InvalidTokenError("invalid")
    if type(iat) is not int or type(claims.get("exp")) is not int:
        raise InvalidTokenError("invalid")
    return OldToken(
        jti=jti,
        user_id=str(user_id),
        issued_at=iat,
        expires_at=claims["exp"],
        sliding_until=sliding_until,
        claims=claims,
    )


def _digest(raw: Secret) -> str:
    """Return what stands for the ``jti`` of a token without one: a digest of what was signed.

    The signature is left out: of an ECDSA signature, anybody can make a second one that is valid too.
    """
    return hashlib.sha256(raw.reveal_bytes().rpartition(b".")[0]).hexdigest()


def _verified(raw: Secret, old: OldSettings) -> dict[str, Any]:
    try:
        # First our own rules of form: PyJWT alone would accept padding, duplicate names and NaN.
        claims = _part(raw, 1)
        if not _is_signed(raw, old):
            raise InvalidTokenError("invalid")
        jwt.decode(
            raw.reveal_bytes(),
            audience=old.audience,
            issuer=old.issuer,
            leeway=old.leeway,
            options={
                "verify_signature": False,  # done above, so that a short key of the past causes no warnings
                "verify_exp": True,
                "verify_nbf": True,
                "verify_iat": True,
                "verify_aud": old.audience is not None,
                "verify_iss": old.issuer is not None,
                "require": ["exp"],
            },
        )
    except Exception as error:  # whatever the bytes make PyJWT raise
        refusal = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "invalid")
    else:
        return claims
    # Not inside the block: the error that is its context would keep frames that hold the token.
    raise InvalidTokenError(refusal)


def _is_signed(raw: Secret, old: OldSettings) -> bool:
    algorithm = jwt.get_algorithm_by_name(old.algorithm)
    if old.jwk_client is None:
        key = hidden(algorithm.prepare_key(old.key))
    else:
        key = hidden(old.jwk_client.get_signing_key_from_jwt(raw.reveal_bytes()).key)
    message = raw.reveal_bytes().rpartition(b".")[0]
    return algorithm.verify(message, key.reveal(), b64url_decode(raw.reveal_bytes().rpartition(b".")[2]))


def _part(raw: Secret, index: int) -> dict[str, Any]:
    if len(raw) > max(MAX_LENGTH, conf.get_config().max_token_length) or raw.reveal_bytes().count(b".") != 2:
        raise ValueError("too long, or not three segments")
    for part in map(hidden, raw.reveal_bytes().split(b".")):
        b64url_decode(part.reveal())
    return jws.load_object(b64url_decode(raw.reveal_bytes().split(b".")[index]))
