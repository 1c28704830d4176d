"""One GET request with limits: of time, of size, and to the one URL that is trusted."""

import contextlib
import functools
import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .clock import stopwatch

_CHUNK = 64 * 1024
# RFC 9110 section 8.8.3. We would send anything else with each request: "*", a list, a line that no server takes.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]{,256}"')

at_hand: dict[str, Callable[[], bytes]] = {}
"""Documents that are not fetched, by URL. Only tests of projects have any: see :mod:`django_jwtauth.test`."""


class FetchError(Exception):
    """A document cannot be fetched, or is not what it should be. The text is for the log.

    Attributes:
        status: The HTTP status, if that is the problem; else 0.
        reason: A word for programs: ``unreachable``, if there was no answer; ``status``, for a status that is not 200;
            else ``refused``: the document cannot be trusted.
        url: What was fetched, without its query, which may hold a secret; empty if it did not come to that.
    """

    def __init__(self, message: str, status: int = 0, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.reason = "unreachable" if unreachable else "status" if status else "refused"
        self.url = ""

    @property
    def likely_cause(self) -> str:
        """A sentence about what is probably wrong; empty if nobody knows."""
        for begins, cause in _CAUSES_BY_TEXT.items():
            if begins in str(self):
                return cause
        return _CAUSES_BY_STATUS.get(self.status, _CAUSES_BY_STATUS.get(self.status // 100, ""))


_CAUSES_BY_STATUS = {
    304: "A cache in between repeats what it has told somebody else",
    404: "A Django issuer needs an asymmetric key, and django_jwtauth.urls_well_known in its root URLs",
    401: "Everybody must be able to read it, without signing in",
    403: "Everybody must be able to read it, without signing in",
    3: "Name the address to which it leads in TRUSTED_ISSUERS, as jwks_url or revocations_url",
    5: "The issuer, or a proxy before it, has failed; its log says why",
}
_CAUSES_BY_TEXT = {
    "CERTIFICATE": "This machine does not trust the certificate of the issuer",
    "no connection": "The issuer is not running, or cannot be reached from here",
    "no answer within": "The issuer, or the network between, is slow; a longer 'timeout' in TRUSTED_ISSUERS may help",
    "not a JSON object": "The address leads to something else, such as a page",
    "metadata of another issuer": "The issuer in TRUSTED_ISSUERS must be the issuer's own ISSUER, to the last slash",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDocument:
    """A document as it was sent."""

    body: bytes = field(repr=False)
    etag: str
    """Its entity tag (RFC 9110 section 8.8.3); empty if it has none that can be sent back."""


def check_url(url: str, *, allow_http: bool) -> str:
    """Return the URL if keys may be fetched from it: https, or http to this machine.

    Args:
        url: The URL.
        allow_http: Whether http to other machines is accepted too: in a network where nobody else can listen or answer.

    Raises:
        ValueError: if it is another kind of URL.
    """
    # The URL is not shown: it may hold a password.
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it is not a URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("it is not an https URL")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("this URL must not hold a user name or a fragment")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ValueError("it must be an https URL: otherwise an attacker in the network can sign in as any user")
    return url


def split_url(text: str) -> SplitResult:
    """Return the parts of a URL. They are all empty if it is not a URL with a host."""
    try:
        parts = urlsplit(text)
        return parts if parts.hostname else urlsplit("")
    except ValueError:
        return urlsplit("")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fetch(url: str, *, accept: str, limit: int, timeout: float, etag: str = "") -> FetchedDocument | None:
    """Fetch a document. Redirects are not followed: the URL is the one that is trusted.

    Args:
        url: One that :func:`check_url` has accepted.
        accept: The media types to ask for.
        limit: In bytes; a longer document is refused, and no more of it is read.
        timeout: In seconds, for all of it.
        etag: The entity tag of the copy at hand.

    Returns:
        The document, or ``None`` if the copy at hand is still the current one.

    Raises:
        FetchError: saying what went wrong.
    """
    try:
        return _fetch(url, accept=accept, limit=limit, timeout=timeout, etag=etag)
    except FetchError as error:
        error.url = without_query(url)
        raise


def without_query(url: str) -> str:
    """Return a URL as it may be shown in a log."""
    return url.partition("?")[0]


def _fetch(url: str, *, accept: str, limit: int, timeout: float, etag: str) -> FetchedDocument | None:
    if url in at_hand:
        return FetchedDocument(body=at_hand[url](), etag="")
    headers = {"Accept": accept, "User-Agent": "django-jwtauth", **({"If-None-Match": etag} if etag else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # check_url() has seen it
    deadline = stopwatch.seconds() + timeout
    try:
        with _opener(deadline, through_proxy=not is_loopback(urlsplit(url).hostname or "")).open(
            request, timeout=timeout
        ) as response:
            if response.status != 200:
                raise FetchError(f"the answer was {response.status}", response.status)
            tag = response.headers.get("ETag", "")
            return FetchedDocument(body=_read(response, limit), etag=tag if _ENTITY_TAG.fullmatch(tag) else "")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304 and etag:
            return None
        is_redirect = 300 <= error.code < 400 and error.code != 304
        what = "a redirect, which is not followed" if is_redirect else str(error.code)
        raise FetchError(f"the answer was {what}", error.code) from None
    except TimeoutError:
        raise FetchError(f"no answer within {timeout:g} seconds", unreachable=True) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise FetchError(f"no answer within {timeout:g} seconds", unreachable=True) from None
        # Quoted: it may be the text of a proxy.
        raise FetchError(f"no connection: {str(error.reason)!r}", unreachable=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"no valid answer: {error!r}", unreachable=True) from None


def _read(response: Any, limit: int) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise FetchError(f"the document has more than {limit} bytes")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != len(body):
        raise FetchError("the connection broke off", unreachable=True)
    return bytes(body)


def _opener(deadline: float, *, through_proxy: bool) -> urllib.request.OpenerDirector:
    """Make an opener that supports http and https only, follows no redirects, and respects the deadline."""
    # A proxy that is asked for localhost would fetch from its own machine.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(None if through_proxy else {}),
        _HTTPHandler(deadline),
        _HTTPSHandler(deadline),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads more than a hundred certificates, so only once


class _TimedConnection:
    """Gives a connection one deadline for everything; otherwise each wait may take the whole timeout."""

    sock: Any

    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline
        self._create_connection = self._connect_in_time

    def _connect_in_time(self, address: Any, timeout: Any, source_address: Any = None) -> Any:
        """Try all addresses of the host before the deadline."""
        found = _addresses(address[0], address[1], self._deadline)
        failures = []
        for left, (family, kind, protocol, _, where) in zip(range(len(found), 0, -1), found, strict=True):
            sock = socket.socket(family, kind, protocol)
            try:
                # An address that never answers leaves time for the others.
                sock.settimeout(_remaining(self._deadline) / left)
                sock.connect(where)
            except OSError as error:
                sock.close()
                failures.append(str(error))
            else:
                sock.settimeout(_remaining(self._deadline))  # for the TLS handshake
                return sock
        _remaining(self._deadline)  # raises TimeoutError, if that is the cause
        raise OSError("; ".join(failures))

    def _tunnel(self) -> None:
        """Ask a proxy to connect us (``CONNECT``), by the same deadline."""
        sock = self.sock
        self.sock = _TimedSocket(sock, self._deadline)
        super()._tunnel()  # type: ignore[misc]
        sock.settimeout(_remaining(self._deadline))
        self.sock = sock  # TLS needs the socket itself

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _TimedSocket(self.sock, self._deadline)


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """Look up a host before the deadline. Name services may take as long as they like, so a thread asks them."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads are allowed, or the interpreter is about to end
        ask()
    else:
        thread.join(_remaining(deadline))
    answer = answers[0] if answers else TimeoutError()
    if isinstance(answer, OSError):
        raise answer
    return list(answer)


class _HTTPConnection(_TimedConnection, http.client.HTTPConnection):
    pass


class _HTTPSConnection(_TimedConnection, http.client.HTTPSConnection):
    pass


class _HTTPHandler(urllib.request.HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_HTTPConnection, deadline=self._deadline), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__(context=_tls())
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_HTTPSConnection, deadline=self._deadline), req, context=_tls())


class _TimedSocket:
    """The part of a socket that an HTTP connection uses, with a deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(_remaining(self._deadline))
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        # The socket is closed when both it and this object are closed.
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_remaining(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _remaining(deadline: float) -> float:
    remaining = deadline - stopwatch.seconds()
    if remaining <= 0:
        raise TimeoutError
    return remaining
