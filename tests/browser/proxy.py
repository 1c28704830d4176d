"""A proxy that loses answers: what the server has done, nobody hears of."""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .example import PATIENCE

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding"}  # RFC 9110 section 7.6.1


class Proxy:
    """Where it is, and what it has done."""

    def __init__(self, url):
        self.url = url
        self.lose_answers_to = None
        """What the path of the next request but OPTIONS ends with whose answer is lost."""
        self.lost = []

    def loses(self, method, path):
        """Tell whether the answer to a request is to be lost, and put it down."""
        if method == "OPTIONS" or self.lose_answers_to is None or not path.endswith(self.lose_answers_to):
            return False
        self.lose_answers_to = None
        self.lost.append(method)
        return True


class _Handler(BaseHTTPRequestHandler):
    # It speaks HTTP/1.0: with a connection for each request, browsers do not send one again by themselves.
    def _forward(self):
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(target.netloc, timeout=PATIENCE)
        with contextlib.closing(connection):
            path = target.path + (f"?{target.query}" if target.query else "")
            connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        if self.server.proxy.loses(self.command, target.path):
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_OPTIONS = _forward  # noqa: N815  # as the base class calls them

    def log_message(self, *args):
        """Say nothing."""


@contextlib.contextmanager
def cutting():
    """Run one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
