"""What a request says about its client: address, user agent, device. Shown to people; only throttles rely on it."""

import ipaddress
import re

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


def client_address(request: HttpRequest | None, *, num_proxies: int) -> IPAddress | None:
    """Return the address of the client.

    Args:
        request: The request, or ``None``.
        num_proxies: How many trusted proxies append to ``X-Forwarded-For``. With 0 the header is ignored, since anybody
            can send it.

    Returns:
        The address, an IPv4-mapped IPv6 address as IPv4; or ``None`` if it is unknown.
    """
    if request is None:
        return None
    text: str = request.META.get("REMOTE_ADDR") or ""
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR") or ""
    if num_proxies and forwarded:
        hops = forwarded.split(",")
        text = hops[-min(num_proxies, len(hops))]
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_private(address: IPAddress) -> bool:
    """Tell whether an address belongs to a local network, as a proxy's usually does."""
    return any(address in network for network in _PRIVATE)


def user_agent(request: HttpRequest | None) -> str:
    """Return the user agent without control characters, cut to the length that is stored."""
    text: str = request.META.get("HTTP_USER_AGENT") or "" if request is not None else ""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_USER_AGENT_LENGTH])


def device_name(text: str) -> str:
    """Summarize a user agent for people, for example "Firefox on Linux"; empty if it is unknown."""
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, text)), "")
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, text)), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    product = _PRODUCT.match(text)
    return browser or system or (product[0] if product else "")
