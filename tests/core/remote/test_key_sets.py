"""Another issuer's key set: what is taken from it, and when it is read."""

import contextlib
import json
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from django_jwtauth._core import remote
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, b64url_encode
from tests.tools.issuers import PATIENCE, Answer, Issuer, as_json, make_old, read_anew
from tests.tools.keys import key_for
from tests.tools.polling import failures_of, is_reading, let_pass, retry_later, start_reading, wait_until
from tests.tools.remote import DAY, HOUR, MIB, OTHER, RSA, jwks_with, other_jwk, refused, strangers, together

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
    "empty": (lambda issuer: Answer(), "is not a JSON object, or not strictly valid JSON"),
    "HTML": (lambda issuer: Answer(body=b"<html>"), "is not a JSON object, or not strictly valid JSON"),
    "cut off": (lambda issuer: Answer(body=b'{"keys":['), "is not a JSON object, or not strictly valid JSON"),
    "list": (lambda issuer: as_json([issuer.jwks()]), "is not a JSON object, or not strictly valid JSON"),
    "UTF-16": (lambda issuer: Answer(body=json.dumps(issuer.jwks()).encode("utf-16")), "is not a JSON object"),
    "NaN": (lambda issuer: Answer(body=b'{"keys":[],"a":NaN}'), "is not a JSON object"),
    "deep": (lambda issuer: Answer(body=b'{"keys":' + b"[" * 500_000 + b"]" * 500_000 + b"}"), "is not a JSON object"),
    "deep objects": (lambda issuer: Answer(body=b'{"a":' * 150_000 + b"1" + b"}" * 150_000), "is not a JSON object"),
    "twice the same member": (lambda issuer: Answer(body=b'{"keys":[],"keys":[]}'), "is not a JSON object"),
    "no keys": (lambda issuer: as_json({}), "it is not a key set"),
    "keys no list": (lambda issuer: as_json({"keys": {"a": 1}}), "it is not a key set"),
    "keys no objects": (lambda issuer: as_json({"keys": [1]}), "it is not a key set"),
    "101 keys": (lambda issuer: as_json({"keys": [{"kty": "?"}] * 101}), "it has more than 100 keys"),
    "secret": (
        lambda issuer: as_json({"keys": [{"kty": "oct", "kid": "a"}]}),
        "it holds a private or symmetric key, which everybody can read",
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
    assert peak < 10 * MIB or message == "is not a JSON object"
    assert server.sent < 40 * MIB
    server.answers[issuer.jwks_path] = server.answers["/good"]
    wait_until(verifier.keys, lambda: failures_of(verifier.keys) == 0)  # by itself
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
    issuer = Issuer(server, keys=[key_for(alg)])
    entry = {name: value for name, value in issuer.key.public_jwk().items() if name not in ("alg", "use")}
    server.answers[issuer.jwks_path] = as_json({"keys": [entry]})
    verifier = issuer.verifier(**({"algorithms": algorithms} if algorithms else {}))
    assert verifier.verify(issuer.token()).subject == "1"
    assert verifier.keys.latest.value[issuer.key.kid].alg == alg
    assert refused(verifier, issuer.token(key=key_for("PS256"))) == "invalid"


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
    let_pass(verifier.keys, HOUR)
    if kid != "":
        assert verifier.keys.get(kid) is None
        assert server.count(issuer.jwks_path) == 1


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
        let_pass(verifier.keys, 30)
    assert remote.UNKNOWN_KID_SECONDS == 30
    assert server.count(issuer.list_path) == 1


def test_a_new_key_is_found_at_once_unless_somebody_asked_just_now(issuer, server):
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    fresh = Key.generate("ES256")
    issuer.keys.append(fresh)
    assert refused(verifier, issuer.token(key=fresh)) == "invalid"
    let_pass(verifier.keys, remote.UNKNOWN_KID_SECONDS)
    assert {read.subject for read in together(8, lambda: verifier.verify(issuer.token(key=fresh)))} == {"1"}
    assert server.count(issuer.jwks_path) == 2


def test_known_keys_never_wait_while_a_fetch_hangs_and_unknown_ones_a_second(issuer, server):
    verifier = issuer.verifier()
    raws = [issuer.token(jti=str(number)) for number in range(200)]
    verifier.verify(raws[0])
    gate = threading.Event()
    server.answers[issuer.jwks_path] = replace(as_json(issuer.jwks()), gate=gate)
    start_reading(verifier.keys)
    server.wait_for(issuer.jwks_path, 2)
    for raw in raws:
        verifier.verify(raw)
    assert is_reading(verifier.keys)
    (stranger,) = strangers(issuer, 1)
    began = time.monotonic()
    assert refused(verifier, stranger) == "invalid"
    assert 0.9 <= time.monotonic() - began < 30
    assert is_reading(verifier.keys)
    gate.set()


def test_strangers_do_not_wait_for_a_source_that_fails(issuer, server):
    verifier = issuer.verifier(revocations_url=None)
    verifier.verify(issuer.token())
    server.is_down = True
    read_anew(verifier.keys)
    let_pass(verifier.keys, HOUR)
    retry_later(verifier.keys, HOUR)
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
