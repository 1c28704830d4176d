"""A page of somebody who means harm, at an origin of its own that nobody has allowed."""

import contextlib
import html
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

FORM = """<!doctype html><title>You have won</title>
<form method="post" action="{action}" enctype="{enctype}">{fields}</form>
<script>document.forms[0].submit()</script>"""
EMPTY = "<!doctype html><title>You have won</title>"

# What a script can try: to send with the visitor's cookies, whether or not it may read the answer.
ATTEMPT = """async ([url, init]) => {
    try {
        const response = await fetch(url, {credentials: "include", ...init});
        return {type: response.type, text: await response.text()};
    } catch (error) {
        return {type: "error", text: ""};
    }
}"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        page = EMPTY
        if query:
            action, enctype = query.pop("action"), query.pop("enctype")
            fields = "".join(f'<input name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in query.items())
            page = FORM.format(action=html.escape(action), enctype=html.escape(enctype), fields=fields)
        body = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@contextlib.contextmanager
def attacking(host):
    """Serve the page: ``/`` is empty, and with a query it is a form of that, which sends itself.

    Args:
        host: ``localhost`` is another site than ``127.0.0.1``. By that name itself it is the same site, as a hostile
            page on a neighbouring host would be: browsers send it all the cookies, SameSite or not.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
