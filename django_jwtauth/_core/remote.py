"""Another issuer's keys and revocation list. Threads of their own fetch them, so that requests do not wait."""

import logging
from collections.abc import Collection, Mapping
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from ..errors import InvalidKeyError, InvalidTokenError, JWTAuthError
from ..keys import Key
from . import events, jws
from .clock import process_time, stopwatch
from .fetch import FetchError, check_url, fetch, without_query
from .key_rules import CURVES, MAX_KID_LENGTH, RSA_ALGORITHMS
from .polling import PolledValue, cached_values
from .revocation_list import MAX_BYTES, SignedChanges, SignedList

logger = logging.getLogger("django_jwtauth")

ASYMMETRIC_ALGORITHMS = (*CURVES, *RSA_ALGORITHMS, "EdDSA")
MAX_DOCUMENT_BYTES = 1024 * 1024
"""How large metadata and key sets may be."""
MAX_KEYS = 100
METADATA_SECONDS = 3600.0
"""How long metadata are used until they are fetched again."""
KEYS_SECONDS = 300.0
"""How often keys are fetched."""
KEYS_MAX_AGE_SECONDS = 86400.0
"""How long keys are used while no newer ones can be fetched."""
UNKNOWN_KID_SECONDS = 30.0
"""How often an unknown ``kid`` may cause a fetch."""
UNKNOWN_KID_PATIENCE_SECONDS = 1.0
"""How long a request with an unknown ``kid`` waits for it."""

CHANGES_PAUSE_SECONDS = 60.0
"""For how long the whole list is fetched each time, after what has changed was not to be had or not to be trusted."""

_NOT_NOW = (408, 429)  # RFC 9110 section 15.5.9, RFC 6585 section 4
_KTY = {"RSA": RSA_ALGORITHMS, "EC": tuple(CURVES), "OKP": ("EdDSA",)}
_PRIVATE_MEMBERS = frozenset(["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])  # RFC 7518 section 6, AKP drafts


class Issuer:
    """An issuer, and where its documents are: the URLs that were given, or those of its metadata (RFC 8414)."""

    def __init__(
        self, *, issuer: str, jwks_url: str, revocations_url: str | None, timeout: float, allow_http: bool
    ) -> None:
        """Check the URLs. Nothing is fetched yet.

        Args:
            issuer: The issuer identifier.
            jwks_url: Where the keys are; empty to find out.
            revocations_url: Where the revocation list is; empty to find out, ``None`` if there is no list.
            timeout: In seconds, for each document.
            allow_http: Whether http URLs of other machines are accepted.

        Raises:
            ValueError: if a URL cannot be trusted.
        """
        urls = {"jwks_url": jwks_url, "revocations_url": revocations_url or ""}
        if not jwks_url or revocations_url == "":
            urls["issuer"] = issuer  # the others are found through it
        for name, url in urls.items():
            try:
                check_url(url or "https://localhost", allow_http=allow_http)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        self.issuer = issuer
        self.jwks_url = jwks_url
        self.revocations_url = revocations_url
        self.timeout = timeout
        self.allow_http = allow_http
        self._metadata: Mapping[str, Any] | None = None
        self._metadata_until = float("-inf")

    def find_jwks(self) -> str:
        """Return where the keys are.

        Raises:
            FetchError: if the metadata cannot be fetched.
        """
        return self.jwks_url or self._find("jwks_uri", "jwks.json")

    def find_revocations(self) -> str:
        """Return where the revocation list is. Only for an issuer that has one.

        Raises:
            FetchError: if the metadata cannot be fetched.
        """
        return self.revocations_url or self._find("jwt_revocations_uri", "jwt-revocations")

    def look_again(self) -> None:
        """Fetch the metadata again before the next document: the last one was not where they said."""
        self._metadata_until = float("-inf")

    def _find(self, member: str, default: str) -> str:
        # Without a lock, which would have to survive forks: two threads may fetch the metadata twice.
        if self._metadata is None or stopwatch.seconds() >= self._metadata_until:
            self._metadata_until = stopwatch.seconds() + METADATA_SECONDS
            try:
                self._metadata = self._fetch_metadata()
            except FetchError:
                if self._metadata is None:
                    raise
        try:
            url = self._metadata.get(member, f"{self.issuer.rstrip('/')}/.well-known/{default}")
            check_url(str(url), allow_http=self.allow_http)
        except ValueError as error:
            raise FetchError(f"{member} of the metadata: {error}") from None
        if not self.allow_http and self.issuer.startswith("https:") and not str(url).startswith("https:"):
            # Another machine must not send us to a service that only listens on this one.
            raise FetchError(f"{member} of the metadata: it must be an https URL, as the issuer is")
        return str(url)

    def _fetch_metadata(self) -> dict[str, Any]:
        parts = urlsplit(self.issuer)
        # RFC 8414 section 3.1: the well-known part stands between host and path.
        url = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        try:
            metadata = _fetch_object(url, accept="application/json", timeout=self.timeout)
        except FetchError as error:
            # An issuer may have no metadata. But if it had some before, a 404 is a failure like any other.
            if error.status == 404 and not self._metadata:
                return {}
            raise
        if metadata.get("issuer") != self.issuer:
            raise FetchError(f"{without_query(url)} is the metadata of another issuer")  # RFC 8414 section 3.3
        return metadata


class RemoteKeys(PolledValue[Mapping[str, Key]]):
    """The keys of another issuer, found by their ``kid``."""

    is_fixed = False

    def __init__(self, issuer: Issuer, *, algorithms: Collection[str]) -> None:
        """Prepare; nothing is fetched before the first use.

        Args:
            issuer: Whose keys they are.
            algorithms: The algorithms that are trusted; keys for others are left out.
        """
        self.source = issuer
        self._algorithms = tuple(algorithms)
        super().__init__(interval=KEYS_SECONDS, timeout=issuer.timeout)

    def get(self, kid: object) -> Key | None:
        """Return the key of that ``kid``, or ``None``. Any value may be passed.

        Raises:
            InvalidTokenError: ``stale``, if there are no keys yet, or if they are too old.
        """
        reading = self.current()
        if reading is None or reading.age > KEYS_MAX_AGE_SECONDS:
            raise InvalidTokenError("stale")
        if not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH:
            return None
        if kid not in reading.value:
            self.refresh(cooldown=UNKNOWN_KID_SECONDS, patience=min(self.timeout, UNKNOWN_KID_PATIENCE_SECONDS))
            reading = self._latest or reading
        return reading.value.get(kid)

    def read(self, last: Mapping[str, Key] | None) -> Mapping[str, Key]:
        """Fetch the key set.

        Raises:
            FetchError: if it cannot be fetched, or must not be trusted.
        """
        url = self.source.find_jwks()
        accept = "application/jwk-set+json, application/json"
        try:
            keys = read_jwks(_fetch_object(url, accept=accept, timeout=self.timeout), algorithms=self._algorithms)
        except FetchError:
            self.source.look_again()
            raise
        if not keys:
            detail = (
                "It publishes no key that can be used: all its tokens are refused. "
                f"It needs an asymmetric key for one of {', '.join(self._algorithms)}."
            )
            about = {"issuer": self.source.issuer, "url": without_query(url), "detail": detail}
            events.KEYS_UNAVAILABLE.write(reason="no_key", **about)
        # The same key stays the same object: the cache of verified tokens compares objects.
        known = {(key.kid, key.alg, key.thumbprint): key for key in (last or {}).values()}
        return {key.kid: known.get((key.kid, key.alg, key.thumbprint), key) for key in keys}

    def report(self, error: Exception) -> None:
        """Log that the keys cannot be fetched."""
        _tell(events.KEYS_UNAVAILABLE, self.source.issuer, error)


class RemoteRevocations(PolledValue[SignedList]):
    """The revocation list of another issuer."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        keys: jws.Keys,
        interval: float,
        max_staleness: float,
        fail_open: bool,
        leeway: float,
    ) -> None:
        """Prepare; nothing is fetched before the first use.

        Args:
            issuer: Whose list it is.
            keys: The keys of that issuer.
            interval: How many seconds pass from one reading to the next.
            max_staleness: How many seconds a list is used while no newer one can be read.
            fail_open: Whether tokens are accepted after that, unless they are on the last list.
            leeway: In seconds: how far clocks may differ.
        """
        self.source = issuer
        self._keys = keys
        self._max_staleness = max_staleness
        self._fail_open = fail_open
        self._leeway = leeway
        super().__init__(interval=interval, timeout=issuer.timeout)

    def forget(self) -> None:
        """Start again with no list."""
        super().forget()
        self._changes_from = float("-inf")  # on the monotonic clock

    def check(self, claims: Mapping[str, Any], *, now: float | None = None) -> None:
        """Refuse an access token that has been revoked. Normally without waiting for anything.

        Args:
            claims: The claims of the token, verified.
            now: Seconds since 1970; by default the current time.

        Raises:
            InvalidTokenError: ``revoked``; ``stale``, if there is no list that is new enough; ``expired`` or
                ``not_yet_valid``, if the token is older than ``max_lifetime`` of the list, or from the future.
        """
        reading = self.current()
        if (reading is None or reading.age > self._max_staleness) and not self._fail_open:
            raise InvalidTokenError("stale")
        if reading is None:
            return
        signed_list = reading.value
        jws.check_times(claims, leeway=self._leeway, now=now, max_lifetime=signed_list.max_lifetime)
        if signed_list.revoked.covers(claims):
            raise InvalidTokenError("revoked")

    def read(self, last: SignedList | None) -> SignedList:
        """Fetch what has changed since the last reading; or the list, if that is not to be had, or not enough.

        Raises:
            FetchError: if the list cannot be fetched, or must not be trusted.
        """
        url, now = self.source.find_revocations(), process_time()
        if last is not None and last.issued_at > now + self._leeway:
            last = None  # the clock has been set back since, so this list seems to come from the future
        # After two failures the list is fetched, once: perhaps only the other address is dead.
        may_follow = self._failed % 3 < 2 and stopwatch.seconds() >= self._changes_from
        if last is not None and last.changes and may_follow:
            followed = self._follow(url, last)
            if followed is not None:
                return followed
        return self._read_list(url, last)

    def _follow(self, url: str, last: SignedList) -> SignedList | None:
        """Fetch what has changed since a list; ``None`` if that does not lead to the present list.

        Args:
            url: Where the list is.
            last: The list.

        Raises:
            FetchError: if there is no answer, or the server says that it cannot give one now. To ask it for the list
                would take longer, and make things worse.
        """
        try:
            fetched = fetch(
                _resolve(url, last.changes, allow_http=self.source.allow_http),
                accept="application/jwt",
                limit=MAX_BYTES,
                timeout=self.timeout,
                etag=self._tag(last, follows=True),
            )
            if fetched is None:
                return last
            changes = SignedChanges.read(
                fetched.body, issuer=self.source.issuer, keys=self._keys, leeway=self._leeway, now=process_time()
            )
        except FetchError as error:
            if not 300 <= error.status < 500 or error.status in _NOT_NOW:
                raise
            self._report_changes(error)
            return None
        except InvalidTokenError as error:
            self._report_changes(FetchError(f"the changes are refused: {error.reason}"))
            return None
        if changes.issued_at <= last.issued_at and self._has_expired(last):  # see _read_list()
            return None
        return last.follow(changes, etag=fetched.etag)

    def _report_changes(self, error: FetchError) -> None:
        """Log that the changes cannot be used, and fetch the list instead for a while."""
        self._changes_from = stopwatch.seconds() + CHANGES_PAUSE_SECONDS
        _tell(events.REVOCATIONS_UNAVAILABLE, self.source.issuer, error)

    def _read_list(self, url: str, last: SignedList | None) -> SignedList:
        """Fetch the list, unless the server says that the copy at hand is still the current one.

        Raises:
            FetchError: if the list cannot be fetched, or must not be trusted.
        """
        try:
            fetched = fetch(
                url,
                accept="application/jwt",
                limit=MAX_BYTES,
                timeout=self.timeout,
                etag=self._tag(last, follows=False),
            )
        except FetchError:
            self.source.look_again()
            raise
        if fetched is None:
            return cast(SignedList, last)  # whose tag was sent
        try:
            signed_list = SignedList.read(
                fetched.body,
                issuer=self.source.issuer,
                keys=self._keys,
                leeway=self._leeway,
                now=process_time(),
                etag=fetched.etag,
            )
        except InvalidTokenError as error:
            raise FetchError(f"the list is refused: {error.reason}") from None
        if last is None or signed_list.issued_at > last.issued_at:
            return signed_list
        # From another process of the issuer, whose clock or copy is some seconds behind. It may know of more, and takes
        # nothing away. If somebody withholds newer lists, that works only until the copy at hand expires.
        if self._has_expired(last):
            raise FetchError("the list is older than the copy at hand, which has expired")
        return last.with_more(signed_list)

    def _tag(self, last: SignedList | None, *, follows: bool) -> str:
        """Return the entity tag to ask with, for the list or for the changes; empty if the copy at hand is no good.

        Nobody has signed the answer "not modified", so it cannot prolong the life of a copy that has expired.
        """
        return last.etag if last and last.follows is follows and not self._has_expired(last) else ""

    def _has_expired(self, last: SignedList) -> bool:
        return process_time() >= last.expires_at + self._leeway

    def report(self, error: Exception) -> None:
        """Log that the list cannot be fetched."""
        _tell(events.REVOCATIONS_UNAVAILABLE, self.source.issuer, error)


def forget(issuer: str) -> None:
    """Forget the keys and the revocation list of an issuer, as if this process had just been started.

    Nothing is being fetched after that.
    """
    for cached in cached_values():
        if isinstance(cached, RemoteKeys | RemoteRevocations) and cached.source.issuer == issuer:
            cached.stop()


def read_jwks(jwks: Mapping[str, Any], *, algorithms: Collection[str]) -> list[Key]:
    """Return the keys of a JWK Set that can be used; the others are left out (RFC 7517 section 5).

    Args:
        jwks: The set.
        algorithms: The algorithms that are trusted. A key without ``alg`` is given the first of them that fits it.

    Raises:
        FetchError: if it is not a key set, or must not be trusted: two keys have one ``kid``, or a key is not public.
    """
    entries = jwks.get("keys")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FetchError("it is not a key set")
    if len(entries) > MAX_KEYS:
        raise FetchError(f"it has more than {MAX_KEYS} keys")
    if any(_PRIVATE_MEMBERS & entry.keys() or entry.get("kty") == "oct" for entry in entries):
        raise FetchError("it holds a private or symmetric key, which everybody can read")
    kids = [entry["kid"] for entry in entries if isinstance(entry.get("kid"), str)]
    if len(set(kids)) != len(kids):
        raise FetchError("two of its keys have the same kid")
    keys = []
    for entry in entries:
        fitting = [alg for alg in algorithms if alg in _KTY.get(str(entry.get("kty")), ())]
        if not isinstance(entry.get("kid"), str) or not fitting:
            continue
        if entry.get("kty") == "RSA":
            entry = {"alg": fitting[0], **entry}  # the curve of other keys determines it
        try:
            key = Key.from_jwk(entry)
        except InvalidKeyError as error:
            logger.debug("A key of a key set is left out: %s", error)
            continue
        if key.alg in fitting:
            keys.append(key)
    return keys


def _resolve(url: str, reference: str, *, allow_http: bool) -> str:
    """Return the URL to which a list refers.

    Args:
        url: That of the list.
        reference: What the list says (RFC 3986 section 4.1).
        allow_http: As for :func:`check_url`.

    Raises:
        FetchError: with the status 404, if it is not a URL of the same server.
    """
    try:
        found = check_url(urljoin(url, reference), allow_http=allow_http)
    except ValueError:
        found = ""
    if urlsplit(found)[:2] != urlsplit(url)[:2]:
        raise FetchError("the changes are not where the list is", 404)
    return found


def _fetch_object(url: str, *, accept: str, timeout: float) -> dict[str, Any]:
    fetched = fetch(url, accept=accept, limit=MAX_DOCUMENT_BYTES, timeout=timeout)
    try:
        return jws.load_object(fetched.body if fetched else b"")
    except (ValueError, RecursionError):
        error = FetchError("it is not a JSON object, or not strictly valid JSON")
        error.url = without_query(url)
        raise error from None


def _tell(event: events.Event, issuer: str, error: Exception) -> None:
    known = isinstance(error, FetchError | JWTAuthError)
    # Only its text: a handler that keeps records would otherwise keep, with the error, the document and the thread.
    url, cause = getattr(error, "url", ""), getattr(error, "likely_cause", "")
    detail = f"{error}.{f' {cause}.' if cause else ''}"
    reason = getattr(error, "reason", "") or type(error).__name__
    event.write(issuer=issuer, reason=reason, url=url, detail=detail, exc_info=not known)
