"""Attacks, sent over HTTP: each is refused with 400 or 401, says nothing, changes nothing, and breaks nothing."""

import hmac
import json
import logging
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.keys import Key, b64url_decode, b64url_encode
from django_jwtauth.models import BlacklistedToken, RefreshToken

from .conftest import bearer

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEYS = {alg: Key.generate(alg) for alg in ("ES256", "RS256")}
SETUPS = {
    "HS256": [],
    "ES256 and RS256": ["ES256", "RS256"],
}
UNLIMITED = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
ATTACKER = Key.generate("ES256")
ATTACKER_SECRET = Key.from_secret(b"the-attacker-has-a-secret-of-his-own")


@pytest.fixture(params=SETUPS)
def issuer(request, settings):
    """The issuer's settings: the derived secret, or asymmetric keys."""
    algs = SETUPS[request.param]
    # The first one signs. The others only verify, and load in no time: a private RSA key is checked for long.
    pems = [KEYS[alg].public_pem() if index else KEYS[alg].private_pem() for index, alg in enumerate(algs)]
    keys = [{"alg": alg, "pem": pem} for alg, pem in zip(algs, pems, strict=True)]
    settings.JWTAUTH = {"THROTTLE_RATES": UNLIMITED, **({"SIGNING_KEYS": keys} if keys else {})}


@dataclass(frozen=True, kw_only=True)
class Good:
    """A pair of good tokens, and what signs them: an attacker's luck."""

    access: str
    refresh: str
    key: Key
    refresh_key: Key

    @property
    def claims(self):
        return json.loads(b64url_decode(self.access.split(".")[1].encode()))

    @property
    def refresh_claims(self):
        return json.loads(b64url_decode(self.refresh.split(".")[1].encode()))

    def header(self, **changes):
        members = {"alg": self.key.alg, "typ": "at+jwt", "kid": self.key.kid, **changes}
        return {name: value for name, value in members.items() if value is not ...}

    def sign(self, header=None, claims=None, *, key=None):
        """Any header and claims with a signature of the right key, or another one. Bytes are taken as they are."""
        return compact(self.header() if header is None else header, self.claims if claims is None else claims).signed(
            key or self.key
        )

    def with_claims(self, **changes):
        return self.sign(claims={name: value for name, value in {**self.claims, **changes}.items() if value is not ...})

    def with_header(self, **changes):
        return self.sign(self.header(**changes))

    def refresh_with(self, header=None, **changes):
        claims = {name: value for name, value in {**self.refresh_claims, **changes}.items() if value is not ...}
        base = {"alg": "HS256", "typ": "rt+jwt", "kid": self.refresh_key.kid}
        return compact({**base, **(header or {})}, claims).signed(self.refresh_key)


@dataclass(frozen=True)
class compact:  # noqa: N801
    """The first two segments of a token."""

    header: object
    claims: object

    def __str__(self):
        parts = (self.header, self.claims)
        return ".".join(b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)

    def signed(self, key):
        return f"{self}.{b64url_encode(key.sign(str(self).encode()))}"

    def hmac(self, secret, digest="sha256"):
        return f"{self}.{b64url_encode(hmac.digest(secret, str(self).encode(), digest))}"


@pytest.fixture
def good(issuer, pair):
    config = conf.get_config()
    return Good(
        access=pair.access,
        refresh=pair.refresh,
        key=config.signing_keys.signing_key,
        refresh_key=config.refresh_keys.signing_key,
    )


DELIVERIES = {
    "header": lambda client, raw: client.get("/whoami/", **bearer(raw)),
    "stateless": lambda client, raw: client.get("/stateless/", **bearer(raw)),
    "logout": lambda client, raw: client.post("/auth/logout/", **bearer(raw)),
    "verify": lambda client, raw: client.post("/auth/token/verify/", {"token": raw}, format="json"),
    "refresh": lambda client, raw: client.post("/auth/token/refresh/", {"refresh": raw}, format="json"),
    "blacklist": lambda client, raw: client.post("/auth/token/blacklist/", {"refresh": raw}, format="json"),
    "form": lambda client, raw: client.post("/auth/token/refresh/", {"refresh": raw}, format="multipart"),
}


def everything():
    """All rows of the tables that sign-ins, refreshes and revocations change."""
    tables = (RefreshToken, BlacklistedToken, get_user_model())
    return [list(model.objects.order_by("pk").values()) for model in tables]


def assert_says_nothing(response, raw):
    """A refusal, in JSON, of fixed words."""
    assert response.status_code in (400, 401), (response.status_code, response.content)
    assert response["Content-Type"] == "application/json"
    body = response.json()
    if response.status_code == 401:
        assert set(body) == {"detail", "code", "reason"}
        assert response["WWW-Authenticate"].startswith('Bearer realm="api"')
    pieces = {raw[start : start + 10] for start in range(0, len(raw) - 9)}
    text = response.content.decode()
    assert not [piece for piece in pieces if piece in text]


def assert_refused_everywhere(raw, names=DELIVERIES):
    for name in names:
        response = DELIVERIES[name](APIClient(), raw)
        assert_says_nothing(response, raw)


def encode_segments(*parts):
    return ".".join(b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)


def public_material(key):
    """What everybody may know of a key, in the forms it is passed around in."""
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
    """The same claims, with a member that stands twice: parsers do not agree on which one counts."""
    return json.dumps(good.claims)[:-1].encode() + b',"sub":"1"}'


SIGNED_BY_US = {
    # A good signature, and still no token. Each costs no query.
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
    "refresh: expired": lambda g: g.refresh_with(iat=1, exp=2),
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
    """HMAC with what everybody may know, under the kid of our key."""
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
    # The signature is missing, another's or misspelt.
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


@pytest.mark.parametrize("attack", {**SIGNED_BY_US, **NOT_SIGNED}.values(), ids={**SIGNED_BY_US, **NOT_SIGNED})
def test_an_attack_is_refused_everywhere_without_a_query(attack, good, django_assert_num_queries):
    raw = attack(good)
    before = everything()
    with django_assert_num_queries(0):
        assert_refused_everywhere(raw)
    assert everything() == before
    # What was attacked still works: the attack was no denial of service.
    client = APIClient()
    assert client.get("/whoami/", **bearer(good.access)).status_code == 200
    assert client.post("/auth/token/verify/", {"token": good.refresh}, format="json").status_code == 200


@pytest.mark.parametrize("sub", ["1.0", "01", " 1", "1 ", "+1", "１", "2", "0", "ada", "None"])
def test_a_subject_is_its_sessions_user_exactly(sub, good):
    """A-21: another spelling of the same key is another subject."""
    before = everything()
    sub = sub.replace("1", good.claims["sub"])
    assert_refused_everywhere(good.with_claims(sub=sub), ["header", "verify", "refresh", "blacklist", "logout"])
    assert everything() == before


@pytest.mark.parametrize(
    "sid", ["00000000-0000-4000-8000-000000000000", "1", "' OR 1=1 --", "upper", "without dashes", "urn"]
)
def test_a_session_is_found_by_its_id_exactly(sid, good):
    own = good.claims["sid"]
    sid = {"upper": own.upper(), "without dashes": own.replace("-", ""), "urn": f"urn:uuid:{own}"}.get(sid, sid)
    before = everything()
    for raw in (good.with_claims(sid=sid), good.refresh_with(sid=sid)):
        assert_refused_everywhere(raw, ["header", "verify", "refresh", "blacklist", "logout"])
    assert everything() == before


def test_a_refresh_token_of_one_session_is_none_of_another(good, user):
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


# The header

HEADERS = {
    "as usual": ("Bearer {}", 200),
    "lower case": ("bearer {}", 200),
    "upper case": ("BEARER {}", 200),
    "two spaces": ("Bearer  {}", 200),  # RFC 9110 section 11.4: 1*SP
    "tab": ("Bearer\t{}", 401),
    "no space": ("Bearer{}", 401),
    "colon": ("Bearer: {}", 401),
    "no scheme": ("{}", 401),
    "Basic": ("Basic {}", 401),
    "Token": ("Token {}", 401),
    "scheme only": ("Bearer", 401),
    "scheme and space": ("Bearer ", 401),
    "twice in a list": ("Bearer {0}, Bearer {0}", 401),
    "comma": ("Bearer {0},{0}", 401),
    "two tokens": ("Bearer {0} {0}", 401),
    "token, then scheme": ("{} Bearer", 401),
    "quoted": ('Bearer "{}"', 401),
    "parameter": ("Bearer token={}", 401),
    "latin-1": ("Bearer {}é", 401),
    "UTF-8": ("Bearer {}" + "é€".encode().decode("latin-1"), 401),
    "no latin-1": ("Bearer {}€", 401),
    "lone surrogate": ("Bearer {}\ud800", 401),
    "NUL": ("Bearer {}\x00", 401),
    "newline": ("Bearer {}\n", 401),
    "second header": ("Bearer {}\r\nX-User: 1", 401),
    "no-break space": ("Bearer\xa0{}", 401),
}


@pytest.mark.parametrize(("form", "status"), HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("path", ["/whoami/", "/stateless/"])
def test_the_header_is_bearer_a_space_and_a_token(form, status, path, good):
    response = APIClient().get(path, HTTP_AUTHORIZATION=form.format(good.access))
    assert response.status_code == status
    if status == 401:
        assert response["WWW-Authenticate"].startswith('Bearer realm="api"')
        assert good.access[:20] not in response.content.decode()


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization", "bearer"])
@pytest.mark.parametrize("path", ["/whoami/", "/stateless/"])
def test_a_token_anywhere_but_in_the_header_is_ignored(name, path, good):
    client = APIClient()
    client.cookies[name] = good.access
    for value in (good.access, f"Bearer {good.access}"):
        response = client.get(path, {name: value})
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'  # it was not even looked at


# Bodies

POSTS = ("token", "token/refresh", "token/verify", "token/blacklist", "logout", "logout/all")
CHARSETS = ["hex", "base64", "rot13", "zlib", "bz2", "uu", "quopri", "utf-16", "utf-32", "utf-7", "idna", "punycode"]
CHARSETS += ["undefined", "unicode_escape", "raw_unicode_escape", "no-such", "x" * 300, "", "cp037", "\u00e9"]
DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "cut off": b"[" * 100_000,
    "objects": b'{"refresh":' * 100_000 + b"1" + b"}" * 100_000,
    "in a member": b'{"username":"ada","password":"x","token":"x","refresh":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}
ODD = {
    **DEEP,
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"refresh"',
    "number": b"1",
    "digits": b'{"refresh":' + b"9" * 5000 + b"}",
    "NaN": b'{"refresh":NaN,"token":Infinity,"username":NaN,"password":1e999}',
    "1e999": b'{"refresh":1e999,"token":1e999,"username":1e999,"password":1e999}',
    "lone surrogate": b'{"refresh":"\\ud800","token":"\\ud800","username":"\\ud800","password":"\\ud800"}',
    "NUL": b'{"refresh":"a\\u0000","token":"\\u0000","username":"a\\u0000","password":"\\u0000"}',
    "types": b'{"refresh":{"a":1},"token":[1],"username":true,"password":null}',
    "no UTF-8": b'{"refresh":"\xff","token":"\xff","username":"\xff","password":"\xff"}',
    "percent": b"refresh=%FF%00&token=%ED%A0%80&username=%FF&password=%",
    "many fields": b"a=1&" * 2000,
    "multipart": b'--x\r\nContent-Disposition: form-data; name="refresh"; filename="a"\r\n\r\n\xff\r\n--x--\r\n',
    "multipart, cut off": b'--x\r\nContent-Disposition: form-data; name="refresh"\r\nContent-Length: -1',
}
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")


def assert_4xx(response):
    assert 400 <= response.status_code < 500, (response.status_code, response.content[:200])
    assert len(response.content) < 2000


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("media_type", [*TYPES, "text/plain", "application/xml", "", "x", "multipart/form-data"])
def test_no_body_breaks_an_endpoint(name, media_type, good, caplog):
    before = everything()
    for path in POSTS:
        assert_4xx(APIClient().generic("POST", f"/auth/{path}/", ODD[name], content_type=media_type))
    assert everything() == before
    assert "cache is not available" not in caplog.text


@pytest.mark.parametrize("charset", CHARSETS, ids=lambda charset: charset[:20] or "empty")
@pytest.mark.parametrize("media_type", TYPES)
def test_no_charset_breaks_an_endpoint(charset, media_type, good):
    before = everything()
    bodies = [
        b'{"refresh":"a","token":"a","username":"ada","password":"x"}',
        b"refresh=%FFa&token=%FF",
        b"\xff\xfea\x00",
    ]
    for path in POSTS:
        for body in [*bodies, ODD["multipart"]]:
            client = APIClient()
            assert_4xx(client.generic("POST", f"/auth/{path}/", body, content_type=f"{media_type}; charset={charset}"))
    assert everything() == before


# Replay and privileges that should be gone


def post(path, **body):
    return APIClient().post(f"/auth/{path}/", body, format="json")


def test_a_second_signature_of_a_blacklisted_token_is_refused_too(settings, user):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "ES256", "pem": KEYS["ES256"].private_pem()}]}
    pair = sessions.start(user)
    message, signature = pair.access.rsplit(".", 1)
    decoded = b64url_decode(signature.encode())
    other = decoded[:32] + (P256_ORDER - int.from_bytes(decoded[32:], "big")).to_bytes(32, "big")
    twin = f"{message}.{b64url_encode(other)}"
    for path in ("/whoami/", "/stateless/"):
        assert APIClient().get(path, **bearer(twin)).status_code == 200
    sessions.blacklist(pair.access)
    for path in ("/whoami/", "/stateless/"):
        assert APIClient().get(path, **bearer(twin)).json()["reason"] == "revoked"


def test_a_rotated_refresh_token_that_comes_back_late_ends_the_session_for_all(good, age):
    session = RefreshToken.objects.get()
    age(session, timedelta(hours=1))
    new = post("token/refresh", refresh=good.refresh).json()
    session.refresh_from_db()
    age(session, timedelta(hours=1))
    assert post("token/verify", token=good.refresh).json()["reason"] == "reused"
    session.refresh_from_db()
    assert session.revoked_at is None  # asking is no use
    assert post("token/refresh", refresh=good.refresh).json()["reason"] == "reused"
    for raw in (new["refresh"], good.refresh):
        assert post("token/refresh", refresh=raw).json()["reason"] == "revoked"
    for raw in (new["access"], good.access):
        assert_refused_everywhere(raw)


def logged_out(user, good):
    assert post("token/blacklist", refresh=good.refresh).status_code == 200


def new_password(user, good):
    user.set_password("another horse")
    user.save()


def deactivated(user, good):
    user.is_active = False
    user.save()


def deleted(user, good):
    user.delete()


def deleted_and_key_reused(user, good):
    key = user.pk
    user.delete()
    get_user_model().objects.create_superuser(pk=key, username="eve", password="x")


@pytest.mark.parametrize("change", [logged_out, new_password, deactivated, deleted, deleted_and_key_reused])
def test_no_token_outlives_what_ended_its_session(change, good, user):
    change(user, good)
    before = everything()
    for _ in range(2):
        assert_refused_everywhere(good.access, ["header", "stateless", "verify", "logout"])
        assert_refused_everywhere(good.refresh, ["verify", "refresh"])
    assert everything() == before


# Injection


def test_no_member_of_a_body_becomes_a_claim(user, issuer):
    extra = {
        "sub": "0",
        "iss": "x",
        "aud": "x",
        "exp": 9999999999,
        "scope": "admin",
        "amr": ["otp"],
        "claims": {"a": 1},
    }
    extra |= {"user": 0, "user_id": 0, "is_staff": True, "sid": "x", "gen": 5, "client_id": "x", "acr": "high"}
    pair = post("token", username="ada", password="correct horse", **extra).json()
    again = post("token/refresh", refresh=pair["refresh"], **extra).json()
    for raw in (pair["access"], again["access"]):
        claims = APIClient().get("/whoami/", **bearer(raw)).json()["claims"]
        assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time", "amr"}
        assert (claims["sub"], claims["amr"], claims["client_id"]) == (str(user.pk), ["pwd"], "first-party")
        assert claims["exp"] - claims["iat"] == 300
    user.refresh_from_db()
    assert not user.is_staff


def test_nothing_a_client_sends_gets_into_the_log_as_it_is(good, age, caplog):
    caplog.set_level(logging.DEBUG)
    evil = "x\r\n2026-01-01 CRITICAL all is well\x1b[2J"
    session = RefreshToken.objects.get()
    age(session, timedelta(hours=1))
    client = APIClient(headers={"User-Agent": evil, "X-Forwarded-For": evil})
    assert client.post("/auth/token/refresh/", {"refresh": good.refresh}, format="json").status_code == 200
    session.refresh_from_db()
    age(session, timedelta(hours=1))
    assert client.post("/auth/token/refresh/", {"refresh": good.refresh}, format="json").status_code == 401
    assert "reuse" in caplog.text
    for raw in (good.with_header(kid=evil), good.with_claims(sub=evil), good.with_claims(sid=evil)):
        for deliver in DELIVERIES.values():
            deliver(client, raw)
    client.post("/auth/token/", {"username": evil, "password": "secret horse"}, format="json")
    for record in caplog.records:
        if record.name.startswith("django.db"):
            continue  # the project's own debugging
        text = record.getMessage()
        assert not [char for char in text if not char.isprintable()], text
        assert "secret horse" not in text
        assert not [raw for raw in (good.access, good.refresh) if raw.split(".")[1] in text]
    session.refresh_from_db()
    assert session.user_agent.isprintable()
