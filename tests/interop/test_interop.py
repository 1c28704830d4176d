"""Tokens, key sets and revocation lists of running issuers, in the hands of other people's libraries."""

import http.server
import importlib.metadata
import json
import re
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings

from django_jwtauth import claims
from django_jwtauth._core import jws
from tests.tools import json_values

from . import apache, issuers
from .issuers import AUDIENCE, KEYS, Issuer, claims_of, wait_until
from .table import ALGORITHMS, BY_HAND, VERIFIERS
from .verifiers import asking, asking_apache, asking_node

# joserfc would have it called Ed25519, as RFC 9864 does.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

HERE = Path(__file__).parent
URIS = {"jwks_uri": "jwks.json", "jwt_revocations_uri": "jwt-revocations"}
REASONS = {
    "expired": r"\bexp\b|[Ee]xpired",
    "audience": r"\baud\b|audience",
    "issuer": r"\biss\b|issuer",
    "key": r"signature|No working key",
    "payload": r"signature|No working key",
    "signature": r"signature|No working key",
    "refresh token": r"\balg\b|[Aa]lgorithm|\btyp\b|kid|No working key",
    "revocation list": r"\btyp\b|sub is missing",
    "typ": r"\btyp\b",
}


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A directory with the packages from npm, and our modules beside them."""
    directory = tmp_path_factory.mktemp("node")
    for path in (HERE / "package.json", *HERE.glob("*.mjs")):
        shutil.copy(path, directory)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="session")
def offers(tmp_path_factory):
    with issuers.running(tmp_path_factory.mktemp("issuers")) as offers:
        yield offers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", VERIFIERS)
def test_takes_the_good_token_and_refuses_the_bad_ones(name, algorithm, node, offers):
    verifier, offer = VERIFIERS[name], offers[algorithm]
    with asking(name, node, offer.issuer.url, AUDIENCE, algorithm) as ask:
        before = ask(offer.good)
        bad = {what: ask(token) for what, token in offer.bad.items()}
        after = ask(offer.good)  # what was refused was not refused because nothing works any more
    if algorithm in verifier.unknown:
        assert verifier.says in before["refused"]
        assert all("refused" in answer for answer in bad.values())
        return
    assert before["claims"] == after["claims"] == (apache.PAGE if name == "apache" else claims_of(offer.good))
    accepted = {what for what, answer in bad.items() if "claims" in answer}
    assert accepted == ({"typ"} if verifier.checks_typ == "no" else set())
    for what in bad.keys() - accepted:
        # Apache does not say why.
        assert re.search("^401 " if name == "apache" else REASONS[what], bad[what]["refused"]), (what, bad[what])
    if name != "apache":
        assert (verifier.checks_typ == BY_HAND) == ("its typ is another one" in bad["typ"]["refused"])


def test_claims_come_out_in_node_as_they_went_in(node, offers):
    """Numbers as JavaScript has them: doubles."""
    examples = []

    @settings(max_examples=300, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
    @example({name: {"__proto__": {"constructor": [None, True, 2**53 - 1]}} for name in json_values.ODD_NAMES})
    @given(json_values.claims)
    def collect(values):
        examples.append(values)

    collect()
    issuer, key = offers["ES256"].issuer, issuers.KEYS["ES256"]
    own = claims_of(issuer.sign_in()["access"])
    with asking_node(node, "jose", issuer.url, AUDIENCE, "ES256") as ask:
        for given_by_hook in examples:
            token = jws.sign({**own, **claims.checked("hook", given_by_hook)}, typ="at+jwt", key=key)
            seen = ask(token)["claims"]
            assert json_values.same(seen, {**own, **given_by_hook}, exactly=False)


def test_a_token_that_was_accepted_is_refused_when_it_has_expired(node, offers):
    offer = offers["ES256"]
    lifetime = 10
    with ExitStack() as stack:
        short = stack.enter_context(offer.issuer.again(ACCESS_TOKEN_LIFETIME=lifetime))
        ask = {name: stack.enter_context(asking(name, node, offer.issuer.url, AUDIENCE, "ES256")) for name in VERIFIERS}
        assert {name for name in ask if "claims" in ask[name](offer.good)} == VERIFIERS.keys()
        token = short.sign_in()["access"]
        assert {name for name in ask if "claims" in ask[name](token)} == VERIFIERS.keys()
        wait_until(claims_of(token)["exp"] + 1)
        assert {name for name in ask if "claims" in ask[name](token)} == set()


def test_apache_can_find_the_keys_through_the_metadata(offers):
    offer = offers["ES256"]
    with asking_apache(offer.issuer.url, AUDIENCE, metadata=True) as ask:
        assert ask(offer.good) == {"claims": apache.PAGE}
        assert "refused" in ask(offer.bad["signature"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_node_refuses_what_is_on_the_revocation_list(algorithm, node, tmp_path):
    with Issuer(tmp_path, algorithm) as issuer, asking_node(node, "jose", issuer.url, AUDIENCE, algorithm) as ask:
        pairs = {name: [issuer.sign_in(name) for _ in range(2)] for name in ("ada", "bob", "cleo", "dora")}
        tokens = {name: [pair["access"] for pair in pairs[name]] for name in pairs}
        accepted = {(name, number) for name in tokens for number in (0, 1)}

        def answers():
            return {(name, number): ask(tokens[name][number]) for name, number in accepted}

        def await_refusal_of(expected):
            # The time of polling and caching; the machine may be slow.
            deadline = time.monotonic() + 60
            while (refused := {what for what, answer in answers().items() if "refused" in answer}) != expected:
                assert refused <= expected
                assert time.monotonic() < deadline, refused
                time.sleep(0.1)
            assert {answer["refused"] for answer in answers().values() if "refused" in answer} == {"revoked"}

        assert all("claims" in answer for answer in answers().values())
        issuer.post("logout/", token=tokens["ada"][0])  # a session
        issuer.post("token/revoke/", {"token": tokens["bob"][0]})  # a single token
        issuer.post("logout/all/", token=tokens["cleo"][0])  # all sessions of a user
        await_refusal_of({("ada", 0), ("bob", 0), ("cleo", 0), ("cleo", 1)})
        issuer.post("emergency/")  # everyone
        await_refusal_of(accepted)


def test_node_adds_what_a_list_that_is_not_newer_revokes(node):
    key = KEYS["ES256"]
    now = int(time.time())
    terms = {"exp": now + 300, "ttl": 0.1, "max_lifetime": 300, "jtis": []}
    lists = [
        {**terms, "iat": now, "sids": ["first"], "not_before": now - 100},
        {**terms, "iat": now - 3, "sids": ["second"], "not_before": now - 200},
    ]

    class Documents(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            origin = f"http://127.0.0.1:{self.server.server_port}"
            if self.path.endswith("/jwks.json"):
                body = json.dumps({"keys": [key.public_jwk()]})
            elif self.path.endswith("/jwt-revocations"):
                claims = lists.pop(0) if len(lists) > 1 else lists[0]
                body = jws.sign({**claims, "iss": origin}, typ=jws.REVOCATIONS.typ, key=key)
            else:
                uris = {name: f"{origin}/{path}" for name, path in URIS.items()}
                body = json.dumps({"issuer": origin, **uris})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        issuer = f"http://127.0.0.1:{server.server_port}"

        def token(sid, age=0):
            claims = {"iss": issuer, "aud": AUDIENCE, "sub": "1", "client_id": "c", "jti": "j", "sid": sid}
            return jws.sign({**claims, "iat": now - age, "exp": now + 300}, typ="at+jwt", key=key)

        try:
            with asking_node(node, "jose", issuer, AUDIENCE, "ES256") as ask:
                deadline = time.monotonic() + 60
                while "claims" in ask(token("second")):
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                assert ask(token("first")) == {"refused": "revoked"}
                assert ask(token("third", age=150)) == {"refused": "revoked"}  # the later not_before stays
                assert "claims" in ask(token("third"))
        finally:
            server.shutdown()


def test_node_fails_closed_when_the_revocation_list_is_too_old(node, tmp_path):
    with Issuer(tmp_path, "ES256") as issuer:
        token = issuer.sign_in()["access"]
        with asking_node(node, "jose", issuer.url, AUDIENCE, "ES256", maxStaleness=3) as ask:
            assert "claims" in ask(token)
            issuer.end()
            deadline = time.monotonic() + 60
            while "claims" in (answer := ask(token)):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert answer == {"refused": "no revocation list is new enough"}


def test_the_versions_are_those_of_the_table(node):
    for verifier in VERIFIERS.values():
        for package, version in verifier.packages.items():
            assert installed(package, verifier.source, node).startswith(f"{version}."), package


def installed(package, source, node):
    if source == "PyPI":
        return importlib.metadata.version(package)
    if source == "npm":
        return json.loads((node / "node_modules" / package / "package.json").read_text())["version"]
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
