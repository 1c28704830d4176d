"""What another issuer's server answers, byte by byte: metadata, key set and revocation list, fetched over HTTP."""

import functools
import json
import time

from django_jwtauth._core import jws
from django_jwtauth._core.fetch import FetchError, check_url
from django_jwtauth._core.remote import ASYMMETRIC_ALGORITHMS, Issuer, RemoteKeys, RemoteRevocations
from django_jwtauth.keys import KeySet
from tests.fuzz.target import SEPARATOR, Target, joined, require
from tests.fuzz.targets.tokens import EDDSA
from tests.tools import issuers

PATHS = {
    b"m": "/.well-known/oauth-authorization-server",
    b"k": "/.well-known/jwks.json",
    b"l": "/.well-known/jwt-revocations",
}
METADATA = '{"issuer": "<issuer>", "jwks_uri": "<issuer>/keys", "jwt_revocations_uri": "<issuer>/list"}'
KEYS = json.dumps({"keys": [EDDSA.public_jwk()]})
GOOD = {"m": METADATA, "k": KEYS, "l": "<list>"}
ODD_URLS = [
    "file:///etc/passwd",
    "http://a.example",
    "//a",
    "https://a@b",
    "http://[::1",
    "http://127.0.0.1:99999/#a",
    " ",
]
ODD_ANSWERS = [
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/0.9\r\n",
    "HTTP/1.1 99 x\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n",
    "HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n{}\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\n" + "a: b\r\n" * 101 + "\r\n{}",
    "HTTP/1.1 200 OK\r\n folded\r\n\r\n{}",
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\r\n\r\n",
    "\r\n" * 50,
]


def response(body):
    """Return a good answer with that body."""
    return (
        f'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1"\r\nContent-Length: {len(body)}\r\n\r\n{body}'
    )


def seeds():
    """Return good documents, and odd answers to each request."""
    for kind, body in GOOD.items():
        yield joined(kind, f'HTTP/1.1 200 OK\r\nETag: "1"\r\n\r\n{body}')
        for text in ODD_ANSWERS:
            yield joined(kind, text)
    yield joined("k", response(KEYS))
    for url in ODD_URLS:
        yield joined("m", "HTTP/1.1 200 OK\r\n\r\n" + METADATA.replace("<issuer>/keys", url))
        yield joined("m", "HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"issuer": "<issuer>", "jwks_uri": [url]}))


@functools.cache
def server():
    """Return a real server, which is started when it is first needed."""
    return issuers.Server()


def check(data):
    """Whatever a server answers is a document that can be used, or cannot be fetched; and in no other way."""
    kind, _, raw = data.partition(SEPARATOR)
    kind = kind if kind in PATHS else b"k"
    url = server().url
    good_list = issuers.Issuer(server(), keys=[EDDSA]).document() if b"<list>" in raw else ""
    server().answers.clear()
    raw = raw.replace(b"<issuer>", url.encode()).replace(b"<list>", good_list.encode())
    server().answers[PATHS[kind]] = issuers.Answer(raw=raw or b"\n")
    source = Issuer(issuer=url, jwks_url="", revocations_url="", timeout=10.0, allow_http=False)
    try:
        if kind == b"m":
            for found in (source.find_jwks(), source.find_revocations()):
                check_url(found, allow_http=False)
        elif kind == b"k":
            keys = RemoteKeys(source, algorithms=ASYMMETRIC_ALGORITHMS).read(None)
            require(not any(key.can_sign or key.is_symmetric for key in keys.values()), keys)
        else:
            read_list(source, good_list)
    except FetchError as error:
        _ = str(error), error.likely_cause
    require(server().errors == [], server().errors)


def read_list(source, good_list):
    """Only the issuer's own list is accepted, at first and beside the one at hand."""
    options = {"interval": 2.0, "max_staleness": 300.0, "fail_open": False, "leeway": 5.0}
    reader = RemoteRevocations(source, keys=KeySet([EDDSA]), **options)
    found = reader.read(None)
    require(good_list != "", "a list is accepted that nobody has signed")
    require(found.expires_at > time.time(), "its time has passed")
    require(reader.read(found).content() == found.content(), "the second time, it is another list")
    jws.check_times({"iat": int(time.time()), "exp": found.expires_at}, leeway=5.0, max_lifetime=found.max_lifetime)


TARGET = Target(
    name="documents",
    check=check,
    seeds=seeds,
    words=(
        *(
            "HTTP/1.1 ",
            "200",
            "304",
            "301",
            "100",
            "\\r\\n",
            "Content-Length: ",
            "Transfer-Encoding: chunked",
            "ETag: ",
        ),
        *("Location: ", "Connection: keep-alive", "<issuer>", "<list>", "issuer", "jwks_uri", "jwt_revocations_uri"),
        *("http://", "https://", "127.0.0.1", "[::1]", "keys", "kid", "kty", "OKP", "crv", "Ed25519", "null"),
    ),
    max_length=4096,
    runs=1500,
)
