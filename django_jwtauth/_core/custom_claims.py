"""What a project's own claim may be: not a registered one, and JSON that every language reads in the same way."""

import math
import unicodedata

# RFC 9068 section 2.2, RFC 7519 section 4.1, and the claims that we or later RFCs (7800, 8693) define.
RESERVED = frozenset(
    [
        *("iss", "sub", "aud", "client_id", "iat", "exp", "nbf", "jti", "sid", "gen", "typ"),
        *("auth_time", "scope", "amr", "acr", "act", "cnf", "status"),
    ]
)
MAX_DEPTH = 32
"""How deeply claims may be nested: far less deeply than JSON parsers can read."""
MAX_INTEGER = 2**53 - 1
"""Where all numbers are doubles, as in JavaScript, larger ones are silently rounded (RFC 7493 section 2.2)."""


def _plain(name: str) -> str:
    # Through upper case, as some parsers compare: that of the dotless i and of the long s is I and S.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).upper().casefold())
    return "".join(char for char in folded if char.isalnum())


_RESERVED_PLAIN = frozenset(map(_plain, RESERVED))


def is_registered(name: str) -> bool:
    """Tell whether a name is that of a registered claim, or may be mistaken for it.

    Some JSON parsers ignore the case of names (Go's), and some frameworks turn ``client_id`` into ``clientId``. For
    them, a claim ``Sub`` would be a second ``sub``. So only the letters and digits of a name are compared, and without
    regard to case and compatibility forms (NFKC, for example full-width letters).
    """
    return _plain(name) in _RESERVED_PLAIN


def json_problem(value: object, depth: int = 0) -> str:
    """Say what in a value JSON would not carry unchanged to every language; empty if there is nothing."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return (
            "" if abs(value) <= MAX_INTEGER else "it holds an integer that other languages would round; make it a str"
        )
    if isinstance(value, float):
        return "" if math.isfinite(value) else "it holds NaN or Infinity"
    if isinstance(value, str):
        return "" if value.isascii() or _is_unicode(value) else "it holds a lone surrogate"
    if depth > MAX_DEPTH:
        return f"it is nested deeper than {MAX_DEPTH}"
    if isinstance(value, list | tuple):
        return next(filter(None, (json_problem(item, depth + 1) for item in value)), "")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            return "it holds a mapping with keys that are not str"
        return next(filter(None, (json_problem(item, depth + 1) for item in [*value, *value.values()])), "")
    return f"it holds a value of type {type(value).__name__}"


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
