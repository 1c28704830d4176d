"""What a refusal says: its message for people, its body with ``code`` and ``reason`` for programs, and its headers.

When this module is imported, those of our errors that a client can cause become exceptions of REST framework. So any of
its views answers them, with the project's ``EXCEPTION_HANDLER``.

REST framework imports the authentication classes while it imports its own views, so nothing here imports models.
"""

import functools
from collections.abc import Mapping
from typing import Any, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed, ErrorDetail

from . import outages
from .errors import (
    InsufficientScopeError,
    InvalidScopeError,
    InvalidTargetError,
    InvalidTokenError,
    JWTAuthError,
    RefreshConflictError,
    code_of,
)

MESSAGES = {
    "credentials": _("No active account found with the given credentials"),
    "invalid": _("Token is invalid"),
    "wrong_type": _("Token has wrong type"),
    "expired": _("Token is expired"),
    "not_yet_valid": _("Token is not yet valid"),
    "wrong_audience": _("Token is meant for another service"),
    "wrong_issuer": _("Token is from another issuer"),
    "revoked": _("Token is revoked"),
    "reused": _("Refresh token was used before; the session has been ended"),
    "ahead": _("Token is newer than its session"),
    "session_expired": _("Session has expired"),
    "stale": _("Token cannot be checked at the moment"),
    "user_inactive": _("User is inactive"),
    "password_changed": _("The user's password has been changed"),
    "key_changed": _("Session belongs to another secret key of the server"),
    "insufficient_scope": _("Token lacks a required scope"),
    "insufficient_user_authentication": _("A more recent or stronger sign-in is needed"),
    "challenge": _("The password is right, but not enough to sign in"),
    "second_factor": _("A second factor is needed to sign in"),
    "unverified_address": _("The email address must be verified before signing in"),
    "unverified_phone": _("The phone number must be verified before signing in"),
    "csrf": _("CSRF check failed"),
    "no_token": _("The request was not authenticated by an access token"),
    "not_authenticated": _("Authentication credentials were not provided."),
    "conflict": _("Other refreshes of this session came first; try again"),
    "unavailable": _("The service is not available at the moment; try again"),
}
"""By reason."""
MESSAGES_BY_CODE = {
    "user_not_found": _("User not found"),
    "bad_authorization_header": _("Authorization header must contain two space-delimited values"),
}
"""By code, for the codes that say more than the reason."""


def error_body(error: JWTAuthError) -> dict[str, Any]:
    """Return the body of a response that refuses a request.

    Args:
        error: Why it is refused.

    Returns:
        ``detail`` for people, ``code`` and ``reason`` for programs.
    """
    # A project may raise our errors with reasons of its own; then the error's message is shown.
    detail = MESSAGES_BY_CODE.get(error.code) or MESSAGES.get(error.reason) or error.message or MESSAGES["invalid"]
    return {"detail": detail, "code": error.code, "reason": error.reason}


def error_detail(error: JWTAuthError, **members: str) -> Any:
    """Return the same as the ``detail`` of an API exception, whose ``get_codes()`` and ``get_full_details()`` work.

    Args:
        error: Why the request is refused.
        members: Further members of the body.
    """
    return APIException({**error_body(error), **members}, code=error.code).detail


def bearer_challenge(realm: str = "api", **parameters: str) -> str:
    """Return the value of ``WWW-Authenticate`` (RFC 6750 section 3).

    Args:
        realm: The realm.
        parameters: Further parameters, such as ``error``.
    """
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in {"realm": realm, **parameters}.items())


class ChallengeRequired(APIException):
    """The answer to a right password that is not enough: 401 with what else is needed."""

    status_code = status.HTTP_401_UNAUTHORIZED

    def __init__(self, challenge: Mapping[str, Any], *, realm: str) -> None:
        reason = str(challenge.get("reason", "challenge"))
        error = JWTAuthError(code_of("challenge"), reason, message=str(MESSAGES["challenge"]))
        super().__init__(error_body(error), code=error.code)
        self._codes, self._full_details = super().get_codes(), super().get_full_details()
        # As it is: REST framework would make texts of the numbers in it.
        self.detail = {**cast(dict[str, Any], self.detail), **challenge}
        self.auth_header = bearer_challenge(realm)

    def get_codes(self) -> Any:
        return self._codes

    def get_full_details(self) -> Any:
        return self._full_details


class Unavailable(APIException):
    """The response to a request that cannot be judged at the moment: 503 with ``Retry-After``.

    It is not an ``AuthenticationFailed``, or a client would refresh its token again and again.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    wait = 1

    def __init__(self, error: JWTAuthError) -> None:
        super().__init__(error_body(error), code=error.code)


def unavailable(error: Exception) -> Unavailable | None:
    """Return the response to a request that failed because the database is away, and log the outage.

    Args:
        error: The error with which the request has failed.

    Returns:
        The response, or ``None`` if the error has another cause.
    """
    outage = outages.outage(error)
    if outage is None:
        return None
    outages.report_database(outage)
    return Unavailable(JWTAuthError(code_of("unavailable"), "unavailable"))


def raise_if_unavailable(error: Exception) -> None:
    """Raise :class:`Unavailable` if an error means that the database is away. Return for any other error.

    Raises:
        Unavailable: with the error as its cause.
    """
    if (answer := unavailable(error)) is not None:
        raise answer from error


class _Answer(APIException):
    """What REST framework asks of an exception. Our errors get it as a second base, so ``__init__`` is not called."""

    auth_header = ""
    wait: int | None = None

    @functools.cached_property
    def detail(self) -> Any:  # type: ignore[override]
        return error_detail(cast(JWTAuthError, self))


class _TokenAnswer(_Answer, AuthenticationFailed):
    """401 with a challenge; 503 if the token cannot be checked.

    REST framework sets ``status_code`` and ``auth_header`` of an ``AuthenticationFailed``, according to the first
    authentication class of the view: to 403 if that class has no challenge. A refused token has a challenge of its own,
    so what REST framework sets is ignored.
    """

    challenge = ""
    """Set by those who know the realm, and whether the token was in the header."""

    @property
    def status_code(self) -> int:
        return Unavailable.status_code if self._is_stale else status.HTTP_401_UNAUTHORIZED

    @status_code.setter
    def status_code(self, value: int) -> None:
        pass

    @property
    def auth_header(self) -> str:
        return "" if self._is_stale else self.challenge or bearer_challenge()

    @auth_header.setter
    def auth_header(self, value: str) -> None:
        pass

    @property
    def wait(self) -> int | None:  # type: ignore[override]
        return Unavailable.wait if self._is_stale else None

    @property
    def _is_stale(self) -> bool:
        return cast(JWTAuthError, self).reason == "stale"


class _ConflictAnswer(_Answer):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    wait = 1


class _BadRequestAnswer(_Answer):
    status_code = status.HTTP_400_BAD_REQUEST

    @functools.cached_property
    def detail(self) -> Any:  # type: ignore[override]
        error = cast(JWTAuthError, self)
        return {"error": ErrorDetail(error.code, error.code), **error_detail(error)}  # RFC 6749 section 5.2


class _ScopeAnswer(_Answer):
    status_code = status.HTTP_403_FORBIDDEN
    realm = "api"
    """Set by those who know it."""

    @property
    def auth_header(self) -> str:  # type: ignore[override]
        scope = cast(InsufficientScopeError, self).scope
        return bearer_challenge(self.realm, error="insufficient_scope", scope=scope)

    @functools.cached_property
    def detail(self) -> Any:  # type: ignore[override]
        error = cast(InsufficientScopeError, self)
        return error_detail(error, scope=error.scope)


# errors.py must work without REST framework, so the bases are added here. Of the other errors none is the client's.
InvalidTokenError.__bases__ = (JWTAuthError, _TokenAnswer)
RefreshConflictError.__bases__ = (JWTAuthError, _ConflictAnswer)
InvalidScopeError.__bases__ = (JWTAuthError, ValueError, _BadRequestAnswer)
InvalidTargetError.__bases__ = (JWTAuthError, ValueError, _BadRequestAnswer)
InsufficientScopeError.__bases__ = (JWTAuthError, _ScopeAnswer)
