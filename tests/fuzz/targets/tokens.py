"""Access tokens, as a service verifies them: with any bytes, and with any header and payload that are well signed."""

import json
import pickle

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet, b64url_encode
from django_jwtauth.verifier import Verifier, verify_any
from tests.fuzz.target import SEPARATOR, Target, joined, parts, require
from tests.tools.jws import JSON
from tests.tools.keys import RFC8037_ED25519
from tests.tools.tokens import CLAIMS, NOW, TEXTS

HS256 = Key.from_secret(b"Xq3-vTz81LmWc0aYbRk9_pJdHe7sUfGn", kid="hs")
EDDSA = Key.from_jwk({**RFC8037_ED25519, "kid": "ed"})  # its signatures are the same each time
KEYS = {b"h": HS256, b"e": EDDSA}
LEEWAY = 5
GOOD = [jws.sign(CLAIMS, typ="at+jwt", key=key) for key in KEYS.values()]
INTEGERS = ("iat", "exp", "nbf", "auth_time")
STRINGS = ("iss", "sub", "client_id", "jti", "sid", "scope", "acr")


def verifier():
    """Return a verifier that remembers nothing from one input to the next."""
    return Verifier(issuer=CLAIMS["iss"], audience=CLAIMS["aud"], keys=KeySet(KEYS.values()), clock=lambda: NOW)


def signed(key, header, payload):
    """Return a token of exactly these bytes, with a good signature."""
    message = f"{b64url_encode(header)}.{b64url_encode(payload)}"
    return f"{message}.{b64url_encode(key.sign(message.encode()))}"


def header(key, **changes):
    """Return a good header with changes."""
    return json.dumps({"alg": key.alg, "typ": "at+jwt", "kid": key.kid, **changes})


def seeds():
    """Return good tokens, and each kind of fault."""
    for kind, key in KEYS.items():
        yield joined(kind, header(key), json.dumps(CLAIMS))
    for name in (*STRINGS, "aud"):
        yield joined(b"h", header(HS256), json.dumps({**CLAIMS, name: ["https://api.example.com", 1, {"a": None}]}))
    for payload in (*JSON.values(), b"[" * 2000, b'{"a":' * 400):
        yield joined(b"h", header(HS256), payload)
        yield joined(b"h", payload, json.dumps(CLAIMS))
    for value in TEXTS.values():
        if value is not ...:
            yield joined(
                b"h", header(HS256), json.dumps({**CLAIMS, "sub": value, "scope": value, "act": {"sub": value}})
            )
            yield joined(b"h", header(HS256, typ=value, kid=value, crit=value), json.dumps(CLAIMS))
    for token in GOOD:
        yield joined(b"r", token)
        yield joined(b"r", f"{token}=")
        yield joined(b"r", token.rpartition(".")[0])


def check(data):
    """A token is accepted if it is one that we have signed and its claims are good; else it is refused as a token."""
    kind, rest, payload = parts(data, 3)
    if kind in KEYS:
        raw, is_ours = signed(KEYS[kind], rest, payload).encode(), True
    else:
        raw = data.partition(SEPARATOR)[2]
        is_ours = raw.decode("latin-1") in GOOD
    answers = [read(raw), read(raw.decode("utf-8", "surrogateescape"))]
    require(answers[0] == answers[1], f"bytes and text are judged differently: {answers}")
    if not isinstance(answers[0], str):
        require(is_ours, "a token is accepted that nobody has signed")
        require_good_claims(answers[0], json.loads(payload) if kind in KEYS else CLAIMS)
    for function in (jws.claimed_issuer, jws.is_foreign):
        try:
            function(raw, max_length=4096)
        except InvalidTokenError as error:
            require(error.reason == "invalid", error.reason)


def read(raw):
    """Return the token, or the reason of its refusal. It is the same the second time, when the token is known."""
    one = verifier()
    answers = [answer(one.verify, raw), answer(one.verify, raw)]
    require(answers[0] == answers[1], f"a known token is judged differently: {answers}")
    among_others = answer(verify_any, raw, {CLAIMS["iss"]: one, "https://other.example.com": one})
    same = answers[0] == among_others or (isinstance(answers[0], str) and among_others == "invalid")
    require(same, f"one issuer: {answers[0]}, one of two: {among_others}")
    return answers[0]


def answer(verify, *arguments):
    """Return the token, or the reason of its refusal."""
    try:
        return verify(*arguments)
    except InvalidTokenError as error:
        return error.reason


def require_good_claims(token, claims):
    """What is accepted has the claims that it must have, as another reader of JSON sees them."""
    require(dict(token.claims) == claims, "the claims are others than those that were signed")
    for name in INTEGERS:
        require(name not in claims or (type(claims[name]) is int and 0 < claims[name] < jws.YEAR_10000), name)
    for name in STRINGS:
        require(name not in claims or (isinstance(claims[name], str) and claims[name].strip() != ""), name)
        claims.get(name, "").encode()
    require({"iss", "sub", "client_id", "jti", "sid", "aud", "iat", "exp"} <= claims.keys(), "a claim is missing")
    require(claims["iss"] == CLAIMS["iss"], "the issuer is another one")
    aud = claims["aud"]
    require(CLAIMS["aud"] in (aud if isinstance(aud, list) else [aud]), "the audience is another one")
    require(claims["exp"] > NOW - LEEWAY, "it has expired")
    require(claims["iat"] <= NOW + LEEWAY and claims.get("nbf", 0) <= NOW + LEEWAY, "it is not valid yet")
    # All that views read of it.
    _ = token.issued_at, token.expires_at, token.scopes, token.actor, token.subject, hash(token), repr(token)
    require(pickle.loads(pickle.dumps(token)) == token, "a copy is another token")


WORDS = (*CLAIMS, "nbf", "auth_time", "scope", "acr", "act", "amr", "crit", "b64", "alg", "typ", "kid", "at+jwt")
TARGET = Target(
    name="tokens",
    check=check,
    seeds=seeds,
    words=(*WORDS, "application/", "HS256", "EdDSA", "Ed25519", "none", "NaN", "1e999", "null", "true", "\\ud800"),
    runs=6000,
)
