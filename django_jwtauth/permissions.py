"""Permission classes for Django REST framework that look at the access token alone.

They are made where they are used, ``permission_classes = [IsAuthenticated, HasScope("orders:read")]``, and combine with
``&``, ``|`` and ``~`` as all permission classes do. What a refusal tells the client is told by REST framework only for
those that stand in the list by themselves.
"""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from . import conf
from ._core.setting_kinds import is_text
from .errors import JWTAuthError
from .refusals import error_body
from .verifier import AccessToken

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"})


class Challenge(APIException):
    """A refusal that says what would do instead (``WWW-Authenticate``)."""

    def __init__(self, *, status_code: int, error: str, **parameters: str) -> None:
        super().__init__(detail={**error_body(JWTAuthError(error, error)), **parameters}, code=error)
        self.status_code = status_code
        words = [f'error="{error}"', *(f'{name}="{value}"' for name, value in parameters.items())]
        self.auth_header = ", ".join(['Bearer realm="api"', *words])


class TokenPermission(BasePermission):
    """What the classes below share."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Look at the token. Requests that were not authenticated by one are refused."""
        self._request = request
        token = request.auth
        return isinstance(token, AccessToken) and self.accepts(token, request)

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        """Look at the token again: ``~`` turns around what this says, too."""
        return self.has_permission(request, view)

    def accepts(self, token: AccessToken, request: Request) -> bool:
        """Tell whether a token will do for a request."""
        raise NotImplementedError

    def challenge(self, request: Request) -> Challenge | None:
        """Return what to tell who is refused; ``None`` for REST framework's own 403."""
        return None

    @property
    def message(self) -> Any:
        """Raise the challenge.

        REST framework asks for this when it refuses, and not before: in a combination another class may still accept,
        so :meth:`has_permission` must not raise. Who came without a token is told what REST framework tells everybody:
        there is no token that lacks anything (RFC 6750 section 3.1).
        """
        if isinstance(self._request.auth, AccessToken) and (challenge := self.challenge(self._request)) is not None:
            raise challenge
        return None


class _Scopes(TokenPermission):
    scopes: ClassVar[Mapping[str, tuple[str, ...]]]
    """By method; those of all others under an empty name."""
    enough: ClassVar[Any]

    def needed(self, request: Request) -> tuple[str, ...] | None:
        """Return the scopes for the request's method; ``None`` if there are none that would do."""
        method = str(request.method)
        if method in ("HEAD", "OPTIONS") and method not in self.scopes:
            method = "GET"
        return self.scopes.get(method, self.scopes.get(""))

    def accepts(self, token: AccessToken, request: Request) -> bool:
        needed = self.needed(request)
        return needed is not None and self.enough(scope in token.scopes for scope in needed)

    def challenge(self, request: Request) -> Challenge | None:
        needed = self.needed(request)
        return needed and Challenge(status_code=403, error="insufficient_scope", scope=" ".join(needed))  # type: ignore[return-value]


def HasScope(*scopes: str, **by_method: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that wants all of these scopes in the token (RFC 6750 section 3.1).

    Args:
        scopes: For all methods.
        by_method: For single methods in place of those, several separated by spaces: ``HasScope(GET="orders:read",
            POST="orders:read orders:write")``. ``GET`` stands for ``HEAD`` and ``OPTIONS`` too. A method that nothing
            is said of is refused.

    Raises:
        ValueError: if a scope is none (RFC 6749 section 3.3), or a method.
    """
    return _scopes("HasScope", all, scopes, by_method)


def HasAnyScope(*scopes: str, **by_method: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that wants one of these scopes. Arguments and errors as for :func:`HasScope`."""
    return _scopes("HasAnyScope", any, scopes, by_method)


def _scopes(name: str, enough: Any, scopes: tuple[str, ...], by_method: Mapping[str, str]) -> type[BasePermission]:
    table = {method: tuple(text.split()) for method, text in by_method.items()}
    if scopes:
        table[""] = scopes
    given = [scope for row in table.values() for scope in row]
    if not table or not all(table.values()) or not all(conf.SCOPE.fullmatch(scope) for scope in given):
        raise ValueError(f"{name} needs scopes, like {name}('orders:read') or {name}(GET='orders:read').")
    if unknown := table.keys() - METHODS - {""}:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))} is no method.")
    return type(name, (_Scopes,), {"scopes": table, "enough": staticmethod(enough)})


def HasClaim(name: str, *values: Any) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that wants a claim in the token.

    Args:
        name: Of the claim.
        values: The claim must be one of these, or a list that holds one of them; without any, it must be there and not
            be null. ``1``, ``1.0`` and ``True`` are three values.

    Raises:
        ValueError: if the name is empty, or a value is ``None`` (a token without the claim would pass) or no JSON.
        TypeError: if a value is of no type that JSON has.
    """
    if not is_text(name) or any(value is None for value in values):
        raise ValueError("HasClaim needs the name of a claim, and values that are not None.")
    wanted = [_exact(value) for value in values]

    class _HasClaim(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            claim = token.claims.get(name)
            if not values:
                return claim is not None
            held = [claim, *(claim if isinstance(claim, list) else ())]
            return any(_exact(value) in wanted for value in held)

    _HasClaim.__name__ = _HasClaim.__qualname__ = "HasClaim"
    return _HasClaim


def _exact(value: object) -> str:
    # To Python 1, 1.0 and True are equal, inside of lists too; and members of enums are written as their values.
    return json.dumps(value, sort_keys=True, allow_nan=False)


def RecentLogin(*, max_age: timedelta | int) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that wants the user to have been authenticated lately (RFC 9470).

    Somebody who acts as the user is refused: then it is not known.

    Args:
        max_age: How long ago that may be; an int is seconds.

    Raises:
        ValueError: if it is not more than 0.
    """
    seconds = int(max_age.total_seconds() if isinstance(max_age, timedelta) else max_age)
    if seconds <= 0:
        raise ValueError("RecentLogin needs a max_age of more than 0 seconds.")

    class _RecentLogin(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            auth_time = token.claims.get("auth_time")
            leeway = conf.get_config().leeway.total_seconds()
            is_acting = "act" in token.claims  # in whatever form another issuer says it
            return auth_time is not None and not is_acting and time.time() - auth_time <= seconds + leeway

        def challenge(self, request: Request) -> Challenge:
            return _step_up(max_age=str(seconds))

    _RecentLogin.__name__ = _RecentLogin.__qualname__ = "RecentLogin"
    return _RecentLogin


def RequireACR(*values: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that wants the user to have been authenticated in one of these ways (RFC 9470).

    Args:
        values: Values of the claim ``acr``, best first.

    Raises:
        ValueError: if there is none, or one that holds spaces or quotes.
    """
    if not values or not all(conf.SCOPE.fullmatch(value) for value in values):
        raise ValueError("RequireACR needs values of the claim acr, without spaces, quotes and backslashes.")

    class _RequireACR(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            return token.claims.get("acr") in values

        def challenge(self, request: Request) -> Challenge:
            return _step_up(acr_values=" ".join(values))

    _RequireACR.__name__ = _RequireACR.__qualname__ = "RequireACR"
    return _RequireACR


def _step_up(**parameters: str) -> Challenge:
    return Challenge(status_code=401, error="insufficient_user_authentication", **parameters)
