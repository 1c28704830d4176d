"""``TRUSTED_ISSUERS``: several issuers at once, each with keys and a revocation list of its own, over real HTTP."""

import datetime
import gc
import itertools
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.test import override_settings

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import RevocationList, SignedList
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication, StatelessUser
from django_jwtauth.keys import Key
from tests.tools.http import bearer
from tests.tools.not_before import verdict

AUDIENCE = "https://orders.example.com"
SECOND = datetime.timedelta(seconds=1)
FAST = {"REVOCATION_POLL_INTERVAL": SECOND / 20}
NO_LIST = {"revocations_url": None}


class Issuer:
    """Another service that issues tokens; what it serves can be changed at any time."""

    def __init__(self, name="", *, alg="ES256", metadata=None):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                document = issuer.documents.get(self.path)
                body = document() if document else b""
                self.send_response(200 if document else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.key = Key.generate(alg)
        self.keys = [self.key]
        self.revoked = RevocationList()
        self.asked = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.name = self.origin + name
        self.documents = {
            f"{name}/.well-known/jwks.json": lambda: json.dumps(
                {"keys": [key.public_jwk() for key in self.keys]}
            ).encode(),
            f"{name}/.well-known/jwt-revocations": lambda: self.list().encode(),
        }
        if metadata is not None:
            self.documents[f"/.well-known/oauth-authorization-server{name}"] = lambda: json.dumps(
                {"issuer": self.name, **metadata(self.origin)}
            ).encode()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def list(self):
        now = int(time.time())
        return SignedList(revoked=self.revoked, issued_at=now, expires_at=now + 60, ttl=1, max_lifetime=300).sign(
            issuer=self.name, key=self.key
        )

    def token(self, *, key=None, **changes):
        now = int(time.time())
        claims = {
            "iss": self.name,
            "sub": "1",
            "aud": AUDIENCE,
            "client_id": "shop",
            "iat": now,
            "exp": now + 300,
            "jti": uuid.uuid4().hex,
            "sid": str(uuid.uuid4()),
            **changes,
        }
        return jws.sign(claims, typ="at+jwt", key=key or self.key)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def issuers(settings):
    """Makes issuers, and trusts them as the settings say."""
    made = []

    def make(*args, **kwargs):
        made.append(Issuer(*args, **kwargs))
        return made[-1]

    yield make
    # First those who ask, then those who answer.
    settings.JWTAUTH = {}
    conf.forget()
    gc.collect()
    for issuer in made:
        issuer.stop()


def trust(settings, *trusted, entry=None, **more):
    settings.JWTAUTH = {
        "AUDIENCE": AUDIENCE,
        "TRUSTED_ISSUERS": {issuer.name: dict(entry or {}) for issuer in trusted},
        **more,
    }


def until(reason, raw, seconds=20):
    """Ask until the answer is that one."""
    deadline = time.monotonic() + seconds
    while (found := verdict(raw)) != reason and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found == reason


def test_each_issuers_tokens_are_accepted_and_told_apart(settings, issuers):
    one, two = issuers(), issuers(alg="EdDSA")
    trust(settings, one, two)
    users = {}
    for issuer in (one, two):
        user, token = StatelessJWTAuthentication().authenticate_token(issuer.token(tenant="acme"))
        assert isinstance(user, StatelessUser)
        assert (user.issuer, user.pk, token.issuer, user.tenant) == (issuer.name, "1", issuer.name, "acme")
        users[issuer.name] = user
    # A subject is unique per issuer only: these are two people.
    assert users[one.name] != users[two.name]
    assert len(set(users.values())) == 2


def test_a_key_is_good_for_its_own_issuer_only(settings, issuers):
    one, two = issuers(), issuers()
    trust(settings, one, two)
    for issuer, other in itertools.permutations([one, two]):
        assert verdict(issuer.token()) == "accepted"
        assert verdict(issuer.token(key=other.key)) == "invalid"
        # Even under the name of a key of the other one.
        other.keys = [other.key]
        assert verdict(other.token(iss=issuer.name)) == "invalid"


@pytest.mark.django_db
def test_our_own_tokens_are_accepted_beside_and_not_signed_by_others(settings, issuers, user, client):
    one = issuers()
    trust(settings, one)
    pair = sessions.start(user)
    assert client.get("/stateless/", **bearer(pair.access)).json()["user"] == str(user.pk)
    assert client.get("/stateless/", **bearer(one.token())).json()["user"] == "1"
    assert verdict(one.token(iss="django-jwtauth")) == "invalid"
    # Who loads users from our tables knows our own tokens only.
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    refused = client.get("/whoami/", **bearer(one.token()))
    assert (refused.status_code, refused.json()["reason"]) == (401, "invalid")
    assert verdict(one.token(sid=str(pair.session.pk), sub=str(user.pk)), JWTAuthentication) == "invalid"
    # Nor does their list judge our sessions, or ours theirs.
    sessions.revoke(pair.session)
    assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"
    assert verdict(one.token(sid=str(pair.session.pk))) == "accepted"


@pytest.mark.django_db
def test_another_issuers_token_costs_no_query(settings, issuers, django_assert_num_queries):
    one = issuers()
    trust(settings, one)
    with django_assert_num_queries(0):
        assert verdict(one.token()) == "accepted"
        assert verdict(one.token(key=Key.generate("ES256"))) == "invalid"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://stranger.example.net"}, "invalid"),
        ({"iss": ""}, "invalid"),
        ({"iss": None}, "invalid"),
        ({"iss": ["https://stranger.example.net"]}, "invalid"),
        ({"aud": "https://other.example.com"}, "wrong_audience"),
        ({"aud": []}, "invalid"),
        ({"iat": 1_000_000_000, "exp": 1_000_000_300}, "expired"),
        ({"exp": 2**33}, "accepted"),  # the list says how long it is good; it is young enough
        ({"iat": 1_000_000_000, "exp": 2**33}, "expired"),
        ({"sub": ""}, "invalid"),
    ],
    ids=str,
)
def test_what_another_issuer_may_say(settings, issuers, changes, reason):
    one, two = issuers(), issuers()
    trust(settings, one, two)
    assert verdict(one.token(**changes)) == reason


def test_issuers_are_compared_exactly(settings, issuers):
    one, two = issuers(), issuers()
    trust(settings, one, two)
    for name in (one.name + "/", one.name.upper(), one.name.replace("http", "https"), one.name[:-1], " " + one.name):
        assert verdict(one.token(iss=name)) == "invalid"


@pytest.mark.parametrize("raw", ["", "x", "a.b.c", "\ud800", "é.e30.AA", "e30.e30.AA", "e30.W10.AA", "x" * 5000])
def test_what_is_no_token_is_nobodys(settings, issuers, client, raw):
    trust(settings, issuers(), issuers())
    assert verdict(raw) == "invalid"


def test_each_issuer_may_have_an_audience_of_its_own(settings, issuers):
    one, two = issuers(), issuers()
    settings.JWTAUTH = {
        "AUDIENCE": AUDIENCE,
        "TRUSTED_ISSUERS": {one.name: {"audience": ["first", "second"]}, two.name: {"audience": "third"}},
    }
    found = {
        (issuer.name, aud): verdict(issuer.token(aud=aud))
        for issuer in (one, two)
        for aud in (AUDIENCE, "first", "second", "third")
    }
    accepted = {key for key, reason in found.items() if reason == "accepted"}
    assert accepted == {(one.name, "first"), (one.name, "second"), (two.name, "third")}
    assert set(found.values()) == {"accepted", "wrong_audience"}


def test_each_issuers_list_judges_its_own_tokens(settings, issuers):
    one, two = issuers(), issuers()
    trust(settings, one, two, **FAST)
    ids = {"sid": str(uuid.uuid4()), "jti": "the same"}
    raws = [issuer.token(**ids) for issuer in (one, two)]
    assert [verdict(raw) for raw in raws] == ["accepted"] * 2
    one.revoked = RevocationList(sids=[ids["sid"]])
    until("revoked", raws[0])
    assert verdict(raws[1]) == "accepted"
    assert verdict(one.token()) == "accepted"


@pytest.mark.parametrize("kind", ["sid", "jti", "everyone"])
def test_every_kind_of_entry_acts_and_ceases(settings, issuers, kind):
    one = issuers()
    trust(settings, one, **FAST)
    now = int(time.time())
    raw = one.token(sid="s", jti="j", sub="ada", iat=now - 10)
    fine = one.token(sid="s2", jti="j2", sub="bob", iat=now - 5)
    assert [verdict(raw), verdict(fine)] == ["accepted"] * 2
    one.revoked = {
        "sid": RevocationList(sids=["s"]),
        "jti": RevocationList(jtis=["j"]),
        "everyone": RevocationList(not_before=now - 10),
    }[kind]
    until("revoked", raw)
    assert verdict(fine) == "accepted"
    one.revoked = RevocationList()
    until("accepted", raw)


def test_an_issuer_without_a_list_is_never_asked_for_one(settings, issuers):
    one = issuers()
    trust(settings, one, entry=NO_LIST)
    assert verdict(one.token()) == "accepted"
    # Without a list nothing limits the life of a token but what it says itself.
    assert verdict(one.token(iat=int(time.time()) - 5000, exp=int(time.time()) + 10)) == "accepted"
    assert not any("revocations" in path for path in one.asked)


def test_urls_come_from_the_metadata_where_there_are_some(settings, issuers):
    one = issuers(
        "/auth",
        metadata=lambda origin: {"jwks_uri": f"{origin}/keys", "jwt_revocations_uri": f"{origin}/gone"},
    )
    one.documents["/keys"] = one.documents.pop("/auth/.well-known/jwks.json")
    one.documents["/gone"] = one.documents.pop("/auth/.well-known/jwt-revocations")
    trust(settings, one)
    assert verdict(one.token()) == "accepted"
    assert set(one.asked) == {"/.well-known/oauth-authorization-server/auth", "/keys", "/gone"}


def test_urls_that_are_given_are_used_and_no_metadata_asked_for(settings, issuers):
    one = issuers()
    one.documents = {
        "/k": one.documents["/.well-known/jwks.json"],
        "/r": one.documents["/.well-known/jwt-revocations"],
    }
    trust(settings, one, entry={"jwks_url": f"{one.origin}/k", "revocations_url": f"{one.origin}/r"})
    assert verdict(one.token()) == "accepted"
    assert set(one.asked) == {"/k", "/r"}


def test_a_name_that_is_no_url_will_do_where_all_urls_are_given(settings, issuers):
    one = issuers()
    url = f"{one.origin}/.well-known/jwks.json"
    settings.JWTAUTH = {
        "AUDIENCE": AUDIENCE,
        "TRUSTED_ISSUERS": {"partner": {"jwks_url": url, "revocations_url": None}},
    }
    assert verdict(one.token(iss="partner")) == "accepted"
    assert set(one.asked) == {"/.well-known/jwks.json"}


def test_only_the_algorithms_that_are_named_are_trusted(settings, issuers):
    one = issuers()
    other = Key.generate("EdDSA")
    one.keys = [one.key, other]
    trust(settings, one, entry={"algorithms": ["EdDSA"], **NO_LIST})
    assert verdict(one.token(key=other)) == "accepted"
    assert verdict(one.token()) == "invalid"


def test_one_issuer_that_is_away_takes_no_other_with_it(settings, issuers, client):
    one, two = issuers(), issuers()
    raw = one.token()
    one.stop()
    trust(settings, one, two, entry={"timeout": SECOND})
    assert client.get("/stateless/", **bearer(two.token())).status_code == 200
    refused = client.get("/stateless/", **bearer(raw))
    assert (refused.status_code, refused.json()["reason"]) == (503, "stale")
    assert (refused["Retry-After"], "WWW-Authenticate" in refused) == ("1", False)


def test_failing_open_is_for_lists_and_never_for_keys(settings, issuers):
    one, two = issuers(), issuers()
    del one.documents["/.well-known/jwt-revocations"], two.documents["/.well-known/jwks.json"]
    trust(settings, one, two, entry={"timeout": SECOND}, REVOCATION_FAIL_OPEN=True)
    assert verdict(one.token()) == "accepted"
    assert verdict(two.token()) == "stale"


def test_the_settings_for_all_issuers_reach_each_verifier(settings):
    settings.JWTAUTH = {
        "AUDIENCE": AUDIENCE,
        "LEEWAY": 3 * SECOND,
        "MAX_TOKEN_LENGTH": 700,
        "TOKEN_CACHE_SIZE": 7,
        "REVOCATION_POLL_INTERVAL": 4 * SECOND,
        "REVOCATION_MAX_STALENESS": 40 * SECOND,
        "REVOCATION_FAIL_OPEN": True,
        "TRUSTED_ISSUERS": {"https://auth.example.com": {"timeout": 9 * SECOND}, "https://other.example.com": {}},
    }
    config = conf.get_config()
    assert set(config.verifiers) == {"https://auth.example.com", "https://other.example.com", "django-jwtauth"}
    found = config.verifiers["https://auth.example.com"]
    assert (found.leeway, found.max_token_length, found._cache._size) == (3, 700, 7)
    assert (found.revocations.interval, found.revocations._max_staleness, found.revocations._fail_open) == (4, 40, True)
    assert (found.keys.timeout, found.revocations.timeout) == (9, 9)
    other = config.verifiers["https://other.example.com"]
    assert (other.keys.timeout, other.audience) == (5, (AUDIENCE,))
    assert config.verifiers["django-jwtauth"] is config.verifier


def test_http_to_other_machines_is_for_who_says_so(settings):
    settings.JWTAUTH = {"AUDIENCE": "a", "TRUSTED_ISSUERS": {"http://auth.internal": {"allow_http": True}}}
    assert "http://auth.internal" in conf.get_config().verifiers


# A service that issues nothing


@pytest.fixture
def service(settings):
    """Our app is not installed."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jwtauth"]


def test_a_service_has_no_keys_of_its_own_and_accepts_the_tokens_of_others(settings, service, issuers):
    one = issuers()
    settings.SECRET_KEY = ""  # reading it would raise
    trust(settings, one)
    config = conf.get_config()
    assert config.local is None
    assert set(config.verifiers) == {one.name}
    assert verdict(one.token()) == "accepted"
    assert verdict(one.token(key=Key.generate("ES256"))) == "invalid"


def test_a_service_may_name_the_issuer_that_it_trusts_as_its_own(settings, service, issuers):
    """The two projects may share their settings; only one of them issues."""
    one = issuers()
    trust(settings, one, ISSUER=one.name)
    assert verdict(one.token()) == "accepted"


@pytest.mark.parametrize("name", ["signing_keys", "refresh_keys", "throttle_key", "verifier"])
def test_what_a_service_cannot_do_it_is_told(settings, service, name):
    settings.JWTAUTH = {"AUDIENCE": AUDIENCE, "TRUSTED_ISSUERS": {"https://auth.example.com": {}}}
    with pytest.raises(conf.ImproperlyConfigured, match=r"issues no tokens.*StatelessJWTAuthentication"):
        getattr(conf.get_config(), name)


def test_a_service_needs_an_audience_for_each_issuer(settings, service):
    """An issuer's own name would be no good default: that is who its tokens come from."""
    issuer = "https://auth.example.com"
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {issuer: {}, "https://other.example.com": {"audience": "x"}}}
    with pytest.raises(conf.InvalidSettingsError) as caught:
        conf.get_config()
    (problem,) = caught.value.problems
    assert problem.startswith(f"JWTAUTH['TRUSTED_ISSUERS'][{issuer!r}] needs an 'audience'")
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {issuer: {"audience": "y"}, "https://other.example.com": {"audience": "x"}}}
    assert conf.get_config().verifiers[issuer].audience == ("y",)


def test_keys_that_a_service_has_no_use_for_are_checked_all_the_same(settings, service):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "ES256", "pem": "nonsense"}]}
    with pytest.raises(conf.InvalidSettingsError, match="SIGNING_KEYS"):
        conf.get_config()
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}]}
    assert conf.get_config().local is None
    assert conf.get_config().verifiers == {}


def test_installing_the_app_changes_the_settings_at_once(settings):
    installed = settings.INSTALLED_APPS
    assert conf.get_config().local
    with override_settings(INSTALLED_APPS=[app for app in installed if app != "django_jwtauth"]):
        assert conf.get_config().local is None
    assert conf.get_config().local
