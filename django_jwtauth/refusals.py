"""What a refusal says: its message for people, and its body with ``code`` and ``reason`` for programs.

REST framework imports the authentication classes while it imports its own views, so nothing here imports models.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from .errors import JWTAuthError

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
    "insufficient_scope": _("Token lacks a required scope"),
    "insufficient_user_authentication": _("A more recent or stronger sign-in is needed"),
    "challenge": _("The password is right, but not enough to sign in"),
    "second_factor": _("A second factor is needed to sign in"),
    "unverified_address": _("The email address must be verified before signing in"),
    "unverified_phone": _("The phone number must be verified before signing in"),
    "csrf": _("CSRF check failed"),
    "not_authenticated": _("Authentication credentials were not provided."),
    "conflict": _("Other refreshes of this session came first; try again"),
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
