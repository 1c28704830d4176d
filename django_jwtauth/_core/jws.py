"""Signed tokens: writing them, and verifying them strictly. All types of tokens are verified by one function.

Everything around the signatures (RFC 7515, 7519, 8725, 9068) is read here, more strictly than the RFCs demand, so that
a token text has one meaning only.
"""

import functools
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import InvalidTokenError
from ..keys import Key, b64url_decode, b64url_encode
from ..secret import Secret, hide
from . import events

YEAR_10000 = 253402300800  # in seconds since 1970; no datetime can hold this time
MAX_GENERATION = 2**31

_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # the category Cc of Unicode
_HEADERS = 64
"""How many headers are remembered: all tokens of a key have the same."""
_HEADER_LENGTH = 512
"""In bytes; longer headers are not remembered."""
_MAX_HEADER_LENGTH = 64 * 1024
"""In bytes. A header is read before the signature is checked, and a document of megabytes may be all header."""
_MALFORMED = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a type of token must contain. Every type must also have ``iat`` and ``exp``."""

    typ: str
    """Its media type, in the header (RFC 8725 section 3.11)."""
    strings: tuple[str, ...]
    """Required claims that are non-empty strings."""
    integers: tuple[str, ...] = ()
    """Required claims that are integers from 0 to 2^31 - 1."""
    has_audience: bool = True
    """Whether ``aud`` is required."""


ACCESS = Profile(typ="at+jwt", strings=("iss", "sub", "client_id", "jti", "sid"))  # RFC 9068 section 2.2
REFRESH = Profile(typ="rt+jwt", strings=("iss", "jti", "sid"), integers=("gen",))
REVOCATIONS = Profile(typ="revocations+jwt", strings=("iss",), integers=("ttl", "max_lifetime"), has_audience=False)
# A type of its own, so that nobody takes what has changed for all there is.
CHANGES = replace(REVOCATIONS, typ="revocation-changes+jwt")

_OPTIONAL_STRINGS = ("scope", "acr")
_OPTIONAL_TIMES = ("nbf", "auth_time")


class Keys(Protocol):
    """Keys that are found by their ``kid``: a :class:`~django_jwtauth.keys.KeySet`, or another issuer's keys."""

    is_fixed: bool
    """Whether its keys are always the same."""

    def get(self, kid: object) -> Key | None:
        """Return the key of that ``kid``, or ``None``. Any value may be passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A token whose signature is valid."""

    key: Key
    claims: dict[str, Any] = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What a header says. The values can be anything."""

    typ: object
    kid: object
    alg: object


def sign(claims: Mapping[str, Any], *, typ: str, key: Key) -> str:
    """Return a token with these claims, in compact serialization (RFC 7515 section 7.1).

    The same arguments give the same text if the algorithm is deterministic (HMAC, EdDSA, RS).

    Raises:
        InvalidKeyError: if the key cannot sign.
        ValueError: if a claim cannot be JSON (NaN), or is not well-formed Unicode.
    """
    message = f"{_header_segment(key.alg, typ, key.kid)}.{b64url_encode(_dump(claims))}"
    return f"{message}.{b64url_encode(key.sign(message.encode('ascii')))}"


@functools.lru_cache(_HEADERS)
def _header_segment(alg: str, typ: str, kid: str) -> str:
    return b64url_encode(_dump({"alg": alg, "typ": typ, "kid": kid}))


def verify(
    raw: str | bytes | Secret,
    *,
    profile: Profile,
    keys: Keys,
    issuer: str,
    audience: Sequence[str] | None,
    max_length: int,
    leeway: float = 0.0,
    max_lifetime: float | None = None,
    now: float | None = None,
    ignore_times: bool = False,
) -> Signed:
    """Verify a token: form, type, algorithm, signature, claims, issuer, audience, times, in this order.

    Whether it was revoked is another question.

    Args:
        raw: The token as it was sent.
        profile: The type of token that is expected.
        keys: The keys that are trusted for it.
        issuer: The one issuer these keys belong to; ``iss`` is compared exactly.
        audience: The audiences that are accepted; ``aud`` must name one of them (RFC 7519 section 4.1.3). ``None``
            accepts any.
        max_length: In bytes; longer tokens are refused unread.
        leeway: In seconds: how far the clocks may differ.
        max_lifetime: In seconds after ``iat``: the token is refused after that, whatever its ``exp`` says, and so is
            a token whose ``iat`` is in the future. ``None`` means that ``iat`` is not compared with the time.
        now: Seconds since 1970; by default the current time.
        ignore_times: Whether an expired token, or one that is not valid yet, is accepted. A caller that sets this
            calls :func:`check_times` itself, or only wants to know which session the token belongs to.

    Raises:
        InvalidTokenError: with the reason of the first check that fails. Never another exception.
    """
    raw = hide(raw)
    signed = verify_signature(raw, profile=profile, keys=keys, max_length=max_length, issuer=issuer)
    _check_claims(signed.claims, profile=profile, issuer=issuer, audience=audience)
    if not ignore_times:
        check_times(signed.claims, leeway=leeway, now=now, max_lifetime=max_lifetime)
    return signed


def verify_signature(
    raw: str | bytes | Secret, *, profile: Profile, keys: Keys, max_length: int, issuer: str = ""
) -> Signed:
    """Check the form, type, algorithm and signature of a token, and nothing else: :func:`verify` checks the rest.

    Args:
        raw: The token as it was sent.
        profile: The type of token that is expected.
        keys: The keys that are trusted for it.
        max_length: In bytes; longer tokens are refused unread.
        issuer: Whose keys they are, for the log.

    Raises:
        InvalidTokenError: ``invalid``, or ``wrong_type`` for another ``typ``. Never another exception.
    """
    raw = hide(raw)
    parts = _parts(raw, max_length)
    if parts is None:
        raise InvalidTokenError("invalid")
    header, rest = parts
    if not _is_type(header.typ, profile.typ):
        raise InvalidTokenError("wrong_type")
    key = keys.get(header.kid)
    if key is None:
        events.tell_unknown_key(issuer, header.kid)
    if key is None or not key.accepts(header.alg):
        raise InvalidTokenError("invalid")
    try:
        good = key.verify(*rest.reveal()[1:])
    except Exception:
        # Whatever the bytes of a signature make a crypto library raise: the signature is bad.
        good = False
    # Only now: revocation lists are long, and JSON from a stranger may take twenty times its size in memory.
    claims = _object_or_none(rest.reveal()[0]) if good else None
    if claims is None:
        raise InvalidTokenError("invalid")
    return Signed(key=key, claims=claims, payload=rest.reveal()[0])


def _read_header(segment: bytes) -> _Header:
    """Read the first segment of a token.

    Raises:
        ValueError: if it is not strictly JSON, or asks for an extension.
        RecursionError: if it is nested too deeply.
    """
    header = load_object(b64url_decode(segment))
    # We support no extensions: `crit` names some, and `b64` is one (RFC 7797). `jku`, `jwk`, `x5u`, `x5c` are ignored.
    if "crit" in header or "b64" in header:
        raise ValueError("an extension")
    return _Header(typ=header.get("typ"), kid=header.get("kid"), alg=header.get("alg"))


# Whoever sends other headers only makes this reading as slow as it would be without.
_known_header = functools.lru_cache(_HEADERS)(_read_header)


def claimed_issuer(raw: str | bytes | Secret, *, max_length: int) -> str:
    """Return the ``iss`` of a token that has not been verified. Use it only to choose whose keys must verify the token.

    Raises:
        InvalidTokenError: ``invalid``, if the token has no ``iss``.
    """
    raw = hide(raw)
    try:
        issuer = load_object(b64url_decode(_segments(raw, max_length)[2])).get("iss")
    except _MALFORMED:
        issuer = None
    if not isinstance(issuer, str):
        raise InvalidTokenError("invalid")
    return issuer


def is_foreign(raw: str | bytes | Secret, *, max_length: int) -> bool:
    """Tell whether a token is visibly not ours: it has not three segments, or its ``typ`` is not one that we use.

    What may be a damaged token of ours is not foreign.

    Args:
        raw: The token as it was sent.
        max_length: In bytes; the header of a longer token is not read.
    """
    raw = hide(raw)
    if raw.reveal_bytes().count(b".") != 2:
        return True
    try:
        typ = load_object(b64url_decode(_segments(raw, max_length)[1])).get("typ")
    except _MALFORMED:
        return False
    return not any(_is_type(typ, profile.typ) for profile in (ACCESS, REFRESH, REVOCATIONS, CHANGES))


def reload(payload: bytes) -> dict[str, Any]:
    """Parse the payload of a token that :func:`verify` has accepted earlier, without checking it again."""
    claims: dict[str, Any] = json.loads(payload)
    return claims


def _check_claims(claims: Mapping[str, Any], *, profile: Profile, issuer: str, audience: Sequence[str] | None) -> None:
    """Check that the required claims are there and all known ones well-formed; then the issuer; then the audience.

    Raises:
        InvalidTokenError: ``invalid``, ``wrong_issuer`` or ``wrong_audience``.
    """
    aud = claims.get("aud") if profile.has_audience else "anybody"
    audiences = aud if isinstance(aud, list) else [aud]
    texts = [*map(claims.get, profile.strings), *audiences]
    texts += [claims[name] for name in _OPTIONAL_STRINGS if name in claims]
    times = [claims.get("iat"), claims.get("exp")]
    times += [claims[name] for name in _OPTIONAL_TIMES if name in claims]
    integers = [*map(claims.get, profile.integers)]
    if not (
        audiences
        and _are_texts(texts)
        and _are_integers(times, 1, YEAR_10000)
        and (not integers or _are_integers(integers, 0, MAX_GENERATION))
        and claims["exp"] > claims["iat"]
    ):
        raise InvalidTokenError("invalid")
    if claims["iss"] != issuer:
        raise InvalidTokenError("wrong_issuer")
    if audience is not None and not any(value in audience for value in audiences):
        raise InvalidTokenError("wrong_audience")


def check_times(
    claims: Mapping[str, Any], *, leeway: float, now: float | None = None, max_lifetime: float | None = None
) -> None:
    """Check ``exp`` and ``nbf``; and ``iat``, if there is a maximum lifetime.

    Args:
        claims: Claims that :func:`verify` has accepted.
        leeway: As for :func:`verify`.
        now: As for :func:`verify`.
        max_lifetime: As for :func:`verify`.

    Raises:
        InvalidTokenError: ``expired`` or ``not_yet_valid``.
    """
    now = time.time() if now is None else now
    if now >= claims["exp"] + leeway:  # RFC 7519 section 4.1.4: "on or after"
        raise InvalidTokenError("expired")
    if now < claims.get("nbf", 0) - leeway:
        raise InvalidTokenError("not_yet_valid")
    if max_lifetime is not None:
        if now >= claims["iat"] + max_lifetime + leeway:
            raise InvalidTokenError("expired")
        if now < claims["iat"] - leeway:
            raise InvalidTokenError("not_yet_valid")


def _dump(value: Mapping[str, Any]) -> bytes:
    return _COMPACT_JSON.encode(value).encode()


def load_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object: UTF-8 only, no duplicates, no NaN or Infinity, no lone surrogates (RFC 8725 section 2.6).

    Raises:
        ValueError: if it is anything else.
        RecursionError: if it is nested too deeply.
    """
    text = data.decode()
    # To look for white space around the object takes as long as reading it, and there is hardly ever any.
    value, end = _STRICT.raw_decode(text) if text.startswith("{") else (None, -1)
    if end != len(text):
        value = _STRICT.decode(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if b"\\u" in data:
        # Only an escape can bring in a lone surrogate; encode() then fails.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _object_or_none(data: bytes) -> dict[str, Any] | None:
    try:
        return load_object(data)
    except _MALFORMED:
        return None


def _parts(raw: Secret, max_length: int) -> tuple[_Header, Secret] | None:
    """Return the header of a token; and payload, signed bytes and signature. ``None`` if it is malformed.

    It raises nothing, because the variables of its frame, and of those below, show the token.
    """
    try:
        match = _segments(raw, max_length)
        payload, signature = b64url_decode(match[2]), b64url_decode(match[3])
        header = (_known_header if match.end(1) <= _HEADER_LENGTH else _read_header)(match[1])
        return header, Secret((payload, match.string[: match.end(2)], signature))
    except _MALFORMED:
        return None


def _segments(raw: Secret, max_length: int) -> re.Match[bytes]:
    """Return the three segments of a token.

    Raises:
        ValueError: if it has another form, or is too long.
    """
    if len(raw) > max_length:
        raise ValueError("too long")
    match = _COMPACT.fullmatch(raw.reveal_bytes())
    if match is None:
        raise ValueError("not three segments")
    if match.end(1) > _MAX_HEADER_LENGTH:
        raise ValueError("too long a header")
    return match


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate member")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """Read a number. 1e999 would become Infinity, which cannot be written as JSON again."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("too large a number")
    return value


def _is_type(typ: object, expected: str) -> bool:
    """Compare media types: case-insensitive, and ``application/`` may be left out (RFC 7515 section 4.1.9)."""
    return isinstance(typ, str) and typ.isascii() and typ.lower().removeprefix("application/") == expected


def _are_texts(values: list[Any]) -> bool:
    """Tell whether these are non-empty strings without control characters."""
    try:
        together = "".join(values)
    except TypeError:
        return False
    return all(values) and (together.isprintable() or not _CONTROL.search(together))


def _are_integers(values: list[Any], least: int, limit: int) -> bool:
    """Tell whether these are integers, neither bool nor float, from the least to below the limit."""
    return {*map(type, values)} == {int} and least <= min(values) and max(values) < limit


# json.dumps() would make an encoder each time.
_COMPACT_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
