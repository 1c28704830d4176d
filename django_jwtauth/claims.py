"""Computes the claims of a project's own: from the ``CLAIMS`` mapping, then from the hooks in ``CLAIMS_HOOKS``."""

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
"""What stands for the mapping where hooks are named."""

Hook = Callable[..., Any]


def load(path: str) -> Hook:
    """Import a hook.

    Raises:
        ImportError: if there is none of that name.
    """
    hook: Hook = import_string(path)
    return hook


def run(user: AbstractBaseUser, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, dict[str, Any]]:
    """Return what the mapping and each hook give for this user, by the path of the hook; later ones win.

    Args:
        user: The user of the session.
        request: The request of the sign-in or refresh, if there is one.
        session: The session; at sign-in it is not saved yet.

    Raises:
        ReservedClaimError: if a hook sets a registered claim.
        ClaimsHookError: if a hook raises, or gives what is no JSON.
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


def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of the project's.

    Args:
        name: What to call it in the log.
        function: It.
        args: Its arguments.
        kwargs: Its arguments by name.

    Raises:
        ClaimsHookError: if it raises.
    """
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise failure(name, f"it raised {type(error).__name__}.") from error


def checked(hook: str, given: object) -> dict[str, Any]:
    """Return the claims that a hook has given, as they will be read from the token.

    That is a copy: what a hook holds on to, it cannot change afterwards.

    Raises:
        ReservedClaimError: if one is registered.
        ClaimsHookError: if one is no JSON.
    """
    if not isinstance(given, Mapping):
        raise failure(hook, f"it must return a mapping, not {type(given).__name__}.")
    claims: dict[str, Any] = call(hook, dict, given)
    _refuse_problem(hook, call(hook, _problem, claims))
    try:
        plain = jws.load_object(json.dumps(claims).encode())
    except Exception:
        raise failure(hook, "it gives two claims of one name, or what is no JSON.") from None
    # Once more: values of classes of their own may compare, count and pretend to be as they like. These are plain.
    _refuse_problem(hook, _problem(plain))
    if reserved := sorted(name for name in plain if is_registered(name)):
        error = ReservedClaimError(hook, f"it may not set {', '.join(map(ascii, reserved))}.")
        logger.error("%s", error)
        raise error
    return plain


def failure(hook: str, message: str, *, reason: str = "failed") -> ClaimsHookError:
    """Return the error of a hook, and say it in the log."""
    error = ClaimsHookError(hook, message, reason)
    logger.error("%s", error)
    return error


def copy_of(session: RefreshToken) -> RefreshToken:
    """Return a session for a project's code to look at: whatever that does to it, ours stays as it is."""
    copied = copy.copy(session)
    copied.amr = list(session.amr)
    return copied


def _problem(claims: Mapping[Any, Any]) -> str:
    for name, value in claims.items():
        if not isinstance(name, str) or name == "":
            return "names of claims are strings that are not empty."
        if problem := json_problem({name: value}):
            return f"the claim {name!r} is no JSON: {problem}."
    return ""


def _refuse_problem(hook: str, problem: str) -> None:
    if problem:
        raise failure(hook, problem)


def _attribute(user: AbstractBaseUser, path: tuple[str, ...]) -> Any:
    """Follow a path of attributes; ``None`` where it ends early: then there is no such claim."""
    value: Any = user
    for name in path:
        try:
            value = getattr(value, name)
        except ObjectDoesNotExist:
            return None  # a user without a profile
        if value is None:
            return None
    # Times, UUIDs, decimals and lazy texts as Django's serializers write them.
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))
