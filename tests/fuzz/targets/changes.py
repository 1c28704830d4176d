"""What has changed in another issuer's list: any bytes, and up to four documents that the issuer has signed."""

import hashlib
import json

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import Part, SignedChanges, SignedList
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import KeySet, b64url_encode
from tests.fuzz.target import SEPARATOR, Target, joined, require
from tests.fuzz.targets.lists import ISSUER, LEEWAY, ODD
from tests.fuzz.targets.tokens import EDDSA, signed
from tests.tools.jws import JSON
from tests.tools.tokens import CLAIMS, NOW

TYP = "revocation-changes+jwt"
HEADER = json.dumps({"alg": EDDSA.alg, "typ": TYP, "kid": EDDSA.kid})
KEYS = KeySet([EDDSA])
FIRST, SECOND, THIRD, BOTH = (
    Part.of(["s1", "s2"], ["j1"]),
    Part.of(["s3"], []),
    Part.of([], ["j2"]),
    Part.of(["s2", "s3"], ["j2"]),
)
KNOWN = {part.name: part for part in (FIRST, SECOND, THIRD, BOTH)}
FRAME = {"iss": ISSUER, "iat": NOW - 1, "exp": NOW + 60, "ttl": 2, "max_lifetime": 300, "not_before": NOW - 1000}
LIST = {
    **FRAME,
    **{"iat": NOW - 10, "parts": [[FIRST.name, 2, 1], [SECOND.name, 1, 0]]},
    **{"sids": ["s1", "s2", "s3"], "jtis": ["j1"], "changes": "x"},
}
RAW_LIST = jws.sign(LIST, typ="revocations+jwt", key=EDDSA).encode()


def claims_of(*names, included=(), **changed):
    """Return the claims of changes that name these parts, and have the ids of some of them."""
    chosen = [KNOWN[name] for name in names if name in included]
    entries = [[name, len(KNOWN[name].sids), len(KNOWN[name].jtis)] if name in included else [name] for name in names]
    ids = {"sids": [sid for part in chosen for sid in part.sids], "jtis": [jti for part in chosen for jti in part.jtis]}
    return {**FRAME, "parts": entries, **ids, **changed}


SAID = claims_of(FIRST.name, THIRD.name, included=[THIRD.name])
GOOD = jws.sign(SAID, typ=TYP, key=EDDSA)


def seeds():
    """Return good changes, one for each odd value of each claim, some in a row, and what nobody has signed."""
    yield joined("s", json.dumps(SAID))
    for name in SAID:
        for value in ODD:
            yield joined("s", json.dumps({**SAID, name: value}))
        yield joined("s", json.dumps({key: value for key, value in SAID.items() if key != name}))
    for value in ODD:
        name = THIRD.name
        for entry in ([value], [value, 0, 1], [name, value, 1], [name, 0, value], [name, 0, 1, value]):
            yield joined("s", json.dumps({**SAID, "parts": [[FIRST.name], entry]}))
    for payload in JSON.values():
        yield joined("s", payload)
    names = [*KNOWN]
    for count in range(len(names) + 1):
        yield joined(
            "s",
            json.dumps(claims_of(*names[:count], included=names)),
            json.dumps(claims_of(*names[count:], included=names[:2], iat=NOW)),
            json.dumps(claims_of(*names[::-1], iat=NOW - 20)),
        )
    yield joined("s", json.dumps({**SAID, "parts": [[SECOND.name]] * 3, "jtis": []}))
    yield joined("s", json.dumps(claims_of(BOTH.name, included=[BOTH.name])))
    for raw in (GOOD, f"{GOOD}=", RAW_LIST.decode(), jws.sign(CLAIMS, typ="at+jwt", key=EDDSA)):
        yield joined("r", raw)


def digest(sids, jtis):
    """Return the name that the documentation gives to a part."""
    text = "".join(f"{each}\n" for each in [*sids, "", *jtis])
    return b64url_encode(hashlib.sha256(text.encode()).digest()[:16])


def check(data):
    """Each document is refused as a token; or who holds a list then has what the document says, or fetches the list."""
    kind, *rest = data.split(SEPARATOR)
    held = SignedList.read(RAW_LIST, issuer=ISSUER, keys=KEYS, leeway=LEEWAY, now=NOW)
    if kind != b"s":
        held = followed(held, data.partition(SEPARATOR)[2], SAID)
        return
    for payload in rest[:4]:
        held = followed(held, signed(EDDSA, HEADER.encode(), payload).encode(), payload)


def followed(held, raw, said):
    """Return what becomes of a list by a document, of which it is known what the issuer has signed."""
    before = set(held.revoked.sids), set(held.revoked.jtis)
    try:
        found = SignedChanges.read(raw, issuer=ISSUER, keys=KEYS, leeway=LEEWAY, now=NOW)
    except InvalidTokenError:
        return held
    require(said is not SAID or raw == GOOD.encode(), "changes are accepted that nobody has signed")
    claims = json.loads(said) if isinstance(said, bytes) else said
    require(claims["iss"] == ISSUER, "the issuer is another one")
    require(claims["iat"] <= NOW + LEEWAY and claims["exp"] > NOW - LEEWAY, "its time has passed, or has not come")
    require(found.parts == tuple(entry[0] for entry in claims["parts"]), "the parts are others than were signed")
    for name, part in found.included.items():
        require(name == digest(part.sids, part.jtis), "a part has other ids than its name says")
    offered = sum(map(len, found.included.values()))
    require(offered <= len(claims["sids"]) + len(claims["jtis"]), "there are more ids than were signed")
    following = held.follow(found, etag="")
    if following is None:
        lacking = set(found.parts) - held.known.keys() - found.included.keys()
        require(lacking, "no part is lacking, but the list is fetched")
        require((set(held.revoked.sids), set(held.revoked.jtis)) == before, "a list that is not followed has changed")
        return held
    is_newer = found.issued_at > held.issued_at
    known = {**held.known, **found.included}
    parts = [known[name] for name in found.parts]
    expected = {sid for part in parts for sid in part.sids}, {jti for part in parts for jti in part.jtis}
    if not is_newer:
        expected = before[0] | expected[0], before[1] | expected[1]
    require((following.revoked.sids, following.revoked.jtis) == expected, "the list has other ids than were signed")
    require(following.issued_at == max(found.issued_at, held.issued_at), "the list goes back")
    times = [found.not_before] if is_newer else [found.not_before, held.revoked.not_before]
    require(following.revoked.not_before == max(times), "sign everyone out means another time")
    return following


TARGET = Target(
    name="changes",
    check=check,
    seeds=seeds,
    words=(*LIST, TYP, *KNOWN, "s1", "j1", "null", "true", "1e999", "\\ud800", "\x1e"),
    max_length=8192,
    runs=6000,
)
