"""Verify access tokens. Works in any Python service, without Django."""

import copy
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import NoneType
from typing import Any, NoReturn, Self

from ._core import jws
from ._core.known_tokens import KnownToken, KnownTokens, Statement
from ._core.remote import ASYMMETRIC_ALGORITHMS, Issuer, RemoteKeys, RemoteRevocations
from .arguments import expect, expect_list
from .errors import InsufficientScopeError, InvalidTokenError
from .keys import KeySet
from .secret import Secret, hide

MIN_POLL_INTERVAL = timedelta(milliseconds=1)
MAX_LEEWAY = timedelta(minutes=5)


class AccessToken:
    """An access token that has been verified; in Django REST framework it is ``request.auth``.

    It holds what the token says, and never the token itself. Tokens with the same claims are equal.
    """

    __slots__ = ("_claims", "_statement")
    _statement: Statement
    _claims: Mapping[str, Any]

    def __init__(self, statement: Statement, claims: Mapping[str, Any] | None = None) -> None:
        _set_statement(self, statement)
        if claims is not None:
            _set_claims(self, claims)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"An access token is read-only: {name!r} cannot be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"An access token is read-only: {name!r} cannot be deleted.")

    @property
    def issuer(self) -> str:
        """``iss``: who issued it."""
        return self._statement.issuer

    @property
    def subject(self) -> str:
        """``sub``: the user. Unique per issuer only."""
        return self._statement.subject

    @property
    def audience(self) -> tuple[str, ...]:
        """``aud``: the services it is meant for."""
        return self._statement.audience

    @property
    def client_id(self) -> str:
        """``client_id``: the client it was issued to."""
        return self._statement.registered["client_id"]  # type: ignore[no-any-return]

    @property
    def jti(self) -> str:
        """``jti``: the id of this token."""
        return self._statement.registered["jti"]  # type: ignore[no-any-return]

    @property
    def sid(self) -> str:
        """``sid``: the id of the session it belongs to."""
        return self._statement.registered["sid"]  # type: ignore[no-any-return]

    @property
    def scopes(self) -> frozenset[str]:
        """``scope``, split."""
        return self._statement.scopes

    @property
    def issued_at(self) -> datetime:
        """``iat``, in UTC."""
        return datetime.fromtimestamp(self._statement.registered["iat"], UTC)

    @property
    def expires_at(self) -> datetime:
        """``exp``, in UTC."""
        return datetime.fromtimestamp(self._statement.registered["exp"], UTC)

    @property
    def registered(self) -> Mapping[str, Any]:
        """Those of its claims that every request needs. Unlike ``claims``, reading them makes no copy."""
        return self._statement.registered

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims, as they were sent. This is a copy: changing it does not affect other requests."""
        try:
            return self._claims
        except AttributeError:  # not computed before
            _set_claims(self, claims := jws.reload(self._statement.payload))
            return claims

    @property
    def actor(self) -> str:
        """The subject of the user who acts as this one (``act``, RFC 8693 section 4.1); empty if nobody does."""
        act = self.claims.get("act")
        subject = act.get("sub") if isinstance(act, dict) else None
        return subject if isinstance(subject, str) else ""

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> "AccessToken":
        """Make an access token from claims that have been verified."""
        return cls(Statement.of(claims), claims)

    def __eq__(self, other: object) -> bool:
        return self.claims == other.claims if isinstance(other, AccessToken) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.issuer, self.jti))

    def __reduce__(self) -> tuple[Any, ...]:
        return AccessToken.from_claims, (dict(self.claims),)  # what is shared in memory cannot be copied or stored

    def __repr__(self) -> str:
        names = ("issuer", "subject", "audience", "client_id", "sid", "scopes", "issued_at", "expires_at")
        return f"AccessToken({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


# What calling the class, and object.__setattr__(), find each time: every request makes an access token.
_new = object.__new__
_set_statement = AccessToken.__dict__["_statement"].__set__
_set_claims = AccessToken.__dict__["_claims"].__set__


class Verifier:
    """Verifies access tokens of one issuer, and remembers which ones it has verified.

    The issuer's keys and revocation list are fetched in the background, from the first use on, again and again. A
    verifier can be shared between threads, and used after a fork.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str],
        keys: KeySet | None = None,
        jwks_url: str = "",
        revocations_url: str | None = "",
        algorithms: Sequence[str] = ASYMMETRIC_ALGORITHMS,
        poll_interval: timedelta = timedelta(seconds=2),
        max_staleness: timedelta = timedelta(minutes=5),
        fail_open: bool = False,
        timeout: timedelta = timedelta(seconds=5),
        allow_http: bool = False,
        leeway: timedelta = timedelta(seconds=5),
        max_lifetime: timedelta | None = None,
        max_token_length: int = 4096,
        cache_size: int = 4096,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Say whom to trust. Nothing is fetched yet.

        Args:
            issuer: The ``iss`` of its tokens, compared exactly. It must be an https URL, or an http URL of this
                machine, unless ``keys`` or both URLs are given.
            audience: Who we are: the ``aud`` that is accepted, one or several.
            keys: The issuer's keys, if they are not to be fetched. Then no revocation list is fetched either.
            jwks_url: Where its keys are; by default where its metadata says (RFC 8414), else
                ``<issuer>/.well-known/jwks.json``.
            revocations_url: Where its revocation list is; by default where its metadata says, else
                ``<issuer>/.well-known/jwt-revocations``. ``None`` for an issuer that has no list.
            algorithms: The algorithms that are trusted.
            poll_interval: How often the revocation list is read.
            max_staleness: How long a revocation list is used while no newer one can be read.
            fail_open: Whether tokens are accepted after that, unless they are on the last list.
            timeout: How long fetching a document may take, and how long a request waits for the first one.
            allow_http: Whether http URLs are accepted: only where nobody else can listen or answer. URLs of this
                machine may always be http.
            leeway: How far the clocks may differ.
            max_lifetime: How long after its ``iat`` a token is accepted, whatever its ``exp``; ``None`` for no limit
                except that of the revocation list.
            max_token_length: In bytes; longer tokens are refused unread.
            cache_size: How many verified tokens are remembered; 0 to remember none.
            clock: Returns the time, in seconds since 1970; by default the machine's.

        Raises:
            TypeError: if an argument is of a wrong type.
            ValueError: if the issuer or the audience is empty, an algorithm is unknown, a duration is out of range, or
                a URL cannot be trusted.
        """
        texts = {"issuer": issuer, "jwks_url": jwks_url, "revocations_url": revocations_url or ""}
        expect(str, "a str", **texts)
        if not isinstance(audience, str):
            expect_list(str, "a str or a list of them", audience=audience)
        expect((KeySet, NoneType), "a KeySet, such as KeySet([key])", keys=keys)
        durations = {"poll_interval": poll_interval, "max_staleness": max_staleness, "timeout": timeout}
        expect(timedelta, "a timedelta", **durations, leeway=leeway, max_lifetime=max_lifetime or timedelta())
        expect(int, "an int", max_token_length=max_token_length, cache_size=cache_size)
        self.issuer = issuer
        self.audience = (audience,) if isinstance(audience, str) else tuple(audience)
        if not issuer or not self.audience or not all(self.audience):
            raise ValueError("A verifier needs an issuer and an audience.")
        if not algorithms or not set(algorithms) <= set(ASYMMETRIC_ALGORITHMS):
            raise ValueError(f"The algorithms are some of {', '.join(ASYMMETRIC_ALGORITHMS)}.")
        if keys is not None and (jwks_url or revocations_url):
            raise ValueError("A verifier has either keys or URLs.")
        _check_durations(poll_interval=poll_interval, timeout=timeout, leeway=leeway)
        self.leeway = leeway.total_seconds()
        # Even without a limit: a token whose ``iat`` is in the future is refused.
        self.max_lifetime = jws.YEAR_10000 if max_lifetime is None else max_lifetime.total_seconds()
        self.max_token_length = max_token_length
        self._clock = clock
        self._cache = KnownTokens(cache_size)
        self._mark = b""
        self.revocations: RemoteRevocations | None = None
        if keys is not None:
            self.keys: jws.Keys = keys
            return
        source = Issuer(
            issuer=issuer,
            jwks_url=jwks_url,
            revocations_url=revocations_url,
            timeout=timeout.total_seconds(),
            allow_http=allow_http,
        )
        self.keys = RemoteKeys(source, algorithms=algorithms)
        if revocations_url is not None:
            self.revocations = RemoteRevocations(
                source,
                keys=self.keys,
                interval=poll_interval.total_seconds(),
                max_staleness=max_staleness.total_seconds(),
                fail_open=fail_open,
                leeway=self.leeway,
            )

    def variant(
        self,
        *,
        audience: Sequence[str],
        issuer: str | None = None,
        keys: KeySet | None = None,
        clock: Callable[[], float] | None = None,
    ) -> Self:
        """Return a verifier like this one, with another audience, and perhaps another issuer, other keys or a clock.

        Both remember verified tokens in the same place, but neither finds those of the other. If the keys are fetched,
        both share them and the revocation list.
        """
        other = copy.copy(self)
        other.audience = tuple(audience)
        other.issuer = self.issuer if issuer is None else issuer
        other.keys = self.keys if keys is None else keys
        other._clock = self._clock if clock is None else clock
        other._mark = self._mark + next(_marks).to_bytes(8)
        return other

    def verify(self, raw: str | bytes | Secret, *, scopes: Sequence[str] = (), now: float | None = None) -> AccessToken:
        """Verify an access token: form, type, signature, claims, issuer, audience, times, revocation, in this order.

        Normally this needs no network: only the first tokens wait until the keys and the revocation list are there.

        Args:
            raw: The token as it was sent.
            scopes: The scopes that it must have, all of them.
            now: Seconds since 1970; by default the current time.

        Raises:
            InvalidTokenError: with the ``reason`` why it is refused.
            InsufficientScopeError: if it is valid, but lacks a scope.
        """
        raw = hide(raw)
        if isinstance(scopes, str):
            raise TypeError("scopes is a list of scopes, not a str.")
        if now is None:
            now = time.time() if self._clock is None else self._clock()
        if len(raw) > self.max_token_length:
            raise InvalidTokenError("invalid")
        # A digest of the exact bytes, so that no token is kept in memory.
        digest = sha256(raw.reveal_bytes()).digest()
        known, claims = self._cache.get(self._mark + digest), None
        if known is None or not (known.key_set is self.keys or self._is_trusted(known)):
            known, claims = self._verified(raw, digest)
        statement = known.statement
        if not known.since <= now < known.until:
            jws.check_times(statement.registered, leeway=self.leeway, now=now, max_lifetime=self.max_lifetime)
        if self.revocations is not None:
            self.revocations.check(statement.registered, now=now)
        if scopes and not statement.scopes.issuperset(scopes):
            raise InsufficientScopeError(" ".join(scopes))
        return AccessToken(statement, claims)

    def recall(self, digest: bytes, *, now: float) -> AccessToken | None:
        """Return a token that has been verified before, if its key is still trusted and it is valid at this time.

        ``None`` does not mean that the token is refused: only :meth:`verify` decides that.

        Args:
            digest: The SHA-256 digest of its exact bytes.
            now: Seconds since 1970.

        Raises:
            InvalidTokenError: if the issuer's revocation list, if one is fetched, revokes the token or is too old.
        """
        known = self._cache.get(self._mark + digest)
        if not (
            known is not None
            and known.since <= now < known.until
            and (known.key_set is self.keys or self._is_trusted(known))
        ):
            return None
        if self.revocations is not None:
            self.revocations.check(known.statement.registered, now=now)
        _set_statement(token := _new(AccessToken), known.statement)
        return token

    def _is_trusted(self, known: KnownToken) -> bool:
        """Tell whether the key that has verified a token is still one of ours: not replaced, and not withdrawn."""
        return self.keys.get(known.key.kid) is known.key

    def _verified(self, raw: Secret, digest: bytes) -> tuple[KnownToken, dict[str, Any]]:
        """Verify a token that is not known, and remember it by its digest. All is checked that never changes.

        The claims that have been read come with it.
        """
        keys = self.keys
        signed = jws.verify(
            raw,
            profile=jws.ACCESS,
            keys=keys,
            issuer=self.issuer,
            audience=self.audience,
            max_length=self.max_token_length,
            ignore_times=True,  # the times are checked at each use, by verify()
        )
        claims = signed.claims
        known = KnownToken(
            key=signed.key,
            key_set=keys if keys.is_fixed else None,
            statement=Statement.of(claims, signed.payload),
            since=max(claims["iat"], claims.get("nbf", 0)) - self.leeway,
            until=min(claims["exp"], claims["iat"] + self.max_lifetime) + self.leeway,
        )
        self._cache.put(self._mark + digest, known)
        return known, claims


def verify_any(raw: str | bytes | Secret, verifiers: Mapping[str, Verifier]) -> AccessToken:
    """Verify an access token of any of several issuers. The keys of an issuer verify its own tokens only.

    Args:
        raw: The token as it was sent.
        verifiers: A verifier for each issuer, by issuer.

    Raises:
        InvalidTokenError: with the ``reason`` why it is refused; ``invalid`` for a token of any other issuer.
    """
    raw = hide(raw)
    if len(verifiers) == 1:
        (verifier,) = verifiers.values()
    else:
        longest = max((verifier.max_token_length for verifier in verifiers.values()), default=0)
        found = verifiers.get(jws.claimed_issuer(raw, max_length=longest))
        if found is None:
            raise InvalidTokenError("invalid")
        verifier = found
    return verifier.verify(raw)


def _check_durations(*, poll_interval: timedelta, timeout: timedelta, leeway: timedelta) -> None:
    if poll_interval < MIN_POLL_INTERVAL or timeout <= timedelta(0) or not timedelta(0) <= leeway <= MAX_LEEWAY:
        raise ValueError(
            f"The poll interval is at least {MIN_POLL_INTERVAL}, the timeout more than 0, and the leeway from 0 to "
            f"{MAX_LEEWAY}: revocation lists remember no longer."
        )


_marks = itertools.count()
"""Separates the tokens of verifiers that share one cache.

A token that one verifier has verified may be refused by another one, with another issuer or audience.
"""
