"""The revocation list of an issuer: what it holds, and the signed document that carries it to other services.

The document is a JWT of type ``revocations+jwt``. Its claims: ``iss``; ``iat``, when the list was read; ``exp``, until
when it may be replayed; ``ttl``, how many seconds a copy stays fresh; ``max_lifetime``, how many seconds after their
``iat`` the access tokens of this issuer are refused whatever their ``exp`` says, for that is how long the list
remembers them; ``not_before``, 0 or the time up to which all access tokens were revoked; ``sids`` and ``jtis``, the ids
of sessions and of single access tokens that were revoked. A reader ignores claims that it does not know.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidTokenError
from ..keys import Key
from . import jws

MAX_BYTES = 32 * 1024 * 1024
"""A longer document is refused. It holds about 600,000 ids."""
MAX_ENTRIES = 500_000
"""So many ids are published at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """What was revoked lately."""

    sids: Collection[str] = field(default=frozenset(), repr=False)
    """Ids of sessions."""
    jtis: Collection[str] = field(default=frozenset(), repr=False)
    """Ids of single access tokens."""
    not_before: int = 0
    """The time up to which all access tokens were revoked, in seconds since 1970; 0 if they were not."""

    def covers(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether an access token was revoked, by the claims of it that have been verified."""
        return claims["sid"] in self.sids or claims["jti"] in self.jtis or claims["iat"] <= self.not_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A revocation list as it is published."""

    revoked: RevocationList
    issued_at: int
    """``iat``, in seconds since 1970."""
    expires_at: int
    """``exp``, in seconds since 1970."""
    ttl: int
    """In seconds."""
    max_lifetime: int
    """In seconds."""

    def content(self) -> dict[str, Any]:
        """Return the claims that say what was revoked. The same list gives the same, in the same order."""
        return {
            "ttl": self.ttl,
            "max_lifetime": self.max_lifetime,
            "not_before": self.revoked.not_before,
            "sids": sorted(self.revoked.sids),
            "jtis": sorted(self.revoked.jtis),
        }

    def sign(self, *, issuer: str, key: Key) -> str:
        """Return the document, signed."""
        claims = {"iss": issuer, "iat": self.issued_at, "exp": self.expires_at, **self.content()}
        return jws.sign(claims, typ=jws.REVOCATIONS.typ, key=key)

    @classmethod
    def read(cls, raw: bytes, *, issuer: str, keys: jws.Keys, leeway: float, now: float) -> "Document":
        """Read a document and check its signature, issuer and times.

        Args:
            raw: The document as it came.
            issuer: Whose list it must be.
            keys: The keys of that issuer.
            leeway: How far the clocks may differ, in seconds.
            now: Seconds since 1970.

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
        sids, jtis = claims.get("sids"), claims.get("jtis")
        not_before: Any = claims.get("not_before")
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
        )
