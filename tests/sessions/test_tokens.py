"""What stands in the tokens that are minted, and which refresh tokens can be read back."""

import datetime
import re
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_jwtauth import conf, sessions, tokens
from django_jwtauth._core import jws
from django_jwtauth.database import database_now
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import b64url_decode
from django_jwtauth.models import RefreshToken
from tests.tools.products import each_row

SECOND = datetime.timedelta(seconds=1)


def read(raw):
    header, payload, _ = raw.split(".")
    return jws.load_object(b64url_decode(header.encode())), jws.load_object(b64url_decode(payload.encode()))


def resigned(raw, typ="rt+jwt", key=None, **changes):
    claims = {name: value for name, value in (read(raw)[1] | changes).items() if value is not None}
    return jws.sign(claims, typ=typ, key=key or conf.get_config().refresh_keys.signing_key)


def test_an_access_token_has_the_claims_of_rfc_9068(pair, user):
    header, claims = read(pair.access)
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": conf.get_config().signing_keys.signing_key.kid}
    assert claims == {
        "iss": "django-jwtauth",
        "sub": str(user.pk),
        "aud": "django-jwtauth",
        "client_id": "first-party",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
        "sid": str(pair.session.pk),
        "auth_time": int(pair.session.auth_time.timestamp()),
    }
    assert len(b64url_decode(claims["jti"].encode())) >= 16


def test_a_refresh_token_has_its_own_type_key_and_no_user(pair, user):
    header, claims = read(pair.refresh)
    config = conf.get_config()
    assert header == {"alg": "HS256", "typ": "rt+jwt", "kid": config.refresh_keys.signing_key.kid}
    assert header["kid"] != config.signing_keys.signing_key.kid
    assert set(claims) == {"iss", "aud", "sid", "gen", "iat", "exp", "jti"}
    assert claims["aud"] == claims["iss"] == config.issuer
    assert (claims["sid"], claims["gen"]) == (str(pair.session.pk), 0)
    assert len(b64url_decode(claims["jti"].encode())) == 32


@pytest.mark.django_db
def test_optional_claims_are_there_when_there_is_something_to_say(user):
    claims = read(sessions.start(user, amr=["pwd"], acr="silver", scope="a b").access)[1]
    assert (claims["amr"], claims["acr"], claims["scope"]) == (["pwd"], "silver", "a b")


@pytest.mark.django_db
def test_the_first_of_several_audiences_is_issued(user, settings):
    settings.JWTAUTH = {"AUDIENCE": ["https://a.example", "https://b.example"]}
    assert read(sessions.start(user).access)[1]["aud"] == "https://a.example"


def test_a_session_with_an_audience_of_its_own_gets_tokens_for_it(pair):
    pair.session.audience = "https://orders.example"
    minted = tokens.mint_access(pair.session, now=database_now("default"), request=None)
    assert read(minted.raw.reveal())[1]["aud"] == "https://orders.example"


def test_each_access_token_has_a_jti_of_its_own(pair):
    given = {read(sessions.refresh(pair.refresh).access)[1]["jti"] for _ in range(5)}
    assert len(given) == 5


def test_the_same_generation_gives_the_same_bytes_wherever_it_is_minted(pair):
    again = tokens.mint_refresh(RefreshToken.objects.get())
    assert again.raw.reveal() == pair.refresh
    assert pair.refresh not in repr(again)


def test_a_grace_period_that_begins_anew_changes_nothing_but_the_times_of_the_token(pair):
    """As after a rotation that took long: another tab may have been given the token with its former times."""
    former = read(tokens.mint_refresh(pair.session).raw.reveal())[1]
    pair.session.rotated_at += 7 * SECOND
    later = read(tokens.mint_refresh(pair.session).raw.reveal())[1]
    assert later == former | {"iat": former["iat"] + 7, "exp": former["exp"] + 7}
    for claims in (former, later):
        assert sessions.refresh(resigned(pair.refresh, **claims)).session.pk == pair.session.pk


def test_tokens_are_at_no_time_in_the_database(pair):
    """Neither they nor what makes them out: their jti."""
    stored = " ".join(
        str(bytes(v) if isinstance(v, memoryview) else v) for v in RefreshToken.objects.values().get().values()
    )
    for generation in range(3):
        assert pair.session.jti(generation) not in stored
    for raw in (pair.access, pair.refresh):
        assert not any(segment in stored for segment in raw.split("."))


@pytest.mark.django_db
def test_even_a_session_about_to_end_gets_tokens_that_end_after_they_begin(user, settings):
    settings.JWTAUTH = {"SESSION_LIFETIME": SECOND}
    pair = sessions.start(user)
    for raw in (pair.access, pair.refresh):
        claims = read(raw)[1]
        assert claims["iat"] < claims["exp"] <= claims["iat"] + 2


@pytest.mark.django_db
def test_a_session_without_a_user_gets_no_tokens(pair):
    pair.session.user = None
    with pytest.raises(ValueError, match="without a user"):
        tokens.mint_access(pair.session, now=database_now("default"), request=None)


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["", None, "two\nlines", "nul\x00"])
def test_a_user_without_a_usable_subject_gets_no_tokens(user, settings, value):
    settings.JWTAUTH = {"SUBJECT_FIELD": "last_name"}
    user.last_name = value
    with pytest.raises(ImproperlyConfigured, match="last_name"):
        sessions.start(user)
    assert not RefreshToken.objects.exists()


def test_a_good_refresh_token_is_read_back(pair):
    claims = tokens.read_refresh(pair.refresh)
    assert (claims.sid, claims.generation) == (str(pair.session.pk), 0)
    assert claims.jti == pair.session.jti(0)
    assert claims.jti not in repr(claims)
    assert tokens.read_refresh(pair.refresh.encode()) == claims


def _soon(**delta):
    return int((datetime.datetime.now(datetime.UTC) + datetime.timedelta(**delta)).timestamp())


@each_row(
    ("changes", "reason"),
    [
        ({"iss": "https://other.example"}, "wrong_issuer"),
        ({"aud": "https://other.example"}, "wrong_audience"),
        ({"iss": None}, "invalid"),
        ({"aud": None}, "invalid"),
        ({"aud": []}, "invalid"),
        ({"sid": None}, "invalid"),
        ({"sid": ""}, "invalid"),
        ({"jti": None}, "invalid"),
        ({"exp": None}, "invalid"),
        ({"iat": None}, "invalid"),
        ({"gen": None}, "invalid"),
        ({"gen": -1}, "invalid"),
        ({"gen": 2**31}, "invalid"),
        ({"gen": 0.0}, "invalid"),
        ({"gen": True}, "invalid"),
        ({"gen": "0"}, "invalid"),
        pytest.param({"iat": 1, "exp": _soon(seconds=-10)}, "expired", id="expired"),
        pytest.param({"nbf": _soon(days=1)}, "not_yet_valid", id="not-yet-valid"),
        ({"typ": "at+jwt"}, "wrong_type"),
        ({"typ": "JWT"}, "wrong_type"),
    ],
    ids=repr,
)
def test_a_refresh_token_that_says_something_else_is_refused_without_a_query(
    pair, django_assert_num_queries, changes, reason
):
    raw = resigned(pair.refresh, **changes)
    with django_assert_num_queries(0), pytest.raises(InvalidTokenError) as caught:
        tokens.read_refresh(raw)
    assert caught.value.reason == reason


def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(pair):
    with pytest.raises(InvalidTokenError, match="wrong_type"):
        tokens.read_refresh(pair.access)
    with pytest.raises(InvalidTokenError, match="wrong_type"):
        conf.get_config().verifier.verify(pair.refresh)
    # Dressed up as the other type it is still signed with the wrong key.
    config = conf.get_config()
    with pytest.raises(InvalidTokenError, match="invalid"):
        tokens.read_refresh(resigned(pair.refresh, key=config.signing_keys.signing_key))
    with pytest.raises(InvalidTokenError, match="invalid"):
        config.verifier.verify(resigned(pair.access, typ="at+jwt", key=config.refresh_keys.signing_key))


@pytest.mark.parametrize(
    "write",
    [
        lambda sid: sid.upper(),
        lambda sid: sid.replace("-", ""),
        lambda sid: f"{{{sid}}}",
        lambda sid: f"urn:uuid:{sid}",
        lambda sid: f"{sid} ",
        lambda sid: "no uuid",
        lambda sid: str(uuid.UUID(int=1)),
    ],
    ids=["upper case", "no dashes", "braces", "urn", "space", "no uuid", "another"],
)
def test_a_session_id_has_one_spelling(pair, write):
    """Even where the key signs it: what is compared in memory must be what is found in the database."""
    with pytest.raises(InvalidTokenError, match="invalid"):
        sessions.find_by_refresh_token(resigned(pair.refresh, sid=write(str(pair.session.pk))))


def test_the_iat_of_a_refresh_token_is_no_reason_to_refuse(pair):
    raw = resigned(pair.refresh, iat=_soon(minutes=10))
    assert sessions.refresh(raw).refresh == pair.refresh


def test_a_refresh_token_that_was_signed_well_but_not_minted_for_the_row_is_invalid(pair):
    """Who has the key alone, and not the row's secret, can forge none."""
    assert re.fullmatch(r"[\w-]{43}", pair.session.jti(0))
    for changes in ({"jti": "A" * 43}, {"gen": 1}):
        with pytest.raises(InvalidTokenError, match="invalid"):
            sessions.refresh(resigned(pair.refresh, **changes))
    pair.session.refresh_from_db()
    assert pair.session.revoked_at is None
