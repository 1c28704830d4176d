"""Revocation lists of another issuer: any bytes, and any header and claims that the issuer has signed."""

import json

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import SignedList
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import KeySet
from tests.fuzz.target import SEPARATOR, Target, joined, parts, require
from tests.fuzz.targets.tokens import EDDSA, signed
from tests.tools.jws import JSON
from tests.tools.tokens import CLAIMS, NOW

LEEWAY = 5.0
ISSUER = CLAIMS["iss"]
HEADER = json.dumps({"alg": EDDSA.alg, "typ": "revocations+jwt", "kid": EDDSA.kid})
LIST = {
    **{"iss": ISSUER, "iat": NOW - 1, "exp": NOW + 60, "ttl": 2, "max_lifetime": 300, "not_before": NOW - 1000},
    **{"sids": ["session-1", "session-2"], "jtis": ["token-1"]},
}
GOOD = jws.sign(LIST, typ="revocations+jwt", key=EDDSA)
ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    2**31,
    10**30,
    "",
    "1",
    [],
    [None],
    ["a", 1],
    [["a"]],
    {},
    {"a": 1},
    "\u0000",
    "x" * 1000,
)


DIVIDED = {**LIST, "parts": [["4WQPLdib9RigiHmQ9NiaYQ", 2, 1]], "sids": ["s1", "s2"], "jtis": ["j1"], "changes": "x"}


def seeds():
    """Return a good list, one for each odd value of each claim, and what nobody has signed."""
    yield joined("s", HEADER, json.dumps(LIST))
    for name in LIST:
        for value in ODD:
            yield joined("s", HEADER, json.dumps({**LIST, name: value}))
        yield joined("s", HEADER, json.dumps({key: value for key, value in LIST.items() if key != name}))
    for payload in (*JSON.values(), b"[" * 2000, b'{"a":' * 400):
        yield joined("s", HEADER, payload)
    for typ in ("at+jwt", "application/revocations+jwt", "REVOCATIONS+JWT", "", None):
        yield joined("s", json.dumps({**json.loads(HEADER), "typ": typ}), json.dumps(LIST))
    yield joined("s", HEADER, json.dumps(DIVIDED))
    for value in (
        *ODD,
        *[[[value, 2, 1]] for value in ODD],
        *[[["4WQPLdib9RigiHmQ9NiaYQ", value, 1]] for value in ODD],
    ):
        yield joined("s", HEADER, json.dumps({**DIVIDED, "parts": value}))
    yield joined("r", GOOD)
    yield joined("r", f"{GOOD}=")
    yield joined("r", jws.sign(CLAIMS, typ="at+jwt", key=EDDSA))


def check(data):
    """A document is refused as a token, or it is a list that the issuer has signed, and can be asked and published."""
    kind, header, payload = parts(data, 3)
    raw = signed(EDDSA, header, payload).encode() if kind == b"s" else data.partition(SEPARATOR)[2]
    try:
        found = SignedList.read(raw, issuer=ISSUER, keys=KeySet([EDDSA]), leeway=LEEWAY, now=NOW)
    except InvalidTokenError:
        return
    require(kind == b"s" or raw.decode() == GOOD, "a list is accepted that nobody has signed")
    claims = json.loads(payload) if kind == b"s" else LIST
    require(claims["iss"] == ISSUER, "the issuer is another one")
    require(claims["iat"] <= NOW + LEEWAY and claims["exp"] > NOW - LEEWAY, "its time has passed, or has not come")
    require(set(found.revoked.sids) == set(claims["sids"]), "the list has other sessions than were signed")
    require(set(found.revoked.jtis) == set(claims["jtis"]), "the list has other tokens than were signed")
    for sid in claims["sids"]:
        require(found.revoked.covers({**CLAIMS, "sid": sid}), "a revoked session is accepted")
    for iat in (1, NOW, jws.YEAR_10000 - 1):
        is_revoked = found.revoked.covers({"sid": "\x00", "jti": "\x00", "iat": iat})
        require(is_revoked == (iat <= claims["not_before"]), "sign everyone out means another time")
        try:
            jws.check_times({"iat": iat, "exp": iat + 1}, leeway=LEEWAY, now=NOW, max_lifetime=found.max_lifetime)
        except InvalidTokenError:
            continue
    again = SignedList.read(
        found.sign(issuer=ISSUER, key=EDDSA).encode(), issuer=ISSUER, keys=KeySet([EDDSA]), leeway=LEEWAY, now=NOW
    )
    require(again.content() == found.content(), "published again, it is another list")


TARGET = Target(
    name="lists",
    check=check,
    seeds=seeds,
    words=(*DIVIDED, "revocations+jwt", "typ", "kid", "alg", "EdDSA", "session-1", "null", "true", "1e999", "\\ud800"),
    max_length=8192,
    runs=6000,
)
