"""What belongs to one tenant is nothing to another: tokens, sessions, lists, keys, throttles, documents."""

import time

import jwt
import pytest
from django.db import transaction

from django_jwtauth import conf, revocation_cache, sessions, tokens
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key
from django_jwtauth.models import NotBefore, RefreshToken
from django_jwtauth.sessions import _revoke
from tests.tools.http import (
    BLACKLIST,
    LOGOUT,
    LOGOUT_ALL,
    REFRESH,
    RIGHT,
    SESSIONS,
    TOKEN,
    VERIFY,
    bearer,
)
from tests.tools.tenants import ACME, GLOBEX

ES256 = {name: {"alg": "ES256", "pem": Key.generate("ES256").private_pem()} for name in (ACME, GLOBEX, "shared")}


def keys_of(tenant):
    return {"SIGNING_KEYS": [ES256[tenant]]}


def issuers_of(tenant):
    return {"ISSUER": f"https://{tenant}.example.com"}


APART = {
    "derived-keys": {},
    "issuer-pattern": {"ISSUER": "https://{tenant}.example.com", "SIGNING_KEYS": [ES256["shared"]]},
    "issuers-of-a-function": {"TENANT_SETTINGS": issuers_of, "SIGNING_KEYS": [ES256["shared"]]},
    "keys-of-a-function": {"TENANT_SETTINGS": keys_of, "ISSUER": "https://example.com"},
}
"""All ways to tell the tokens of tenants apart."""


@pytest.fixture(params=APART)
def apart(world, settings, request):
    settings.JWTAUTH = {**world.settings, **APART[request.param]}
    return world


@pytest.mark.parametrize("url", ["/whoami/", "/stateless/", "/cookie/", "/stateless-cookie/", SESSIONS])
def test_an_access_token_is_refused_by_every_class_at_another_tenant(apart, url):
    pair, other = apart.sign_in(ACME), apart.sign_in(GLOBEX)
    assert pair.session.user_id == other.session.user_id
    for _ in range(2):  # the second time from the cache of verified tokens
        assert apart.client(ACME).get(url, **bearer(pair.access)).status_code == 200
        refused = apart.client(GLOBEX).get(url, **bearer(pair.access))
        assert refused.status_code == 401
        assert refused.json()["reason"] in ("invalid", "wrong_issuer")
        assert apart.client(GLOBEX).get(url, **bearer(other.access)).status_code == 200


def test_a_cookie_is_refused_at_another_tenant(apart):
    pair = apart.sign_in(ACME)
    for url in ("/cookie/", "/stateless-cookie/"):
        for name, status in ((ACME, 200), (GLOBEX, 401)):
            client = apart.client(name)
            client.cookies["__Host-jwtauth-access"] = pair.access
            assert client.get(url).status_code == status


def test_no_endpoint_of_another_tenant_takes_a_token(apart):
    pair = apart.sign_in(ACME)
    apart.sign_in(GLOBEX)
    before = {name: apart.rows(name) for name in (ACME, GLOBEX)}
    client = apart.client(GLOBEX)
    mine = bearer(pair.access)
    answers = {
        "refresh": client.post(REFRESH, {"refresh": pair.refresh}),
        "verify": client.post(VERIFY, {"token": pair.refresh}),
        "verify-access": client.post(VERIFY, {"token": pair.access}),
        "blacklist": client.post(BLACKLIST, {"refresh": pair.refresh}),
        "logout": client.post(LOGOUT, **mine),
        "logout-all": client.post(LOGOUT_ALL, **mine),
        "sessions": client.delete(SESSIONS, **mine),
        "session": client.delete(f"{SESSIONS}{pair.session.pk}/", **mine),
        "introspect": client.post("/auth/token/introspect/", {"token": pair.access}, **mine),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    for raw in (pair.access, pair.refresh):
        assert client.post("/auth/token/revoke/", {"token": raw}).status_code == 200  # RFC 7009 section 2.2
    client.cookies["__Secure-jwtauth-refresh"] = pair.refresh
    assert client.post("/auth/browser/refresh/", secure=True).status_code == 401
    assert {name: apart.rows(name) for name in (ACME, GLOBEX)} == before
    assert apart.client(ACME).post(REFRESH, {"refresh": pair.refresh}).status_code == 200


def test_another_tenant_s_session_is_not_found_by_its_own_users(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    gone = world.client(GLOBEX).delete(f"{SESSIONS}{pair.session.pk}/", **bearer(other.access))
    assert gone.status_code == 404
    listed = world.client(GLOBEX).get(SESSIONS, **bearer(other.access)).json()
    assert [each["id"] for each in listed["results"]] == [str(other.session.pk)]


def test_the_python_api_finds_no_session_of_another_tenant(world):
    pair = world.sign_in(ACME)
    with world.inside(GLOBEX):
        assert sessions.find_by_any_token(pair.access) is None
        assert sessions.find_by_any_token(pair.refresh) is None
        with pytest.raises(InvalidTokenError):
            sessions.refresh(pair.refresh)


# Revocation


def test_a_revocation_acts_although_another_tenant_keeps_its_own_list_fresh(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    clients = {ACME: pair, GLOBEX: other}
    for name, each in clients.items():
        assert world.client(name).get("/stateless/", **bearer(each.access)).status_code == 200
    world.revoke_elsewhere(ACME, pair.session)
    lists = {name: revocation_cache._lists.get(name) for name in clients}
    kept = lists[GLOBEX].latest
    world.make_list_old(ACME)  # the interval passes; only the other tenant reads its list
    assert world.client(GLOBEX).get("/stateless/", **bearer(other.access)).status_code == 200
    assert world.client(ACME).get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"
    assert lists[ACME].latest.value.sids.keys() == {str(pair.session.pk)}
    assert lists[GLOBEX].latest is kept
    assert not kept.value.sids
    assert world.client(GLOBEX).get("/stateless/", **bearer(other.access)).status_code == 200


def test_a_revocation_of_this_process_makes_only_that_tenant_s_list_stale(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    for name, each in ((ACME, pair), (GLOBEX, other)):
        world.client(name).get("/stateless/", **bearer(each.access))
    world.client(ACME).post(LOGOUT, **bearer(pair.access))
    assert world.age_of_list(ACME) == float("inf")
    assert world.age_of_list(GLOBEX) < 60
    assert world.client(ACME).get("/stateless/", **bearer(pair.access)).status_code == 401


def test_the_list_that_is_stale_after_a_commit_is_that_of_the_tenant_that_revoked(world):
    pair = world.sign_in(ACME)
    with world.inside(ACME):
        alias = RefreshToken.write_alias()
    with world.inside(GLOBEX), transaction.atomic(using=alias):  # opened outside of the tenant's context
        with world.inside(ACME):
            sessions.revoke(pair.session)
            revocation_cache._lists.get(ACME).usable()
        assert world.age_of_list(ACME) < 60
    assert world.age_of_list(ACME) == float("inf")


def test_signing_everyone_out_signs_out_one_tenant(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    with world.inside(ACME):
        sessions.revoke_everyone()
    for url in ("/whoami/", "/stateless/"):
        assert world.client(ACME).get(url, **bearer(pair.access)).status_code == 401
        assert world.client(GLOBEX).get(url, **bearer(other.access)).status_code == 200


@pytest.mark.parametrize("late", [False, True])
def test_a_commit_in_the_context_of_another_tenant_changes_nothing_there(world, monkeypatch, late):
    """As where one transaction goes through several tenants. The rows of both have the same numbers."""
    if late:
        monkeypatch.setattr(_revoke, "LATE_SECONDS", 0)
    with world.inside(ACME):
        using = RefreshToken.write_alias()
    with world.inside(GLOBEX):
        sessions.revoke_everyone()
        with transaction.atomic(using=using):
            with world.inside(ACME):
                before = sessions.revoke_everyone().not_before
                sessions.revoke_all(world.user(ACME))
            time.sleep(0.01)
        stored = NotBefore.objects.get().not_before
    with world.inside(ACME):
        assert NotBefore.objects.get().not_before > before
    assert stored < before


def test_a_changed_password_ends_the_sessions_of_that_tenant_s_user(world):
    world.sign_in(ACME), world.sign_in(GLOBEX)
    with world.inside(ACME):
        user = world.user(ACME)
        user.set_password("battery staple")
        user.save()
    assert [row["revoked_reason"] for row in world.rows(ACME)] == ["password_changed"]
    assert [row["revoked_reason"] for row in world.rows(GLOBEX)] == [""]


def test_a_deleted_user_s_tokens_are_dead_at_that_tenant(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    with world.inside(ACME):
        world.user(ACME).delete()
    for url in ("/whoami/", "/stateless/"):
        assert world.client(ACME).get(url, **bearer(pair.access)).status_code == 401
        assert world.client(GLOBEX).get(url, **bearer(other.access)).status_code == 200


# Throttles


def test_failures_at_one_tenant_do_not_count_at_another(world, settings):
    settings.JWTAUTH = {**world.settings, "THROTTLE_RATES": {"login": "2/min"}}
    statuses = [
        world.client(name).post(TOKEN, {**RIGHT, "password": "wrong"}).status_code for name in (ACME, ACME, ACME)
    ]
    assert statuses == [401, 401, 429]
    assert world.client(GLOBEX).post(TOKEN, RIGHT).status_code == 200


def test_refreshes_at_one_tenant_do_not_count_at_another(world, settings):
    settings.JWTAUTH = {**world.settings, "THROTTLE_RATES": {"refresh": "1/min"}}
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    with world.inside(GLOBEX):  # even if both have the same id
        RefreshToken.objects.filter(pk=other.session.pk).update(id=pair.session.pk)
        raw = tokens.mint_refresh(RefreshToken.objects.get()).raw.reveal()
    assert [world.client(ACME).post(REFRESH, {"refresh": pair.refresh}).status_code for _ in range(2)] == [200, 429]
    assert [world.client(GLOBEX).post(REFRESH, {"refresh": raw}).status_code for _ in range(2)] == [200, 429]


# Documents


def test_each_tenant_publishes_its_own_documents(world, settings):
    settings.JWTAUTH = {**world.settings, "TENANT_SETTINGS": keys_of, "ISSUER": "https://{tenant}.example.com"}
    pairs = {name: world.sign_in(name) for name in (ACME, GLOBEX)}
    with world.inside(ACME):
        sessions.revoke(pairs[ACME].session)
    tags = set()
    for name in (ACME, GLOBEX, ACME):  # the third is served from memory
        client = world.client(name)
        (key,) = client.get("/.well-known/jwks.json").json()["keys"]
        with world.inside(name):
            assert key["kid"] == conf.get_config().signing_keys.signing_key.kid
        about = client.get("/.well-known/oauth-authorization-server").json()
        assert about["issuer"] == f"https://{name}.example.com"
        assert about["token_endpoint"].startswith(f"https://{name}.example.com/")
        response = client.get("/.well-known/jwt-revocations")
        listed = read_list(response.content)
        assert listed["iss"] == f"https://{name}.example.com"
        assert listed["sids"] == ([str(pairs[name].session.pk)] if name == ACME else [])
        tags.add(response["ETag"])
    assert len(tags) == 2


def read_list(raw):
    return jwt.decode(raw.decode(), options={"verify_signature": False})


# The admin


def test_the_admin_shows_the_sessions_of_the_tenant_only(world):
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    for name, shown, hidden in ((ACME, pair, other), (GLOBEX, other, pair)):
        client = world.client(name)
        with world.inside(name):
            user = world.user(name)
            user.is_staff = user.is_superuser = True
            user.save()
            client.force_login(user)
        page = client.get("/admin/django_jwtauth/refreshtoken/").content.decode()
        assert str(shown.session.pk) in page
        assert str(hidden.session.pk) not in page


# Settings


def test_without_a_current_tenant_nothing_is_issued_or_accepted(world, settings):
    pair = world.sign_in(ACME)

    def nobody():
        raise LookupError("no tenant")

    settings.JWTAUTH = {**world.settings, "TENANT": nobody}
    with pytest.raises(conf.ImproperlyConfigured, match="does not name the current tenant: LookupError"):
        world.client(ACME).get("/stateless/", **bearer(pair.access))


def test_an_audience_can_name_the_tenant(world, settings):
    settings.JWTAUTH = {**world.settings, "AUDIENCE": ["https://{tenant}.example.com", "all"]}
    token = world.verify(ACME, world.sign_in(ACME).access)
    assert token.audience == ("https://acme.example.com",)


def test_clocks_of_different_databases_are_not_mixed_up(world):
    with world.inside(ACME):
        here = time.time()
        conf.get_config().clock.observe(here - 600, asked=here, answered=here, leeway=5.0)
        assert conf.get_config().clock.difference() == pytest.approx(600, abs=60)
    with world.inside(GLOBEX):
        assert not conf.get_config().clock.difference()
