"""The page of another origin."""

import re
import subprocess
import sys

from tests.tools.demo import CHECKOUT

ASK_PAGE = """
import sys, wsgiref.util
from example_project.page.wsgi import application
for host, path in (argument.split("/", 1) for argument in sys.argv[1:]):
    environ = {"PATH_INFO": f"/{path}", "HTTP_HOST": host}
    wsgiref.util.setup_testing_defaults(environ)
    said = []
    body = application(environ, lambda status, headers: said.append((status, dict(headers))))
    (status, headers), content = said[0], b"".join(body)
    body.close()
    names = ("Location", "Content-Type", "Content-Security-Policy", "X-Content-Type-Options")
    print(status.split()[0], *(headers.get(name) for name in names), sep="|")
"""


def test_page_is_at_one_address_and_hands_out_its_files_only(environment):
    address = "127.0.0.1:8002"
    paths = ["", "page.css", "jwtauth.js", "icon.svg", "views.py", "../views.py", "..", "nothing.js"]
    asked = [f"{address}/{path}" for path in paths] + ["localhost:8002/", "example.com/"]
    command = [sys.executable, "-W", "error", "-c", ASK_PAGE, *asked]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    answers = [line.split("|") for line in done.stdout.splitlines()]
    assert [answer[0] for answer in answers] == ["200"] * 4 + ["404"] * 4 + ["302", "400"], done.stderr
    types = ["text/html", "text/css", "text/javascript", "image/svg+xml"]
    assert [answer[2] for answer in answers[:4]] == [f"{kind}; charset=utf-8" for kind in types]
    assert answers[8][1] == f"http://{address}/"
    for *_, policy, sniff in answers[:9]:
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "connect-src 'self' http://127.0.0.1:8000 http://127.0.0.1:8001;" in policy
        assert sniff == "nosniff"


def test_page_runs_under_its_policy():
    static = CHECKOUT / "example_project" / "page" / "static"
    html = (static / "index.html").read_text()
    assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", html)
    assert set(re.findall(r'(?:src|href)="([\w.]+)"', html)) <= {path.name for path in static.iterdir()} | {
        "jwtauth.js"
    }
