"""Computes a project's own claims: from the ``CLAIMS`` mapping, then from the hooks in ``CLAIMS_HOOKS``."""

import copy
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest
from django.utils.module_loading import import_string

from . import conf
from ._core import jws
from ._core.custom_claims import is_registered, json_problem
from .errors import ClaimsHookError, ReservedClaimError
from .models import RefreshToken

logger = logging.getLogger("django_jwtauth")

MAPPING = "JWTAUTH['CLAIMS']"
"""The name of the mapping in logs and errors, where hooks have their dotted path."""

Hook = Callable[..., Any]


def load(path: str) -> Hook:
    """Import a hook.

    Raises:
        ImportError: if nothing has that name.
    """
    hook: Hook = import_string(path)
    return hook


def run(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, dict[str, Any]]:
    """Return the claims of the mapping and of each hook for this user.

    Args:
        user: The user of the session.
        request: The request of the sign-in or refresh, if there is one.
        session: The session; at sign-in it is not saved yet.

    Returns:
        The claims by the path of the hook, in the order of the settings. If two hooks set the same claim, the later one
        wins.

    Raises:
        ReservedClaimError: if a hook sets a registered claim.
        ClaimsHookError: if a hook raises, or returns something that is not JSON.
    """
    config = conf.get_config()
    claims: dict[str, dict[str, Any]] = {}
    if config.claims:
        claims[MAPPING] = {}
        for name, path in config.claims.items():
            value = call(f"{MAPPING}[{name!r}]", _attribute, user, path)
            if value is not None:
                claims[MAPPING] |= checked(f"{MAPPING}[{name!r}]", {name: value})
    for hook in config.claims_hooks:
        given = call(hook, lambda: load(hook)(user, request=request, session=copy_of(session)))  # noqa: B023
        claims[hook] = checked(hook, given)
    return claims


def call(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the project.

    Args:
        name: Its name for the log.
        function: The function.
        args: Its arguments.

    Raises:
        ClaimsHookError: if it raises.
    """
    try:
        return function(*args)
    except Exception as error:
        raise failure(name, f"it raised {type(error).__name__}.") from error


def checked(hook: str, given: object) -> dict[str, Any]:
    """Return the claims that a hook has returned, in the form in which they will be read from the token.

    They are a copy, so the hook cannot change them afterwards.

    Raises:
        ReservedClaimError: if a claim is registered.
        ClaimsHookError: if a claim is not JSON.
    """
    if not isinstance(given, Mapping):
        raise failure(hook, f"it must return a mapping, not {type(given).__name__}.")
    claims: dict[str, Any] = call(hook, dict, given)
    _refuse_problem(hook, call(hook, _problem, claims))
    try:
        plain = jws.load_object(json.dumps(claims).encode())
    except Exception:
        raise failure(hook, "it returns two claims of the same name, or something that is not JSON.") from None
    # Checked again: instances of a hook's own classes may compare, count and present themselves as they like, while the
    # values that JSON gives back are plain.
    _refuse_problem(hook, _problem(plain))
    if reserved := sorted(name for name in plain if is_registered(name)):
        error = ReservedClaimError(hook, f"it may not set {', '.join(map(ascii, reserved))}.")
        logger.error("%s", error)
        raise error
    return plain


def failure(hook: str, message: str, *, reason: str = "failed") -> ClaimsHookError:
    """Log the error of a hook, and return it."""
    error = ClaimsHookError(hook, message, reason)
    logger.error("%s", error)
    return error


def copy_of(session: RefreshToken) -> RefreshToken:
    """Return a copy of a session for a project's code. Whatever that code changes, ours stays as it is."""
    copied = copy.copy(session)
    copied.amr = list(session.amr)
    return copied


def _problem(claims: Mapping[Any, Any]) -> str:
    for name, value in claims.items():
        if not isinstance(name, str) or name == "":
            return "names of claims are strings that are not empty."
        if problem := json_problem({name: value}):
            return f"the claim {name!r} is not JSON: {problem}."
    return ""


def _refuse_problem(hook: str, problem: str) -> None:
    if problem:
        raise failure(hook, problem)


def _attribute(user: AbstractBaseUser, path: tuple[str, ...]) -> Any:
    """Follow a path of attributes. Return ``None`` where it ends early: then the token gets no such claim."""
    value: Any = user
    for name in path:
        try:
            value = getattr(value, name)
        except ObjectDoesNotExist:
            return None  # for example a user without a profile
        if value is None:
            return None
    # Times, UUIDs, decimals and lazy texts take the form that Django's serializers give them.
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))
