"""Forged tokens sent over HTTP: each is refused, reveals nothing, changes nothing, and costs no query."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth._core import jws
from django_jwtauth.keys import b64url_decode, b64url_encode
from tests.tools.attacks import (
    ATTACKER,
    ATTACKER_SECRET,
    P256_ORDER,
    SETUPS,
    assert_refused_everywhere,
    compact,
    everything,
)
from tests.tools.http import bearer
from tests.tools.products import all_rows, each_row


def encode_segments(*parts):
    return ".".join(b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)


def public_material(key):
    """The public part of a key, in its usual formats."""
    jwk = key.public_jwk() or ATTACKER.public_jwk()
    text = key.public_pem() if key.public_jwk() else ATTACKER.public_pem()
    return {
        "pem": text.encode(),
        "stripped": text.strip().encode(),
        "no armour": "".join(text.splitlines()[1:-1]).encode(),
        "jwk": json.dumps(jwk).encode(),
        "jwks": json.dumps({"keys": [jwk]}).encode(),
        "kid": key.kid.encode(),
        "nothing": b"",
    }


def twin_payload(good):
    """The same claims with a duplicate member: parsers do not agree on which one counts."""
    return json.dumps(good.claims)[:-1].encode() + b',"sub":"1"}'


SIGNED_BY_US = {
    # The signature is valid, but the claims are not. No case costs a query.
    "A-01 alg none": lambda g: g.with_header(alg="none"),
    "A-01 alg missing": lambda g: g.with_header(alg=...),
    "A-01 alg list": lambda g: g.with_header(alg=[g.key.alg]),
    "A-01 alg object": lambda g: g.with_header(alg={g.key.alg: True}),
    "A-01 alg lower case": lambda g: g.with_header(alg=g.key.alg.lower()),
    "A-04 kid path": lambda g: g.with_header(kid="../../../../dev/null"),
    "A-04 kid SQL": lambda g: g.with_header(kid="x' UNION SELECT 'a' --"),
    "A-04 kid LDAP": lambda g: g.with_header(kid="*)(uid=*"),
    "A-04 kid command": lambda g: g.with_header(kid=f"{g.key.kid};sleep 5"),
    "A-04 kid number": lambda g: g.with_header(kid=1),
    "A-04 kid list": lambda g: g.with_header(kid=[g.key.kid]),
    "A-04 kid missing": lambda g: g.with_header(kid=...),
    "A-04 kid long": lambda g: g.with_header(kid="k" * 1_000_000),
    "A-04 kid Unicode": lambda g: g.with_header(kid="\u202e\U0001f511"),
    "A-05 jku and no kid": lambda g: g.with_header(kid=..., jku="http://127.0.0.1:9/jwks.json"),
    "A-06 crit unknown": lambda g: g.with_header(crit=["x"], x=1),
    "A-06 crit empty": lambda g: g.with_header(crit=[]),
    "A-06 crit no list": lambda g: g.with_header(crit="exp"),
    "A-06 crit naming alg": lambda g: g.with_header(crit=["alg"]),
    "A-07 b64 false": lambda g: g.with_header(b64=False),
    "A-07 b64 text": lambda g: g.with_header(b64="false"),
    "A-07 b64 in crit": lambda g: g.with_header(b64=False, crit=["b64"]),
    "A-13 duplicate alg": lambda g: g.sign(json.dumps(g.header())[:-1].encode() + b',"alg":"none"}'),
    "A-13 duplicate sub": lambda g: g.sign(claims=twin_payload(g)),
    "A-14 UTF-16 payload": lambda g: g.sign(claims=json.dumps(g.claims).encode("utf-16")),
    "A-14 UTF-32 header": lambda g: g.sign(json.dumps(g.header()).encode("utf-32")),
    "A-14 byte order mark": lambda g: g.sign(claims=json.dumps(g.claims).encode("utf-8-sig")),
    "A-15 NaN": lambda g: g.with_claims(a=float("nan")),
    "A-15 Infinity": lambda g: g.with_claims(a=float("inf")),
    "A-15 1e999": lambda g: g.sign(claims=json.dumps(g.claims)[:-1].encode() + b',"a":1e999}'),
    "A-16 exp text": lambda g: g.with_claims(exp=str(g.claims["exp"])),
    "A-16 exp full-width": lambda g: g.with_claims(exp="４１０２４４４８００"),
    "A-16 exp float": lambda g: g.with_claims(exp=g.claims["exp"] + 0.5),
    "A-16 exp 1e308": lambda g: g.with_claims(exp=1e308),
    "A-16 exp 26 digits": lambda g: g.with_claims(exp=10**25),
    "A-16 exp year 10000": lambda g: g.with_claims(exp=jws.YEAR_10000),
    "A-16 exp true": lambda g: g.with_claims(exp=True),
    "A-16 exp list": lambda g: g.with_claims(exp=[g.claims["exp"]]),
    "A-16 exp negative": lambda g: g.with_claims(exp=-1),
    "A-17 exp missing": lambda g: g.with_claims(exp=...),
    "A-17 exp null": lambda g: g.with_claims(exp=None),
    "A-18 iat in the future": lambda g: g.with_claims(iat=g.claims["iat"] + 60),
    "A-18 nbf in the future": lambda g: g.with_claims(nbf=g.claims["iat"] + 60),
    "A-18 exp before iat": lambda g: g.with_claims(exp=g.claims["iat"] - 1),
    "A-18 decades old, decades good": lambda g: g.with_claims(iat=1, exp=jws.YEAR_10000 - 1),
    "A-18 expired": lambda g: g.with_claims(iat=g.claims["iat"] - 200, exp=g.claims["iat"] - 100),
    "A-19 aud missing": lambda g: g.with_claims(aud=...),
    "A-19 aud empty list": lambda g: g.with_claims(aud=[]),
    "A-19 aud object": lambda g: g.with_claims(aud={"django-jwtauth": 1}),
    "A-19 aud part": lambda g: g.with_claims(aud="django"),
    "A-19 aud of another": lambda g: g.with_claims(aud="https://other.example.com"),
    "A-20 iss part": lambda g: g.with_claims(iss="django"),
    "A-20 iss list": lambda g: g.with_claims(iss=[g.claims["iss"]]),
    "A-20 iss missing": lambda g: g.with_claims(iss=...),
    "A-21 sub number": lambda g: g.with_claims(sub=int(g.claims["sub"])),
    "A-21 sub true": lambda g: g.with_claims(sub=True),
    "A-21 sub list": lambda g: g.with_claims(sub=[g.claims["sub"]]),
    "A-21 sub null": lambda g: g.with_claims(sub=None),
    "A-21 sub empty": lambda g: g.with_claims(sub=""),
    "A-21 sub NUL": lambda g: g.with_claims(sub=g.claims["sub"] + "\x00"),
    "A-21 sub lone surrogate": lambda g: g.with_claims(sub="\ud800"),
    "A-22 refresh claims as access": lambda g: g.sign(claims=g.refresh_claims),
    "A-22 access claims as refresh": lambda g: g.refresh_with(**{**g.claims, "gen": ...}),
    "A-22 ID token": lambda g: g.with_header(typ="JWT"),
    "A-22 logout token": lambda g: g.with_header(typ="logout+jwt"),
    "A-22 revocation list": lambda g: g.with_header(typ="revocations+jwt"),
    "A-22 access token of the refresh key": lambda g: g.refresh_with({"typ": "at+jwt"}, **g.claims),
    "A-22 refresh token of the access key": lambda g: g.sign(g.header(typ="rt+jwt"), g.refresh_claims),
    "A-23 issuer of another stage": lambda g: g.with_claims(iss="staging"),
    "A-26 typ missing": lambda g: g.with_header(typ=...),
    "A-26 typ number": lambda g: g.with_header(typ=1),
    "A-29 long": lambda g: g.with_claims(a="x" * 4096),
    "A-29 deep": lambda g: g.sign(claims=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "A-29 short and deep": lambda g: g.sign(claims=b"[" * 1500),
    "A-29 digits": lambda g: g.sign(claims=b'{"exp":' + b"9" * 2000 + b"}"),
    "refresh: gen text": lambda g: g.refresh_with(gen="0"),
    "refresh: gen true": lambda g: g.refresh_with(gen=True),
    "refresh: gen negative": lambda g: g.refresh_with(gen=-1),
    "refresh: gen huge": lambda g: g.refresh_with(gen=2**31),
    "refresh: gen missing": lambda g: g.refresh_with(gen=...),
    "refresh: exp missing": lambda g: g.refresh_with(exp=...),
    "refresh: aud of access tokens": lambda g: g.refresh_with(aud="https://api.example.com"),
    "refresh: iss of another": lambda g: g.refresh_with(iss="https://evil.example.com"),
    "refresh: sid no UUID": lambda g: g.refresh_with(sid="1"),
    "refresh: sid in capitals": lambda g: g.refresh_with(sid=g.refresh_claims["sid"].upper() + "A"),
    "refresh: sid with braces": lambda g: g.refresh_with(sid=f"{{{g.refresh_claims['sid']}}}"),
    "refresh: sid without dashes": lambda g: g.refresh_with(sid=g.refresh_claims["sid"].replace("-", "")),
    "refresh: sid list": lambda g: g.refresh_with(sid=[g.refresh_claims["sid"]]),
    "refresh: jti number": lambda g: g.refresh_with(jti=1),
}


def unsigned(good, alg):
    return f"{compact(good.header(alg=alg), good.claims)}."


def hs256_with(good, name, digest="sha256"):
    """HMAC with the public key as the secret, under the kid of our key."""
    alg = f"HS{digest[3:]}"
    if good.key.alg == alg:
        alg = "HS384"
        digest = "sha384"
    return compact(good.header(alg=alg), good.claims).hmac(public_material(good.key)[name], digest)


def ecdsa(good, signature):
    return f"{compact(good.header(alg='ES256'), good.claims)}.{b64url_encode(signature)}"


def segments(good):
    return good.access.split(".")


NONES = ("none", "None", "NONE", "nOnE", "none ", "")
NOT_SIGNED = {
    # The signature is missing, belongs to another token, or is encoded differently.
    **{
        f"A-01 alg {alg!r}": lambda g, alg=alg: unsigned(g, alg)
        for alg in ("none", "None", "NONE", "nOnE", "none ", "")
    },
    "A-01 alg none, signature kept": lambda g: f"{compact(g.header(alg='none'), g.claims)}.{segments(g)[2]}",
    "A-01 alg none, refresh": lambda g: f"{compact({'alg': 'none', 'typ': 'rt+jwt'}, g.refresh_claims)}.",
    **{f"A-02 HMAC with {name}": lambda g, name=name: hs256_with(g, name) for name in public_material(ATTACKER)},
    "A-02 HS512 with the PEM": lambda g: hs256_with(g, "pem", "sha512"),
    "A-02 HMAC, alg kept": lambda g: compact(g.header(), g.claims).hmac(public_material(g.key)["pem"]),
    "A-03 HMAC with raw x": lambda g: compact(g.header(alg="HS384"), g.claims).hmac(
        b64url_decode(ATTACKER.public_jwk()["x"].encode()), "sha384"
    ),
    "A-05 jwk": lambda g: g.sign(g.header(alg="ES256", jwk=ATTACKER.public_jwk()), key=ATTACKER),
    "A-05 jwk and its kid": lambda g: g.sign(
        g.header(alg="ES256", kid=ATTACKER.kid, jwk=ATTACKER.public_jwk()), key=ATTACKER
    ),
    "A-05 jku": lambda g: g.sign(g.header(alg="ES256", jku="http://127.0.0.1:9/"), key=ATTACKER),
    "A-05 x5u": lambda g: g.sign(g.header(alg="ES256", x5u="file:///etc/passwd"), key=ATTACKER),
    "A-05 x5c": lambda g: g.sign(g.header(alg="ES256", x5c=["MIIB"]), key=ATTACKER),
    "A-08 r = s = 0": lambda g: ecdsa(g, bytes(64)),
    "A-08 r = s = n": lambda g: ecdsa(g, P256_ORDER.to_bytes(32, "big") * 2),
    "A-08 DER": lambda g: ecdsa(g, encode_dss_signature(1, 1)),
    "A-11 HMAC with an empty key": lambda g: compact(g.header(), g.claims).hmac(b""),
    "A-11 HMAC with a dictionary word": lambda g: compact(g.header(), g.claims).hmac(b"secret"),
    "A-12 signature stripped": lambda g: ".".join(segments(g)[:2]) + ".",
    "A-12 two segments": lambda g: ".".join(segments(g)[:2]),
    "A-12 four segments": lambda g: g.access + ".e30",
    "A-12 JWE": lambda g: encode_segments({"alg": "dir", "enc": "A128GCM"}, b"key", b"iv", b"text", b"tag"),
    "A-12 JSON serialization": lambda g: json.dumps(
        dict(zip(("protected", "payload", "signature"), segments(g), strict=True))
    ),
    "A-23 same kid, other secret": lambda g: g.sign(g.header(alg="HS256"), key=ATTACKER_SECRET),
    "A-23 same kid, other key": lambda g: g.sign(g.header(alg="ES256"), key=ATTACKER),
    "A-23 refresh of another stage": lambda g: compact(
        {"alg": "HS256", "typ": "rt+jwt", "kid": g.refresh_key.kid}, g.refresh_claims
    ).signed(ATTACKER_SECRET),
    "A-24 trailing =": lambda g: g.access + "=",
    "A-24 trailing ==": lambda g: g.access + "==",
    "A-24 refresh with =": lambda g: g.refresh + "=",
    "A-24 padded payload": lambda g: g.access.replace(".", "=.", 2),
    "A-27 space around": lambda g: f"{g.access}\u00a0",
    "A-27 full width": lambda g: g.access.replace("e", "é", 1),
    "A-29 MiB": lambda g: "a" * 2**20,
    "A-29 MiB of dots": lambda g: "." * 2**20,
    "A-29 MiB as a token": lambda g: encode_segments(b"x" * 2**18, b"x" * 2**18, b"x" * 2**18),
    "A-30 PBES2": lambda g: encode_segments(
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1}, b"k", b"i", b"t", b"g"
    ),
    "A-30 zip": lambda g: encode_segments({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}, b"", b"i", b"t", b"g"),
    "changed claim": lambda g: f"{compact(g.header(), {**g.claims, 'sub': '2'})}.{segments(g)[2]}",
    "refresh: changed sid": lambda g: g.refresh.replace(g.refresh.split(".")[1], segments(g)[1]),
    "a word": lambda g: "null",
    "a number": lambda g: "12345678901234567890",
}


def by_number(attacks):
    """Group attacks by their number in the threat model, so that no test takes long."""
    groups = {}
    for name, attack in attacks.items():
        groups.setdefault(name[:4] if name.startswith("A-") else "others", {})[name] = attack
    return groups


# What we have not signed is nearly the same for an issuer with a secret as for one with asymmetric keys.
ATTACKS = [
    pytest.param(
        group,
        setup,
        id=f"{number}-{kind}-{setup}",
        marks=[pytest.mark.long] * (setup == "HS256" and kind == "not signed"),
    )
    for kind, attacks in {"signed": SIGNED_BY_US, "not signed": NOT_SIGNED}.items()
    for number, group in by_number(attacks).items()
    for setup in SETUPS
]


@pytest.mark.parametrize(("attacks", "issuer"), ATTACKS, indirect=["issuer"])
def test_an_attack_is_refused_everywhere_without_a_query(attacks, good, django_assert_num_queries):
    before = everything()
    with all_rows() as row:
        for name, attack in attacks.items():
            raw = attack(good)
            with row(name):
                with django_assert_num_queries(0):
                    assert_refused_everywhere(raw)
                assert everything() == before
                # Everything still works: the attack did not deny service either.
                client = APIClient()
                assert client.get("/whoami/", **bearer(good.access)).status_code == 200
                assert client.post("/auth/token/verify/", {"token": good.refresh}, format="json").status_code == 200


def test_an_expired_refresh_token_is_refused_everywhere_and_costs_one_query(good, django_assert_num_queries):
    """Who wants to end a session asks the database's clock, since this server's own may be wrong."""
    before = everything()
    with django_assert_num_queries(1):
        assert_refused_everywhere(good.refresh_with(iat=1, exp=2))
    assert everything() == before


@each_row("sub", ["1.0", "01", " 1", "1 ", "+1", "１", "2", "0", "ada", "None"])
def test_a_subject_is_its_sessions_user_exactly(sub, good):
    """A-21: another spelling of the same key is another subject."""
    before = everything()
    sub = sub.replace("1", good.claims["sub"])
    assert_refused_everywhere(good.with_claims(sub=sub), ["header", "verify", "refresh", "blacklist", "logout"])
    assert everything() == before


@each_row("sid", ["00000000-0000-4000-8000-000000000000", "1", "' OR 1=1 --", "upper", "without dashes", "urn"])
def test_a_session_is_found_by_its_id_exactly(sid, good):
    own = good.claims["sid"]
    sid = {"upper": own.upper(), "without dashes": own.replace("-", ""), "urn": f"urn:uuid:{own}"}.get(sid, sid)
    before = everything()
    for raw in (good.with_claims(sid=sid), good.refresh_with(sid=sid)):
        assert_refused_everywhere(raw, ["header", "verify", "refresh", "blacklist", "logout"])
    assert everything() == before


def test_a_refresh_token_of_one_session_does_not_work_for_another(good, user):
    """A-37: neither the key alone nor another session's id makes a token."""
    other = sessions.start(user)
    before = everything()
    for raw in (
        good.refresh_with(sid=str(other.session.pk)),
        good.refresh_with(jti="A" * 43),
        good.refresh_with(gen=1),
    ):
        assert_refused_everywhere(raw, ["verify", "refresh", "blacklist"])
    assert everything() == before
