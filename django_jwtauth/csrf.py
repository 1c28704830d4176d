"""Django's CSRF check for views that authenticate by cookie; REST framework exempts its views from the middleware."""

import re
from typing import Any, NoReturn

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError, PermissionDenied

from . import audit
from ._core import events
from .errors import JWTAuthError, code_of
from .refusals import error_detail
from .secret import without_past

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
"""RFC 9110 section 9.2.1. Django's check accepts these without a token."""


class _CSRFCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason  # instead of an HTML page

    def allows_origin(self, request: HttpRequest) -> bool:
        return "HTTP_ORIGIN" not in request.META or bool(self._origin_verified(request))  # type: ignore[attr-defined]


class _CSRFCookie(CsrfViewMiddleware):
    def process_view(self, *args: Any) -> None:
        """Check nothing and create no token: a response that refuses would replace the token that a page holds."""


write_csrf_cookie: Any = decorator_from_middleware(_CSRFCookie)
"""Decorates a view that calls ``get_token()``, since the project may not use the middleware that writes the cookie."""


def enforce_csrf(request: HttpRequest) -> None:
    """Run Django's CSRF check. Safe methods always pass.

    Raises:
        PermissionDenied: if the check fails.
        ParseError: if the token may be in the body, and the body cannot be read.
    """
    if request.method in SAFE_METHODS:
        return
    check = _CSRFCheck(_unused_view)
    check.process_request(request)
    reason: Any = None
    refusal: Exception | None = None
    try:
        reason = check.process_view(request, _unused_view, (), {})
    except SuspiciousOperation as error:
        refusal = without_past(error)
    except Exception:
        # Django's body parsers raise various exceptions, for example LookupError for an unknown charset.
        refusal = ParseError(_("Malformed request."))
    if refusal is not None:
        raise refusal
    if reason:
        refuse_csrf(request, str(reason))


def is_trusted_origin(request: HttpRequest) -> bool:
    """Tell whether the ``Origin`` header is missing, names this host, or is one of ``CSRF_TRUSTED_ORIGINS``."""
    return _CSRFCheck(_unused_view).allows_origin(request)


def trusts_origin(origin: str) -> bool:
    """Tell whether an origin, which is not this host's own, is one of ``CSRF_TRUSTED_ORIGINS``."""
    request = HttpRequest()
    request.META = {"HTTP_ORIGIN": origin, "HTTP_HOST": ""}
    return is_trusted_origin(request)


def refuse_csrf(request: HttpRequest, why: str) -> NoReturn:
    """Answer 403, and log the reason.

    Args:
        request: The request.
        why: The reason.

    Raises:
        PermissionDenied: always.
    """
    audit.tell(events.CSRF_FAILED, reason=_with_origin_only(why), request=request)
    raise PermissionDenied(error_detail(JWTAuthError(code_of("csrf"), "csrf")))


def _with_origin_only(why: str) -> str:
    """Return a reason of Django's check with no more of the address of the page that sent the request than its origin.

    The path or query of a page may be a secret, as in a link to set a new password.
    """
    scheme, is_address, rest = why.partition("://")
    address, mismatch, end = rest.rpartition(" does not match")
    if not is_address:
        return why
    host = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}{mismatch}{end}"


def _unused_view(request: HttpRequest) -> Any:
    """Stand in for the view that the middleware expects; it is never called."""
