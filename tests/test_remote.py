"""Another issuer's keys and revocation list, as a service sees them. The issuer is a real server."""

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import ssl
import threading
import time
import tracemalloc
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from django_jwtauth._core import polling, remote
from django_jwtauth._core.fetch import FetchError
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import SUPPORTED_ALGORITHMS, Key, b64url_encode
from django_jwtauth.verifier import Verifier, verify_any

from .issuers import AUDIENCE, PATIENCE, Answer, Issuer, Server, as_json, make_old, read_anew

MIB = 1024 * 1024
HOUR, DAY = 3600, 86400
RSA = Key.generate("RS256")
OTHER = Key.generate("ES256")


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def issuer(server):
    return Issuer(server)


@pytest.fixture(autouse=True, scope="module")
def _quick_collections():
    """Let the many collections below not look at what all the other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    """What comes after a failure is tested here; how long it takes, beside the module that decides that."""
    monkeypatch.setattr(polling, "FIRST_BACKOFF_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def _threads_end(caplog, server):
    """The threads that fetch have to end when nobody needs them any more."""
    before = set(threading.enumerate())
    yield
    # What is logged is kept by pytest, and with its tracebacks what failed.
    caplog.set_level(logging.CRITICAL, "django_jwtauth")
    caplog.get_records("call").clear()
    caplog.clear()
    deadline = time.monotonic() + PATIENCE
    for thread in set(threading.enumerate()) - before:
        while thread.name.endswith("(_poll)") and thread.is_alive():
            assert time.monotonic() < deadline
            gc.collect()  # again, if the thread was just reading, and so kept alive what is in a cycle
            thread.join(0.05)


@pytest.fixture
def warned(caplog):
    """Return the warnings since it was last asked."""
    caplog.set_level(logging.DEBUG, "django_jwtauth")

    def warned():
        messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert not [record for record in caplog.records if record.exc_info]  # nothing that was not thought of
        caplog.clear()
        return " ".join(messages)

    return warned


def refused(verifier, raw):
    with pytest.raises(InvalidTokenError) as caught:
        verifier.verify(raw)
    return caught.value.reason


def together(count, function):
    barrier = threading.Barrier(count)

    def call(_):
        barrier.wait(PATIENCE)
        try:
            return function()
        except InvalidTokenError as error:
            return error.reason

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def wait_until(polled, condition):
    """Wait until a reading has made something true."""
    with polled._changed:
        assert polled._changed.wait_for(condition, PATIENCE)


def no_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


# What passes


def test_a_token_is_verified_with_nothing_but_issuer_and_audience(issuer, server, warned):
    verifier = issuer.verifier()
    read = verifier.verify(issuer.token(scope="stock:read"))
    assert (read.issuer, read.subject, read.sid) == (issuer.url, "1", "session-1")
    assert {path for path, _ in server.requests} == {issuer.metadata_path, issuer.jwks_path, issuer.list_path}
    accepts = {path: headers["Accept"] for path, headers in server.requests}
    assert accepts[issuer.jwks_path] == "application/jwk-set+json, application/json"
    assert accepts[issuer.list_path] == "application/jwt"
    assert accepts[issuer.metadata_path] == "application/json"
    assert warned() == ""


def test_nothing_is_fetched_for_what_is_no_token_of_ours(issuer, server):
    verifier = issuer.verifier()
    for raw in ("", "x.y.z", "x" * 5000, issuer.token(typ="JWT"), issuer.token(typ="rt+jwt"), "ä"):
        assert refused(verifier, raw) in ("invalid", "wrong_type")
    assert server.count() == 0
    assert verifier.keys._thread is None


def test_requests_cause_no_network(issuer, server, monkeypatch):
    """A thread that is not of ours fetches; the one that verifies could not even connect."""
    verifier = issuer.verifier()
    raws = [issuer.token(jti=str(number)) for number in range(10)]
    verifier.verify(raws[0])
    count, mine, connect = server.count(), threading.current_thread(), socket.socket.connect

    def refuse(self, *args):
        assert threading.current_thread() is not mine
        return connect(self, *args)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for number in range(1000):
        verifier.verify(raws[number % 10])
    assert server.count() == count
    read_anew(verifier.revocations)
    assert server.count() == count + 1


@pytest.mark.parametrize("alg", [alg for alg in SUPPORTED_ALGORITHMS if not alg.startswith("HS")])
def test_each_asymmetric_algorithm(server, alg):
    key = Key.from_pem(RSA.private_pem(), alg=alg) if alg[:2] in ("RS", "PS") else Key.generate(alg)
    issuer = Issuer(server, keys=[key])
    assert issuer.verifier().verify(issuer.token())
    assert issuer.verifier(algorithms=[alg]).verify(issuer.token())
    others = [other for other in remote.ASYMMETRIC_ALGORITHMS if other != alg]
    assert refused(issuer.verifier(algorithms=others), issuer.token()) == "invalid"


def test_two_issuers_with_one_kid_have_each_their_own_key(server):
    keys = [Key.from_pem(Key.generate("ES256").private_pem(), alg="ES256", kid="2026") for _ in range(2)]
    one, two = (Issuer(server, path, keys=[key]) for path, key in zip(["/one", "/two"], keys, strict=True))
    verifiers = {each.url: each.verifier() for each in (one, two)}
    for each, other in ((one, two), (two, one)):
        assert verify_any(each.token(), verifiers).issuer == each.url
        for raw in (other.token(iss=each.url), each.token(iss="https://evil.example"), each.token(iss=1), "x"):
            with pytest.raises(InvalidTokenError):
                verify_any(raw, verifiers)
        assert refused(verifiers[each.url], other.token()) == "invalid"
        assert refused(verifiers[each.url], each.token(iss=other.url)) == "wrong_issuer"
    two.revoked["sids"] = ["session-1"]
    read_anew(verifiers[two.url].revocations)
    assert verify_any(one.token(), verifiers)
    with pytest.raises(InvalidTokenError, match="revoked"):
        verify_any(two.token(), verifiers)


# Where from

URL = "https://auth.example.com"
BAD_URLS = {
    "http": ({"issuer": "http://auth.example.com"}, "issuer: it must be an https URL"),
    "no URL": ({"issuer": "django-jwtauth"}, "issuer: it is no https URL"),
    "half": ({"issuer": "django-jwtauth", "jwks_url": URL}, "issuer: it is no https URL"),
    "file": ({"jwks_url": "file:///etc/jwks.json"}, "jwks_url: it is no https URL"),
    "http keys": ({"jwks_url": "http://auth.example.com/jwks"}, "jwks_url: it must be an https URL"),
    "user": ({"jwks_url": "https://me:secret@auth.example.com/"}, "jwks_url: a user name or a fragment"),
    "fragment": ({"jwks_url": f"{URL}/#a"}, "jwks_url: a user name or a fragment"),
    "http list": ({"revocations_url": "http://auth.example.com/list"}, "revocations_url: it must be an https URL"),
    "file list": ({"revocations_url": "file:///list"}, "revocations_url: it is no https URL"),
}


@pytest.mark.parametrize(("options", "message"), BAD_URLS.values(), ids=BAD_URLS)
def test_urls_that_cannot_be_trusted_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        Verifier(**{"issuer": URL, "audience": AUDIENCE, **options})
    assert "secret" not in str(caught.value)


def test_http_will_do_where_that_was_said():
    assert Verifier(issuer="http://auth.internal", audience=AUDIENCE, allow_http=True)
    with pytest.raises(ValueError, match="no https URL"):
        Verifier(issuer="file:///auth", audience=AUDIENCE, allow_http=True)


def test_an_issuer_needs_no_url_where_both_others_are_given(issuer, server):
    options = {"jwks_url": server.url + issuer.jwks_path, "revocations_url": server.url + issuer.list_path}
    issuer.url = "django-jwtauth"
    assert issuer.verifier(**options).verify(issuer.token())
    assert issuer.verifier(**{**options, "revocations_url": None}).verify(issuer.token())
    assert server.count(issuer.metadata_path) == 0


def test_a_server_that_nobody_vouches_for_gives_no_keys(warned):
    """Against a server that speaks TLS but has no certificate to show that anybody knows, see test_fetch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = Server(context=context)
    try:
        issuer = Issuer(server)
        assert refused(issuer.verifier(), issuer.token()) == "stale"
        assert "no connection" in warned()
        assert server.count() == 0
    finally:
        server.stop()


@pytest.mark.parametrize("path", ["", "/", "/tenant", "/tenant/"])
def test_metadata_say_where_everything_is(server, path):
    issuer = Issuer(server, path)
    issuer.metadata_path = f"/.well-known/oauth-authorization-server{path.rstrip('/')}"
    answers = server.answers
    answers["/keys"], answers["/list"] = answers.pop(issuer.jwks_path), answers.pop(issuer.list_path)
    about = {"issuer": issuer.url, "jwks_uri": f"{server.url}/keys", "jwt_revocations_uri": f"{server.url}/list"}
    answers[issuer.metadata_path] = as_json(about)
    verifier = issuer.verifier()
    assert verifier.verify(issuer.token())
    assert {path for path, _ in server.requests} == {issuer.metadata_path, "/keys", "/list"}


@pytest.mark.parametrize("path", ["", "/", "/tenant", "/tenant/"])
def test_without_metadata_everything_is_where_it_usually_is(server, path):
    issuer = Issuer(server, path)
    base = path.rstrip("/")
    for name in ("jwks_path", "list_path"):
        answer = server.answers.pop(getattr(issuer, name))
        setattr(issuer, name, getattr(issuer, name).removeprefix(path))
        server.answers[base + getattr(issuer, name)] = answer
    assert issuer.verifier().verify(issuer.token())
    assert server.count(f"/.well-known/oauth-authorization-server{base}") in (1, 2)


METADATA = {
    "of another issuer": ({"issuer": "https://evil.example"}, "is the metadata of another issuer"),
    "of nobody": ({"issuer": ...}, "is the metadata of another issuer"),
    "of the issuer with a slash": ({"issuer": "{url}/"}, "is the metadata of another issuer"),
    "http keys": ({"jwks_uri": "http://evil.example/jwks"}, "jwks_uri of the metadata: it must be an https URL"),
    "file": ({"jwks_uri": "file:///etc/jwks.json"}, "jwks_uri of the metadata: it is no https URL"),
    "user name": ({"jwks_uri": "https://a:b@evil.example/"}, "jwks_uri of the metadata: a user name"),
    "null": ({"jwks_uri": None}, "jwks_uri of the metadata: it is no https URL"),
    "list": ({"jwks_uri": ["https://evil.example/"]}, "jwks_uri of the metadata: it is no"),
    "no string": ({"jwks_uri": {"a": 1}}, "jwks_uri of the metadata: it is no"),
}


@pytest.mark.parametrize(("changes", "message"), METADATA.values(), ids=METADATA)
def test_metadata_that_cannot_be_trusted_are_refused(issuer, server, warned, changes, message):
    about = {"issuer": issuer.url, "jwks_uri": server.url + issuer.jwks_path, **changes}
    about = {name: value for name, value in about.items() if value is not ...}
    if about.get("issuer") == "{url}/":
        about["issuer"] = f"{issuer.url}/"
    server.answers[issuer.metadata_path] = as_json(about)
    verifier = issuer.verifier(revocations_url=None)
    assert refused(verifier, issuer.token()) == "stale"
    text = warned()
    assert message in text
    assert f"The keys of {issuer.url!r} cannot be fetched" in text
    assert server.count(issuer.jwks_path) == 0


def test_an_https_issuer_leads_nobody_to_what_listens_on_this_machine_only():
    source = remote.Issuer(issuer=URL, jwks_url="", revocations_url=None, timeout=1, allow_http=False)
    source._metadata, source._metadata_until = {"jwks_uri": "http://127.0.0.1:8000/admin"}, float("inf")
    with pytest.raises(FetchError, match="jwks_uri of the metadata: it must be an https URL, as the issuer is"):
        source.find_jwks()


@pytest.mark.parametrize(
    "answer",
    [Answer(status=500), Answer(status=302, headers={"Location": "/x"}), Answer(body=b"<html>"), Answer(body=b"[]")],
    ids=["500", "redirect", "HTML", "list"],
)
def test_metadata_that_cannot_be_had_are_not_made_up(issuer, server, warned, answer):
    server.answers[issuer.metadata_path] = answer
    verifier = issuer.verifier(revocations_url=None)
    assert refused(verifier, issuer.token()) == "stale"
    assert warned()
    assert server.count(issuer.jwks_path) == 0
    del server.answers[issuer.metadata_path]
    read_anew(verifier.keys)
    assert verifier.verify(issuer.token())


def test_old_metadata_go_on_while_there_are_no_newer_ones(issuer, server, monkeypatch):
    server.answers["/keys"] = server.answers.pop(issuer.jwks_path)
    server.answers[issuer.metadata_path] = as_json({"issuer": issuer.url, "jwks_uri": f"{server.url}/keys"})
    verifier = issuer.verifier(revocations_url=None)
    assert verifier.verify(issuer.token())
    read_anew(verifier.keys)
    assert server.count(issuer.metadata_path) == 1  # they are good for an hour
    source = verifier.keys._issuer
    assert HOUR - PATIENCE < source._metadata_until - time.monotonic() <= HOUR
    for answer in (Answer(status=500), as_json({"issuer": "https://evil.example"})):
        server.answers[issuer.metadata_path] = answer
        count = server.count(issuer.metadata_path)
        source._metadata_until = time.monotonic()
        read_anew(verifier.keys)
        read_anew(verifier.keys)
        assert server.count(issuer.metadata_path) == count + 1
        assert verifier.keys._failed == 0
        assert verifier.verify(issuer.token())


# Key sets


def jwks_with(issuer, **changes):
    (entry,) = issuer.jwks()["keys"]
    return as_json({"keys": [{**entry, **changes}]})


def other_jwk(kid=None):
    jwk = Key.generate("ES256").public_jwk()
    return jwk if kid is None else {**jwk, "kid": kid}


PRIVATE = {name: b64url_encode(b"x" * 32) for name in ("d", "p", "q", "dp", "dq", "qi", "k", "priv")} | {"oth": []}
HOSTILE = {
    "200 MB": (
        lambda issuer: Answer(body=(b" " * 65536 for _ in range(3200))),
        "the document has more than 1048576 bytes",
    ),
    "a little too long": (lambda issuer: Answer(body=json.dumps(issuer.jwks()).encode().ljust(MIB + 1)), "more than"),
    "slow body": (lambda issuer: Answer(body=b" " * 4000, pause=0.02), "no answer within 0.75 seconds"),
    "slow headers": (
        lambda issuer: Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4000, pause=0.02),
        "no answer within 0.75 seconds",
    ),
    "hanging": (lambda issuer: Answer(gate=threading.Event()), "no answer within 0.75 seconds"),
    "redirect": (lambda issuer: Answer(status=302, headers={"Location": "/good"}), "a redirect, which is not followed"),
    "broken off": (lambda issuer: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), "broke off"),
    "gone": (lambda issuer: Answer(status=404), "the answer was 404"),
    "empty": (lambda issuer: Answer(), "is no JSON object, or not strictly so"),
    "HTML": (lambda issuer: Answer(body=b"<html>"), "is no JSON object, or not strictly so"),
    "cut off": (lambda issuer: Answer(body=b'{"keys":['), "is no JSON object, or not strictly so"),
    "list": (lambda issuer: as_json([issuer.jwks()]), "is no JSON object, or not strictly so"),
    "UTF-16": (lambda issuer: Answer(body=json.dumps(issuer.jwks()).encode("utf-16")), "is no JSON object"),
    "NaN": (lambda issuer: Answer(body=b'{"keys":[],"a":NaN}'), "is no JSON object"),
    "deep": (lambda issuer: Answer(body=b'{"keys":' + b"[" * 500_000 + b"]" * 500_000 + b"}"), "is no JSON object"),
    "deep objects": (lambda issuer: Answer(body=b'{"a":' * 150_000 + b"1" + b"}" * 150_000), "is no JSON object"),
    "twice the same member": (lambda issuer: Answer(body=b'{"keys":[],"keys":[]}'), "is no JSON object"),
    "no keys": (lambda issuer: as_json({}), "it is no key set"),
    "keys no list": (lambda issuer: as_json({"keys": {"a": 1}}), "it is no key set"),
    "keys no objects": (lambda issuer: as_json({"keys": [1]}), "it is no key set"),
    "101 keys": (lambda issuer: as_json({"keys": [{"kty": "?"}] * 101}), "it has more than 100 keys"),
    "secret": (
        lambda issuer: as_json({"keys": [{"kty": "oct", "kid": "a"}]}),
        "it holds a private or symmetric key, which everybody has seen",
    ),
    **{
        f"private {name}": (lambda issuer, name=name, value=value: jwks_with(issuer, **{name: value}), "private or sym")
        for name, value in PRIVATE.items()
    },
    "same kid twice": (
        lambda issuer: as_json({"keys": [*issuer.jwks()["keys"], other_jwk(issuer.key.kid)]}),
        "two of its keys have the same kid",
    ),
    "same kid twice, of which one is not for us": (
        lambda issuer: as_json({"keys": [*issuer.jwks()["keys"], {"kty": "?", "kid": issuer.key.kid}]}),
        "two of its keys have the same kid",
    ),
}


@pytest.mark.parametrize(("answer", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_key_set_that_cannot_be_trusted_is_survived(issuer, server, warned, answer, message):
    verifier = issuer.verifier(timeout=timedelta(seconds=0.75), revocations_url=None)
    raw = issuer.token()
    while verifier.keys.latest is None:  # on a very busy machine even the first one may be late
        with contextlib.suppress(InvalidTokenError):
            verifier.verify(raw)
    reading = verifier.keys.latest
    warned()
    server.answers["/good"] = server.answers[issuer.jwks_path]
    server.answers[issuer.jwks_path] = answer(issuer)
    server.sent = 0
    tracemalloc.start()
    try:
        began = time.monotonic()
        read_anew(verifier.keys)
        took = time.monotonic() - began
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in warned()
    assert server.count("/good") == 0
    assert verifier.keys.latest is reading
    assert verifier.verify(raw)
    assert verifier.verify(issuer.token(jti="token-2"))
    assert took < 20
    assert peak < 120 * MIB  # an object that is nested half a million deep takes most; see the next line for long ones
    assert peak < 10 * MIB or message == "is no JSON object"
    assert server.sent < 40 * MIB
    server.answers[issuer.jwks_path] = server.answers["/good"]
    wait_until(verifier.keys, lambda: verifier.keys._failed == 0)  # by itself
    assert verifier.keys.latest.value[issuer.key.kid] is reading.value[issuer.key.kid]


def test_as_many_keys_as_are_allowed(issuer, server):
    keys = [*issuer.jwks()["keys"], *[{"kty": "?", "kid": str(number)} for number in range(99)]]
    server.answers[issuer.jwks_path] = as_json({"keys": keys})
    assert issuer.verifier().verify(issuer.token())


LEFT_OUT = {
    "unknown type": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "no type": {"kid": "a"},
    "type no string": {"kty": ["EC"], "kid": "a"},
    "no kid": {name: value for name, value in OTHER.public_jwk().items() if name != "kid"},
    "kid no string": {**OTHER.public_jwk(), "kid": 1},
    "empty kid": {**OTHER.public_jwk(), "kid": ""},
    "long kid": {**OTHER.public_jwk(), "kid": "x" * 257},
    "for encryption": {**OTHER.public_jwk(), "use": "enc"},
    "another operation": {**OTHER.public_jwk(), "key_ops": ["deriveKey"]},
    "no point": {**OTHER.public_jwk(), "x": "AAAA"},
    "no strings": {**OTHER.public_jwk(), "x": {"a": 1}},
    "another algorithm": {**OTHER.public_jwk(), "alg": "ES384"},
    "a secret's algorithm": {**OTHER.public_jwk(), "alg": "HS256"},
    "weak RSA": {"kty": "RSA", "kid": "a", "alg": "RS256", "n": b64url_encode(b"\xff" * 128), "e": "AQAB"},
    "RSA for encryption": {**RSA.public_jwk(), "alg": "RSA-OAEP"},
    "unknown curve": {"kty": "EC", "kid": "a", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
    "X25519": {"kty": "OKP", "kid": "a", "crv": "X25519", "x": b64url_encode(b"x" * 32)},
}


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_key_that_cannot_be_used_is_left_out_and_the_others_are_used(issuer, server, warned, entry):
    server.answers[issuer.jwks_path] = as_json({"keys": [entry, *issuer.jwks()["keys"]]})
    verifier = issuer.verifier()
    assert verifier.verify(issuer.token())
    assert list(verifier.keys.latest.value) == [issuer.key.kid]
    assert warned() == ""


@pytest.mark.parametrize(
    ("algorithms", "alg"), [((), "RS256"), (("PS512", "RS256"), "PS512"), (("ES256", "RS512"), "RS512")]
)
def test_a_key_without_an_algorithm_has_the_first_one_that_fits(server, algorithms, alg):
    issuer = Issuer(server, keys=[Key.from_pem(RSA.private_pem(), alg=alg)])
    entry = {name: value for name, value in issuer.key.public_jwk().items() if name not in ("alg", "use")}
    server.answers[issuer.jwks_path] = as_json({"keys": [entry]})
    verifier = issuer.verifier(**({"algorithms": algorithms} if algorithms else {}))
    assert verifier.verify(issuer.token()).subject == "1"
    assert verifier.keys.latest.value[issuer.key.kid].alg == alg
    assert refused(verifier, issuer.token(key=Key.from_pem(RSA.private_pem(), alg="PS256"))) == "invalid"


def test_an_empty_key_set_withdraws_all_keys(issuer):
    verifier = issuer.verifier()
    raw = issuer.token()
    assert verifier.verify(raw)
    keys, issuer.jwks = issuer.jwks, lambda: {"keys": []}
    read_anew(verifier.keys)
    assert refused(verifier, raw) == refused(verifier, issuer.token(jti="token-2")) == "invalid"
    issuer.jwks = keys
    read_anew(verifier.keys)
    assert verifier.verify(raw)


def test_a_key_that_is_withdrawn_verifies_nothing_although_the_token_is_known(issuer):
    stolen, fresh = Key.generate("EdDSA"), Key.generate("EdDSA")
    issuer.keys.append(stolen)
    verifier = issuer.verifier()
    raw, good = issuer.token(key=stolen), issuer.token()
    assert verifier.verify(raw)
    assert verifier.verify(good)
    known = verifier.keys.get(issuer.key.kid)
    issuer.keys[1] = Key.from_pem(fresh.private_pem(), alg="EdDSA", kid=stolen.kid)  # the same name
    read_anew(verifier.keys)
    assert refused(verifier, raw) == "invalid"
    del issuer.keys[1]
    read_anew(verifier.keys)
    assert refused(verifier, raw) == "invalid"
    assert verifier.verify(good)
    assert verifier.keys.get(issuer.key.kid) is known  # the same object: what it verified stays verified


def test_the_same_material_under_another_algorithm_is_another_key(server):
    issuer = Issuer(server, keys=[RSA])
    verifier = issuer.verifier()
    raw = issuer.token()
    assert verifier.verify(raw)
    issuer.keys = [Key.from_pem(RSA.private_pem(), alg="PS256", kid=RSA.kid)]
    read_anew(verifier.keys)
    read_anew(verifier.revocations)
    assert refused(verifier, raw) == "invalid"
    assert verifier.verify(issuer.token())


@pytest.mark.parametrize("kid", [None, 1, ["a"], {}, "", "x" * 10_000, ...], ids=lambda kid: repr(kid)[:10])
def test_an_odd_kid_is_refused_and_asks_nobody(issuer, server, kid):
    verifier = issuer.verifier(revocations_url=None)
    verifier.verify(issuer.token())
    verifier.keys._began -= HOUR
    if kid != "":
        assert verifier.keys.get(kid) is None
        assert server.count(issuer.jwks_path) == 1


# Unknown keys


def strangers(issuer, count):
    """Tokens with random kids."""
    _, payload, signature = issuer.token().split(".")
    for _ in range(count):
        header = {"alg": "ES256", "typ": "at+jwt", "kid": str(uuid.uuid4())}
        yield f"{b64url_encode(json.dumps(header).encode())}.{payload}.{signature}"


def test_ten_thousand_unknown_kids_cause_one_fetch_per_cooldown(issuer, server):
    verifier = issuer.verifier()
    raw = issuer.token()
    verifier.verify(raw)
    raws = list(strangers(issuer, 10_000))

    def flood(part):
        return {refused(verifier, raw) for raw in raws[part::8]}

    for fetches in (1, 2):
        with ThreadPoolExecutor(8) as pool:
            assert set.union(*pool.map(flood, range(8))) == {"invalid"}
        # Since the first fetch no cooldown had passed; since then one, if the machine is very slow.
        assert fetches <= server.count(issuer.jwks_path) <= fetches + 1
        assert verifier.verify(raw)
        verifier.keys._began -= 30
    assert remote.UNKNOWN_KID_SECONDS == 30
    assert server.count(issuer.list_path) == 1


def test_a_new_key_is_found_at_once_unless_somebody_asked_just_now(issuer, server):
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    fresh = Key.generate("ES256")
    issuer.keys.append(fresh)
    assert refused(verifier, issuer.token(key=fresh)) == "invalid"
    verifier.keys._began -= remote.UNKNOWN_KID_SECONDS
    assert {read.subject for read in together(8, lambda: verifier.verify(issuer.token(key=fresh)))} == {"1"}
    assert server.count(issuer.jwks_path) == 2


def test_known_keys_never_wait_while_a_fetch_hangs_and_unknown_ones_a_second(issuer, server):
    verifier = issuer.verifier()
    raws = [issuer.token(jti=str(number)) for number in range(200)]
    verifier.verify(raws[0])
    gate = threading.Event()
    server.answers[issuer.jwks_path] = replace(as_json(issuer.jwks()), gate=gate)
    with verifier.keys._changed:
        verifier.keys._wake_thread()
    server.wait_for(issuer.jwks_path, 2)
    for raw in raws:
        verifier.verify(raw)
    assert verifier.keys._busy
    (stranger,) = strangers(issuer, 1)
    began = time.monotonic()
    assert refused(verifier, stranger) == "invalid"
    assert 1 <= time.monotonic() - began < 30
    assert verifier.keys._busy
    gate.set()


def test_strangers_do_not_wait_for_a_source_that_fails(issuer, server):
    verifier = issuer.verifier(revocations_url=None)
    verifier.verify(issuer.token())
    server.is_down = True
    read_anew(verifier.keys)
    verifier.keys._began -= HOUR
    verifier.keys._retry_at += HOUR
    count = server.count()
    for raw in strangers(issuer, 100):
        assert refused(verifier, raw) == "invalid"
    assert server.count() <= count + 1


# Keys that are old


def test_keys_go_on_for_a_day_without_their_issuer(issuer, server):
    verifier = issuer.verifier(revocations_url=None)
    raw = issuer.token()
    verifier.verify(raw)
    server.is_down = True
    read_anew(verifier.keys)
    make_old(verifier.keys, DAY - 2 * PATIENCE)
    assert verifier.verify(raw)
    assert verifier.verify(issuer.token(jti="token-2"))
    make_old(verifier.keys, 2 * PATIENCE)
    assert refused(verifier, raw) == refused(verifier, issuer.token(jti="token-3")) == "stale"
    server.is_down = False
    read_anew(verifier.keys)
    assert verifier.verify(raw)


def test_after_a_long_sleep_the_keys_are_read_before_they_are_used(issuer):
    verifier = issuer.verifier(revocations_url=None)
    raw = issuer.token()
    verifier.verify(raw)
    issuer.jwks = lambda: {"keys": []}
    make_old(verifier.keys, 2 * DAY)
    assert together(8, lambda: verifier.verify(raw)) == ["invalid"] * 8


# The revocation list


@pytest.mark.parametrize(
    ("revoked", "good"),
    [
        ({"sids": ["other", "session-1"]}, {"sid": "session-2"}),
        ({"jtis": ["token-1"]}, {"jti": "token-2"}),
        ({"subs": {"1": "now"}}, {"sub": "2"}),
        ({"not_before": "now"}, {"iat": "later"}),
        ({"subs": {"1": "now"}}, {"iat": "later"}),
    ],
    ids=["sid", "jti", "sub", "not_before", "sub, signed in again"],
)
def test_what_is_revoked_is_refused_and_nothing_else(issuer, revoked, good):
    now = int(time.time()) - 100
    verifier = issuer.verifier()
    later = {name: now + 1 if value == "later" else value for name, value in good.items()}
    raw, other = issuer.token(iat=now), issuer.token(**{"iat": now, **later})
    assert verifier.verify(raw)
    issuer.revoked |= {
        name: {"1": now} if name == "subs" else now if value == "now" else value for name, value in revoked.items()
    }
    read_anew(verifier.revocations)
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(other)
    assert refused(issuer.verifier(), raw) == "revoked"


def test_an_issuer_may_have_no_list(issuer, server):
    verifier = issuer.verifier(revocations_url=None)
    issuer.revoked["sids"] = ["session-1"]
    assert verifier.verify(issuer.token())
    assert server.count(issuer.list_path) == 0


def test_the_list_is_polled_by_itself_within_the_interval(issuer, server):
    verifier = issuer.verifier(poll_interval=timedelta(seconds=0.1))
    raw = issuer.token()
    verifier.verify(raw)
    issuer.revoked["sids"] = ["session-1"]
    revoked_at = time.monotonic()
    count = server.count(issuer.list_path)
    server.wait_for(issuer.list_path, count + 2)  # the first of them may have been answered before
    wait_until(
        verifier.revocations, lambda: verifier.revocations._began > revoked_at and not verifier.revocations._busy
    )
    assert refused(verifier, raw) == "revoked"


def a_list_of(issuer, **changes):
    return Answer(body=issuer.document(**changes).encode())


def unsigned(issuer):
    _, payload, _ = issuer.document().split(".")
    header = b64url_encode(b'{"alg":"none","typ":"revocations+jwt"}')
    return Answer(body=f"{header}.{payload}.".encode())


def tampered(issuer):
    header, _, signature = issuer.document().split(".")
    other = issuer.document(jtis=["x"]).split(".")[1]
    return Answer(body=f"{header}.{other}.{signature}".encode())


def deep(issuer):
    message = f"{issuer.document().split('.')[0]}.{b64url_encode(b'[' * 500_000)}"
    return Answer(body=f"{message}.{b64url_encode(issuer.key.sign(message.encode()))}".encode())


NOT_TEXTS = {"number": [1], "null": [None], "list": [["session-1"]], "object": [{}], "true": [True]}
LISTS = {
    "expired": (lambda issuer: a_list_of(issuer, iat=int(time.time()) - 90, exp=int(time.time()) - 30), "expired"),
    "from the future": (lambda issuer: a_list_of(issuer, iat=int(time.time()) + 600, exp=2**31), "not_yet_valid"),
    "not yet valid": (lambda issuer: a_list_of(issuer, nbf=int(time.time()) + 600), "not_yet_valid"),
    "another key": (lambda issuer: a_list_of(issuer, key=OTHER), "refused: invalid"),
    "another key of this kid": (
        lambda issuer: a_list_of(issuer, key=Key.from_pem(OTHER.private_pem(), alg="ES256", kid=issuer.key.kid)),
        "refused: invalid",
    ),
    "another issuer's": (lambda issuer: a_list_of(issuer, iss="https://evil.example"), "refused: wrong_issuer"),
    "an access token's type": (lambda issuer: a_list_of(issuer, typ="at+jwt"), "refused: wrong_type"),
    "a refresh token's type": (lambda issuer: a_list_of(issuer, typ="rt+jwt"), "refused: wrong_type"),
    "no type of ours": (lambda issuer: a_list_of(issuer, typ="JWT"), "refused: wrong_type"),
    "an access token": (lambda issuer: Answer(body=issuer.token().encode()), "refused: wrong_type"),
    "unsigned": (unsigned, "refused: invalid"),
    "tampered": (tampered, "refused: invalid"),
    "empty": (lambda issuer: Answer(), "refused: invalid"),
    "HTML": (lambda issuer: Answer(body=b"<html>"), "refused: invalid"),
    "with a newline": (lambda issuer: Answer(body=issuer.document().encode() + b"\n"), "refused: invalid"),
    "binary": (lambda issuer: Answer(body=bytes(range(256))), "refused: invalid"),
    "deep": (deep, "refused: invalid"),
    "oversized": (
        lambda issuer: Answer(body=(b"x" * 65536 for _ in range(3200))),
        "the document has more than 33554432 bytes",
    ),
    "oversized, so it says": (lambda issuer: Answer(body=b"x" * (32 * MIB + 1)), "more than 33554432 bytes"),
    "redirect": (lambda issuer: Answer(status=307, headers={"Location": "/good"}), "a redirect"),
    "gone": (lambda issuer: Answer(status=404), "the answer was 404"),
    "unavailable": (lambda issuer: Answer(status=503), "the answer was 503"),
    **{
        f"no {name}": (lambda issuer, name=name: a_list_of(issuer, **{name: ...}), "refused: invalid")
        for name in ("iss", "iat", "exp", "ttl", "max_lifetime", "not_before", "sids", "jtis", "subs")
    },
    **{
        f"{name} of {what}": (lambda issuer, name=name, value=value: a_list_of(issuer, **{name: value}), "invalid")
        for name in ("sids", "jtis")
        for what, value in NOT_TEXTS.items()
    },
    **{
        f"{name} {value!r}": (lambda issuer, name=name, value=value: a_list_of(issuer, **{name: value}), "invalid")
        for name, value in [
            *[("sids", "session-2"), ("sids", {}), ("jtis", None), ("subs", []), ("subs", {"1": "1"})],
            *[("subs", {"1": True}), ("subs", {"1": 1.0}), ("subs", {"1": None}), ("not_before", None)],
            *[("not_before", "1"), ("not_before", True), ("not_before", 1.5), ("max_lifetime", "300")],
            *[("max_lifetime", -1), ("ttl", None), ("ttl", 1.5), ("exp", "1"), ("iat", 0)],
        ]
    },
}


@pytest.mark.parametrize(("answer", "message"), LISTS.values(), ids=LISTS)
def test_a_list_that_cannot_be_trusted_is_refused_and_the_old_one_is_used(issuer, server, warned, answer, message):
    issuer.revoked["sids"] = ["session-2"]
    verifier = issuer.verifier()
    raw, revoked = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    reading = verifier.revocations.latest
    issuer.revoked["sids"] = ["session-1"]  # which nobody shall believe
    server.answers["/good"] = server.answers[issuer.list_path]
    server.answers[issuer.list_path] = answer(issuer)
    read_anew(verifier.revocations)
    text = warned()
    assert message in text
    assert f"The revocation list of {issuer.url!r} cannot be fetched" in text
    assert verifier.revocations.latest is reading
    assert server.count("/good") == 0
    assert verifier.verify(raw)
    assert refused(verifier, revoked) == "revoked"
    # Nor by somebody who has none yet.
    assert refused(issuer.verifier(), raw) == "stale"
    server.answers[issuer.list_path] = server.answers["/good"]
    wait_until(verifier.revocations, lambda: verifier.revocations._failed == 0)  # by itself
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(revoked)


def test_an_older_list_tells_nothing_new_and_only_while_the_copy_at_hand_is_good(issuer, server, warned):
    """Another process of the issuer may be a moment behind; somebody may also keep newer lists back."""
    issuer.revoked["sids"] = ["session-1"]
    verifier = issuer.verifier()
    raw = issuer.token()
    assert refused(verifier, raw) == "revoked"
    copy = verifier.revocations.latest.value
    server.answers[issuer.list_path] = a_list_of(issuer, iat=int(time.time()) - 600, sids=[])
    read_anew(verifier.revocations)
    assert warned() == ""
    assert verifier.revocations.latest.value is copy
    assert refused(verifier, raw) == "revoked"
    reading = verifier.revocations.latest
    expired = replace(copy, document=replace(copy.document, expires_at=int(time.time())))
    verifier.revocations._latest = reading = replace(reading, value=expired)
    read_anew(verifier.revocations)
    assert "it is older than the copy at hand, which has expired" in warned()
    assert verifier.revocations.latest is reading
    assert refused(verifier, raw) == "revoked"


def test_a_list_signed_by_the_key_of_another_trusted_issuer_is_refused(server, warned):
    one, two = Issuer(server, "/one"), Issuer(server, "/two")
    verifiers = {each.url: each.verifier() for each in (one, two)}
    for each in (one, two):
        assert verify_any(each.token(), verifiers)
    server.answers[one.list_path] = a_list_of(one, key=two.key, sids=["session-1"])
    read_anew(verifiers[one.url].revocations)
    assert "refused: invalid" in warned()
    server.answers[one.list_path] = a_list_of(two, sids=["session-1"])
    read_anew(verifiers[one.url].revocations)
    assert "refused: invalid" in warned()
    assert verify_any(one.token(), verifiers)


def test_what_is_still_the_present_list_is_not_sent_again_but_believed_until_it_expires(issuer, server, warned):
    etags = []

    def answer(headers):
        etags.append(headers.get("If-None-Match"))
        if etags[-1]:
            return Answer(status=304, headers={"ETag": 'W/"1"'})
        return Answer(body=issuer.document(sids=["session-2"]).encode(), headers={"ETag": 'W/"1"'})

    server.answers[issuer.list_path] = answer
    verifier = issuer.verifier()
    raw = issuer.token()
    assert verifier.verify(raw)
    for _ in range(2):
        make_old(verifier.revocations, 10)
        read_anew(verifier.revocations)
        assert verifier.revocations.latest.age < 10 + PATIENCE
        assert verifier.verify(raw)
        assert refused(verifier, issuer.token(sid="session-2")) == "revoked"
    assert etags == [None, 'W/"1"', 'W/"1"']
    assert warned() == ""
    reading = verifier.revocations.latest
    expired = replace(reading.value.document, expires_at=int(time.time()))
    verifier.revocations._latest = reading = replace(reading, value=replace(reading.value, document=expired))
    read_anew(verifier.revocations)
    assert "only a copy that has expired is to be had" in warned()
    assert verifier.revocations.latest is reading  # used, until it is too old


def test_nobody_can_say_not_modified_to_who_has_nothing(issuer, server, warned):
    server.answers[issuer.list_path] = Answer(status=304)
    assert refused(issuer.verifier(), issuer.token()) == "stale"
    assert "cannot be fetched" in warned()


def test_a_token_that_is_older_than_the_list_remembers_is_refused(issuer):
    now = int(time.time())
    server_says = issuer.document
    issuer.document = lambda **changes: server_says(max_lifetime=120, **changes)
    verifier = issuer.verifier()
    assert verifier.verify(issuer.token(iat=now - 60))
    assert refused(verifier, issuer.token(iat=now - 120)) == "expired"
    assert refused(verifier, issuer.token(iat=now + 600, exp=now + 900)) == "not_yet_valid"
    assert verifier.verify(issuer.token(iat=now - 120), now=now - 1)
    assert issuer.verifier(revocations_url=None).verify(issuer.token(iat=now - 120))


# When the issuer is not there


def test_who_never_reached_the_issuer_accepts_nothing(issuer, server, warned):
    server.is_down = True
    for options in ({}, {"fail_open": True}):
        verifier = issuer.verifier(**options)
        assert together(8, lambda verifier=verifier: verifier.verify(issuer.token())) == ["stale"] * 8
        assert "cannot be fetched" in warned()


def test_without_a_list_ever_it_closes_or_opens_as_was_said(issuer, server):
    server.answers[issuer.list_path] = Answer(status=500)
    raw = issuer.token()
    assert refused(issuer.verifier(), raw) == "stale"
    assert issuer.verifier(fail_open=True).verify(raw)


@pytest.mark.parametrize("fail_open", [False, True])
def test_known_tokens_go_on_for_a_while_then_close_or_open_then_recover(issuer, server, fail_open):
    issuer.revoked["sids"] = ["session-2"]
    verifier = issuer.verifier(max_staleness=timedelta(hours=1), fail_open=fail_open)
    raw, revoked = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    server.is_down = True
    read_anew(verifier.revocations)
    read_anew(verifier.keys)
    make_old(verifier.revocations, HOUR - 2 * PATIENCE)
    assert verifier.verify(raw)
    assert refused(verifier, revoked) == "revoked"
    make_old(verifier.revocations, 2 * PATIENCE)
    if fail_open:
        assert verifier.verify(raw)
        assert refused(verifier, revoked) == "revoked"
    else:
        assert refused(verifier, raw) == refused(verifier, revoked) == "stale"
    issuer.revoked["sids"] = ["session-1"]
    server.is_down = False
    wait_until(verifier.revocations, lambda: verifier.revocations._failed == 0)
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(revoked)


def test_who_starts_while_the_issuer_is_down_recovers_by_itself(issuer, server):
    server.is_down = True
    verifier = issuer.verifier()
    assert refused(verifier, issuer.token()) == "stale"
    server.is_down = False
    wait_until(verifier.keys, lambda: verifier.keys._failed == 0)
    assert verifier.verify(issuer.token())


def test_what_was_not_thought_of_is_logged_with_its_traceback_and_survived(issuer, caplog, monkeypatch):
    verifier = issuer.verifier(revocations_url=None)
    assert verifier.verify(issuer.token())
    with monkeypatch.context() as patch:
        patch.setattr(remote, "read_jwks", lambda jwks, algorithms: 1 / 0)
        read_anew(verifier.keys)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.exc_info[0] is ZeroDivisionError
    caplog.clear()
    assert verifier.verify(issuer.token())


# Cold, idle, forked, without threads


def test_a_cold_process_accepts_no_revoked_token(issuer, server):
    issuer.revoked["sids"] = ["session-1"]
    for _ in range(5):
        verifier = issuer.verifier()
        assert together(8, lambda verifier=verifier: verifier.verify(issuer.token())) == ["revoked"] * 8


def test_a_long_idle_process_accepts_no_token_that_was_revoked_meanwhile(issuer):
    verifier = issuer.verifier(max_staleness=timedelta(days=30))
    raw = issuer.token()
    assert verifier.verify(raw)
    for idle in (300, HOUR, DAY):  # of which the shortest is a bit more than two intervals
        issuer.revoked["sids"] = []
        read_anew(verifier.revocations)
        assert verifier.verify(raw)
        issuer.revoked["sids"] = ["session-1"]
        make_old(verifier.revocations, idle)
        assert together(8, lambda: verifier.verify(raw)) == ["revoked"] * 8


def test_where_no_thread_can_be_started_the_request_reads(issuer, server, monkeypatch):
    verifier = issuer.verifier()
    raw = issuer.token()
    server.answers[issuer.metadata_path] = as_json({"issuer": issuer.url})
    # The server's own threads must start.
    threads = threading.Thread.start

    def start(self):
        if self._target is not None and self._target.__name__ == "_poll":
            raise RuntimeError("can't start new thread")
        threads(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(100):
        assert verifier.verify(raw)
    assert verifier.keys._thread is None
    assert (server.count(issuer.jwks_path), server.count(issuer.list_path)) == (1, 1)
    issuer.revoked["sids"] = ["session-1"]
    make_old(verifier.revocations, 300)
    assert together(8, lambda: verifier.verify(raw)) == ["revoked"] * 8
    fresh = Key.generate("ES256")
    issuer.keys.append(fresh)
    verifier.keys._began -= remote.UNKNOWN_KID_SECONDS
    assert verifier.verify(issuer.token(key=fresh, sid="session-2"))
    for stranger in strangers(issuer, 100):
        assert refused(verifier, stranger) == "invalid"
    assert server.count(issuer.jwks_path) == 2
    server.is_down = True
    make_old(verifier.revocations, HOUR)
    assert together(8, lambda: verifier.verify(raw)) == ["stale"] * 8


def in_child(function):
    """Call a function in a forked process and return what it gives, as JSON."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: that is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(int(PATIENCE))
            os.close(reading)
            try:
                result = json.dumps(function())
            except BaseException as error:
                result = json.dumps(repr(error))
            os.write(writing, result.encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], 2 * PATIENCE)
        return json.loads(os.read(reading, 65536)) if ready else "nothing"
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("during", ["nothing", "a fetch", "a lock"])
def test_a_forked_process_fetches_for_itself(issuer, server, during):
    verifier = issuer.verifier()
    raw, other = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    issuer.revoked["sids"] = ["session-1"]  # which only the child can know
    parents = {verifier.keys._thread.ident, verifier.revocations._thread.ident}
    gate = threading.Event()
    list_answer = server.answers[issuer.list_path]

    def child():
        outcomes = together(4, lambda: verifier.verify(other).sid)
        outcomes += together(4, lambda: verifier.verify(raw))
        issuer.revoked["sids"] = []  # in the child's memory only
        threads = [verifier.keys._thread, verifier.revocations._thread]
        return [outcomes, [thread.is_alive() for thread in threads]]

    with contextlib.ExitStack() as stack:
        if during == "a fetch":
            server.answers[issuer.list_path] = Answer(body=issuer.document().encode(), gate=gate)
            with verifier.revocations._changed:
                verifier.revocations._wake_thread()
            server.wait_for(issuer.list_path, 2)
            assert verifier.revocations._busy
            server.answers[issuer.list_path] = list_answer
        elif during == "a lock":
            for polled in (verifier.keys, verifier.revocations):
                stack.enter_context(polled._changed)
                stack.enter_context(polled._lock)
        result = in_child(child)
    gate.set()
    assert result == [["session-2"] * 4 + ["revoked"] * 4, [True, True]]
    # Nothing has changed here.
    assert {verifier.keys._thread.ident, verifier.revocations._thread.ident} == parents
    if during != "a fetch":
        assert verifier.verify(raw)


def test_the_threads_end_with_the_verifier(issuer):
    verifier = issuer.verifier(poll_interval=timedelta(seconds=0.05))
    assert verifier.verify(issuer.token())
    threads = [verifier.keys._thread, verifier.revocations._thread]
    assert all(thread.is_alive() and thread.daemon for thread in threads)
    del verifier
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
