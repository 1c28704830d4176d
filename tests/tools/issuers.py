"""An issuer to verify against: a real server on this machine that answers what a test tells it to."""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django_jwtauth._core import jws
from django_jwtauth.keys import Key
from django_jwtauth.verifier import Verifier

AUDIENCE = "https://stock.example.com"
PATIENCE = 60.0
"""How long a test waits for what must happen. Machines may be busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server says."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    """A length is only told if it is in one piece."""
    pause: float = 0.0
    """How many seconds to wait before each byte."""
    raw: bytes = b""
    """Instead of all that: exactly these bytes."""
    gate: threading.Event | None = None
    """What to wait for first."""

    def pieces(self) -> Iterable[bytes]:
        if self.raw:
            yield self.raw
            return
        length = {"Content-Length": str(len(self.body))} if isinstance(self.body, bytes) else {}
        lines = [f"HTTP/1.1 {self.status} Whatever", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in {**length, **self.headers}.items()]
        yield "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
        yield from [self.body] if isinstance(self.body, bytes) else self.body


def as_json(value: object, **headers: str) -> Answer:
    return Answer(body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


class Server:
    """A server on a free port. Answers 404 to what is not in ``answers``, and remembers what was asked."""

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer | Callable[[Mapping[str, str]], Answer]] = {}
        self.is_down = False
        """Whether it hangs up on everybody."""
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.sent = 0
        """How many bytes."""
        self.errors: list[BaseException | None] = []
        self._asked = threading.Condition()
        self._stopping = threading.Event()
        self._http = _HTTPServer(self, context)
        self.port = self._http.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self.errors == []

    def count(self, path: str = "") -> int:
        """Tell how often a path was asked for; or all of them."""
        with self._asked:
            return sum(asked == path or not path for asked, _ in self.requests)

    def wait_for(self, path: str, count: int) -> None:
        """Wait until a path was asked for so often."""
        with self._asked:
            assert self._asked.wait_for(lambda: sum(asked == path for asked, _ in self.requests) >= count, PATIENCE)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._asked:
            self.requests.append((handler.path, dict(handler.headers)))
            self._asked.notify_all()
        found = self.answers.get(handler.path, Answer(status=404))
        answer = found if isinstance(found, Answer) else found(dict(handler.headers))
        if self.is_down:
            return
        if answer.gate is not None:
            while not answer.gate.wait(0.05) and not self._stopping.is_set():
                pass
        with contextlib.suppress(OSError):  # the client may have had enough
            for piece in answer.pieces():
                for part in [piece] if not answer.pause else (piece[i : i + 1] for i in range(len(piece))):
                    if answer.pause and self._stopping.wait(answer.pause):
                        return
                    handler.wfile.write(part)
                    self.sent += len(part)


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._server = server
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self._server.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server: _HTTPServer

    def do_GET(self) -> None:
        self.server._server.answer(self)

    def log_message(self, *args: object) -> None:
        pass


class Issuer:
    """Somebody who signs tokens, and publishes keys and a revocation list on a server."""

    def __init__(self, server: Server, path: str = "", *, keys: Iterable[Key] = ()) -> None:
        self.server = server
        self.url = f"{server.url}{path}"
        self.keys = [*keys] or [Key.generate("ES256")]
        """All that are published; the first one signs."""
        self.revoked: dict[str, Any] = {"sids": [], "jtis": [], "not_before": 0}
        self.time = int(time.time()) - 1000
        """The ``iat`` of the last list. Each one is a second later than the one before, or it would only add to it."""
        self.jwks_path = f"{path}/.well-known/jwks.json"
        self.list_path = f"{path}/.well-known/jwt-revocations"
        self.metadata_path = f"/.well-known/oauth-authorization-server{path}"
        self.publish()

    def publish(self) -> None:
        """Answer as an issuer should, again."""
        self.server.is_down = False
        self.server.answers[self.jwks_path] = lambda headers: as_json(self.jwks())
        self.server.answers[self.list_path] = lambda headers: Answer(body=self.document().encode())

    @property
    def key(self) -> Key:
        return self.keys[0]

    def later(self) -> int:
        self.time = min(self.time + 1, int(time.time()))
        return self.time

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.public_jwk() for key in self.keys]}

    def token(self, *, key: Key | None = None, typ: str = "at+jwt", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            **{"iss": self.url, "sub": "1", "aud": AUDIENCE, "client_id": "web", "jti": "token-1", "sid": "session-1"},
            **{"iat": now - 10, "exp": now + 290},
            **changes,
        }
        return jws.sign(claims, typ=typ, key=key or self.key)

    def document(self, *, key: Key | None = None, typ: str = "revocations+jwt", **changes: Any) -> str:
        """Return the revocation list with changes; ``...`` leaves a claim out."""
        claims = {
            **{"iss": self.url, "iat": self.later(), "exp": int(time.time()) + 60, "ttl": 2, "max_lifetime": 300},
            **self.revoked,
            **changes,
        }
        return jws.sign(
            {name: value for name, value in claims.items() if value is not ...}, typ=typ, key=key or self.key
        )

    def verifier(self, **options: Any) -> Verifier:
        """Make somebody who trusts this issuer. Reads the list so seldom that a test can say when."""
        return Verifier(
            **{
                **{"issuer": self.url, "audience": AUDIENCE, "leeway": timedelta(0)},
                **{"poll_interval": timedelta(minutes=2), "timeout": timedelta(seconds=PATIENCE)},
                **options,
            }
        )


def read_anew(polled: Any) -> None:
    """Have it read now, and wait for that."""
    with polled._changed:
        assert polled._changed.wait_for(lambda: not polled._busy, PATIENCE)
        goal = polled._attempts + 1
        polled._wake_thread()
        assert polled._changed.wait_for(lambda: polled._attempts >= goal, PATIENCE)


def make_old(cached: Any, seconds: float) -> None:
    """Make it look as if the value had been read so long ago."""
    cached._latest = replace(
        cached._latest, started=cached._latest.started - seconds, started_at=cached._latest.started_at - seconds
    )
