"""The cookies of the browser endpoints: their names and attributes, and how they are read and written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path

from ._core.setting_kinds import BOOLEAN, Choice, OrNone, Text
from ._core.setting_table import Derived, Table, setting, settings_of
from .errors import InvalidTokenError
from .secret import Secret

MAX_SIZE = 4096
"""Browsers silently drop a cookie whose name and value are longer together (RFC 6265bis section 5.7)."""
# RFC 6265 section 4.1.1
_NAME = Text(pattern=re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"), form="the name of a cookie")
_DOMAIN = Text(
    pattern=re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"), form="the name of a domain, like 'example.com'"
)
_PATH = Text(
    pattern=re.compile(r"/[\x21-\x3a\x3c-\x7e]*"), form="a path of ASCII characters that begins with '/' and has no ';'"
)
_SAME_SITE = Literal["Strict", "Lax", "None"]


def _access_name(cookies: "Cookies") -> str:
    # A browser accepts __Host- from a single host only, and __Secure- over https only: nobody else can set those.
    prefix = "" if not cookies.secure else "__Secure-" if cookies.domain else "__Host-"
    return f"{prefix}jwtauth-access"


def _refresh_name(cookies: "Cookies") -> str:
    return f"{'__Secure-' if cookies.secure else ''}jwtauth-refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """The checked ``COOKIES`` setting."""

    secure: bool = setting(BOOLEAN, default=True)
    domain: str | None = setting(OrNone(kind=_DOMAIN), default=None)
    access_name: str = setting(_NAME, default=Derived(words='`"__Host-jwtauth-access"`', compute=_access_name))
    refresh_name: str = setting(_NAME, default=Derived(words='`"__Secure-jwtauth-refresh"`', compute=_refresh_name))
    samesite: _SAME_SITE = setting(Choice(options=("Strict", "Lax", "None")), default="Strict")
    refresh_path: str = setting(_PATH, default="", default_words="the path of the browser endpoints")
    """Empty for the path of the browser endpoints."""

    def set_access(self, response: HttpResponseBase, raw: str, *, max_age: int) -> None:
        """Send an access token.

        Args:
            response: Gets the cookie.
            raw: The token.
            max_age: The lifetime of the token in seconds.
        """
        self._set(response, self.access_name, raw, path="/", max_age=max_age)

    def set_refresh(self, response: HttpResponseBase, raw: str, *, request: HttpRequest, max_age: int) -> None:
        """Send a refresh token, which comes back to the browser endpoints only.

        Args:
            response: Gets the cookie.
            raw: The token.
            request: A request to one of the browser endpoints.
            max_age: The lifetime of the token in seconds.
        """
        self._set(response, self.refresh_name, raw, path=self._path(request), max_age=max_age)

    def clear(self, response: HttpResponseBase, *, request: HttpRequest) -> None:
        """Delete both cookies."""
        self._set(response, self.access_name, "", path="/", max_age=0)
        self._set(response, self.refresh_name, "", path=self._path(request), max_age=0)

    def _set(self, response: HttpResponseBase, name: str, value: str, *, path: str, max_age: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=path,
            domain=self.domain,
            secure=self.secure,
            httponly=True,
            samesite=self.samesite,
        )

    def _path(self, request: HttpRequest) -> str:
        """Return the path that the browser endpoints share, computed from the path of the one that was called."""
        # Encoded as in the browser's address bar: anybody can choose a part of the path, and must not add an attribute.
        return self.refresh_path or escape_uri_path(request.path.rstrip("/").rpartition("/")[0] + "/")


def read_cookie(request: HttpRequest, name: str) -> Secret | None:
    """Return the value of a cookie, or ``None`` if it was not sent. An empty value counts as not sent.

    Raises:
        InvalidTokenError: ``invalid``, if several cookies have that name: a neighbouring host may have set one of them
            (RFC 6265 section 8.6), and a server cannot tell which.
    """
    values = _values(request, name)
    if len(values) > 1:
        raise InvalidTokenError("invalid")
    return values[0] if values and len(values[0]) else None


def _values(request: HttpRequest, name: str) -> list[Secret]:
    # Not request.COOKIES: it keeps only one of several. It also strips other characters that Python counts as space.
    # To a browser, a name that begins with such a character has no prefix; stripping it would give it one.
    parts = [part.partition("=") for part in request.META.get("HTTP_COOKIE", "").split(";")]
    values = [value.strip(" \t") for given, _, value in parts if given.strip(" \t") == name]
    # Django's test client goes on sending a cookie that was taken back, with two quotes for its empty value.
    return [Secret("" if value == '""' else value) for value in values]


def _problems(cookies: Cookies) -> Iterator[str]:
    """Name what a browser would refuse, and what would make a cookie less safe than its name promises."""
    access_name, refresh_name = cookies.access_name.lower(), cookies.refresh_name.lower()
    if not cookies.secure:
        for key, name in (("access_name", access_name), ("refresh_name", refresh_name)):
            if name.startswith(("__secure-", "__host-")):
                yield f"{key} begins with __Secure- or __Host-, which needs 'secure'."
        if cookies.samesite == "None":
            yield "samesite 'None' needs 'secure'."
    if cookies.access_name == cookies.refresh_name:
        yield "access_name and refresh_name must be different."
    if access_name.startswith("__host-") and cookies.domain:
        yield "access_name begins with __Host-, which allows no 'domain'."
    if refresh_name.startswith("__host-") and (cookies.refresh_path != "/" or cookies.domain):
        yield "refresh_name begins with __Host-, which needs refresh_path '/' and allows no 'domain'."


COOKIES = Table(settings=settings_of(Cookies), make=Cookies, problems=_problems)
