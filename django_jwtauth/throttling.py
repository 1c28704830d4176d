"""Throttles that count simultaneous attempts correctly: each one before it is made, in one atomic cache operation.

Windows are fixed. While the cache is down, everything passes and a warning is logged: it is more important that users
can sign in than that the limits hold.
"""

import contextlib
import hmac
import ipaddress
import logging
import math
import time
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from . import audit, conf, counting, request_info, tokens, usernames
from .database import test_scope
from .errors import InvalidTokenError

logger = logging.getLogger("django_jwtauth.security")


class CountingThrottle(BaseThrottle):
    """Counts attempts in the cache, under keys that reveal nothing.

    A subclass says in :meth:`identities` what is counted under which rate.
    """

    def __init__(self) -> None:
        self._counted: list[tuple[str, int]] = []
        self._wait: float | None = None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield pairs: the name of a rate in ``THROTTLE_RATES``, and the identity that is counted under it.

        Args:
            request: The request.
        """
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        config = conf.get_config()
        now = time.time()
        scope = "{} {} ".format(*found) if any(found := test_scope()) else ""
        # Outside of the try: an unreadable body is an error of the client, an unknown rate one of the project.
        counters = [(name, config.throttle_rates[name], identity) for name, identity in self.identities(request)]
        try:
            for name, rate, identity in counters:
                if rate is None:
                    continue
                window, elapsed = divmod(now, rate.seconds)
                text = f"{scope}{name}\n{int(window)}\n{identity}".encode("utf-8", "replace")
                digest = hmac.digest(config.throttle_key, text, "sha256").hex()
                key = f"jwtauth:throttle:{digest}"
                count = counting.increment(key, timeout=rate.seconds)
                if count:
                    self._counted.append((key, rate.seconds))
                if count > rate.limit:
                    self._wait = max(self._wait or 0, math.ceil(rate.seconds - elapsed))
        except Exception:
            # Each cache backend raises its own errors.
            logger.warning("The cache is not available: throttles let everything pass.", exc_info=True)
            return True
        if self._wait is not None:
            name = type(self).__name__
            logger.warning("Throttled: %s.", name, extra=audit.fields("throttled", reason=name))
            self.release()  # a refused attempt does not count, or it would extend the lock
            return False
        return True

    def wait(self) -> float | None:
        return self._wait

    def release(self) -> None:
        """Take the attempt back, because it does not count after all."""
        for key, seconds in self._counted:
            try:
                counting.decrement(key, timeout=seconds)
            except Exception:
                logger.warning("The cache is not available: an attempt stays counted.", exc_info=True)
        self._counted.clear()


class LoginThrottle(CountingThrottle):
    """Counts failed sign-ins: per user name and address, per address, and per user name with a long window.

    The view takes back all other attempts. Behind a proxy that ``NUM_PROXIES`` does not count, all clients seem to have
    the proxy's address, so addresses are not counted there.
    """

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield the three identities of a sign-in, as far as they are known."""
        if request.method != "POST":
            return  # not a sign-in: OPTIONS, or a request that gets a 405
        config = conf.get_config()
        num_proxies = config.num_proxies
        address = request_info.client_address(request._request, num_proxies=num_proxies, header=config.proxy_header)
        username = _sent_username(request)
        # Without NUM_PROXIES, a private address may be a proxy's, which all clients share.
        is_known = address is not None and (num_proxies > 0 or not request_info.is_private(address))
        network = _network(address)
        # A number too: the serializer accepts it, and converts it to text.
        if isinstance(username, str | int | float):
            name = _folded(str(username))
            yield "login", f"{network}\n{name}"
            yield "login_username", name
        elif is_known:
            yield "login", network  # for views that ask for something other than a user name
        if is_known:
            yield "login_address", network


class RefreshThrottle(CountingThrottle):
    """Counts refreshes per session. Tokens that are not ours cost no query and are not counted."""

    def raw_token(self, request: Request) -> Any:
        """Return the refresh token as it was sent; it may be of any type."""
        return request.data.get("refresh") if isinstance(request.data, Mapping) else None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield the session of a refresh token whose signature is valid."""
        if sid := self._verified_sid(request):
            yield "refresh", sid

    # Functions that see secrets are not generators, whose variables cannot be kept out of error reports.
    @sensitive_variables()
    def _verified_sid(self, request: Request) -> str:
        raw = self.raw_token(request)
        with contextlib.suppress(InvalidTokenError):
            return tokens.read_refresh(raw).sid if isinstance(raw, str) else ""
        return ""


@sensitive_variables()
def _sent_username(request: Request) -> Any:
    data = request.data
    return data.get(get_user_model().USERNAME_FIELD) if isinstance(data, Mapping) else None


def _folded(username: str) -> str:
    """Return one spelling for all those that a database may regard as the same name.

    Otherwise an attacker could use another spelling for each guess, and each would have its own counter. The collations
    of MySQL and MariaDB ignore case, accents, invisible characters and trailing spaces, and some regard all digits of
    the same value as equal. This function does the same as far as Unicode's categories tell. Where user names are
    numbers, UUIDs or the like, it counts values.
    """
    name = usernames.normalize(username)
    if len(name) <= usernames.max_length():
        with contextlib.suppress(*usernames.NOT_A_VALUE):
            name = usernames.stored_form(name)
    text = unicodedata.normalize("NFKD", name[: usernames.MAX_LENGTH]).casefold()
    kept = [char for char in text if unicodedata.category(char)[0] not in "CM"]
    return "".join(
        char if (value := unicodedata.numeric(char, None)) is None else f"{value:g}" for char in kept
    ).strip()


def _network(address: request_info.IPAddress | None) -> str:
    """Return the network that counts as one client. An IPv6 customer has at least a /64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "")
