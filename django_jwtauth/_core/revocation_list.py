"""The revocation list of an issuer: what it holds, and the signed documents that carry it to other services.

The list is a JWT of type ``revocations+jwt`` with these claims:

- ``iss``: the issuer; ``iat``: when the list was read from the issuer's tables; ``exp``: until when it may be replayed;
- ``ttl``: how many seconds a copy counts as fresh;
- ``max_lifetime``: for how many seconds after its ``iat`` an access token of this issuer is accepted, even if its
  ``exp`` is later. The list remembers longer than that;
- ``not_before``: the time up to which all access tokens were revoked, or 0;
- ``sids`` and ``jtis``: the ids of revoked sessions, and of revoked single access tokens;
- ``parts`` and ``changes``, if the issuer also publishes what has changed: how the ids are divided into parts, and
  where that document is, relative to the list.

The document of changes is a JWT of type ``revocation-changes+jwt`` with the same claims but the last one. It names all
parts, and has the ids of those only that changed lately. Who holds the others knows the whole list then; who lacks one
fetches the list. The name of a part is a digest of its ids, so a part cannot be confused with an earlier state of it.

Readers ignore claims that they do not know.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, Self

from ..errors import InvalidTokenError
from ..keys import Key, b64url_encode
from . import jws

MAX_BYTES = 32 * 1024 * 1024
"""A longer document is refused. This is enough for about 600,000 ids."""
MAX_ENTRIES = 500_000
"""At most this many ids are published."""
SPARE_IDS = 10_000
"""How many ids of former parts a service keeps, besides a quarter of the list. Two processes of an issuer may name
different parts for some seconds."""


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
class Part:
    """Some entries of a list. Parts of one name are equal."""

    name: str
    """A digest of the ids: 128 bits of SHA-256, in base64url."""
    sids: Sequence[str] = field(repr=False, compare=False)
    jtis: Sequence[str] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.sids) + len(self.jtis)

    @classmethod
    def of(cls, sids: Iterable[str], jtis: Iterable[str]) -> Self:
        """Make a part of these ids. Ids that no valid token can have are left out."""
        first, second = sorted(sids), sorted(jtis)
        name = _name(first, second)
        if not name:
            first, second = ([each for each in ids if each and "\n" not in each] for ids in (first, second))
            name = _name(first, second)
        return cls(name=name, sids=first, jtis=second)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """How long a signed document, and what it says, may be used."""

    issued_at: int
    """``iat``, in seconds since 1970."""
    expires_at: int
    """``exp``, in seconds since 1970."""
    ttl: int
    """In seconds."""
    max_lifetime: int
    """In seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList(_Terms):
    """What a signed document says: a revocation list, and how long both may be used."""

    revoked: RevocationList
    """Who signs a list that has parts need not repeat their ids here."""
    parts: tuple[str, ...] = ()
    """The names of the parts of the list; empty if it has none, or the issuer does not publish what has changed."""
    known: Mapping[str, Part] = field(default_factory=dict, repr=False)
    """These parts, and perhaps former ones, by name. Those that were used last come last."""
    changes: str = ""
    """Where the document of changes is, relative to the list; empty if there is none."""
    etag: str = ""
    """The entity tag of the document that was fetched last, if it had one."""
    follows: bool = False
    """Whether that was the document of changes."""

    def content(self) -> dict[str, Any]:
        """Return the claims that say what has been revoked. The same list gives the same claims in the same order."""
        divided = self._divided(set(self.parts))
        if self.changes:
            return {**self._frame(), **divided, "changes": self.changes}
        sids, jtis = divided["sids"], divided["jtis"]
        if not self.parts:
            sids, jtis = sorted(self.revoked.sids), sorted(self.revoked.jtis)
        return {**self._frame(), "sids": sids, "jtis": jtis}

    def _frame(self) -> dict[str, Any]:
        return {"ttl": self.ttl, "max_lifetime": self.max_lifetime, "not_before": self.revoked.not_before}

    def _divided(self, included: Collection[str]) -> dict[str, Any]:
        """Return the claims about the parts, with the ids of some of them."""
        parts = [self.known[name] for name in self.parts]
        chosen = [part for part in parts if part.name in included]
        return {
            "parts": [
                [part.name, len(part.sids), len(part.jtis)] if part.name in included else [part.name] for part in parts
            ],
            "sids": [*chain.from_iterable(part.sids for part in chosen)],
            "jtis": [*chain.from_iterable(part.jtis for part in chosen)],
        }

    def sign(self, *, issuer: str, key: Key) -> str:
        """Return the signed list."""
        return jws.sign({**self._registered(issuer), **self.content()}, typ=jws.REVOCATIONS.typ, key=key)

    def sign_changes(self, included: Collection[str], *, issuer: str, key: Key) -> str:
        """Return the signed document of changes.

        Args:
            included: The names of the parts whose ids it has.
            issuer: The issuer.
            key: What to sign with.
        """
        claims = {**self._registered(issuer), **self._frame(), **self._divided(included)}
        return jws.sign(claims, typ=jws.CHANGES.typ, key=key)

    def _registered(self, issuer: str) -> dict[str, Any]:
        return {"iss": issuer, "iat": self.issued_at, "exp": self.expires_at}

    @classmethod
    def read(cls, raw: bytes, *, issuer: str, keys: jws.Keys, leeway: float, now: float, etag: str = "") -> Self:
        """Verify a signed list: its form, type, signature, issuer, times and content.

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
        claims = _verify(raw, profile=jws.REVOCATIONS, issuer=issuer, keys=keys, leeway=leeway, now=now)
        changes = claims.get("changes")
        parts: list[Part | str] = []
        if type(changes) is str and changes:
            try:
                parts = _read_parts(claims)
            except InvalidTokenError:
                changes = ""  # the list itself is complete
        known = {part.name: part for part in parts if isinstance(part, Part)}
        if len(known) != len(parts):
            changes, known = "", {}
        return cls(
            # Sets that can be changed: see follow().
            revoked=RevocationList(sids=set(claims["sids"]), jtis=set(claims["jtis"]), not_before=claims["not_before"]),
            **_terms(claims),
            parts=tuple(known),
            known=known,
            changes=changes if type(changes) is str else "",
            etag=etag,
        )

    def follow(self, changes: "SignedChanges", *, etag: str) -> "SignedList | None":
        """Return the list that this one has become; ``None`` if it lacks a part, so that the list must be fetched.

        Changes that are not newer than this list only add to it: see :meth:`with_more`.

        The sets of ids are shared with this list, and changed: to copy a long list at each poll would take longer than
        all the rest. What is added comes first, so each look-up meanwhile finds all that must be there.

        Args:
            changes: What the issuer says.
            etag: The entity tag that came with it.
        """
        is_newer = changes.issued_at > self.issued_at
        names = changes.parts if is_newer else (*self.parts, *changes.parts)
        not_before = changes.not_before if is_newer else max(changes.not_before, self.revoked.not_before)
        known = {**self.known, **changes.included}
        if not known.keys() >= set(names):
            return None
        parts, former = {name: known[name] for name in names}, dict.fromkeys(self.parts)
        new = [part for name, part in parts.items() if name not in former]
        gone = [self.known[name] for name in former if name not in parts]
        groups = new, gone, [*parts.values()]
        sids, jtis = self.revoked.sids, self.revoked.jtis
        if not_before > self.revoked.not_before:
            # The time may stand for ids that leave, and a look-up finds it only when all this is done.
            sids, jtis = set(sids), set(jtis)
        terms = {each.name: getattr(changes, each.name) for each in fields(_Terms)} if is_newer else {}
        return replace(
            self,
            **terms,
            revoked=RevocationList(
                sids=_updated(sids, *([part.sids for part in group] for group in groups)),
                jtis=_updated(jtis, *([part.jtis for part in group] for group in groups)),
                not_before=not_before,
            ),
            parts=tuple(parts),
            known=_limited(known, parts),
            etag=etag,
            follows=True,
        )

    def with_more(self, other: "SignedList") -> "SignedList":
        """Return this list with what another one says that is not newer.

        Two processes of an issuer may have clocks that differ a little, and may read their tables in the same second.
        So the list with the later time may lack what the other one has.
        """
        has_parts = bool(self.changes and other.changes)
        return replace(
            self,
            revoked=RevocationList(
                sids={*self.revoked.sids, *other.revoked.sids},
                jtis={*self.revoked.jtis, *other.revoked.jtis},
                not_before=max(self.revoked.not_before, other.revoked.not_before),
            ),
            parts=tuple(dict.fromkeys([*self.parts, *other.parts])) if has_parts else (),
            known={**self.known, **other.known} if has_parts else {},
            changes=self.changes if has_parts else "",
            etag=other.etag,
            follows=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedChanges(_Terms):
    """What the document of changes says."""

    parts: tuple[str, ...]
    """The names of all parts of the list."""
    included: Mapping[str, Part] = field(repr=False)
    """Those of them whose ids the document has, by name."""
    not_before: int
    """In seconds since 1970."""

    @classmethod
    def read(cls, raw: bytes, *, issuer: str, keys: jws.Keys, leeway: float, now: float) -> Self:
        """Verify the document of changes, as :meth:`SignedList.read` verifies the list.

        Raises:
            InvalidTokenError: with the reason why it is refused.
        """
        claims = _verify(raw, profile=jws.CHANGES, issuer=issuer, keys=keys, leeway=leeway, now=now)
        parts = _read_parts(claims)
        return cls(
            parts=tuple(part if isinstance(part, str) else part.name for part in parts),
            included={part.name: part for part in parts if isinstance(part, Part)},
            not_before=claims["not_before"],
            **_terms(claims),
        )


def _verify(
    raw: bytes, *, profile: jws.Profile, issuer: str, keys: jws.Keys, leeway: float, now: float
) -> dict[str, Any]:
    """Verify what both documents have in common, and return the claims."""
    claims = jws.verify(
        raw,
        profile=profile,
        keys=keys,
        issuer=issuer,
        audience=None,
        max_length=MAX_BYTES,
        leeway=leeway,
        max_lifetime=jws.YEAR_10000,  # no limit, but a document from the future is refused
        now=now,
    ).claims
    sids, jtis, not_before = claims.get("sids"), claims.get("jtis"), claims.get("not_before")
    if not (
        isinstance(sids, list)
        and isinstance(jtis, list)
        and {*map(type, sids), *map(type, jtis)} <= {str}
        and type(not_before) is int
    ):
        raise InvalidTokenError("invalid")
    return claims


def _terms(claims: Mapping[str, Any]) -> dict[str, Any]:
    names = {"issued_at": "iat", "expires_at": "exp", "ttl": "ttl", "max_lifetime": "max_lifetime"}
    return {name: claims[claim] for name, claim in names.items()}


def _read_parts(claims: Mapping[str, Any]) -> list[Part | str]:
    """Return the parts whose ids a document has, and the names of the others.

    Raises:
        InvalidTokenError: ``invalid``, if the ids are not exactly those that the names stand for.
    """
    sids, jtis, entries = claims["sids"], claims["jtis"], claims.get("parts")
    found: list[Part | str] = []
    first = second = 0
    for entry in entries if isinstance(entries, list) else [None]:
        match entry:
            case [str(name)]:
                found.append(name)
            case [str(name), more_sids, more_jtis] if _are_counts(more_sids, more_jtis):
                part = Part(name=name, sids=sids[first : first + more_sids], jtis=jtis[second : second + more_jtis])
                # Parts outlive the document, and perhaps the key that has signed it: whoever had that key for a moment
                # must not leave a false part behind.
                if not name or _name(part.sids, part.jtis) != name:
                    raise InvalidTokenError("invalid")
                found.append(part)
                first, second = first + more_sids, second + more_jtis
            case _:
                raise InvalidTokenError("invalid")
    if (first, second) != (len(sids), len(jtis)):
        raise InvalidTokenError("invalid")
    return found


def _are_counts(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _name(sids: Sequence[str], jtis: Sequence[str]) -> str:
    """Return the name of a part: a digest of its session ids, an empty line, and its token ids, each in its own line.

    It is empty if an id is empty or has a line break: then the text would have a second meaning.
    """
    text = "\n".join([*sids, "", *jtis, ""])
    if text.count("\n") != len(sids) + len(jtis) + 1 or "" in sids or "" in jtis:
        return ""
    return b64url_encode(hashlib.sha256(text.encode()).digest()[:16])


def _updated(
    held: Collection[str], new: list[Sequence[str]], gone: list[Sequence[str]], present: list[Sequence[str]]
) -> set[str]:
    """Change a set of ids, and return it; or another one, if that is not possible.

    Args:
        held: The set.
        new: The ids of the parts that were not there before.
        gone: The ids of the parts that are no longer there.
        present: The ids of all parts that are there now.
    """
    before = sum(map(len, present)) - sum(map(len, new)) + sum(map(len, gone))
    if not isinstance(held, set) or len(held) != before:
        # An id is in several parts: those of one time and of another, or another issuer's. One that is gone may also be
        # in a part that is still there, and must be found all the time.
        return set().union(*present)
    added: set[str] = set().union(*new)
    held |= added
    held -= set().union(*gone) - added
    return held


def _limited(known: Mapping[str, Part], parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return the parts that are there, and as many of the former ones as are worth keeping: the latest."""
    kept = {**{name: part for name, part in known.items() if name not in parts}, **parts}
    surplus = sum(map(len, kept.values())) - sum(map(len, parts.values())) * 5 // 4 - SPARE_IDS
    for name in [*kept]:
        if surplus <= 0:
            break
        surplus -= len(kept.pop(name))
    return kept
