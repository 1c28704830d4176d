"""Permission classes for Django REST framework that look at the access token alone.

They are made where they are used, ``permission_classes = [IsAuthenticated, HasScope("orders:read")]``, and combine with
``&``, ``|`` and ``~`` as all permission classes do. REST framework passes the challenge of a refusal on to the client
only if the class is an item of the list itself, not part of a combination.
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
from .arguments import expect, expect_list
from .errors import JWTAuthError
from .refusals import bearer_challenge, error_body, error_detail
from .verifier import AccessToken

DENIED = "permission_denied"
"""The code for refusing a request that was not authenticated by a token."""
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"})


class Challenge(APIException):
    """A refusal that tells the client what is required (``WWW-Authenticate``)."""

    def __init__(self, *, status_code: int, error: str, **parameters: str) -> None:
        super().__init__(detail={**error_body(JWTAuthError(error, error)), **parameters}, code=error)
        self.status_code = status_code
        self._parameters = {"error": error, **parameters}

    realm = "api"
    """That of the authentication class, once the request has been refused."""

    @property
    def auth_header(self) -> str:
        """The value of ``WWW-Authenticate``."""
        return bearer_challenge(self.realm, **self._parameters)


class TokenPermission(BasePermission):
    """The base of the classes below, and of classes of your own that look at the access token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        self._request = request
        token = request.auth
        return isinstance(token, AccessToken) and self.accepts(token, request)

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        # REST framework's own answer is always True, which ~ would turn into a refusal.
        return self.has_permission(request, view)

    def accepts(self, token: AccessToken, request: Request) -> bool:
        """Tell whether a token is enough for a request.

        Args:
            token: The token that authenticated the request. A request without a token has already been refused.
            request: The request.
        """
        raise NotImplementedError

    def challenge(self, request: Request) -> Challenge | None:
        """Return the error for a request whose token is not enough; ``None`` for REST framework's own 403.

        Args:
            request: The request.
        """
        return None

    @property
    def message(self) -> Any:
        """Raise the challenge.

        REST framework reads this only when it refuses the request. :meth:`has_permission` must not raise, because in a
        combination another class may still accept the request. A request without a token gets no challenge, since no
        token lacks anything (RFC 6750 section 3.1): an anonymous one gets REST framework's 401, and one that was
        authenticated in another way gets a 403 that says so.
        """
        if not isinstance(self._request.auth, AccessToken):
            return error_detail(JWTAuthError(DENIED, "no_token"))
        if (challenge := self.challenge(self._request)) is not None:
            challenge.realm = getattr(self._request.successful_authenticator, "www_authenticate_realm", challenge.realm)
            raise challenge
        return None


class _Scopes(TokenPermission):
    scopes: ClassVar[Mapping[str, tuple[str, ...]]]
    """By method. The empty name stands for all methods that are not listed."""
    enough: ClassVar[Any]

    def needed(self, method: str) -> tuple[str, ...] | None:
        """Return the scopes that a method needs; ``None`` if no scope allows it."""
        if method in ("HEAD", "OPTIONS") and method not in self.scopes:
            method = "GET"
        return self.scopes.get(method, self.scopes.get(""))

    def accepts(self, token: AccessToken, request: Request) -> bool:
        needed = self.needed(str(request.method))
        return needed is not None and self.enough(scope in token.scopes for scope in needed)

    def challenge(self, request: Request) -> Challenge | None:
        needed = self.needed(str(request.method))
        return needed and Challenge(status_code=403, error="insufficient_scope", scope=" ".join(needed))  # type: ignore[return-value]


def HasScope(*scopes: str, **by_method: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that requires all of these scopes in the token (RFC 6750 section 3.1).

    Args:
        scopes: The scopes for all methods that ``by_method`` does not list.
        by_method: The scopes for single methods, separated by spaces: ``HasScope(GET="orders:read",
            POST="orders:read orders:write")``. Unless they are listed themselves, ``HEAD`` and ``OPTIONS`` need the
            scopes of ``GET``. Without ``scopes``, a method that is not listed is refused.

    Raises:
        ValueError: if a scope is malformed (RFC 6749 section 3.3), a method is unknown, or no scope is given.
        TypeError: if a scope is not text.
    """
    return _scopes("HasScope", all, scopes, by_method)


def HasAnyScope(*scopes: str, **by_method: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that requires any of these scopes. Arguments and errors as for :func:`HasScope`."""
    return _scopes("HasAnyScope", any, scopes, by_method)


def _scopes(name: str, enough: Any, scopes: tuple[str, ...], by_method: Mapping[str, str]) -> type[BasePermission]:
    expect_list(str, f"texts, like {name}('orders:read')", scopes=scopes)
    expect(str, "a text, with spaces between scopes", **by_method)
    table = {method: tuple(text.split()) for method, text in by_method.items()}
    if scopes:
        table[""] = scopes
    given = [scope for row in table.values() for scope in row]
    if not table or not all(table.values()) or not all(conf.SCOPE.fullmatch(scope) for scope in given):
        raise ValueError(f"{name} needs scopes, like {name}('orders:read') or {name}(GET='orders:read').")
    if unknown := table.keys() - METHODS - {""}:
        raise ValueError(f"{name}: not a method: {', '.join(sorted(unknown))}.")
    return type(name, (_Scopes,), {"scopes": table, "enough": staticmethod(enough)})


def needed_scopes(permission: BasePermission, method: str) -> list[tuple[str, ...]]:
    """Return the alternatives of scopes that a permission requires for a method; empty if it requires none.

    Args:
        permission: A permission of a view; not a combination of several.
        method: In capitals.
    """
    if not isinstance(permission, _Scopes) or not (needed := permission.needed(method)):
        return []
    return [needed] if permission.enough is all else [(scope,) for scope in needed]


def HasClaim(name: str, *values: Any) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that requires a claim in the token.

    Args:
        name: The name of the claim.
        values: The claim must equal one of these, or be a list that contains one of them. Without values, the claim
            must be present and not null. ``1``, ``1.0`` and ``True`` are three different values.

    Raises:
        ValueError: if the name is empty, or a value is ``None`` (a token without the claim would pass) or not JSON.
        TypeError: if a value has a type that JSON does not have.
    """
    if not is_text(name) or any(value is None for value in values):
        raise ValueError("HasClaim needs the name of a claim, and values that are not None.")
    wanted = [_exact(value) for value in values]

    class _HasClaim(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            claim = token.claims.get(name)
            if not values:
                return claim is not None
            found = [claim, *(claim if isinstance(claim, list) else ())]
            return any(_exact(value) in wanted for value in found)

    _HasClaim.__name__ = _HasClaim.__qualname__ = "HasClaim"
    return _HasClaim


def _exact(value: object) -> str:
    # Python regards 1, 1.0 and True as equal, also inside lists. Members of enums are written as their values.
    return json.dumps(value, sort_keys=True, allow_nan=False)


def RecentLogin(*, max_age: timedelta | int) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that requires a recent authentication of the user (RFC 9470).

    A person who acts as the user is refused, since it is not known when the user was authenticated.

    Args:
        max_age: How long ago the authentication may be; an int is seconds.

    Raises:
        ValueError: if ``max_age`` is shorter than a second.
        TypeError: if it is something else.
    """
    expect((timedelta, int), "a timedelta, or an int of seconds", max_age=max_age)
    seconds = int(max_age.total_seconds() if isinstance(max_age, timedelta) else max_age)
    if seconds <= 0:
        raise ValueError("RecentLogin needs a max_age of at least one second.")

    class _RecentLogin(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            auth_time = token.claims.get("auth_time")
            leeway = conf.get_config().leeway.total_seconds()
            return auth_time is not None and not _is_acting(token) and time.time() - auth_time <= seconds + leeway

        def challenge(self, request: Request) -> Challenge:
            return _step_up(max_age=str(seconds))

    _RecentLogin.__name__ = _RecentLogin.__qualname__ = "RecentLogin"
    return _RecentLogin


def RequireACR(*values: str) -> type[BasePermission]:  # noqa: N802
    """Make a permission class that requires the user to have been authenticated in one of these ways (RFC 9470).

    A person who acts as the user is refused, whatever the token says: it was not the user who was authenticated.

    Args:
        values: Accepted values of the claim ``acr``, best first.

    Raises:
        ValueError: if no value is given, or one contains spaces, quotes or backslashes.
        TypeError: if one is not text.
    """
    expect_list(str, "texts, like RequireACR('two-factor')", values=values)
    if not values or not all(conf.SCOPE.fullmatch(value) for value in values):
        raise ValueError("RequireACR needs values of the claim acr, without spaces, quotes or backslashes.")

    class _RequireACR(TokenPermission):
        def accepts(self, token: AccessToken, request: Request) -> bool:
            return token.claims.get("acr") in values and not _is_acting(token)

        def challenge(self, request: Request) -> Challenge:
            return _step_up(acr_values=" ".join(values))

    _RequireACR.__name__ = _RequireACR.__qualname__ = "RequireACR"
    return _RequireACR


def _is_acting(token: AccessToken) -> bool:
    return "act" in token.claims  # whatever form another issuer gives the claim


def _step_up(**parameters: str) -> Challenge:
    return Challenge(status_code=401, error="insufficient_user_authentication", **parameters)
