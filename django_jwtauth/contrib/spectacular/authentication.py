"""How a request is authenticated: a security scheme for each of our authentication classes.

This module needs no models, so a service without the app can import it.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import spectacular_settings

from ... import conf
from ...csrf import SAFE_METHODS
from ...permissions import needed_scopes

CSRF_SCHEME = "JWTAuthCSRF"
REFRESH_SCHEME = "JWTAuthRefreshCookie"


def require_csrf(auto_schema: Any) -> dict[str, list[str]]:
    """Return the requirement of the CSRF token, and add its security scheme to the schema.

    Args:
        auto_schema: That of the view.
    """
    definition = {
        "type": "apiKey",
        "in": "header",
        "name": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").title().replace("Csrft", "CSRFT"),
        "description": "The CSRF token, for methods that change something. `browser/csrf/` hands it out.",
    }
    register_scheme(auto_schema, CSRF_SCHEME, definition)
    return {CSRF_SCHEME: []}


def header_definition(description: str) -> dict[str, Any]:
    """Return the security scheme of the header ``Authorization`` (RFC 6750 section 2.1)."""
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description}


def cookie_definition(name: str, description: str) -> dict[str, Any]:
    """Return the security scheme of a cookie."""
    return {"type": "apiKey", "in": "cookie", "name": name, "description": description}


def register_scheme(auto_schema: Any, name: str, definition: dict[str, Any]) -> None:
    """Add a security scheme to those of the schema.

    Args:
        auto_schema: That of the view.
        name: Of the scheme.
        definition: What it is.
    """
    auto_schema.registry.register_on_missing(
        ResolvedComponent(name=name, type=ResolvedComponent.SECURITY_SCHEMA, object=name, schema=definition)
    )


class BearerScheme(OpenApiAuthenticationExtension):
    """``Authorization: Bearer …``, for a class that a project derives from ``BearerAuthentication``."""

    # Below 0, so that a project's own extension comes first; and those of more special classes come before others.
    priority = -4
    target_class = "django_jwtauth.authentication.BearerAuthentication"
    match_subclasses = True
    # drf-spectacular would warn of a scheme that two classes share, such as one of ours and its subclass. So it
    # registers none for us.
    name: Any = ()
    scheme = "BearerAuthentication"
    description = "An access token."

    def get_security_definition(self, auto_schema: Any) -> Any:
        """Return nothing: the schemes are registered where they are required."""
        return ()

    def get_security_requirement(self, auto_schema: Any) -> Any:
        """Return the alternatives by which a request is authenticated."""
        register_scheme(auto_schema, self.scheme, header_definition(self.description))
        return [{self.scheme: list(scopes)} for scopes in scopes_of(auto_schema)]


class SessionScheme(BearerScheme):
    """``JWTAuthentication``."""

    priority = -3
    target_class = "django_jwtauth.authentication.JWTAuthentication"
    scheme = "JWTAuthentication"
    description = "An access token. It is refused as soon as its session ends."


class StatelessScheme(BearerScheme):
    """``StatelessJWTAuthentication``."""

    priority = -3
    target_class = "django_jwtauth.authentication.StatelessJWTAuthentication"
    scheme = "StatelessJWTAuthentication"
    description = "An access token. It is refused a few seconds after its session has ended."


class _ByCookie(BearerScheme):
    """The header or the cookie. With the cookie, an unsafe method needs the CSRF token too."""

    target_class: Any = None
    cookie_scheme = ""

    def get_security_requirement(self, auto_schema: Any) -> Any:
        """Return the alternatives by which a request is authenticated."""
        words = f"{self.description} `browser/login/` sets the cookie."
        name = conf.get_shared_config().cookies.access_name
        register_scheme(auto_schema, self.cookie_scheme, cookie_definition(name, words))
        csrf = {} if auto_schema.method in SAFE_METHODS else require_csrf(auto_schema)
        by_cookie = [{self.cookie_scheme: list(scopes), **csrf} for scopes in scopes_of(auto_schema)]
        return [*super().get_security_requirement(auto_schema), *by_cookie]


class SessionCookieScheme(_ByCookie, SessionScheme):
    """``JWTCookieAuthentication``."""

    priority = -1
    target_class = "django_jwtauth.authentication.JWTCookieAuthentication"
    cookie_scheme = "JWTCookieAuthentication"


class StatelessCookieScheme(_ByCookie, StatelessScheme):
    """``StatelessJWTCookieAuthentication``."""

    priority = -1
    target_class = "django_jwtauth.authentication.StatelessJWTCookieAuthentication"
    cookie_scheme = "StatelessJWTCookieAuthentication"


def scopes_of(auto_schema: Any) -> Sequence[Sequence[str]]:
    """Return the alternatives of scopes that a view requires.

    OpenAPI has a place for them since version 3.1. Before, only OAuth's own schemes could have scopes.
    """
    if not str(spectacular_settings.OAS_VERSION).startswith("3.0"):
        for permission in auto_schema.view.get_permissions():
            if alternatives := needed_scopes(permission, auto_schema.method):
                return alternatives
    return [()]
