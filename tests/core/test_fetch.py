"""Fetching one document: what it may not do, take or bring. Against real servers."""

import contextlib
import datetime
import ipaddress
import itertools
import socket
import ssl
import threading
import time
import tracemalloc
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from django_jwtauth._core import fetch as fetching
from django_jwtauth._core.fetch import FetchError, fetch
from tests.tools.issuers import PATIENCE, Answer, Server
from tests.tools.products import each_row

MIB = 1024 * 1024


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


def get(url, *, limit=MIB, timeout=PATIENCE, etag=""):
    return fetch(url, accept="application/json", limit=limit, timeout=timeout, etag=etag)


def failure(url, **kwargs):
    """Why it cannot be fetched."""
    with pytest.raises(FetchError) as caught:
        get(url, **kwargs)
    assert caught.value.__cause__ is None
    return str(caught.value)


# What is answered


def test_a_document_is_fetched_with_its_tag(server):
    server.answers["/a?b=c"] = Answer(body=b"{}", headers={"ETag": 'W/"1"'})
    fetched = get(f"{server.url}/a?b=c")
    assert (fetched.body, fetched.etag) == (b"{}", 'W/"1"')
    ((path, headers),) = server.requests
    assert path == "/a?b=c"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"] == "django-jwtauth"
    assert headers["Accept-Encoding"] == "identity"  # nothing that could be a bomb
    assert "If-None-Match" not in headers
    assert "Cookie" not in headers


def test_a_document_may_be_without_tag_or_length_and_in_chunks(server):
    server.answers["/pieces"] = Answer(body=[b"{", b"}"])
    server.answers["/chunks"] = Answer(
        body=[b"1\r\n{\r\n", b"1;ext=1\r\n}\r\n", b"0\r\n\r\n"], headers={"Transfer-Encoding": "chunked"}
    )
    server.answers["/empty"] = Answer()
    assert [get(f"{server.url}/{name}").body for name in ("pieces", "chunks", "empty")] == [b"{}", b"{}", b""]
    assert get(f"{server.url}/empty").etag == ""


def test_what_is_still_the_present_one_is_not_sent_again(server):
    server.answers["/"] = Answer(status=304)
    assert get(f"{server.url}/", etag='"1"') is None
    assert server.requests[0][1]["If-None-Match"] == '"1"'


TAGS = {
    **dict.fromkeys(['"1"', 'W/"1"', '""', '"a,b"', '"ä"', f'"{"x" * 256}"'], True),
    **dict.fromkeys(["*", "1", "W/1", 'w/"1"', '"1", "2"', '"1" x', '"', '"a b"', '"a\r\n b"'], False),
    **dict.fromkeys([f'"{"x" * 257}"', f'"{"x" * 60_000}"'], False),
}


@pytest.mark.parametrize(("tag", "is_good"), TAGS.items(), ids=[repr(tag)[:20] for tag in TAGS])
def test_a_tag_that_is_none_is_not_kept(server, tag, is_good):
    """A server would answer "*" with a 304 for ever, and a long line with an error."""
    server.answers["/"] = Answer(body=b"{}", headers={"ETag": tag})
    fetched = get(f"{server.url}/")
    assert fetched.body == b"{}"
    assert fetched.etag == (tag if is_good else "")


ANSWERS = {
    "not there": (Answer(status=404, body=b"<html>"), 404),
    "forbidden": (Answer(status=403), 403),
    "broken": (Answer(status=500), 500),
    "busy": (Answer(status=503, headers={"Retry-After": "1"}), 503),
    "no content": (Answer(status=204), 204),
    "partial": (Answer(status=206, body=b"{"), 206),
    "not modified, though nobody asked": (Answer(status=304), 304),
    "odd": (Answer(status=999), 999),
}


@pytest.mark.parametrize(("answer", "status"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_no_success_is_named(server, answer, status):
    server.answers["/"] = answer
    with pytest.raises(FetchError) as caught:
        get(f"{server.url}/")
    assert caught.value.status == status
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/good", "http://evil.example/", "file:///etc/passwd", "//evil.example"])
def test_no_redirect_is_followed(server, status, location):
    server.answers["/good"] = Answer(body=b"{}")
    server.answers["/"] = Answer(status=status, headers={"Location": location}, body=b"{}")
    assert "a redirect, which is not followed" in failure(f"{server.url}/")
    assert server.count() == 1


IMPROPER = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "nothing": b"\r\n",
    "a status that is no number": b"HTTP/1.1 two hundred\r\n\r\n",
    "an endless line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n{}",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
    "cut off, in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    "cut off, between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "chunks of no number": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}


@each_row("raw", IMPROPER.values(), ids=IMPROPER)
def test_what_is_no_proper_answer_is_refused(server, raw):
    server.answers["/"] = Answer(raw=raw)
    assert failure(f"{server.url}/").startswith(("no valid answer", "the connection broke off", "no connection"))


def test_a_server_that_hangs_up_or_is_not_there(server):
    server.is_down = True
    assert failure(f"{server.url}/").startswith("no valid answer")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens
        assert failure(f"http://127.0.0.1:{free.getsockname()[1]}/").startswith("no connection")
    assert "no" in failure(f"http://{'a' * 70}.localhost.invalid/")  # a label that no name may have


def test_all_addresses_of_a_host_are_tried_in_one_time(server, monkeypatch):
    """Nothing listens at the first ones."""
    asked = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        (family, *rest, where) = asked(host, port, *args, **kwargs)[0]
        return [(family, *rest, ("127.0.0.2", port)), (family, *rest, where)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    server.answers["/"] = Answer(body=b"{}")
    assert get(f"{server.url}/").body == b"{}"


def test_what_is_for_this_machine_goes_through_no_proxy(server, monkeypatch):
    server.answers["/"] = Answer(body=b"{}")
    proxy = Server()
    try:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert get(f"{server.url}/").body == b"{}"
        assert proxy.count() == 0
        proxy.answers["http://keys.invalid/"] = Answer(body=b"[]")
        assert get("http://keys.invalid/").body == b"[]"
    finally:
        proxy.stop()


# How much


def test_a_document_may_be_as_long_as_the_limit_and_no_byte_longer(server):
    server.answers["/"] = Answer(body=b"x" * 1000)
    server.answers["/pieces"] = Answer(body=[b"x" * 500] * 2)
    for path in ("/", "/pieces"):
        assert len(get(server.url + path, limit=1000).body) == 1000
        assert failure(server.url + path, limit=999) == "the document has more than 999 bytes"


@pytest.mark.parametrize("form", ["length", "no length", "chunks"])
def test_no_more_is_read_than_the_limit_however_much_there_is(server, form):
    size, piece = 200 * MIB, b"x" * (64 * 1024)
    pieces = itertools.repeat(piece, size // len(piece))
    if form == "chunks":
        pieces = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    headers = {"length": {"Content-Length": str(size)}, "chunks": {"Transfer-Encoding": "chunked"}}.get(form, {})
    server.answers["/"] = Answer(body=pieces, headers=headers)
    tracemalloc.start()
    try:
        assert failure(f"{server.url}/", limit=MIB) == f"the document has more than {MIB} bytes"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * MIB
    assert server.sent < 40 * MIB  # what fits into the buffers between


# How long

SLOW = {
    "headers": Answer(raw=b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 2000, pause=0.02),
    "body": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, pause=0.02),
    "body without length": Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, pause=0.02),
    "interim answers": Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause=0.02),
    "trailers": Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: x\r\n" * 400, pause=0.02
    ),
    "nothing": Answer(gate=threading.Event()),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_time_is_for_all_of_it_however_it_drips(server, name):
    """Each wait for some bytes is short here; together they would take 40 seconds or more."""
    server.answers["/"] = SLOW[name]
    began = time.monotonic()
    assert failure(f"{server.url}/", timeout=0.25) == "no answer within 0.25 seconds"
    assert 0.2 <= time.monotonic() - began < 20


def test_connecting_is_in_the_time_too():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):  # the queue is full, and more are kept waiting
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        began = time.monotonic()
        assert failure(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.5) == "no answer within 0.5 seconds"
        assert 0.45 <= time.monotonic() - began < 20


def test_looking_up_a_name_is_in_the_time_too(monkeypatch):
    done = threading.Event()
    asked = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
            return asked(host, port, *args, **kwargs)
        done.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    began = time.monotonic()
    assert failure("https://keys.invalid/", timeout=0.5) == "no answer within 0.5 seconds"
    assert 0.5 <= time.monotonic() - began < 20
    done.set()
    assert "name resolution" in failure("https://keys.invalid/")


def test_without_threads_a_name_is_looked_up_all_the_same(server, monkeypatch):
    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(fetching, "threading", SimpleNamespace(Thread=NoThread))
    server.answers["/"] = Answer(body=b"[]")
    assert get(f"http://localhost:{server.port}/").body == b"[]"


@pytest.fixture
def proxy(monkeypatch):
    """Let a function play the proxy of the environment: it gets a client's connection after CONNECT was read."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for variable in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")

        def play(answer):
            def serve():
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    assert client.recv(4096).startswith(b"CONNECT keys.invalid:443 ")
                    answer(client)

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join, PATIENCE)

        yield play


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n"])
def test_what_a_proxy_answers_to_connect_is_in_the_time_too(proxy, begin):
    def drip(client):
        client.sendall(begin)
        while True:  # until the other side has gone
            client.sendall(b"A: b\r\n" if begin.endswith(b"\n") else b"x")
            time.sleep(0.05)

    proxy(drip)
    began = time.monotonic()
    assert failure("https://keys.invalid/", timeout=0.75) == "no answer within 0.75 seconds"
    assert 0.75 <= time.monotonic() - began < 20


def test_a_tls_server_behind_a_proxy_must_be_the_one_that_was_asked_for(proxy, tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate)

    def connect(client):
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", tls_server.port)) as server:
            while sent := client.recv(65536):
                server.sendall(sent)
                client.sendall(server.recv(65536))

    proxy(connect)
    assert "Hostname mismatch" in failure("https://keys.invalid/", timeout=5)
    assert tls_server.count() == 0


def test_a_proxy_that_refuses(proxy):
    proxy(lambda client: client.sendall(b"HTTP/1.1 403 No\r\n\r\n"))
    assert "403" in failure("https://keys.invalid/")


def test_a_time_that_is_over_before_anything_was_sent(server):
    connection = fetching._HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE, deadline=time.monotonic() - 1)
    with contextlib.closing(connection), pytest.raises(TimeoutError):
        connection.request("GET", "/")
    assert server.count() == 0


# Of whom


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(file)


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server(context=context)
    server.answers["/"] = Answer(body=b"{}")
    fetching._tls.cache_clear()
    yield server
    fetching._tls.cache_clear()
    server.stop()


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(tls_server):
    assert "CERTIFICATE_VERIFY_FAILED" in failure(f"{tls_server.url}/")
    assert tls_server.count() == 0


def test_a_server_that_is_vouched_for_is_asked_under_its_own_name_only(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    assert get(f"{tls_server.url}/").body == b"{}"
    assert "CERTIFICATE_VERIFY_FAILED" in failure(f"https://localhost:{tls_server.port}/")
    assert tls_server.count() == 1


def test_the_time_is_for_all_of_it_over_tls_too(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    tls_server.answers["/"] = SLOW["body"]
    began = time.monotonic()
    assert failure(f"{tls_server.url}/", timeout=0.25) == "no answer within 0.25 seconds"
    assert 0.2 <= time.monotonic() - began < 20


def test_a_server_that_speaks_no_tls(server):
    assert failure(f"https://127.0.0.1:{server.port}/").startswith("no connection")
    assert server.count() == 0
