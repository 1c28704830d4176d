"""The public documents: what is in them, who may read them, and how caches may keep them."""

import datetime
import functools
import json
import time
import types

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from django_jwtauth import conf, revocation_cache, sessions, well_known
from django_jwtauth.keys import Key, b64url_decode, b64url_encode
from django_jwtauth.models import NotBefore, RefreshToken

from .test_revocation import failing_reads

ISSUER = "https://auth.example.com"
JWKS, METADATA, LIST = (
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwt-revocations",
)
DOCUMENTS = {
    # url: content type, seconds a cache may keep it, whether its ETag is weak
    JWKS: ("application/jwk-set+json", 60, False),
    METADATA: ("application/json", 300, False),
    LIST: ("application/jwt", 1, True),
}
each_document = pytest.mark.parametrize("url", DOCUMENTS)
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
ES256 = Key.generate("ES256")
SECRET = "5d9f3c1a7e-this-is-a-secret-of-64-bytes-or-more-4b8d2f6a0c9e7b5d3f1a"


@functools.cache
def key(alg):
    """One key for each algorithm, made once."""
    return ES256 if alg == "ES256" else Key.generate(alg)


def entry(alg):
    return {"alg": alg, "secret": SECRET} if alg.startswith("HS") else {"alg": alg, "pem": key(alg).private_pem()}


def jwtauth(*algs, **more):
    return {"ISSUER": ISSUER, "SIGNING_KEYS": [entry(alg) for alg in algs], **more}


@pytest.fixture(autouse=True)
def _issuer(settings):
    settings.JWTAUTH = jwtauth("ES256")
    well_known._last_signed = well_known._LastSigned()


@pytest.fixture
def http():
    return Client()


class Clock:
    """Both clocks of the process: they stand still, at the beginning of a signing period, until told to go on."""

    def __init__(self):
        self.monotonic = 1000.0
        self.wall = time.time() // well_known.SIGNING_PERIOD * well_known.SIGNING_PERIOD

    def go(self, seconds):
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.monotonic)
    monkeypatch.setattr(time, "time", lambda: clock.wall)
    return clock


def verified(response, jwks, *, algorithms=("ES256",), times=False):
    """Read the list as a service does that knows nothing of us but the key set. Its clock is not held."""
    raw = response.content.decode()
    header = jwt.get_unverified_header(raw)
    keys = {found.key_id: found for found in jwt.PyJWKSet.from_dict(jwks).keys}
    claims = jwt.decode(
        raw,
        keys[header["kid"]],
        algorithms=list(algorithms),
        issuer=ISSUER,
        options={"require": ["iss", "iat", "exp"], "verify_exp": times, "verify_iat": times},
    )
    return header, claims


def read_list(http):
    return verified(http.get(LIST), http.get(JWKS).json())[1]


# All three


@pytest.mark.django_db
@each_document
def test_a_document_is_public_and_may_be_kept_by_caches(http, url):
    content_type, max_age, is_weak = DOCUMENTS[url]
    response = http.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == content_type
    assert response["Cache-Control"] == f"public, max-age={max_age}"
    assert response["ETag"].startswith('W/"' if is_weak else '"')
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Expose-Headers"] == "ETag"
    # Whoever asks gets the same.
    assert "Vary" not in response
    assert not response.cookies


@pytest.mark.django_db
@each_document
def test_it_needs_no_middleware_and_no_permission(http, settings, url):
    settings.MIDDLEWARE = []
    settings.REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"]}
    response = http.get(url, headers={"Origin": "https://app.example.com", "Authorization": "Bearer nonsense"})
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.django_db
@each_document
@pytest.mark.parametrize("form", ["{}", "W/{}", "W/{}, {}", '"other", {}', "*"])
def test_who_has_it_already_gets_a_304(http, clock, url, form):
    first = http.get(url)
    tag = first["ETag"].removeprefix("W/")
    response = http.get(url, headers={"If-None-Match": form.format(tag, tag)})
    assert response.status_code == 304
    assert response.content == b""
    assert response["ETag"] == first["ETag"]
    assert response["Cache-Control"] == first["Cache-Control"]
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
@each_document
@pytest.mark.parametrize("tag", ['"other"', "nonsense", ""])
def test_who_has_another_one_gets_it(http, url, tag):
    assert http.get(url, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.django_db
@each_document
def test_head_says_the_same_without_the_document(http, clock, url):
    get, head = http.get(url), http.head(url)
    assert head.status_code == 200
    assert head.content == b""
    names = ("Content-Type", "Cache-Control", "ETag", "Access-Control-Allow-Origin")
    assert [head[name] for name in names] == [get[name] for name in names]
    assert http.head(url, headers={"If-None-Match": get["ETag"]}).status_code == 304


@each_document
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
def test_other_methods_are_refused_for_pages_to_see(url, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(url)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert response["Access-Control-Allow-Origin"] == "*"


@each_document
def test_a_preflight_request_is_answered(http, url):
    headers = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "if-none-match",
    }
    response = http.options(url, headers=headers)
    assert response.status_code == 204
    assert response.content == b""
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert response["Access-Control-Allow-Headers"] == "If-None-Match"
    assert response["Access-Control-Max-Age"] == "86400"


@pytest.mark.django_db
@each_document
def test_the_host_of_the_request_changes_nothing(http, clock, url):
    """Or whoever asks first would decide what a cache tells the others (A-44)."""
    usual = http.get(url)
    evil = http.get(
        url,
        headers={"Host": "evil.example.net", "X-Forwarded-Host": "evil.example.net", "X-Forwarded-Proto": "http"},
    )
    assert evil.content == usual.content
    assert evil["ETag"] == usual["ETag"]
    assert b"evil" not in evil.content


@pytest.mark.django_db(transaction=True)
@each_document
def test_atomic_requests_open_no_transaction(http, settings, monkeypatch, url):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    revocation_cache._list.forget()
    with CaptureQueriesContext(connection) as queries:
        assert http.get(url).status_code == 200
    assert len(queries) == (1 if url == LIST else 0)
    assert not any(query["sql"].startswith(("BEGIN", "SAVEPOINT")) for query in queries)


# The key set


MEMBERS = {
    "ES": {"kty", "crv", "x", "y", "kid", "alg", "use"},
    "RS": {"kty", "n", "e", "kid", "alg", "use"},
    "PS": {"kty", "n", "e", "kid", "alg", "use"},
    "Ed": {"kty", "crv", "x", "kid", "alg", "use"},
}
ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA")
SYMMETRIC = ("HS256", "HS384", "HS512")


def private_numbers(alg):
    """The private parts of a key, in every form they could be written down in."""
    private = key(alg)._private
    if alg == "EdDSA":
        values = [private.private_bytes_raw()]
    else:
        numbers = private.private_numbers()
        names = (
            ("d", "p", "q", "dmp1", "dmq1", "iqmp") if isinstance(private, rsa.RSAPrivateKey) else ("private_value",)
        )
        integers = [getattr(numbers, name) for name in names]
        values = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in integers]
    return [form for value in values for form in (b64url_encode(value).encode(), value.hex().encode(), value)]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_key_set_holds_public_members_and_nothing_else(http, settings, alg):
    settings.JWTAUTH = jwtauth(alg)
    body = http.get(JWKS).content
    document = json.loads(body)
    assert document.keys() == {"keys"}
    (published,) = document["keys"]
    assert published.keys() == MEMBERS[alg[:2]]
    assert (published["alg"], published["use"], published["kid"]) == (alg, "sig", key(alg).kid)
    assert not any(form in body for form in private_numbers(alg))
    # And it is that key: a stock verifier accepts what is signed with it.
    signed = key(alg).sign(b"message")
    assert Key.from_jwk(published).verify(b"message", signed)
    assert jwt.PyJWK(published).Algorithm.verify(b"message", jwt.PyJWK(published).key, signed)


@pytest.mark.parametrize("alg", SYMMETRIC)
def test_with_secrets_only_the_key_set_is_empty_and_there_is_no_list(http, settings, alg):
    settings.JWTAUTH = jwtauth(alg)
    assert http.get(JWKS).json() == {"keys": []}
    assert "jwt_revocations_uri" not in http.get(METADATA).json()
    response = http.get(LIST)
    assert response.status_code == 404
    assert response["Access-Control-Allow-Origin"] == "*"


def test_by_default_there_is_nothing_to_hand_out(http, settings):
    settings.JWTAUTH = {}
    assert http.get(JWKS).json() == {"keys": []}
    assert http.get(LIST).status_code == 404
    assert http.get(METADATA).status_code == 404


def test_of_a_mixed_set_only_the_asymmetric_keys_are_published_in_their_order(http, settings):
    private_jwk = {
        **key("EdDSA").public_jwk(),
        "kid": "ours",
        "d": b64url_encode(key("EdDSA")._private.private_bytes_raw()),
        "x5u": "https://evil.example.net",
        "key_ops": ["sign", "verify"],
        "comment": "internal",
    }
    public_jwk = {**key("ES512").public_jwk(), "kid": "retired"}
    oct_jwk = {"kty": "oct", "alg": "HS384", "k": b64url_encode(SECRET.encode() * 2)}
    settings.JWTAUTH = {
        "ISSUER": ISSUER,
        "SIGNING_KEYS": [
            entry("RS256"),
            entry("HS512"),
            entry("ES256"),
            oct_jwk,
            private_jwk,
            {"alg": "ES384", "pem": key("ES384").public_pem()},
            public_jwk,
        ],
    }
    body = http.get(JWKS).content
    assert json.loads(body) == {
        "keys": [
            key("RS256").public_jwk(),
            key("ES256").public_jwk(),
            {**key("EdDSA").public_jwk(), "kid": "ours"},
            key("ES384").public_jwk(),
            public_jwk,
        ]
    }
    assert all(MEMBERS[jwk["alg"][:2]] == jwk.keys() for jwk in json.loads(body)["keys"])
    assert not any(PRIVATE & jwk.keys() for jwk in json.loads(body)["keys"])
    for secret in (SECRET.encode(), b64url_encode(SECRET.encode()).encode(), oct_jwk["k"].encode()):
        assert secret not in body
    for alg in ("RS256", "ES256", "EdDSA", "ES384", "ES512"):
        assert not any(form in body for form in private_numbers(alg))
    config = conf.get_config()
    for hidden in [*config.refresh_keys, *(found for found in config.signing_keys if found.is_symmetric)]:
        assert hidden.kid.encode() not in body


@pytest.mark.django_db
def test_who_signs_with_a_secret_has_no_list_although_an_asymmetric_key_is_published(http, settings):
    settings.JWTAUTH = jwtauth("HS256", "ES256")
    assert [jwk["alg"] for jwk in http.get(JWKS).json()["keys"]] == ["ES256"]
    assert http.get(LIST).status_code == 404
    assert "jwt_revocations_uri" not in http.get(METADATA).json()


def test_the_key_set_follows_the_settings_at_once(http, settings):
    before = http.get(JWKS)
    settings.JWTAUTH = jwtauth("ES256", "ES384")
    after = http.get(JWKS, headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert len(after.json()["keys"]) == 2


# Metadata


ALWAYS = {
    "response_types_supported": [],
    "grant_types_supported": ["password"],
    "token_endpoint_auth_methods_supported": ["none"],
}
ENDPOINTS = {
    "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
    "token_endpoint": f"{ISSUER}/auth/token/",
    "revocation_endpoint": f"{ISSUER}/auth/token/revoke/",
    "introspection_endpoint": f"{ISSUER}/auth/token/introspect/",
    "jwt_revocations_uri": f"{ISSUER}/.well-known/jwt-revocations",
}


def test_the_metadata_have_exactly_these_members(http):
    assert http.get(METADATA).json() == {
        "issuer": ISSUER,
        **ENDPOINTS,
        **ALWAYS,
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
    }


@pytest.mark.parametrize(
    ("issuer", "inserted"),
    [
        ("https://example.com/auth", "/auth"),
        ("https://example.com/auth/", "/auth"),
        ("https://example.com/a/b", "/a/b"),
        ("https://example.com:8443", ""),
        ("https://example.com/", ""),
        ("http://127.0.0.1:8000", ""),
    ],
)
def test_an_issuer_with_a_path_is_found_by_the_inserted_and_the_plain_form(http, settings, issuer, inserted):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    origin = "/".join(issuer.split("/")[:3])
    for url in {METADATA, METADATA + inserted}:
        response = http.get(url)
        assert response.status_code == 200
        # To the letter (RFC 8414 section 3.3); and what it leads to, by the urls of the project.
        assert response.json()["issuer"] == issuer
        assert response.json()["jwks_uri"] == f"{origin}/.well-known/jwks.json"


@pytest.mark.parametrize("issuer", [ISSUER, "https://example.com/auth", "https://example.com/auth/"])
@pytest.mark.parametrize("path", ["/", "/other", "/auth/", "/auth/more", "/AUTH", "//auth", "/.", "/auth%0A", "%0A"])
def test_any_other_inserted_path_is_not_found(http, settings, issuer, path):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    response = http.get(METADATA + path)
    assert response.status_code == 404
    if path not in ("/auth%0A", "%0A"):  # where no view of ours is
        assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "issuer",
    ["django-jwtauth", "auth.example.com", "urn:example:auth", "https://[a", "https:a", "ftp://example.com", "/a"],
)
def test_an_issuer_that_is_no_url_has_no_metadata(http, settings, issuer):
    settings.JWTAUTH = {**jwtauth("ES256"), "ISSUER": issuer}
    for url in (METADATA, METADATA + "/a"):
        response = http.get(url)
        assert response.status_code == 404
        assert response["Access-Control-Allow-Origin"] == "*"
    assert http.get(JWKS).status_code == 200


def urlconf(*patterns):
    module = types.ModuleType("urlconf")
    module.urlpatterns = list(patterns)
    return module


WELL_KNOWN = path("", include("django_jwtauth.urls_well_known"))


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([WELL_KNOWN], {"jwks_uri", "jwt_revocations_uri"}),
        ([path("x", well_known.metadata), path("api/", include("django_jwtauth.urls"))], set(ENDPOINTS) - {"jwks_uri"}),
        ([path("x", well_known.metadata)], set()),
    ],
    ids=["no-endpoints", "no-key-set", "nothing"],
)
def test_what_a_project_did_not_include_is_not_in_the_metadata(http, settings, patterns, left):
    settings.ROOT_URLCONF = urlconf(*patterns)
    if "token_endpoint" in left:
        left = left - {"jwt_revocations_uri"}
    found = http.get(METADATA if patterns == [WELL_KNOWN] else "/x").json()
    assert found.keys() & ENDPOINTS.keys() == left
    assert "" not in found.values()
    assert found["issuer"] == ISSUER
    assert found.items() >= ALWAYS.items()


def test_the_metadata_name_the_urls_of_the_project(http, settings):
    settings.ROOT_URLCONF = urlconf(WELL_KNOWN, path("api/v1/", include("django_jwtauth.urls")))
    assert http.get(METADATA).json()["token_endpoint"] == f"{ISSUER}/api/v1/token/"


# The list


@pytest.mark.django_db
@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "PS512"])
def test_the_list_is_signed_with_the_first_key_and_anybody_can_verify_it(http, settings, clock, alg):
    settings.JWTAUTH = jwtauth(alg, "ES384", "HS256")
    header, claims = verified(http.get(LIST), http.get(JWKS).json(), algorithms=[alg])
    assert header == {"alg": alg, "typ": "revocations+jwt", "kid": key(alg).kid}
    assert claims == {
        "iss": ISSUER,
        "iat": int(clock.wall),
        "exp": int(clock.wall) + 60,
        "ttl": 2,
        "max_lifetime": 300,
        "not_before": 0,
        "sids": [],
        "jtis": [],
        "subs": {},
    }


@pytest.mark.django_db
def test_its_times_are_good_by_the_clock_of_a_stock_verifier(http):
    claims = verified(http.get(LIST), http.get(JWKS).json(), times=True)[1]
    assert claims["exp"] == claims["iat"] + 60


@pytest.mark.django_db
def test_every_kind_of_revocation_is_on_it(http, user, clock, django_user_model):
    others = [sessions.start(user) for _ in range(3)]
    sessions.revoke(others[0].session)
    sessions.revoke(others[1].session)
    sessions.blacklist(others[2].access)
    bob = django_user_model.objects.create_user("bob")
    at = RefreshToken.objects.get(pk=others[0].session.pk).revoked_at
    NotBefore.objects.create(user=bob, subject=str(bob.pk), not_before=at, created_at=at)
    NotBefore.objects.create(not_before=at, created_at=at)
    claims = read_list(http)
    assert claims["sids"] == sorted(str(pair.session.pk) for pair in others[:2])
    assert claims["jtis"] == [conf.get_config().verifier.verify(others[2].access).jti]
    assert claims["subs"] == {str(bob.pk): int(at.timestamp())}
    assert claims["not_before"] == int(at.timestamp())


@pytest.mark.django_db
def test_a_revocation_appears_within_a_second_and_a_kept_session_leaves_with_it(http, user, clock):
    pair = sessions.start(user)
    sid = str(pair.session.pk)
    assert read_list(http)["sids"] == []
    user.set_password("new")
    user.save()
    clock.go(1.001)
    assert read_list(http)["sids"] == [sid]
    sessions.keep(pair.session, user)
    clock.go(1.001)
    assert read_list(http)["sids"] == []


@pytest.mark.django_db
def test_it_costs_one_query_a_second_whatever_happens(http, user, clock):
    pairs = [sessions.start(user) for _ in range(5)]

    def reads(queries):
        return sum("UNION ALL" in query["sql"] for query in queries)

    with CaptureQueriesContext(connection) as queries:
        for pair in pairs:
            sessions.revoke(pair.session)
            for _ in range(10):
                clock.go(0.01)
                assert http.get(LIST).status_code == 200
    assert reads(queries) == 1
    for _ in range(3):
        clock.go(1.001)
        with CaptureQueriesContext(connection) as queries:
            assert len(read_list(http)["sids"]) == 5
            assert http.get(LIST).status_code == 200
        assert len(queries) == 1
        assert reads(queries) == 1


@pytest.mark.django_db
def test_what_did_not_change_is_signed_once_in_a_signing_period(http, user, clock):
    first = http.get(LIST)
    for _ in range(9):
        clock.go(3)
        same = http.get(LIST)
        assert (same.content, same["ETag"]) == (first.content, first["ETag"])
        assert http.get(LIST, headers={"If-None-Match": first["ETag"]}).status_code == 304
    clock.go(3)
    later = http.get(LIST, headers={"If-None-Match": first["ETag"]})
    assert later.status_code == 200
    assert later["ETag"] != first["ETag"]
    jwks = http.get(JWKS).json()
    before, after = verified(first, jwks)[1], verified(later, jwks)[1]
    assert after["iat"] == before["iat"] + 30
    assert after["exp"] == before["exp"] + 30
    # Never one that is about to expire: each is served for one period at most, and lives two.
    assert before["exp"] - after["iat"] >= well_known.SIGNING_PERIOD


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"REVOCATION_POLL_INTERVAL": datetime.timedelta(seconds=3)},
        {"ACCESS_TOKEN_LIFETIME": datetime.timedelta(minutes=6)},
        {"ISSUER": f"{ISSUER}/2"},
        {"SIGNING_KEYS": [entry("ES384"), entry("ES256")]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_makes_another_list(http, settings, clock, change):
    first = http.get(LIST)
    settings.JWTAUTH = {**jwtauth("ES256"), **change}
    other = http.get(LIST)
    assert other["ETag"] != first["ETag"]
    assert other.content != first.content


@pytest.mark.django_db
def test_a_poll_interval_that_is_no_whole_second_is_rounded_up(http, settings, clock):
    settings.JWTAUTH = jwtauth("ES256", REVOCATION_POLL_INTERVAL=datetime.timedelta(milliseconds=1500))
    assert read_list(http)["ttl"] == 2


@pytest.mark.django_db
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_two_processes_give_one_etag_to_one_content(http, user, settings, clock, alg):
    """Whoever asks once here, once there gets a 304, although the bytes differ (RFC 9110 section 8.8.3)."""
    settings.JWTAUTH = jwtauth(alg)
    for _ in range(3):
        sessions.revoke(sessions.start(user).session)
    here = http.get(LIST)
    well_known._last_signed, revocation_cache._list._latest = well_known._LastSigned(), None
    clock.go(1)
    there = http.get(LIST)
    assert there["ETag"] == here["ETag"]
    assert there.content != here.content  # it was read a second later
    assert verified(there, http.get(JWKS).json(), algorithms=[alg])[1]["sids"] == read_claims(here)["sids"]
    assert http.get(LIST, headers={"If-None-Match": here["ETag"]}).status_code == 304


def read_claims(response):
    return json.loads(b64url_decode(response.content.split(b".")[1]))


@pytest.mark.django_db
def test_with_the_database_away_there_is_no_list_and_never_an_old_one_signed_anew(http, user, clock):
    first = http.get(LIST)
    with failing_reads() as database:
        for seconds in (1.5, 1, 30, 30, 100):
            clock.go(seconds)
            response = http.get(LIST, headers={"If-None-Match": first["ETag"]})
            if seconds == 1.5:
                assert response.status_code == 304  # the copy is younger than two seconds
                continue
            assert response.status_code == 503
            assert response.content == b""
            assert response["Retry-After"] == "1"
            assert response["Cache-Control"] == "no-store"
            assert response["Access-Control-Allow-Origin"] == "*"
            assert "ETag" not in response
        assert database.attempts >= 4
    clock.go(10)
    assert http.get(LIST).status_code == 200
    assert read_list(http)["iat"] == int(clock.wall)


@pytest.mark.django_db
def test_a_process_that_never_could_read_the_list_has_none(http, clock):
    with failing_reads():
        assert http.get(LIST).status_code == 503
        assert http.head(LIST).status_code == 503


def test_keys_and_metadata_need_no_database(http):
    """No mark: any query would fail."""
    assert http.get(JWKS).status_code == 200
    assert http.get(METADATA).status_code == 200


@pytest.mark.django_db
def test_past_what_others_read_one_time_stands_for_all(http, user, clock, monkeypatch, caplog):
    monkeypatch.setattr(well_known, "MAX_ENTRIES", 2)
    ended = [sessions.start(user).session for _ in range(3)]
    NotBefore.objects.create(
        user=user, subject="7", not_before=ended[0].created_at, created_at=ended[0].created_at, reason="all of one"
    )
    for session in ended[:2]:
        sessions.revoke(session)
    clock.go(2)
    assert set(read_list(http)["sids"]) == {str(session.pk) for session in ended[:2]}
    sessions.revoke(ended[2])
    clock.go(2)
    claims = read_list(http)
    assert (claims["sids"], claims["jtis"]) == ([], [])
    assert claims["not_before"] == int(ended[2].revoked_at.timestamp())
    assert claims["subs"].keys() == {"7"}
    assert "one time is published instead" in caplog.text
