"""A server whose clock is minutes off revokes what it is asked to, while the other servers accept the token."""

import jwt
import pytest

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth._core import jws
from django_jwtauth._core.clock import issuer_clock
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken, RefreshToken
from django_jwtauth.sessions import _revoke
from tests.tools.admin import BLACKLIST, browser, superuser
from tests.tools.clocks import server
from tests.tools.http import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_observation():
    issuer_clock.forget()
    yield
    issuer_clock.forget()


def revoke_endpoint(client, raw):
    assert client.post("/auth/token/revoke/", {"token": raw}).status_code == 200


def blacklist_endpoint(client, raw):
    assert client.post("/auth/token/blacklist/", {"refresh": raw}).status_code == 200


def python(client, raw):
    sessions.blacklist(raw)


def admin(client, raw):
    assert browser(superuser()).post(f"{BLACKLIST}blacklist/", {"token": raw}).status_code == 302


def signed(raw, **changes):
    claims = jwt.decode(raw, options={"verify_signature": False})
    return jws.sign({**claims, **changes}, typ="at+jwt", key=conf.get_config().signing_keys.signing_key)


@pytest.mark.parametrize("minutes", [-10, -5, 5.5, 10])
@pytest.mark.parametrize("revoke", [revoke_endpoint, python, admin])
def test_an_access_token(pair, client, revoke, minutes):
    with server(minutes):
        revoke(client, pair.access)
        issuer_clock.forget()
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"


@pytest.mark.parametrize("minutes", [-10, 5.5, 15 * 24 * 60], ids=["behind", "ahead", "after its end"])
@pytest.mark.parametrize("revoke", [revoke_endpoint, blacklist_endpoint])
def test_a_refresh_token(pair, client, revoke, minutes):
    with server(minutes):
        revoke(client, pair.refresh)
        issuer_clock.forget()
    with pytest.raises(InvalidTokenError, match="revoked"):
        sessions.refresh(pair.refresh)
    assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"


def test_what_has_expired_for_everyone_is_not_stored(pair):
    issued = conf.get_config().verifier.verify(pair.access).issued_at
    allowed = conf.get_config().clock_allowance.total_seconds()
    for seconds, is_stored in ((300 + allowed - 5, True), (300 + allowed + 5, False)):
        iat = int(issued.timestamp() - seconds)
        raw = signed(pair.access, iat=iat, exp=iat + 10_000, jti=f"{seconds}")
        if is_stored:
            sessions.blacklist(raw)
        else:
            with pytest.raises(InvalidTokenError, match="expired"):
                sessions.blacklist(raw)
        assert BlacklistedToken.objects.filter(jti=f"{seconds}").exists() is is_stored


# Nobody fills the list


def tokens_of(pair, count):
    return [signed(pair.access, jti=f"token {number}") for number in range(count)]


def test_one_account_cannot_fill_the_list_with_single_tokens(user, pair, client, monkeypatch):
    monkeypatch.setattr(_revoke, "MAX_BLACKLISTED", 3)
    other = sessions.start(user)
    for raw in tokens_of(pair, 10):
        revoke_endpoint(client, raw)
        assert client.get("/stateless/", **bearer(raw)).json()["reason"] == "revoked"
    assert BlacklistedToken.objects.count() == 3
    assert client.get("/stateless/", **bearer(other.access)).status_code == 200
    revoke_endpoint(client, other.access)
    assert RefreshToken.objects.unrevoked().count() == 0
    revocation_cache.forget()
    listed = revocation_cache.latest(max_age=10).value
    assert (len(listed.sids), len(listed.jtis)) == (2, 3)


def test_what_has_left_the_list_does_not_count(pair, monkeypatch):
    monkeypatch.setattr(_revoke, "MAX_BLACKLISTED", 3)
    first, *others = tokens_of(pair, 4)
    for raw in others:
        sessions.blacklist(raw)
    BlacklistedToken.objects.update(created_at=RefreshToken.objects.now() - conf.get_config().revocation_retention)
    sessions.blacklist(first)
    assert RefreshToken.objects.unrevoked().count() == 1


def test_a_token_whose_session_has_been_purged_is_listed(pair, client):
    RefreshToken.objects.all().delete()
    sessions.blacklist(pair.access)
    assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"
