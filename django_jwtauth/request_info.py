"""What a request says about its client: address, user agent, device. Shown to people; only throttles rely on it."""

import functools
import ipaddress
import re
import time
from collections.abc import Callable

from django.http import HttpRequest
from django.utils.translation import gettext as _

MAX_USER_AGENT_LENGTH = 512

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Peers that may be a proxy, or this machine. (Python's `is_private` also covers networks for documentation.)
_PRIVATE = [
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
]
# The order matters: nearly every browser claims to be some of those that come later.
_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\b(?:OPR|Opera)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Headless)?(?:Chrome|CriOS|Chromium)/"),
    ("Safari", r"\bSafari/"),
)
_SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac(?:intosh| OS X)\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)
_PRODUCT = re.compile(r"[A-Za-z][\w.-]{0,39}")
# RFC 7239 section 6: an IPv6 address is in brackets; a port may be obfuscated.
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))"
_BRACKETED = re.compile(rf"\[([^\[\]]*)\]{_PORT}?")
_WITH_PORT = re.compile(rf"([^\[\]]*){_PORT}")
_PARAMETER = re.compile(r"""(?:^|;)[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";]*))""")


def client_address(request: HttpRequest | None, *, num_proxies: int, header: str | None = None) -> IPAddress | None:
    """Return the address of the client.

    The header is read from the right, where the trusted proxies write. Every element counts, even if it is empty or
    cannot be read: if it were skipped, an element that the client wrote would take its place.

    Args:
        request: The request, or ``None``.
        num_proxies: How many trusted proxies append to the header. With 0 it is ignored, since anybody can send it.
        header: The header that they append to: ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239). With ``None``, the
            former, or the latter in a request without the former.

    Returns:
        The address, an IPv4-mapped IPv6 address as IPv4; or ``None`` if it is unknown.
    """
    if request is None:
        return None
    if num_proxies:
        for name, key, read_node in _PROXY_HEADERS:
            text: str = request.META.get(key) or ""
            if header in (name, None) and text.strip():
                return parse_address(read_node(_nth_last(text, num_proxies)))
    return parse_address(request.META.get("REMOTE_ADDR") or "")


@functools.lru_cache(256)
def parse_address(text: str) -> IPAddress | None:
    """Return the address of a node in the forms that proxies and servers write, or ``None`` if there is none.

    A port, brackets, quotation marks, a zone id and surrounding spaces are left out: ``203.0.113.7:51234``,
    ``"[2001:db8::7]:443"`` and ``fe80::1%eth0`` are addresses; ``unknown`` and ``_hidden`` (RFC 7239 section 6) not.
    """
    text = text.strip(' \t"')
    if bracketed := _BRACKETED.fullmatch(text):
        return _address(bracketed[1])
    # First as a whole, because the last group of an IPv6 address may look like a port.
    with_port = _WITH_PORT.fullmatch(text)
    return _address(text) or (_address(with_port[1]) if with_port else None)


def _address(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _nth_last(text: str, number: int) -> str:
    """Return the element of a list header that the outermost of some trusted proxies wrote, or else the first element.

    Quoted strings (RFC 9110 section 5.6.4) may contain commas. Those of the trusted proxies end properly, while what is
    left of them may not. Therefore the quotation marks are matched from the right too.
    """
    end, is_quoted = len(text), False
    for index in range(len(text) - 1, -1, -1):
        if text[index] == '"' and not _is_escaped(text, index):
            is_quoted = not is_quoted
        elif text[index] == "," and not is_quoted:
            number -= 1
            if not number:
                return text[index + 1 : end]
            end = index
    return text[:end]


def _is_escaped(text: str, index: int) -> bool:
    start = index
    while start and text[start - 1] == "\\":
        start -= 1
    return (index - start) % 2 == 1


def _read_for(element: str) -> str:
    """Return the parameter ``for`` of an element of ``Forwarded`` (RFC 7239 section 4), or an empty text."""
    for name, quoted, token in _PARAMETER.findall(element):
        if name.lower() == "for":
            return re.sub(r"\\(.)", r"\1", quoted) or str(token)
    return ""


_PROXY_HEADERS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("X-Forwarded-For", "HTTP_X_FORWARDED_FOR", str),
    ("Forwarded", "HTTP_FORWARDED", _read_for),
)


def seconds_since_start(request: HttpRequest, header: str) -> float:
    """Return how many seconds ago a proxy passed a request on, according to a header that the proxy writes.

    Args:
        request: The request.
        header: The name of the header. Its value is the time since 1970, in seconds (nginx: ``t=${msec}``),
            milliseconds (Heroku) or microseconds (Apache: ``%t``).

    Returns:
        The seconds; 0 if there is no such header, or if its value cannot be read or is in the future.
    """
    text = request.META.get(f"HTTP_{header.upper().replace('-', '_')}") or ""
    found = _START.fullmatch(text.strip())
    if not found:
        return 0.0
    start = float(found[1])
    for unit, least in _UNITS:
        if start >= least:
            start /= unit
            break
    return max(time.time() - start, 0.0)


_START = re.compile(r"(?:t=)?([0-9]{1,16}(?:\.[0-9]{1,9})?)")
_UNITS = ((1e6, 1e14), (1e3, 1e11))  # microseconds and milliseconds, recognized by their size


@functools.lru_cache(256)
def is_private(address: IPAddress) -> bool:
    """Tell whether an address belongs to a local network, as a proxy's usually does."""
    return any(address in network for network in _PRIVATE)


def user_agent(request: HttpRequest | None) -> str:
    """Return the user agent without control characters, cut to the length that is stored."""
    text: str = request.META.get("HTTP_USER_AGENT") or "" if request is not None else ""
    text = text[:MAX_USER_AGENT_LENGTH]
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def device_name(text: str) -> str:
    """Summarize a user agent for people, for example "Firefox on Linux"; empty if it is unknown."""
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, text)), "")
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, text)), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    product = _PRODUCT.match(text)
    return browser or system or (product[0] if product else "")
