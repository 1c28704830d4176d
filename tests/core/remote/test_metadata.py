"""Where another issuer's keys and revocation list are found."""

import socket
import ssl
import threading
import time

import pytest

from django_jwtauth._core import remote
from django_jwtauth._core.fetch import FetchError
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import SUPPORTED_ALGORITHMS, Key
from django_jwtauth.verifier import Verifier, verify_any
from tests.tools.issuers import AUDIENCE, PATIENCE, Answer, Issuer, Server, as_json, read_anew
from tests.tools.keys import key_for
from tests.tools.polling import failures_of, thread_of
from tests.tools.products import each_row
from tests.tools.remote import HOUR, refused

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
    assert thread_of(verifier.keys) is None


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
    key = key_for(alg)
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
    "no URL": ({"issuer": "django-jwtauth"}, "issuer: it is not an https URL"),
    "half": ({"issuer": "django-jwtauth", "jwks_url": URL}, "issuer: it is not an https URL"),
    "file": ({"jwks_url": "file:///etc/jwks.json"}, "jwks_url: it is not an https URL"),
    "http keys": ({"jwks_url": "http://auth.example.com/jwks"}, "jwks_url: it must be an https URL"),
    "user": (
        {"jwks_url": "https://me:secret@auth.example.com/"},
        "jwks_url: this URL must not hold a user name or a fragment",
    ),
    "fragment": ({"jwks_url": f"{URL}/#a"}, "jwks_url: this URL must not hold a user name or a fragment"),
    "http list": ({"revocations_url": "http://auth.example.com/list"}, "revocations_url: it must be an https URL"),
    "file list": ({"revocations_url": "file:///list"}, "revocations_url: it is not an https URL"),
}


@each_row(("options", "message"), BAD_URLS.values(), ids=BAD_URLS)
def test_urls_that_cannot_be_trusted_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        Verifier(**{"issuer": URL, "audience": AUDIENCE, **options})
    assert "secret" not in str(caught.value)


def test_http_will_do_where_that_was_said():
    assert Verifier(issuer="http://auth.internal", audience=AUDIENCE, allow_http=True)
    with pytest.raises(ValueError, match="not an https URL"):
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
    "file": ({"jwks_uri": "file:///etc/jwks.json"}, "jwks_uri of the metadata: it is not an https URL"),
    "user name": (
        {"jwks_uri": "https://a:b@evil.example/"},
        "jwks_uri of the metadata: this URL must not hold a user name",
    ),
    "null": ({"jwks_uri": None}, "jwks_uri of the metadata: it is not an https URL"),
    "list": ({"jwks_uri": ["https://evil.example/"]}, "jwks_uri of the metadata: it is not a"),
    "no string": ({"jwks_uri": {"a": 1}}, "jwks_uri of the metadata: it is not a"),
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
    assert f"event=keys_unavailable issuer={issuer.url} reason=refused" in text
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
    source = verifier.keys.source
    assert HOUR - PATIENCE < source._metadata_until - time.monotonic() <= HOUR
    for answer in (Answer(status=500), as_json({"issuer": "https://evil.example"})):
        server.answers[issuer.metadata_path] = answer
        count = server.count(issuer.metadata_path)
        source._metadata_until = time.monotonic()
        read_anew(verifier.keys)
        read_anew(verifier.keys)
        assert server.count(issuer.metadata_path) == count + 1
        assert failures_of(verifier.keys) == 0
        assert verifier.verify(issuer.token())
