"""Throttles that count right: each attempt is counted before it is made, in one atomic step of the cache.

Windows are fixed. A cache that is down lets everything pass, with a warning in the log: a sign-in that works for all
is worth more than a limit.
"""

import hmac
import ipaddress
import logging
import math
import time
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from . import conf, request_info, tokens
from .errors import InvalidTokenError
from .serializers import MAX_USERNAME_LENGTH

logger = logging.getLogger("django_jwtauth.security")


class CountingThrottle(BaseThrottle):
    """Counts attempts in the cache, under keys that give away nothing.

    A subclass says under which rates and for whom, in :meth:`identities`.
    """

    def __init__(self) -> None:
        self._counted: list[str] = []
        self._wait: float | None = None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Give pairs: the name of a rate in ``THROTTLE_RATES``, and who is counted under it."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the attempt under each rate, and tell whether all of them allow it."""
        config = conf.get_config()
        now = time.time()
        # Outside the try: a body that cannot be read is the client's fault, an unknown rate the project's.
        counters = [(name, config.throttle_rates[name], identity) for name, identity in self.identities(request)]
        try:
            for name, rate, identity in counters:
                if rate is None:
                    continue
                window, elapsed = divmod(now, rate.seconds)
                text = f"{name}\n{int(window)}\n{identity}".encode("utf-8", "replace")
                digest = hmac.digest(config.throttle_key, text, "sha256").hex()
                if self._count(f"jwtauth:throttle:{digest}", rate.seconds) > rate.limit:
                    self._wait = max(self._wait or 0, math.ceil(rate.seconds - elapsed))
        except Exception:
            # Each cache backend has errors of its own.
            logger.warning("The cache is not available: throttles let everything pass.", exc_info=True)
            return True
        if self._wait is not None:
            logger.warning("Throttled: %s.", type(self).__name__)
            self.release()  # what was refused was no attempt: it must not lengthen the lock
            return False
        return True

    def wait(self) -> float | None:
        """Return how many seconds until the next window."""
        return self._wait

    def release(self) -> None:
        """Take the attempt back: it was no failure."""
        for key in self._counted:
            try:
                cache.decr(key)
            except ValueError:
                continue  # the window is over
            except Exception:
                logger.warning("The cache is not available: an attempt stays counted.", exc_info=True)
        self._counted.clear()

    def _count(self, key: str, seconds: int) -> int:
        # Another attempt, or the end of the window, may come between the two: then once more.
        for _ in range(2):
            cache.add(key, 0, timeout=seconds)
            try:
                count = cache.incr(key)
            except ValueError:
                continue
            self._counted.append(key)
            return count
        return 0


class LoginThrottle(CountingThrottle):
    """Failed sign-ins: per user name and address, per address, and slowly per user name.

    The view takes back what was no failure. Behind a proxy that ``NUM_PROXIES`` does not tell of, all clients have the
    proxy's address; it is not counted then.
    """

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Give the three identities of a sign-in, as far as they are known."""
        if request.method != "POST":
            return  # no sign-in: OPTIONS, or what will be answered with 405
        num_proxies = conf.get_config().num_proxies
        address = request_info.client_address(request._request, num_proxies=num_proxies)
        username = _sent_username(request)
        # Without NUM_PROXIES, a private peer may be a proxy, and its address everybody's.
        is_known = address is not None and (num_proxies > 0 or not request_info.is_private(address))
        network = _network(address)
        # Numbers too: the serializer takes them for the text they are written as.
        if isinstance(username, str | int | float):
            name = _folded(str(username))
            yield "login", f"{network}\n{name}"
            yield "login_username", name
        elif is_known:
            yield "login", network  # a subclass that asks for something else
        if is_known:
            yield "login_address", network


class RefreshThrottle(CountingThrottle):
    """Refreshes per session. Tokens that are not ours cost nothing and are not counted."""

    def raw_token(self, request: Request) -> Any:
        """Return what was sent as a refresh token."""
        return request.data.get("refresh") if isinstance(request.data, Mapping) else None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Give the session of a refresh token whose signature is good."""
        raw = self.raw_token(request)
        if isinstance(raw, str):
            try:
                yield "refresh", tokens.read_refresh(raw).sid
            except InvalidTokenError:
                return


@sensitive_variables()
def _sent_username(request: Request) -> Any:
    # A function of its own, since a generator's variables cannot be kept out of error reports: the password is in data.
    data = request.data
    return data.get(get_user_model().USERNAME_FIELD) if isinstance(data, Mapping) else None


def _folded(username: str) -> str:
    """Make one of the spellings that a database may take for the same name.

    The collations of MySQL and MariaDB ignore case, accents, characters that are not seen and spaces at the end, and
    some take all digits of one value for the same; a spelling of its own for each guess would give an attacker a
    counter of its own. This follows them as far as Unicode's categories go.
    """
    text = unicodedata.normalize("NFKD", username[:MAX_USERNAME_LENGTH]).casefold()
    kept = [char for char in text if unicodedata.category(char)[0] not in "CM"]
    return "".join(
        char if (value := unicodedata.numeric(char, None)) is None else f"{value:g}" for char in kept
    ).strip()


def _network(address: request_info.IPAddress | None) -> str:
    """Return who an address stands for: an IPv6 customer has at least a /64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "")
