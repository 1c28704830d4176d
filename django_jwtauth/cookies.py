"""The cookies of the browser endpoints: their names and attributes, and how they are read and written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path

from ._core.setting_kinds import Reader
from .errors import InvalidTokenError

MAX_SIZE = 4096
"""Browsers quietly drop a cookie whose name and value are longer together (RFC 6265bis section 5.7)."""
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 6265 section 4.1.1
_DOMAIN = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """The checked ``COOKIES`` setting."""

    access_name: str
    refresh_name: str
    secure: bool
    samesite: str
    domain: str | None
    refresh_path: str
    """Empty for the path of the browser endpoints."""

    def set_access(self, response: HttpResponseBase, raw: str, *, max_age: int) -> None:
        """Hand out an access token.

        Args:
            response: The answer.
            raw: The token.
            max_age: How many seconds it lives.
        """
        self._set(response, self.access_name, raw, path="/", max_age=max_age)

    def set_refresh(self, response: HttpResponseBase, raw: str, *, request: HttpRequest, max_age: int) -> None:
        """Hand out a refresh token, to be sent to the browser endpoints only. Arguments as for :meth:`set_access`."""
        self._set(response, self.refresh_name, raw, path=self._path(request), max_age=max_age)

    def clear(self, response: HttpResponseBase, *, request: HttpRequest) -> None:
        """Take both back."""
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
            samesite=self.samesite,  # type: ignore[arg-type]
        )

    def _path(self, request: HttpRequest) -> str:
        """Return the directory that the browser endpoints share, by the address of the one that was called."""
        # Encoded as in the browser's address: a part of the path may be anybody's text, and must add no attribute.
        return self.refresh_path or escape_uri_path(request.path.rstrip("/").rpartition("/")[0] + "/")


def read_cookie(request: HttpRequest, name: str) -> str | None:
    """Return the value of a cookie, or ``None`` if there is none.

    Raises:
        InvalidTokenError: ``invalid``, if there are several of that name: a neighbouring host may have set one of them
            (RFC 6265 section 8.6), and no server can tell which.
    """
    # Not request.COOKIES, which keeps one of them; and which strips what else Python takes for a space, so that a name
    # that to a browser begins with such a character, and with no prefix, would get one.
    parts = [part.partition("=") for part in request.META.get("HTTP_COOKIE", "").split(";")]
    values = [value.strip(" \t") for given, _, value in parts if given.strip(" \t") == name]
    if len(values) > 1:
        raise InvalidTokenError("invalid")
    return values[0] if values else None


def read_cookies_setting(given: object, problems: list[str]) -> Cookies:
    """Read the ``COOKIES`` setting.

    Args:
        given: The dict.
        problems: Where to put what is wrong with it.
    """
    reader = Reader(given if isinstance(given, Mapping) else {}, "JWTAUTH['COOKIES']")
    if not isinstance(given, Mapping):
        problems.append(f"JWTAUTH['COOKIES'] must be a dict, not {type(given).__name__}.")
    secure = reader.boolean("secure", default=True)
    domain = reader.text_or_none("domain", "") or None
    # A browser takes __Host- from a single host only, and __Secure- over https only: nobody else can set those.
    prefixes = ("", "") if not secure else ("__Secure-" if domain else "__Host-", "__Secure-")
    cookies = Cookies(
        access_name=reader.text("access_name", f"{prefixes[0]}jwtauth-access"),
        refresh_name=reader.text("refresh_name", f"{prefixes[1]}jwtauth-refresh"),
        secure=secure,
        samesite=reader.text("samesite", "Strict"),
        domain=domain,
        refresh_path=reader.text("refresh_path", ""),
    )
    reader.refuse_unknown("key")
    problems += [*reader.problems, *(f"JWTAUTH['COOKIES']: {problem}" for problem in _problems(cookies))]
    return cookies


def _problems(cookies: Cookies) -> list[str]:
    """Say what no browser would accept, or would make a cookie less safe than its name says."""
    names = {"access_name": cookies.access_name, "refresh_name": cookies.refresh_name}
    wrong: dict[str, Any] = {f"{key} is no name of a cookie.": not _NAME.fullmatch(name) for key, name in names.items()}
    wrong |= {
        f"{key} begins with __Secure- or __Host-, which needs 'secure'.": not cookies.secure
        and name.lower().startswith(("__secure-", "__host-"))
        for key, name in names.items()
    }
    wrong |= {
        "access_name and refresh_name must be two names.": cookies.access_name == cookies.refresh_name,
        "access_name begins with __Host-, which allows no 'domain'.": cookies.domain
        and cookies.access_name.lower().startswith("__host-"),
        "refresh_name begins with __Host-, which needs refresh_path '/' and allows no 'domain'.": (
            cookies.refresh_name.lower().startswith("__host-") and (cookies.refresh_path != "/" or cookies.domain)
        ),
        "samesite must be 'Strict', 'Lax' or 'None'.": cookies.samesite not in ("Strict", "Lax", "None"),
        "samesite 'None' needs 'secure'.": cookies.samesite == "None" and not cookies.secure,
        "domain must be the name of a domain, like 'example.com'.": cookies.domain
        and not _DOMAIN.fullmatch(cookies.domain),
        "refresh_path must be a path that begins with '/'.": cookies.refresh_path
        and not _PATH.fullmatch(cookies.refresh_path),
    }
    return [problem for problem, is_wrong in wrong.items() if is_wrong]
