"""A setting that cannot be used is an error that names it."""

import datetime
import re

import pytest
from django.test import override_settings

from django_jwtauth import conf, sessions
from django_jwtauth._core.setting_table import SIMPLE_JWT
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key
from tests.tools.conf import HOUR, NAMED, SECRET, problems_of
from tests.tools.docs import page, section
from tests.tools.products import each_row


@each_row(
    ("given", "named"),
    [
        ({"ISSUER": ""}, "JWTAUTH['ISSUER']"),
        ({"ISSUER": "a\nb"}, "JWTAUTH['ISSUER']"),
        ({"ISSUER": None}, "JWTAUTH['ISSUER']"),
        ({"AUDIENCE": ""}, "JWTAUTH['AUDIENCE']"),
        ({"AUDIENCE": []}, "JWTAUTH['AUDIENCE']"),
        ({"AUDIENCE": ["a", ""]}, "JWTAUTH['AUDIENCE']"),
        ({"AUDIENCE": 5}, "JWTAUTH['AUDIENCE']"),
        ({"CLIENT_ID": b"x"}, "JWTAUTH['CLIENT_ID']"),
        ({"ACCESS_TOKEN_LIFETIME": 300}, "JWTAUTH['ACCESS_TOKEN_LIFETIME']"),
        ({"ACCESS_TOKEN_LIFETIME": datetime.timedelta(0)}, "JWTAUTH['ACCESS_TOKEN_LIFETIME']"),
        ({"REFRESH_TOKEN_LIFETIME": -HOUR}, "JWTAUTH['REFRESH_TOKEN_LIFETIME']"),
        ({"SESSION_LIFETIME": None}, "JWTAUTH['SESSION_LIFETIME']"),
        ({"REFRESH_GRACE_PERIOD": -HOUR}, "JWTAUTH['REFRESH_GRACE_PERIOD']"),
        ({"REFRESH_RETRY_PERIOD": -HOUR}, "JWTAUTH['REFRESH_RETRY_PERIOD']"),
        ({"REFRESH_RETRY_PERIOD": None}, "JWTAUTH['REFRESH_RETRY_PERIOD']"),
        ({"REFRESH_RETRY_PERIOD": datetime.timedelta(days=31)}, "JWTAUTH['REFRESH_RETRY_PERIOD']"),
        ({"LEEWAY": datetime.timedelta(seconds=301)}, "JWTAUTH['LEEWAY']"),
        ({"LEEWAY": 5}, "JWTAUTH['LEEWAY']"),
        ({"SIGNING_KEYS": []}, "JWTAUTH['SIGNING_KEYS']"),
        ({"SIGNING_KEYS": {"alg": "HS256"}}, "JWTAUTH['SIGNING_KEYS']"),
        ({"SIGNING_KEYS": ["x"]}, "JWTAUTH['SIGNING_KEYS'][0]"),
        ({"SIGNING_KEYS": [{"alg": "HS512", "secret": SECRET}, {}]}, "JWTAUTH['SIGNING_KEYS'][1]"),
        ({"SIGNING_KEYS": [{"alg": "HS512", "secret": SECRET}] * 2}, "JWTAUTH['SIGNING_KEYS']"),
        ({"SUBJECT_FIELD": 1}, "JWTAUTH['SUBJECT_FIELD']"),
        ({"USER_AUTHENTICATION_RULE": "no_path"}, "JWTAUTH['USER_AUTHENTICATION_RULE']"),
        ({"CLAIMS_HOOKS": "a.b"}, "JWTAUTH['CLAIMS_HOOKS']"),
        ({"CLAIMS_HOOKS": [len]}, "JWTAUTH['CLAIMS_HOOKS']"),
        ({"CLAIMS": ["email"]}, "JWTAUTH['CLAIMS']"),
        ({"CLAIMS": None}, "JWTAUTH['CLAIMS']"),
        ({"CLAIMS": {"mail": ["email"]}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": None}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": ""}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": "email."}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": "a..b"}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": "email()"}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": "_state"}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"mail": "email.__class__"}}, "JWTAUTH['CLAIMS']['mail']"),
        ({"CLAIMS": {"": "email"}}, "JWTAUTH['CLAIMS'] must name claims, and '' is"),
        ({"CLAIMS": {5: "email"}}, "JWTAUTH['CLAIMS'] must name claims, and 5 is"),
        ({"CLAIMS": {"a\nb": "email"}}, "JWTAUTH['CLAIMS'] must name claims, and 'a\\nb' is"),
        ({"CLAIMS": {"sub": "email"}}, "JWTAUTH['CLAIMS'] may not set 'sub'"),
        ({"CLAIMS": {"Client-Id": "email"}}, "JWTAUTH['CLAIMS'] may not set 'Client-Id'"),
        ({"CLAIMS": {"su\u200bb": "email"}}, "JWTAUTH['CLAIMS'] may not set 'su\\u200bb'"),
        ({"SCOPES": "read"}, "JWTAUTH['SCOPES']"),
        ({"SCOPES": ""}, "JWTAUTH['SCOPES']"),
        ({"SCOPES": {"read"}}, "JWTAUTH['SCOPES']"),
        ({"SCOPES": ["read", 5]}, "JWTAUTH['SCOPES']"),
        ({"SCOPES": ["read write"]}, "JWTAUTH['SCOPES']"),
        ({"SCOPES": [""]}, "JWTAUTH['SCOPES']"),
        ({"AUDIENCES": "stock"}, "JWTAUTH['AUDIENCES']"),
        (
            {"SIGN_IN_CHALLENGE": "challenge"},
            "JWTAUTH['SIGN_IN_CHALLENGE'] must be a callable, the dotted path of one, or",
        ),
        ({"SIGN_IN_CHALLENGE": ["project.challenge"]}, "JWTAUTH['SIGN_IN_CHALLENGE']"),
        ({"SIGN_IN_CHALLENGE": False}, "JWTAUTH['SIGN_IN_CHALLENGE']"),
        ({"AUDIENCES": 5}, "JWTAUTH['AUDIENCES']"),
        ({"AUDIENCES": ["a\nb"]}, "JWTAUTH['AUDIENCES']"),
        ({"AUDIENCES": [None]}, "JWTAUTH['AUDIENCES']"),
        ({"MAX_SESSIONS_PER_USER": 0}, "JWTAUTH['MAX_SESSIONS_PER_USER']"),
        ({"MAX_SESSIONS_PER_USER": True}, "JWTAUTH['MAX_SESSIONS_PER_USER']"),
        ({"TOKEN_CACHE_SIZE": -1}, "JWTAUTH['TOKEN_CACHE_SIZE']"),
        ({"TOKEN_CACHE_SIZE": None}, "JWTAUTH['TOKEN_CACHE_SIZE']"),
        ({"MAX_TOKEN_LENGTH": 511}, "JWTAUTH['MAX_TOKEN_LENGTH']"),
        ({"REVOCATION_POLL_INTERVAL": datetime.timedelta(0)}, "JWTAUTH['REVOCATION_POLL_INTERVAL']"),
        ({"REVOCATION_POLL_INTERVAL": datetime.timedelta(days=1826)}, "JWTAUTH['REVOCATION_POLL_INTERVAL']"),
        ({"REVOCATION_MAX_STALENESS": datetime.timedelta(seconds=3)}, "JWTAUTH['REVOCATION_MAX_STALENESS']"),
        ({"REVOCATION_FAIL_OPEN": 1}, "JWTAUTH['REVOCATION_FAIL_OPEN']"),
        ({"IGNORE_FOREIGN_TOKENS": "yes"}, "JWTAUTH['IGNORE_FOREIGN_TOKENS']"),
        ({"THROTTLE_RATES": None}, "JWTAUTH['THROTTLE_RATES']"),
        ({"THROTTLE_RATES": {"logon": "1/min"}}, "JWTAUTH['THROTTLE_RATES'] has no rate 'logon'"),
        ({"THROTTLE_RATES": {"login": "0/min"}}, "JWTAUTH['THROTTLE_RATES']['login']"),
        ({"THROTTLE_RATES": {"login": "10/week"}}, "JWTAUTH['THROTTLE_RATES']['login']"),
        ({"THROTTLE_RATES": {"refresh": 10}}, "JWTAUTH['THROTTLE_RATES']['refresh']"),
        ({"NUM_PROXIES": None}, "JWTAUTH['NUM_PROXIES']"),
        ({"NUM_PROXIES": 1.5}, "JWTAUTH['NUM_PROXIES']"),
        ({"PROXY_HEADER": "HTTP_X_FORWARDED_FOR"}, "JWTAUTH['PROXY_HEADER']"),
        ({"PROXY_HEADER": "forwarded"}, "JWTAUTH['PROXY_HEADER']"),
        ({"REQUEST_START_HEADER": ""}, "JWTAUTH['REQUEST_START_HEADER']"),
        ({"REQUEST_START_HEADER": "HTTP_X_REQUEST_START"}, "JWTAUTH['REQUEST_START_HEADER']"),
        ({"PURGE_REVOKED_AFTER": "30"}, "JWTAUTH['PURGE_REVOKED_AFTER']"),
        ({"TRUSTED_ISSUERS": None}, "JWTAUTH['TRUSTED_ISSUERS'] must be a dict, not None"),
        ({"TRUSTED_ISSUERS": ["https://a.example"]}, "JWTAUTH['TRUSTED_ISSUERS'] must be a dict, not list"),
        ({"TRUSTED_ISSUERS": {"django-jwtauth": NAMED}}, "JWTAUTH['TRUSTED_ISSUERS'] names 'django-jwtauth'"),
        *(
            (
                {"TRUSTED_ISSUERS": {"https://a.example": entry}},
                f"JWTAUTH['TRUSTED_ISSUERS']['https://a.example']{rest}",
            )
            for entry, rest in [
                (None, " must be a dict, not None"),
                ("https://a.example/jwks", " must be a dict, not str of length 22"),
                ({"jwks": "https://a.example"}, " has no key 'jwks'; it knows algorithms, allow_http, audience, "),
                ({"JWKS_URL": "https://a.example"}, " has no key 'JWKS_URL'"),
                ({"jwks_url": None}, "['jwks_url'] must be a str"),
                ({"jwks_url": ""}, "['jwks_url'] must be a str"),
                ({"jwks_url": "ftp://a.example"}, ": jwks_url: "),
                ({"jwks_url": "http://a.example/jwks"}, ": jwks_url: it must be an https URL"),
                ({"jwks_url": "file:///etc/keys"}, ": jwks_url: "),
                ({"jwks_url": "https://[a"}, ": jwks_url: "),
                ({"revocations_url": ""}, "['revocations_url'] must be a str"),
                ({"revocations_url": False}, "['revocations_url'] must be a str"),
                ({"revocations_url": "http://a.example/list"}, ": revocations_url: it must be an https URL"),
                (
                    {"algorithms": "ES256"},
                    "['algorithms'] must be a list of str that are not empty, not str of length 5",
                ),
                ({"algorithms": []}, ": The algorithms are some of ES256"),
                ({"algorithms": ["HS256"]}, ": The algorithms are some of ES256"),
                ({"algorithms": ["none"]}, ": The algorithms are some of ES256"),
                ({"audience": ""}, "['audience'] must be a str"),
                ({"audience": []}, "['audience'] must be a str"),
                ({"audience": None}, "['audience'] must be a str"),
                ({"audience": ["a", 1]}, "['audience'] must be a str, or a list of at least one str"),
                (
                    {"timeout": 5},
                    "['timeout'] must be a timedelta of at least 100 milliseconds and at most 1 minute, not 5",
                ),
                ({"timeout": datetime.timedelta(0)}, "['timeout'] must be a timedelta of at least"),
                ({"timeout": HOUR}, "['timeout'] must be a timedelta of at least"),
                ({"allow_http": 1}, "['allow_http'] must be True or False, not 1"),
            ]
        ),
        *(
            ({"TRUSTED_ISSUERS": {issuer: {}}}, f"JWTAUTH['TRUSTED_ISSUERS'][{issuer!r}]{rest}")
            for issuer, rest in [
                ("", ": an issuer must be a str that is not empty"),
                (5, ": an issuer must be a str that is not empty and has no control characters, not 5"),
                ("a\nb", ": an issuer must be a str that is not empty"),
                ("http://a.example", ": issuer: it must be an https URL"),
                ("partner", ": issuer: it is not an https URL"),
                ("https://user:password@a.example", ": issuer: this URL must not hold a user name"),
            ]
        ),
        ({"COOKIES": None}, "JWTAUTH['COOKIES'] must be a dict, not None"),
        ({"COOKIES": ["domain"]}, "JWTAUTH['COOKIES'] must be a dict, not list"),
        *(
            ({"COOKIES": cookies}, f"JWTAUTH['COOKIES']{rest}")
            for cookies, rest in [
                ({"colour": False}, " has no key 'colour'; it knows access_name, domain, refresh_name, refresh_path, "),
                ({"httponly": False}, " has no key 'httponly'"),
                ({"secure": 0}, "['secure'] must be True or False, not 0"),
                ({"domain": ""}, "['domain'] must be a str"),
                ({"domain": ["example.com"]}, "['domain'] must be a str"),
                ({"samesite": False}, "['samesite'] must be 'Strict', 'Lax' or 'None', not False"),
                ({"access_name": ""}, "['access_name'] must be a str"),
                ({"refresh_name": b"r"}, "['refresh_name'] must be a str"),
                ({"refresh_path": None}, "['refresh_path'] must be a str"),
                ({"access_name": "a b"}, "['access_name'] must be a str that is the name of a cookie"),
                ({"access_name": "a=b"}, "['access_name'] must be a str that is the name of a cookie"),
                ({"refresh_name": "r;"}, "['refresh_name'] must be a str that is the name of a cookie"),
                ({"refresh_name": "é"}, "['refresh_name'] must be a str that is the name of a cookie"),
                ({"secure": False, "access_name": "__Host-a"}, ": access_name begins with __Secure- or __Host-, which"),
                ({"secure": False, "access_name": "__secure-a"}, ": access_name begins with __Secure- or __Host-"),
                ({"secure": False, "refresh_name": "__Secure-r"}, ": refresh_name begins with __Secure- or __Host-"),
                ({"access_name": "a", "refresh_name": "a"}, ": access_name and refresh_name must be different"),
                ({"domain": "a.example", "access_name": "__host-a"}, ": access_name begins with __Host-, which allows"),
                ({"refresh_name": "__Host-r"}, ": refresh_name begins with __Host-, which needs refresh_path"),
                ({"refresh_name": "__HOST-r"}, ": refresh_name begins with __Host-, which needs refresh_path"),
                ({"samesite": "strict"}, "['samesite'] must be 'Strict', 'Lax' or 'None'"),
                ({"samesite": "None", "secure": False}, ": samesite 'None' needs 'secure'"),
                (
                    {"domain": "a.example; Path=/"},
                    "['domain'] must be a str that is the name of a domain, like 'example.com', or None",
                ),
                (
                    {"domain": "a..example"},
                    "['domain'] must be a str that is the name of a domain, like 'example.com', or None",
                ),
                (
                    {"domain": "https://a.example"},
                    "['domain'] must be a str that is the name of a domain, like 'example.com', or None",
                ),
                ({"refresh_path": "auth/"}, "['refresh_path'] must be a str that is a path"),
                ({"refresh_path": "/auth; Domain=a.example"}, "['refresh_path'] must be a str that is a path"),
                ({"refresh_path": "/küche/"}, "['refresh_path'] must be a str that is a path"),
            ]
        ),
        ({"ISUER": "x"}, "JWTAUTH has no setting 'ISUER'"),
        ({1: "x"}, "JWTAUTH has no setting 1"),
        (["ISSUER"], "JWTAUTH must be a dict, not list"),
        (None, "JWTAUTH must be a dict, not NoneType"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_is_an_error_that_names_it(given, named):
    (problem,) = problems_of(given)
    assert problem.startswith(named)


@each_row(
    ("given", "ends"),
    [
        ({"ISUER": "x"}, "JWTAUTH has no setting 'ISUER'. Did you mean 'ISSUER'?"),
        ({"leeway": 1}, "Did you mean 'LEEWAY'?"),
        ({"COOKIES": {"samesight": "Lax"}}, "Did you mean 'samesite'?"),
        (
            {"SIGNING_KEY": "x"},
            "Did you mean 'SIGNING_KEYS'? This is a setting of Simple JWT: \"Migrating from Simple JWT\" "
            "in the documentation has its counterpart.",
        ),
        (
            {"ROTATE_REFRESH_TOKENS": True},
            'This is a setting of Simple JWT: "Migrating from Simple JWT" in the documentation has its counterpart.',
        ),
        ({"NONSENSE": 1}, ", TRUSTED_ISSUERS, USER_AUTHENTICATION_RULE."),
    ],
    ids=str,
)
def test_an_unknown_setting_gets_a_hint(given, ends):
    (problem,) = problems_of(given)
    assert problem.endswith(ends)


def test_an_unknown_setting_that_resembles_none_gets_no_hint():
    (problem,) = problems_of({"NONSENSE": 1})
    assert problem.endswith(f", {max(each.key for each in conf.SETTINGS)}.")


def test_every_setting_of_simple_jwt_gets_a_pointer():
    table = section(page("docs/migrating.md"), "## Settings")
    theirs = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) - {each.key for each in conf.SETTINGS}
    assert theirs == set(SIMPLE_JWT)


def test_all_problems_are_named_at_once():
    problems = problems_of({"ISSUER": 1, "LEEWAY": 2, "NONSENSE": 3, "THROTTLE_RATES": {"a": 1, "login": 2}})
    assert len(problems) == 5
    text = str(conf.InvalidSettingsError(problems))
    assert text.splitlines() == problems


def test_all_problems_of_all_issuers_are_named_at_once():
    problems = problems_of(
        {
            "TRUSTED_ISSUERS": {
                "https://a.example": {"jwks_url": 1, "timeout": 2, "nonsense": 3},
                "https://b.example": {"allow_http": None},
                "https://c.example": {},
                "http://d.example": {},
            }
        }
    )
    assert [problem.split("example")[0][-3:] for problem in problems] == ["/a."] * 3 + ["/b.", "/d."]


def test_a_public_key_cannot_stand_first():
    public = Key.generate("ES256").public_jwk()
    (problem,) = problems_of({"SIGNING_KEYS": [public]})
    assert problem.startswith("JWTAUTH['SIGNING_KEYS']: The first key signs")


@each_row(
    "given",
    [
        {"SIGNING_KEYS": SECRET},
        {"SIGNING_KEYS": SECRET.encode()},
        {"SIGNING_KEYS": [SECRET]},
        {"SIGNING_KEYS": [{"alg": "HS512", "secret": SECRET[:30]}]},
        {"SIGNING_KEYS": [{"alg": "HS512", "secret": [SECRET]}]},
        {"SIGNING_KEYS": [{"alg": "ES256", "pem": SECRET}]},
        {"SIGNING_KEYS": [{"alg": "ES256", "secret": SECRET}]},
        {"SIGNING_KEYS": [{"kty": "oct", "k": SECRET}]},
        {"SIGNING_KEYS": [{"kty": "oct", "alg": "HS512", "k": SECRET[:30]}]},
        {"SIGNING_KEYS": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "d": SECRET, "x": SECRET, "y": SECRET}]},
        {"SIGNING_KEYS": {"secret": SECRET}},
        {"NUM_PROXIES": SECRET},
        {"LEEWAY": SECRET},
        {"CLAIMS_HOOKS": SECRET},
        {"CLAIMS": SECRET},
        {"CLAIMS": {"mail": [SECRET]}},
        {"SCOPES": SECRET},
        {"AUDIENCES": [SECRET, 5]},
        {"AUDIENCE": {SECRET}},
        {"THROTTLE_RATES": {"login": SECRET}},
        {"MAX_TOKEN_LENGTH": [SECRET]},
        {"REVOCATION_FAIL_OPEN": SECRET},
        {"TRUSTED_ISSUERS": SECRET},
        {"TRUSTED_ISSUERS": {"https://a.example": SECRET}},
        {"TRUSTED_ISSUERS": {"https://a.example": {"jwks_url": f"https://user:{SECRET}@a.example/keys"}}},
        {"TRUSTED_ISSUERS": {"https://a.example": {"jwks_url": [SECRET], "timeout": SECRET, "allow_http": SECRET}}},
        {"TRUSTED_ISSUERS": {"https://a.example": {"revocations_url": f"http://a.example/{SECRET}"}}},
        SECRET,
    ],
    ids=lambda given: str(given).replace(SECRET, "…"),
)
def test_no_message_gives_a_value_away_that_may_be_a_secret(given):
    messages = " ".join(problems_of(given))
    assert messages
    assert SECRET[:12] not in messages


def test_keys_are_not_shown_when_the_settings_are_printed():
    with override_settings(JWTAUTH={"SIGNING_KEYS": [{"alg": "HS512", "secret": SECRET}]}):
        config = conf.get_config()
        assert SECRET[:12] not in repr(config) + repr(config.signing_keys) + repr(list(config.signing_keys))


def test_nested_settings_are_merged_over_their_defaults():
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login": None, "refresh": "5/h"}}):
        rates = conf.get_config().throttle_rates
    assert rates == {
        "login": None,
        "login_address": conf.Rate(limit=60, seconds=60),
        "login_username": conf.Rate(limit=100, seconds=3600),
        "refresh": conf.Rate(limit=5, seconds=3600),
    }


@each_row(
    ("text", "seconds"), [("3/s", 1), ("3/sec", 1), ("3/minute", 60), ("3/m", 60), ("3/hour", 3600), ("3/day", 86400)]
)
def test_rates_are_written_as_in_rest_framework(text, seconds):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login": text}}):
        assert conf.get_config().throttle_rates["login"] == conf.Rate(limit=3, seconds=seconds)


def test_the_staleness_allowed_follows_the_access_token_lifetime():
    with override_settings(JWTAUTH={"ACCESS_TOKEN_LIFETIME": HOUR}):
        assert conf.get_config().revocation_max_staleness == HOUR


def test_a_very_short_access_token_lifetime_needs_no_other_setting():
    with override_settings(JWTAUTH={"ACCESS_TOKEN_LIFETIME": datetime.timedelta(seconds=1)}):
        assert conf.get_config().revocation_max_staleness == datetime.timedelta(seconds=4)


def test_without_the_setting_the_defaults_hold(settings):
    settings.JWTAUTH = {}
    given = conf.get_config()
    del settings.JWTAUTH
    assert conf.get_config().issuer == given.issuer == "django-jwtauth"


@pytest.mark.parametrize("secret", ["another-secret-key", b"\xff secret key in bytes"])
def test_another_secret_key_makes_tokens_worthless_unless_the_old_one_is_a_fallback(pair, settings, secret):
    old = settings.SECRET_KEY
    settings.SECRET_KEY = secret
    for verify in (conf.get_config().verifier.verify, sessions.find_by_refresh_token):
        with pytest.raises(InvalidTokenError):
            verify(pair.access if verify != sessions.find_by_refresh_token else pair.refresh)
    settings.SECRET_KEY_FALLBACKS = [secret, old]
    assert conf.get_config().verifier.verify(pair.access).sid == str(pair.session.pk)
    assert sessions.find_by_refresh_token(pair.refresh) == pair.session


def test_another_setting_does_not_make_the_settings_be_read_anew():
    before = conf.get_config()
    with override_settings(TIME_ZONE="UTC"):
        assert conf.get_config() is before


def test_every_purpose_has_a_key_of_its_own():
    config = conf.get_config()
    (signing,), (refreshing,) = config.signing_keys, config.refresh_keys
    assert signing.thumbprint != refreshing.thumbprint
    assert config.signing_keys.public_jwks() == {"keys": []}


def test_retention_is_longer_than_any_access_token_lives():
    with override_settings(JWTAUTH={"ACCESS_TOKEN_LIFETIME": HOUR, "LEEWAY": datetime.timedelta(minutes=1)}):
        assert conf.get_config().revocation_retention == datetime.timedelta(minutes=67)


@pytest.mark.parametrize("fallbacks", [[""], [b""], [None], [1]])
def test_a_secret_key_that_anybody_could_derive_from_is_refused(settings, fallbacks):
    settings.SECRET_KEY_FALLBACKS = fallbacks
    with pytest.raises(conf.InvalidSettingsError) as caught:
        conf.get_config()
    assert caught.value.problems == ["SECRET_KEY and each of SECRET_KEY_FALLBACKS must be str or bytes and not empty."]


@pytest.mark.parametrize("fallbacks", [[], ["a fallback that could be used"]])
def test_a_secret_key_that_is_no_text_is_refused_once(settings, fallbacks):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = 5, fallbacks
    with pytest.raises(conf.InvalidSettingsError) as caught:
        conf.get_config()
    assert caught.value.problems == ["SECRET_KEY and each of SECRET_KEY_FALLBACKS must be str or bytes and not empty."]


def test_a_fallback_that_is_the_key_itself_counts_once(settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY.encode(), settings.SECRET_KEY]
    assert len(conf.get_config().signing_keys) == 1


@pytest.mark.parametrize(
    "key",
    [
        "ACCESS_TOKEN_LIFETIME",
        "REFRESH_TOKEN_LIFETIME",
        "SESSION_LIFETIME",
        "REFRESH_GRACE_PERIOD",
        "REVOCATION_POLL_INTERVAL",
        "REVOCATION_MAX_STALENESS",
        "PURGE_REVOKED_AFTER",
    ],
)
def test_a_duration_that_no_date_could_hold_is_refused(settings, key):
    settings.JWTAUTH = {key: datetime.timedelta.max}
    with pytest.raises(conf.InvalidSettingsError, match=key):
        conf.get_config()


@each_row("name", ["SCOPES", "AUDIENCES"])
@each_row("given", [None, [], ("a", "b"), ["a"], len, "project.auth.names"], ids=repr)
def test_names_may_be_listed_or_computed(name, given):
    with override_settings(JWTAUTH={name: given}):
        value = getattr(conf.get_config(), name.lower())
    assert value == (tuple(given) if isinstance(given, list | tuple) else given)


def test_paths_of_claims_are_read_once():
    with override_settings(JWTAUTH={"CLAIMS": {"org": "profile.organisation_id", "https://example.com/sub": "email"}}):
        claims = conf.get_config().claims
    assert claims == {"org": ("profile", "organisation_id"), "https://example.com/sub": ("email",)}
