"""The revocation list of an issuer: what it holds, and the signed document that carries it to other services.

The document is a JWT of type ``revocations+jwt`` with these claims:

- ``iss``: the issuer; ``iat``: when the list was read from the issuer's tables; ``exp``: until when it may be replayed;
- ``ttl``: how many seconds a copy counts as fresh;
- ``max_lifetime``: for how many seconds after its ``iat`` an access token of this issuer is accepted, even if its
  ``exp`` is later. The list remembers longer than that;
- ``not_before``: the time up to which all access tokens were revoked, or 0;
- ``sids`` and ``jtis``: the ids of revoked sessions, and of revoked single access tokens.

Readers ignore claims that they do not know.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..errors import InvalidTokenError
from ..keys import Key
from . import jws

MAX_BYTES = 32 * 1024 * 1024
"""A longer document is refused. This is enough for about 600,000 ids."""
MAX_ENTRIES = 500_000
"""At most this many ids are published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """What has been revoked lately."""

    sids: Collection[str] = field(default=frozenset(), repr=False)
    """Ids of sessions."""
    jtis: Collection[str] = field(default=frozenset(), repr=False)
    """Ids of single access tokens."""
    not_before: int = 0
    """The time up to which all access tokens were revoked, in seconds since 1970; 0 if they were not."""

    def covers(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether an access token has been revoked.

        Args:
            claims: The claims of the token, verified.
        """
        return claims["sid"] in self.sids or claims["jti"] in self.jtis or claims["iat"] <= self.not_before


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList:
    """What the signed document says: a revocation list, and how long both may be used."""

    revoked: RevocationList
    issued_at: int
    """``iat``, in seconds since 1970."""
    expires_at: int
    """``exp``, in seconds since 1970."""
    ttl: int
    """In seconds."""
    max_lifetime: int
    """In seconds."""
    etag: str = ""
    """The entity tag of the document, if it was fetched with one."""

    def content(self) -> dict[str, Any]:
        """Return the claims that say what has been revoked. The same list gives the same claims in the same order."""
        return {
            "ttl": self.ttl,
            "max_lifetime": self.max_lifetime,
            "not_before": self.revoked.not_before,
            "sids": sorted(self.revoked.sids),
            "jtis": sorted(self.revoked.jtis),
        }

    def sign(self, *, issuer: str, key: Key) -> str:
        """Return the signed document."""
        claims = {"iss": issuer, "iat": self.issued_at, "exp": self.expires_at, **self.content()}
        return jws.sign(claims, typ=jws.REVOCATIONS.typ, key=key)

    @classmethod
    def read(cls, raw: bytes, *, issuer: str, keys: jws.Keys, leeway: float, now: float, etag: str = "") -> Self:
        """Verify a signed document: its form, type, signature, issuer, times and content.

        Args:
            raw: The document as it was fetched.
            issuer: Whose list it must be.
            keys: The keys of that issuer.
            leeway: How far the clocks may differ, in seconds.
            now: Seconds since 1970.
            etag: The entity tag that came with it.

        Raises:
            InvalidTokenError: with the reason why it is refused.
        """
        claims = jws.verify(
            raw,
            profile=jws.REVOCATIONS,
            keys=keys,
            issuer=issuer,
            audience=None,
            max_length=MAX_BYTES,
            leeway=leeway,
            max_lifetime=jws.YEAR_10000,  # no limit, but a list from the future is refused
            now=now,
        ).claims
        sids, jtis, not_before = claims.get("sids"), claims.get("jtis"), claims.get("not_before")
        if not (
            isinstance(sids, list)
            and isinstance(jtis, list)
            and all(type(value) is str for value in (*sids, *jtis))
            and type(not_before) is int
        ):
            raise InvalidTokenError("invalid")
        return cls(
            revoked=RevocationList(sids=frozenset(sids), jtis=frozenset(jtis), not_before=not_before),
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            ttl=claims["ttl"],
            max_lifetime=claims["max_lifetime"],
            etag=etag,
        )
