"""Verify access tokens. Works in any Python service, without Django."""

import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ._core import jws
from ._core.remote import ASYMMETRIC_ALGORITHMS, Issuer, RemoteKeys, RemoteRevocations
from .errors import InsufficientScopeError, InvalidTokenError
from .keys import Key, KeySet

MIN_POLL_INTERVAL = timedelta(milliseconds=1)
MAX_LEEWAY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token that has been verified; in Django REST framework it is ``request.auth``.

    It holds what the token says, and never the token itself.
    """

    issuer: str
    """``iss``: who issued it."""
    subject: str
    """``sub``: the user. Unique per issuer only."""
    audience: tuple[str, ...]
    """``aud``: the services it is meant for."""
    client_id: str
    """``client_id``: the client it was issued to."""
    jti: str = field(repr=False)
    """``jti``: the id of this token."""
    sid: str
    """``sid``: the id of the session it belongs to."""
    scopes: frozenset[str]
    """``scope``, split."""
    issued_at: datetime
    """``iat``, in UTC."""
    expires_at: datetime
    """``exp``, in UTC."""
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    """All claims, as they were sent. This is a copy: changing it does not affect other requests."""

    @property
    def actor(self) -> str:
        """The subject of the user who acts as this one (``act``, RFC 8693 section 4.1); empty if nobody does."""
        act = self.claims.get("act")
        subject = act.get("sub") if isinstance(act, dict) else None
        return subject if isinstance(subject, str) else ""

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> "AccessToken":
        """Make an access token from claims that have been verified."""
        aud = claims["aud"]
        return cls(
            issuer=claims["iss"],
            subject=claims["sub"],
            audience=(aud,) if isinstance(aud, str) else tuple(aud),
            client_id=claims["client_id"],
            jti=claims["jti"],
            sid=claims["sid"],
            scopes=frozenset(claims.get("scope", "").split()),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            claims=claims,
        )


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
            issuer: The ``iss`` of its tokens, compared exactly. It must be an https URL, unless ``keys`` or both URLs
                are given.
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
            ValueError: if the issuer or the audience is empty, an algorithm is unknown, a duration is out of range, or
                a URL cannot be trusted.
        """
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
        self._cache = _VerifiedTokens(cache_size)
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

    def verify(self, raw: str | bytes, *, scopes: Sequence[str] = (), now: float | None = None) -> AccessToken:
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
        if isinstance(scopes, str):
            raise TypeError("scopes is a list of scopes, not a str.")
        if now is None:
            now = time.time() if self._clock is None else self._clock()
        claims = self._verified_claims(raw)
        jws.check_times(claims, leeway=self.leeway, now=now, max_lifetime=self.max_lifetime)
        if self.revocations is not None:
            self.revocations.check(claims, now=now)
        token = AccessToken.from_claims(claims)
        if not token.scopes.issuperset(scopes):
            raise InsufficientScopeError(" ".join(scopes))
        return token

    def _verified_claims(self, raw: str | bytes) -> dict[str, Any]:
        """Return the claims of a token, checked for all that does not change with time; from the cache if possible."""
        if len(raw) > self.max_token_length:
            raise InvalidTokenError("invalid")
        digest = _digest(raw)
        if (entry := self._cache.get(digest)) is not None:
            key, payload = entry
            if self.keys.get(key.kid) is key:  # a key that has been replaced or withdrawn verifies nothing any more
                return jws.reload(payload)
        signed = jws.verify(
            raw,
            profile=jws.ACCESS,
            keys=self.keys,
            issuer=self.issuer,
            audience=self.audience,
            max_length=self.max_token_length,
            ignore_times=True,  # the times are checked at each use, by verify()
        )
        self._cache.put(digest, (signed.key, signed.payload))
        return signed.claims


def verify_any(raw: str | bytes, verifiers: Mapping[str, Verifier]) -> AccessToken:
    """Verify an access token of any of several issuers. The keys of an issuer verify its own tokens only.

    Args:
        raw: The token as it was sent.
        verifiers: A verifier for each issuer, by issuer.

    Raises:
        InvalidTokenError: with the ``reason`` why it is refused; ``invalid`` for a token of any other issuer.
    """
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


def _digest(raw: str | bytes) -> bytes:
    """Return what the cache finds a token by: a digest of its exact bytes, so that no token is kept in memory."""
    try:
        return hashlib.sha256(raw.encode("ascii") if isinstance(raw, str) else raw).digest()
    except UnicodeEncodeError:
        raise InvalidTokenError("invalid") from None


class _VerifiedTokens:
    """A bounded cache that evicts the entry that has not been used for the longest time.

    It has no lock: each operation of an ``OrderedDict`` is atomic, and a fork cannot leave a lock locked for ever.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, tuple[Key, bytes]] = OrderedDict()

    def get(self, digest: bytes) -> tuple[Key, bytes] | None:
        entry = self._entries.get(digest)
        if entry is not None:
            with contextlib.suppress(KeyError):  # another thread may have evicted it between these lines
                self._entries.move_to_end(digest)
        return entry

    def put(self, digest: bytes, entry: tuple[Key, bytes]) -> None:
        if self._size:
            self._entries[digest] = entry
            while len(self._entries) > self._size:
                with contextlib.suppress(KeyError):
                    self._entries.popitem(last=False)
