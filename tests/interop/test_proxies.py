"""An issuer behind nginx and behind Apache, by the blocks of the page on proxies."""

import http.client
import json
import socket
import ssl
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from tests.tools.docs import FENCE, page

from . import proxies
from .issuers import Issuer, claims_of
from .serve import PASSWORD

CLIENT = "127.0.0.5"  # not the address from which the proxy asks the issuer


class Connection(http.client.HTTPSConnection):
    """A connection to the proxy from an address of its own, under the name that its certificate has."""

    def __init__(self, port, context):
        super().__init__(proxies.HOST, timeout=30, context=context)
        self._address, self._tls = ("127.0.0.1", port), context

    def connect(self):
        plain = socket.create_connection(self._address, timeout=30, source_address=(CLIENT, 0))
        self.sock = self._tls.wrap_socket(plain, server_hostname=proxies.HOST)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    exec(FENCE.findall(page("docs/howto-proxies.md"))[0], given := {})
    settings = {name: given[name] for name in ("ALLOWED_HOSTS", "SECURE_PROXY_SSL_HEADER")}
    settings["ALLOWED_HOSTS"] += ["127.0.0.1"]
    directory = tmp_path_factory.mktemp("issuer")
    with Issuer(directory, "ES256", settings=settings, **given["JWTAUTH"]) as issuer:
        yield issuer


@pytest.fixture(scope="module", params=[proxies.nginx, proxies.apache], ids=["nginx", "apache"])
def ask(request, issuer):
    """Ask the issuer through the proxy: the status, the headers and the body."""
    with proxies.serving(request.param, urlsplit(issuer.url).netloc) as (port, certificate):
        context = ssl.create_default_context(cafile=certificate)

        def ask(method, path, body=None, **headers):
            connection = Connection(port, context)
            try:
                given = {name.replace("_", "-"): value for name, value in headers.items()}
                content = {"Content-Type": "application/json"} if body else {}
                connection.request(method, path, json.dumps(body) if body else None, {**given, **content})
                with connection.getresponse() as response:
                    text = response.read().decode()
                    return SimpleNamespace(status=response.status, headers=response.headers, text=text)
            finally:
                connection.close()

        yield ask


def sign_in(ask, **headers):
    response = ask("POST", "/api/auth/token/", {"username": "ada", "password": PASSWORD}, **headers)
    assert response.status == 200, response.text
    return json.loads(response.text)["access"]


def test_tokens_pass_and_the_address_is_that_of_the_client(ask):
    access = sign_in(ask, X_Forwarded_For="192.0.2.1")
    response = ask("GET", "/api/auth/sessions/", Authorization=f"Bearer {access}")
    assert response.headers["Cache-Control"] == "no-store"
    (session,) = [session for session in json.loads(response.text)["results"] if session["current"]]
    assert session["ip_address"] == CLIENT
    assert ask("GET", "/api/auth/sessions/").status == 401


def test_cookie_mode_knows_host_and_scheme(ask):
    origin = {"Origin": f"https://{proxies.HOST}"}
    response = ask("GET", "/api/auth/browser/csrf/", **origin)
    assert response.status == 200
    token, cookie = json.loads(response.text)["csrf_token"], response.headers["Set-Cookie"].partition(";")[0]
    given = {"Cookie": cookie, "X-CSRFToken": token}
    credentials = {"username": "ada", "password": PASSWORD}
    assert ask("POST", "/api/auth/browser/login/", credentials, **given, **origin).status == 200
    hostile = {"Origin": f"http://{proxies.HOST}"}
    assert ask("POST", "/api/auth/browser/login/", credentials, **given, **hostile).status == 403


def test_the_list_is_fresh_and_can_be_asked_for_again(ask):
    path = "/.well-known/jwt-revocations"
    first = ask("GET", path)
    assert first.headers["Cache-Control"] == "public, max-age=1, must-revalidate"
    access = sign_in(ask)
    assert ask("POST", "/api/auth/logout/", Authorization=f"Bearer {access}").status == 204
    deadline = time.monotonic() + 60  # of the cache and the issuer; the machine may be slow
    while claims_of(access)["sid"] not in claims_of(ask("GET", path).text)["sids"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    path = "/.well-known/jwks.json"
    assert ask("GET", path, If_None_Match=ask("GET", path).headers["ETag"]).status == 304


def test_nginx_can_ask_the_issuer_about_each_token(issuer):
    pair = issuer.sign_in()
    with proxies.serving(proxies.nginx_that_asks, urlsplit(issuer.url).netloc) as (port, _):

        def status(method="GET", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(method, "/page.txt", headers=headers)
                with connection.getresponse() as response:
                    assert (response.status == 200) == (response.read().decode() == proxies.PAGE)
                    return response.status
            finally:
                connection.close()

        good = {"Authorization": f"Bearer {pair['access']}"}
        assert status(**good) == 200
        assert status(Authorization=f"Bearer {pair['refresh']}") == status() == 401
        issuer.post("logout/", token=pair["access"])
        assert status(**good) == 401


@pytest.mark.parametrize(("left_out", "seen"), [("", "Bearer x.y.z"), ("WSGIPassAuthorization On", "nothing")])
def test_mod_wsgi_passes_the_header_on_if_it_is_told_to(left_out, seen):
    with proxies.serving(proxies.mod_wsgi, left_out=left_out) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/", headers={"Authorization": "Bearer x.y.z"})
            with connection.getresponse() as response:
                assert (response.status, response.read().decode()) == (200, seen)
        finally:
            connection.close()
