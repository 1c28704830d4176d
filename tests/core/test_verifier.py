"""Access tokens: their claims and times."""

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.verifier import AccessToken, Verifier, verify_any
from tests.tools.products import each_row
from tests.tools.tokens import CLAIMS, KEY, NOW, TEXTS, claims, make, raw_token, refused, token

# What passes


def test_a_good_token_gives_its_claims_as_values():
    read = make().verify(token(scope="orders:read orders:write", tenant="acme"), now=NOW)
    assert (read.issuer, read.subject, read.client_id) == (CLAIMS["iss"], "1", "web")
    assert (read.jti, read.sid) == ("token-1", "session-1")
    assert read.audience == (CLAIMS["aud"],)
    assert read.scopes == {"orders:read", "orders:write"}
    assert read.issued_at == datetime.fromtimestamp(NOW - 10, UTC)
    assert read.expires_at == datetime.fromtimestamp(NOW + 290, UTC)
    assert read.claims == claims(scope="orders:read orders:write", tenant="acme")


def test_an_access_token_hides_its_ids_and_claims_from_its_repr_and_can_be_compared_and_hashed():
    verifier = make()
    first, second = (verifier.verify(token(email="ada@example.com"), now=NOW) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
    assert first != verifier.verify(token(jti="token-2"), now=NOW)
    assert not [text for text in ("ada@", "token-1", token()) if text in repr(first)]


@each_row(
    ("aud", "accepted"),
    [
        (CLAIMS["aud"], CLAIMS["aud"]),
        ([CLAIMS["aud"]], CLAIMS["aud"]),
        (["https://other.example.com", CLAIMS["aud"]], CLAIMS["aud"]),
        ([CLAIMS["aud"], CLAIMS["aud"]], CLAIMS["aud"]),
        ("b", ["a", "b"]),
        (["c", "b"], ("a", "b")),
    ],
    ids=["text", "list", "one of a list", "twice", "one of ours", "lists"],
)
def test_one_of_the_audiences_must_be_ours(aud, accepted):
    read = make(audience=accepted).verify(token(aud=aud), now=NOW)
    assert read.audience == ((aud,) if isinstance(aud, str) else tuple(aud))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_the_last_second_before_the_year_10000_is_a_time(name):
    changes = {"exp": {"exp": jws.YEAR_10000 - 1}}.get(name, {"exp": jws.YEAR_10000 - 1, name: jws.YEAR_10000 - 2})
    now = jws.YEAR_10000 - 2 if name in ("iat", "nbf") else NOW
    assert make().verify(token(**changes), now=now).claims == claims(**changes)


TIMES = {
    "missing": ...,
    "null": None,
    "string": str(NOW + 100),
    "full-width digits": "１８００００００００",
    "underscores": "1_800_000_100",
    "plus sign": "+1800000100",
    "float": NOW + 100.0,
    "1e308": 1e308,
    "true": True,
    "false": False,
    "list": [NOW + 100],
    "object": {},
    "zero": 0,
    "negative": -1,
    "year 10000": jws.YEAR_10000,
    "26 digits": 10**25,
}


@each_row("value", TEXTS.values(), ids=TEXTS)
@each_row("name", ["iss", "sub", "client_id", "jti", "sid", "scope", "acr", "aud"])
def test_a_text_claim_that_is_missing_or_no_clean_text_is_refused(name, value):
    if (name in ("scope", "acr") and value is ...) or (name == "aud" and value == ["1"]):
        assert make(audience="1" if name == "aud" else CLAIMS["aud"]).verify(token(**{name: value}), now=NOW)
        return
    assert refused(make(), token(**{name: value})) == "invalid"


@each_row("value", TIMES.values(), ids=TIMES)
@each_row("name", ["exp", "iat", "nbf", "auth_time"])
def test_a_time_that_is_missing_or_no_json_integer_is_refused(name, value):
    if name in ("nbf", "auth_time") and value is ...:
        assert make().verify(token(**{name: value}), now=NOW)
        return
    assert refused(make(), token(**{name: value})) == "invalid"


OTHERS = {
    "aud empty list": ({"aud": []}, "invalid"),
    "aud list with empty": ({"aud": [CLAIMS["aud"], ""]}, "invalid"),
    "aud list with a number": ({"aud": [CLAIMS["aud"], 1]}, "invalid"),
    "aud list with null": ({"aud": [CLAIMS["aud"], None]}, "invalid"),
    "aud list of lists": ({"aud": [[CLAIMS["aud"]]]}, "invalid"),
    "aud of another service": ({"aud": "https://other.example.com"}, "wrong_audience"),
    "aud part of ours": ({"aud": "https://api.example"}, "wrong_audience"),
    "aud longer than ours": ({"aud": CLAIMS["aud"] + "/"}, "wrong_audience"),
    "aud of another case": ({"aud": CLAIMS["aud"].upper()}, "wrong_audience"),
    "aud a pattern": ({"aud": ".*"}, "wrong_audience"),
    "aud with a space": ({"aud": CLAIMS["aud"] + " "}, "wrong_audience"),
    "iss of another": ({"iss": "https://evil.example.com"}, "wrong_issuer"),
    "iss part of it": ({"iss": "https://auth.example"}, "wrong_issuer"),
    "iss with a slash": ({"iss": CLAIMS["iss"] + "/"}, "wrong_issuer"),
    "iss of another case": ({"iss": CLAIMS["iss"].upper()}, "wrong_issuer"),
    "iss in a list": ({"iss": [CLAIMS["iss"]]}, "invalid"),
    "exp = iat": ({"exp": NOW + 10, "iat": NOW + 10}, "invalid"),
    "exp before iat": ({"exp": NOW - 20}, "invalid"),
    "expired": ({"exp": NOW - 6}, "expired"),
    "not yet valid": ({"nbf": NOW + 6}, "not_yet_valid"),
    "from the future": ({"iat": NOW + 6}, "not_yet_valid"),
}


@each_row(("changes", "reason"), OTHERS.values(), ids=OTHERS)
def test_claims_that_are_not_for_us_are_refused(changes, reason):
    assert refused(make(), token(**changes)) == reason


@each_row(
    "payload",
    [
        json.dumps(CLAIMS)[:-1].encode() + b',"exp":%d}' % (NOW + 290),
        json.dumps(CLAIMS)[:-1].encode() + b',"sub":"2"}',
        json.dumps(CLAIMS)[:-1].encode() + b',"a":NaN}',
        json.dumps(CLAIMS)[:-1].encode() + b',"a":1e999}',
        json.dumps({**CLAIMS, "sub": "SUB"}).encode().replace(b"SUB", b"\\udc80"),
        json.dumps(CLAIMS).encode("utf-16"),
        json.dumps(CLAIMS).encode("utf-8-sig"),
    ],
    ids=["exp twice", "sub twice", "NaN", "1e999", "lone surrogate", "UTF-16", "byte order mark"],
)
def test_a_payload_that_is_no_strict_json_is_refused(payload):
    assert make().verify(raw_token(json.dumps(CLAIMS).encode()), now=NOW)
    assert refused(make(), raw_token(payload)) == "invalid"


@pytest.mark.parametrize("typ", ["JWT", "rt+jwt", "revocations+jwt"])
def test_other_tokens_of_the_same_key_are_no_access_tokens(typ):
    raw = jws.sign(CLAIMS, typ=typ, key=KEY)
    assert jwt.decode(raw, options={"verify_signature": False}) == CLAIMS
    assert refused(make(), raw) == "wrong_type"


REFRESH_CLAIMS = {"iss": "i", "aud": "i", "sid": "s", "jti": "j", "iat": 1, "exp": 2, "gen": 0}


@each_row("gen", [..., None, -1, 2**31, True, 1.0, "1", [1]], ids=repr)
def test_a_generation_is_a_small_json_integer(gen):
    def check(**changes):
        claims = {name: value for name, value in {**REFRESH_CLAIMS, **changes}.items() if value is not ...}
        raw = jws.sign(claims, typ="rt+jwt", key=KEY)
        jws.verify(raw, profile=jws.REFRESH, keys=KeySet([KEY]), issuer="i", audience=("i",), max_length=4096, now=1)

    check(gen=0)
    check(gen=2**31 - 1)
    with pytest.raises(InvalidTokenError):
        check(gen=gen)


# Times, to the second

EDGES = {
    # claims, leeway, max_lifetime, the first or last moment at which it passes, the next one at which it does not
    "exp": ({"exp": NOW}, 0, None, NOW - 1, NOW),
    "exp with leeway": ({"exp": NOW}, 5, None, NOW + 4, NOW + 5),
    "exp, fractions": ({"exp": NOW}, 5, None, NOW + 4.999, NOW + 5.0),
    "nbf": ({"nbf": NOW}, 0, None, NOW, NOW - 1),
    "nbf with leeway": ({"nbf": NOW}, 5, None, NOW - 5, NOW - 6),
    "iat": ({"iat": NOW}, 0, None, NOW, NOW - 1),
    "iat with leeway": ({"iat": NOW}, 5, None, NOW - 5, NOW - 6),
    "iat with leeway and a lifetime": ({"iat": NOW}, 5, 300, NOW - 5, NOW - 6),
    "lifetime": ({"iat": NOW, "exp": NOW + 900}, 0, 300, NOW + 299, NOW + 300),
    "lifetime with leeway": ({"iat": NOW, "exp": NOW + 900}, 5, 300, NOW + 304, NOW + 305),
    "exp before the lifetime": ({"iat": NOW, "exp": NOW + 100}, 0, 300, NOW + 99, NOW + 100),
}


@each_row(("changes", "leeway", "lifetime", "good", "bad"), EDGES.values(), ids=EDGES)
@each_row("cache_size", [0, 10])
def test_times_count_to_the_second(changes, leeway, lifetime, good, bad, cache_size):
    verifier = make(
        leeway=timedelta(seconds=leeway),
        max_lifetime=None if lifetime is None else timedelta(seconds=lifetime),
        cache_size=cache_size,
    )
    raw = token(**changes)
    reason = "expired" if bad > good else "not_yet_valid"
    assert verifier.verify(raw, now=good).subject == "1"
    assert refused(verifier, raw, now=bad) == reason
    assert verifier.verify(raw, now=good).subject == "1"  # a refusal by time is none for ever


def test_without_a_given_time_it_is_now():
    now = int(datetime.now(UTC).timestamp())
    assert make().verify(token(iat=now, exp=now + 60))
    with pytest.raises(InvalidTokenError) as caught:
        make().verify(token(iat=now - 60, exp=now - 30))
    assert caught.value.reason == "expired"


def test_a_token_may_live_long_where_no_limit_is_set():
    decades = {"iat": 1, "exp": jws.YEAR_10000 - 1}
    assert make().verify(token(**decades), now=NOW)
    assert refused(make(max_lifetime=timedelta(minutes=5)), token(**decades)) == "expired"


# The verifier itself


@pytest.mark.parametrize(
    "changes",
    [{"issuer": ""}, {"audience": ""}, {"audience": []}, {"audience": ["a", ""]}],
    ids=["no issuer", "no audience", "no audiences", "one empty"],
)
def test_a_verifier_needs_an_issuer_and_an_audience(changes):
    with pytest.raises(ValueError, match="issuer and an audience"):
        make(**changes)


@each_row("algorithms", [[], ["HS256"], ["none"], ["ES256", "HS512"], ["es256"]], ids=repr)
def test_only_asymmetric_algorithms_are_trusted(algorithms):
    with pytest.raises(ValueError, match="The algorithms are some of ES256,"):
        make(algorithms=algorithms)


@pytest.mark.parametrize(
    "changes",
    [
        {"poll_interval": timedelta(0)},
        {"timeout": timedelta(0)},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(minutes=5, seconds=1)},
    ],
    ids=repr,
)
def test_durations_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValueError, match="poll interval"):
        make(**changes)


@pytest.mark.parametrize("name", ["jwks_url", "revocations_url"])
def test_keys_that_are_given_are_not_fetched_too(name):
    with pytest.raises(ValueError, match="either keys or URLs"):
        make(**{name: "https://auth.example.com/document"})
    assert make(revocations_url=None).revocations is None


def test_of_several_issuers_each_verifies_its_own_tokens_with_its_own_keys():
    issuers = ("https://one.example.com", "https://two.example.com")
    keys = [Key.from_pem(Key.generate("ES256").private_pem(), alg="ES256", kid="same") for _ in issuers]
    now = int(datetime.now(UTC).timestamp())
    times = {"iat": now - 10, "exp": now + 290}
    verifiers = {
        iss: make(issuer=iss, keys=KeySet([key]), max_token_length=length)
        for iss, key, length in zip(issuers, keys, [500, 4096], strict=True)
    }
    for iss, key, other in zip(issuers, keys, reversed(keys), strict=True):
        assert verify_any(token(key, iss=iss, **times), verifiers).issuer == iss
        assert verify_any(token(key, iss=iss, **times), {iss: verifiers[iss]}).issuer == iss
        for raw in (token(other, iss=iss, **times), token(key, iss="https://three.example.com", **times)):
            with pytest.raises(InvalidTokenError) as caught:
                verify_any(raw, verifiers)
            assert caught.value.reason == "invalid"
    long = {"note": "x" * 600, **times}
    assert verify_any(token(keys[1], iss=issuers[1], **long), verifiers)
    with pytest.raises(InvalidTokenError):
        verify_any(token(keys[0], iss=issuers[0], **long), verifiers)


def test_longer_tokens_are_refused_unread():
    raw = token()
    assert make(max_token_length=len(raw)).verify(raw, now=NOW)
    for text in (raw, raw.encode()):
        assert refused(make(max_token_length=len(raw) - 1), text) == "invalid"


def test_text_and_bytes_are_the_same_token():
    assert make().verify(token(), now=NOW) == make().verify(token().encode(), now=NOW)


def test_claims_without_a_scope_have_no_scopes():
    assert AccessToken.from_claims(CLAIMS).scopes == frozenset()


def test_no_issuers_at_all_refuse_the_token():
    with pytest.raises(InvalidTokenError):
        verify_any("x", {})


def test_scopes_are_a_list():
    """Each letter of a text would be taken for a scope."""
    with pytest.raises(TypeError, match="list of scopes"):
        Verifier(issuer="https://auth.example.com", audience="a").verify("x", scopes="orders:read")
