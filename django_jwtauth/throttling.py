"""Throttles that count simultaneous attempts correctly: each one before it is made, in one atomic cache operation.

Windows are fixed. While the cache is down, everything passes and a warning is logged: it is more important that users
can sign in than that the limits hold.
"""

import contextlib
import hmac
import ipaddress
import math
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from . import audit, conf, counting, outages, request_info, tokens, usernames
from ._core import events
from .bridges import bridge_for
from .database import test_scope
from .errors import InvalidTokenError
from .keys import b64url_encode
from .secret import Secret, hide


class CountingThrottle(BaseThrottle):
    """Counts attempts in the cache, under keys that reveal nothing.

    A subclass says in :meth:`identities` what is counted under which rate.
    """

    purpose = ""
    """What for. Throttles of one purpose count together. By default each class that is not derived from one of ours
    has a purpose of its own, so that nobody can use up somebody else's attempts by a name that reads the same."""

    # Of the class too: a subclass may have an __init__() of its own.
    _counted: Sequence[tuple[str, int]] = ()
    _wait: float | None = None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield pairs: the name of a rate in ``THROTTLE_RATES``, and the identity that is counted under it.

        Args:
            request: The request.
        """
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        return self._count(request, self.identities(request))

    def _count(self, request: Request, identities: Iterator[tuple[str, str]]) -> bool:
        """Count an attempt. Return whether it is within the limits; if not, it is not counted."""
        config = conf.get_config()
        now = time.time()
        purpose = self.purpose or f"{type(self).__module__}.{type(self).__qualname__}"
        scope = "{} {} ".format(*found) if any(found := test_scope()) else ""
        # Outside of the try: an unreadable body is an error of the client, an unknown rate one of the project.
        counters = [(name, config.throttle_rates[name], identity) for name, identity in identities]
        counted: list[tuple[str, int]] = []
        try:
            for name, rate, identity in counters:
                if rate is None:
                    continue
                window, elapsed = divmod(now, rate.seconds)
                text = f"{scope}{purpose}\n{name}\n{int(window)}\n{identity}".encode("utf-8", "replace")
                # 128 bits are enough, and Django's caches look at each character of a key.
                key = f"jwtauth:{b64url_encode(hmac.digest(config.throttle_key, text, 'sha256')[:16])}"
                count = counting.increment(key, timeout=rate.seconds)
                if count:
                    counted.append((key, rate.seconds))
                if count > rate.limit:
                    self._wait = max(self._wait or 0, math.ceil(rate.seconds - elapsed))
        except Exception:
            # Each cache backend raises its own errors.
            _warn_of_outage("throttles let everything pass")
            self._wait = None
        if self._wait is not None:
            audit.tell(events.THROTTLED, reason=type(self).__name__, request=request._request)
            _take_back(counted)  # a refused attempt does not count, or it would extend the lock
            return False
        self._counted = [*self._counted, *counted]
        return True

    def wait(self) -> float | None:
        return self._wait

    def release(self) -> None:
        """Take the attempt back, because it does not count after all."""
        _take_back(self._counted)
        self._counted = ()


class LoginThrottle(CountingThrottle):
    """Counts failed sign-ins: per user name and address, per address, and per user name with a long window.

    The view takes back an attempt that succeeds, and one that fails before the password is looked at. Behind a proxy
    that ``NUM_PROXIES`` does not count, all clients seem to have the proxy's address, so addresses are not counted.
    """

    purpose = "sign-in"

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield the three identities of a sign-in, as far as they are known."""
        if request.method != "POST":
            return  # not a sign-in: OPTIONS, or a request that gets a 405
        config = conf.get_config()
        num_proxies = config.num_proxies
        address = audit.address_of(request._request)
        username = _sent_username(request)
        # Without NUM_PROXIES, a private address may be a proxy's, which all clients share.
        is_known = address is not None and (num_proxies > 0 or not request_info.is_private(address))
        network = _network(address)
        if username is not None:
            yield from _of_name(_folded(username), network)
        elif is_known:
            yield "login", network  # for views that ask for something other than a user name
        if is_known:
            yield "login_address", network

    def allow_user(self, request: Request, user: AbstractBaseUser | None) -> bool:
        """Count the attempt under the stored name too, if the name that was sent is another spelling of it.

        :func:`_folded` cannot know all spellings: a collation has rules of its own, and only the database knows which
        user a name finds. The view calls this after the password has been checked, whether or not it was right, so
        that a refusal reveals nothing about the password.

        Args:
            request: The request.
            user: The user whose password was right. For ``None``, the user is looked up, in one statement.
        """
        username = _sent_username(request)
        if username is None or username.isascii():
            return True
        user = user or usernames.find(username)
        stored = "" if user is None else _folded(usernames.shown(user))
        if stored in ("", _folded(username)):
            return True
        address = audit.address_of(request._request)
        return self._count(request, _of_name(stored, _network(address)))


class RefreshThrottle(CountingThrottle):
    """Counts refreshes per session. Tokens that are not ours cost no query and are not counted."""

    purpose = "refresh"

    def raw_token(self, request: Request) -> Any:
        """Return the refresh token as it was sent; it may be of any type."""
        return request.data.get("refresh") if isinstance(request.data, Mapping) else None

    def identities(self, request: Request) -> Iterator[tuple[str, str]]:
        """Yield the session of a refresh token whose signature is valid."""
        if sid := self._verified_sid(request):
            yield "refresh", sid

    def _verified_sid(self, request: Request) -> str:
        raw = self.raw_token(request)
        raw = hide(raw) if isinstance(raw, str) else raw
        with contextlib.suppress(InvalidTokenError):
            if isinstance(raw, Secret):
                if (bridge := bridge_for(raw)) is not None:
                    return bridge.session_id(raw)
                return tokens.read_refresh_of(request._request, raw, again=True).sid
        return ""


def _take_back(counted: Sequence[tuple[str, int]]) -> None:
    for key, seconds in counted:
        try:
            counting.decrement(key, timeout=seconds)
        except Exception:
            _warn_of_outage("an attempt stays counted")


def _sent_username(request: Request) -> str | None:
    data = request.data
    name = data.get(get_user_model().USERNAME_FIELD) if isinstance(data, Mapping) else None
    if isinstance(name, int | float):
        return str(name)  # the serializer accepts a number too, and converts it to text
    return name if isinstance(name, str) else None


def _of_name(name: str, network: str) -> Iterator[tuple[str, str]]:
    yield "login", f"{network}\n{name}"
    yield "login_username", name


def _warn_of_outage(effect: str) -> None:
    """Log what the error that is being handled leads to: once a minute and process, not at each request."""
    if outages.is_news(f"cache: {effect}"):
        audit.tell(events.CACHE_UNAVAILABLE, detail=effect, exc_info=True)


def _folded(username: str) -> str:
    """Return one spelling for all spellings that a database may treat as the same name.

    Otherwise an attacker could use another spelling for each guess, and each would have its own counter. The collations
    of MySQL and MariaDB ignore case, accents, invisible characters and trailing spaces, and some regard all digits of
    the same value as equal. This function does the same as far as Unicode's categories tell, and ``iexact`` compares
    upper case. Where user names are numbers, UUIDs or the like, it counts values.
    """
    name = usernames.normalize(username)
    if not usernames.is_too_long(name):
        with contextlib.suppress(*usernames.NOT_A_VALUE):
            name = usernames.stored_form(name)
    text = unicodedata.normalize("NFKD", name[: usernames.MAX_LENGTH]).upper().casefold()
    kept = [char for char in text if unicodedata.category(char)[0] not in "CM"]
    return "".join(
        char if (value := unicodedata.numeric(char, None)) is None else f"{value:g}" for char in kept
    ).strip()


def _network(address: request_info.IPAddress | None) -> str:
    """Return the network that counts as one client. An IPv6 customer has at least a /64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "")
