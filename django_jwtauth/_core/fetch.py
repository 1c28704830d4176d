"""One GET request that cannot take longer, bring more or lead elsewhere than was said."""

import functools
import http.client
import io
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

_CHUNK = 64 * 1024


class FetchError(Exception):
    """A document could not be fetched, or is not what it should be. For the log.

    Attributes:
        status: The status that was answered, if that is what was wrong; else 0.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDocument:
    """A document as it was sent."""

    body: bytes = field(repr=False)
    etag: str
    """Its entity tag (RFC 9110 section 8.8.3); empty if it has none."""


def check_url(url: str, *, allow_http: bool) -> str:
    """Return a URL that keys may be fetched from: https, or http to this very machine.

    Args:
        url: The URL.
        allow_http: Whether http to other machines will do: in a network where nobody else can listen or answer.

    Raises:
        ValueError: if it is no such URL.
    """
    # The URL is not shown: it may hold a password.
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it is no URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("it is no https URL")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("a user name or a fragment cannot be in this URL")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ValueError("it must be an https URL, or whoever can answer in its place can sign in as anybody")
    return url


def split_url(text: str) -> SplitResult:
    """Return the parts of a URL, which are all empty if it is none with a host."""
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
        etag: That of the copy at hand.

    Returns:
        The document, or ``None`` if the copy at hand is still the present one.

    Raises:
        FetchError: saying what went wrong.
    """
    headers = {"Accept": accept, "User-Agent": "django-jwtauth", **({"If-None-Match": etag} if etag else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # check_url() has seen it
    deadline = time.monotonic() + timeout
    try:
        with _opener(deadline, through_proxy=not is_loopback(urlsplit(url).hostname or "")).open(
            request, timeout=timeout
        ) as response:
            if response.status != 200:
                raise FetchError(f"the answer was {response.status}", response.status)
            return FetchedDocument(body=_read(response, limit), etag=response.headers.get("ETag", ""))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304 and etag:
            return None
        what = "a redirect, which is not followed" if 300 <= error.code < 400 else str(error.code)
        raise FetchError(f"the answer was {what}", error.code) from None
    except TimeoutError:
        raise FetchError(f"no answer within {timeout:g} seconds") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise FetchError(f"no answer within {timeout:g} seconds") from None
        # Quoted: it may be what a proxy said.
        raise FetchError(f"no connection: {str(error.reason)!r}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"no proper answer: {error!r}") from None


def _read(response: Any, limit: int) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise FetchError(f"the document has more than {limit} bytes")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != len(body):
        raise FetchError("the connection broke off")
    return bytes(body)


def _opener(deadline: float, *, through_proxy: bool) -> urllib.request.OpenerDirector:
    """Make an opener that knows http and https only, follows nothing, and watches the clock."""
    # A proxy that is asked for "this very machine" answers for itself, or for somebody else.
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
    return ssl.create_default_context()  # reads some hundred certificates, so once will do


class _TimedConnection:
    """Adds to a connection that all waiting ends at one time; without it, each wait may take the whole timeout."""

    sock: Any

    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline
        self._create_connection = self._connect_in_time

    def _connect_in_time(self, address: Any, timeout: Any, source_address: Any = None) -> Any:
        """Try all addresses of the host within one time."""
        found = socket.getaddrinfo(address[0], address[1], type=socket.SOCK_STREAM)
        failures = []
        for left, (family, kind, protocol, _, where) in zip(range(len(found), 0, -1), found, strict=True):
            sock = socket.socket(family, kind, protocol)
            try:
                # An address that never answers leaves the others their share.
                sock.settimeout(_remaining(self._deadline) / left)
                sock.connect(where)
            except OSError as error:
                sock.close()
                failures.append(str(error))
            else:
                return sock
        _remaining(self._deadline)  # which says so, if that is why
        raise OSError("; ".join(failures))

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _TimedSocket(self.sock, self._deadline)


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
    """As much of a socket as an HTTP connection uses."""

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
    """Reads from a socket until the time is over."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        # The socket itself is closed when both it and this are.
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
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
