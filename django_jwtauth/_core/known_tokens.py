"""What a verifier remembers of the tokens that it has verified: what they say, and never the tokens themselves."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..keys import Key

_REGISTERED = ("iss", "sub", "client_id", "jti", "sid", "iat", "exp", "nbf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a verified token says. All requests that send it share this, so nothing in it can be changed."""

    registered: Mapping[str, Any] = field(repr=False)
    """The claims that each request needs. They are strings and numbers."""
    issuer: str
    subject: str
    """These two are among the registered claims too, but reading them from here is faster."""
    audience: tuple[str, ...]
    scopes: frozenset[str]
    payload: bytes = field(default=b"", repr=False)
    """All claims, in JSON."""

    @classmethod
    def of(cls, claims: Mapping[str, Any], payload: bytes = b"") -> "Statement":
        """Read claims that have been verified.

        Args:
            claims: The claims.
            payload: The same claims in JSON, from which they can be read again.
        """
        aud = claims["aud"]
        return cls(
            registered=MappingProxyType({name: claims[name] for name in _REGISTERED if name in claims}),
            issuer=claims["iss"],
            subject=claims["sub"],
            audience=(aud,) if isinstance(aud, str) else tuple(aud),
            scopes=frozenset(claims.get("scope", "").split()),
            payload=payload,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """A token that has been verified."""

    key: Key
    key_set: object
    """Where the key was found, if no key can ever leave it. Otherwise the key is looked for at each use."""
    statement: Statement
    since: float
    """The time from which the token is valid, in seconds since 1970, with leeway."""
    until: float
    """The time until which it is valid."""


class KnownTokens:
    """A bounded cache, by a digest of each token. It evicts the entry that has not been used for the longest time.

    It has no lock: each operation of an ``OrderedDict`` is atomic, and a fork cannot leave a lock locked for ever.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, KnownToken] = OrderedDict()

    def get(self, digest: bytes) -> KnownToken | None:
        """Return the entry of a token, or ``None``; and note that it was used."""
        entry = self._entries.get(digest)
        if entry is not None:
            try:  # noqa: SIM105 - suppress() would take as long as the rest
                self._entries.move_to_end(digest)
            except KeyError:
                pass  # another thread has evicted it between these lines
        return entry

    def put(self, digest: bytes, entry: KnownToken) -> None:
        """Remember a token, and forget the one that has not been used for the longest time if there are too many."""
        if self._size:
            self._entries[digest] = entry
            while len(self._entries) > self._size:
                try:  # noqa: SIM105
                    self._entries.popitem(last=False)
                except KeyError:
                    pass
