"""Runs the project's claims hooks. They cannot set a registered claim, nor put into a token what is no JSON."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from . import conf
from .errors import ClaimsHookError, ReservedClaimError
from .models import RefreshToken

# RFC 9068 section 2.2, RFC 7519 section 4.1, and what we or later RFCs (7800, 8693) give a meaning to.
RESERVED = frozenset(
    [
        *("iss", "sub", "aud", "client_id", "iat", "exp", "nbf", "jti", "sid", "gen", "typ"),
        *("auth_time", "scope", "amr", "acr", "act", "cnf", "status"),
    ]
)
MAX_DEPTH = 32
"""How deep claims may be nested: far less than what a JSON parser bears."""

Hook = Callable[..., Mapping[str, Any]]


def load(path: str) -> Hook:
    """Import a hook.

    Raises:
        ImportError: if there is none of that name.
    """
    hook: Hook = import_string(path)
    return hook


def run(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, Mapping[str, Any]]:
    """Return what each hook gives for this user, by the path of the hook; later hooks win over earlier ones.

    Args:
        user: The user of the session.
        request: The request of the sign-in or refresh, if there is one.
        session: The session; at sign-in it is not saved yet.

    Raises:
        ReservedClaimError: if a hook sets a registered claim.
        ClaimsHookError: if a hook raises, or gives what is no JSON.
    """
    claims: dict[str, Mapping[str, Any]] = {}
    for path in conf.get_config().claims_hooks:
        try:
            given: Any = load(path)(user, request=request, session=session)
        except Exception as error:
            raise ClaimsHookError(path, f"it raised {type(error).__name__}.") from error
        if not isinstance(given, Mapping):
            raise ClaimsHookError(path, f"it must return a mapping, not {type(given).__name__}.")
        if reserved := RESERVED & given.keys():
            raise ReservedClaimError(path, f"it may not set {', '.join(sorted(reserved))}.")
        for name, value in given.items():
            if not isinstance(name, str) or name == "":
                raise ClaimsHookError(path, "names of claims are strings that are not empty.")
            if problem := _json_problem({name: value}):
                raise ClaimsHookError(path, f"the claim {name!r} is no JSON: {problem}.")
        claims[path] = given
    return claims


def _json_problem(value: object, depth: int = 0) -> str:
    """Say what in a value would not come out of JSON as it went in; empty if all of it does."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return "" if _has_digits(value) else "it holds an integer of too many digits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "it holds NaN or Infinity"
    if isinstance(value, str):
        return "" if value.isascii() or _is_unicode(value) else "it holds a lone surrogate"
    if depth > MAX_DEPTH:
        return f"it is nested deeper than {MAX_DEPTH}"
    if isinstance(value, list | tuple):
        return next(filter(None, (_json_problem(item, depth + 1) for item in value)), "")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            return "it holds a mapping with keys that are not str"
        return next(filter(None, (_json_problem(item, depth + 1) for item in [*value, *value.values()])), "")
    return f"it holds a value of type {type(value).__name__}"


def _has_digits(value: int) -> bool:
    try:
        str(value)
    except ValueError:
        return False  # past sys.get_int_max_str_digits(), as json.dumps() would find
    return True


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
