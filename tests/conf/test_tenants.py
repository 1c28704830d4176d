"""The settings of tenants: what is refused, what each tenant gets, and how much a process keeps."""

import hashlib

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings

from django_jwtauth import conf, revocation_cache, tenant_checks, tenants
from django_jwtauth._core import per_tenant
from django_jwtauth._core.per_tenant import PerTenant
from django_jwtauth.keys import Key
from django_jwtauth.models import RefreshToken
from tests.tools.conf import NAMED, SECRET, problems_of
from tests.tools.products import each_row
from tests.tools.tokens import NOW, token

KEYS = [{"alg": "HS512", "secret": SECRET}]
_current = []


def current():
    """``TENANT`` of these tests."""
    return _current[-1]


@pytest.fixture(autouse=True)
def _acme():
    _current[:] = ["acme"]


def config_of(tenant):
    _current.append(tenant)
    return conf.get_config()


# What cannot work


@each_row(
    ("given", "named"),
    [
        ({"TENANT": "no_path"}, "JWTAUTH['TENANT'] must be"),
        ({"TENANT": 5}, "JWTAUTH['TENANT'] must be"),
        ({"TENANT_SETTINGS": {}, "TENANT": current}, "JWTAUTH['TENANT_SETTINGS'] must be"),
        ({"TENANT_CONTEXT": True, "TENANT": current}, "JWTAUTH['TENANT_CONTEXT'] must be"),
        ({"TENANT_SETTINGS": "a.b"}, "JWTAUTH['TENANT_SETTINGS'] needs JWTAUTH['TENANT']"),
        ({"TENANT_CONTEXT": "a.b"}, "JWTAUTH['TENANT_CONTEXT'] needs JWTAUTH['TENANT']"),
        ({"ISSUER": "https://{tenant}.example.com"}, "JWTAUTH['ISSUER'] holds {tenant}, and needs JWTAUTH['TENANT']"),
        ({"AUDIENCE": ["a", "{tenant}"]}, "JWTAUTH['AUDIENCE'] holds {tenant}, and needs JWTAUTH['TENANT']"),
        ({"TENANT": current, "SIGNING_KEYS": KEYS}, "JWTAUTH['SIGNING_KEYS'] and JWTAUTH['ISSUER'] are the same for"),
    ],
)
def test_settings_that_cannot_work_are_named(given, named):
    (problem,) = problems_of(given)
    assert problem.startswith(named)


def test_a_service_that_issues_nothing_has_no_tenants(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jwtauth"]
    problems = problems_of({"TENANT": current})
    assert problems == ["JWTAUTH['TENANT'] is for issuers, and 'django_jwtauth' is not in INSTALLED_APPS."]


@pytest.mark.parametrize(
    ("name", "words"),
    [(None, "not None"), ("", "not str of length 0"), (5, "not 5"), ("a\nb", "not str of length 3"), (b"a", "bytes")],
)
def test_a_name_that_is_none_is_refused(settings, name, words):
    settings.JWTAUTH = {"TENANT": lambda: name}
    with pytest.raises(
        ImproperlyConfigured, match=r"^JWTAUTH\['TENANT'\] must return the name of the current"
    ) as error:
        conf.get_config()
    assert words in str(error.value)


@pytest.mark.parametrize("source", ["django_jwtauth.nothing", "tests.conf.test_tenants.fails"])
def test_a_function_that_fails_is_not_replaced_by_a_default(settings, source):
    settings.JWTAUTH = {"TENANT": source}
    with pytest.raises(ImproperlyConfigured, match=r"^JWTAUTH\['TENANT'\] does not name the current tenant: "):
        conf.get_config()


def fails(*tenant):
    raise LookupError("nothing here")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (fails, "fails for the tenant 'acme': LookupError"),
        ("django_jwtauth.nothing", "fails for the tenant 'acme': ImportError"),
        (lambda tenant: None, "must return a dict for the tenant 'acme', not None"),
        (lambda tenant: {"ISSUER": ""}, "JWTAUTH, for the tenant 'acme',['ISSUER'] must be a str"),
        (lambda tenant: {"SIGNING_KEYS": []}, "JWTAUTH, for the tenant 'acme',['SIGNING_KEYS'] must be a list"),
        (lambda tenant: {"LEEWAY": 1}, "JWTAUTH, for the tenant 'acme', has no setting of a tenant 'LEEWAY'; it knows"),
        (lambda tenant: {"ISSUER": "other"}, "JWTAUTH['TRUSTED_ISSUERS'] names 'other', which is the tenant 'acme'"),
    ],
)
def test_settings_of_a_tenant_that_cannot_be_used_are_named(settings, source, words):
    settings.JWTAUTH = {
        "TENANT": current,
        "TENANT_SETTINGS": source,
        "TRUSTED_ISSUERS": {"other": {**NAMED, "audience": "here"}},
    }
    for _ in range(2):  # a failure is not remembered as a success
        with pytest.raises(ImproperlyConfigured) as error:
            conf.get_config()
        assert words in str(error.value)


def test_a_tenant_that_would_accept_another_one_s_tokens_is_refused(settings):
    shared = Key.generate("ES256").private_pem()

    def same_for_two(tenant):
        own = [{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}]
        is_alone = tenant == "initech"
        return {"SIGNING_KEYS": own if is_alone else [*own, {"alg": "ES256", "pem": shared}]}

    settings.JWTAUTH = {"TENANT": current, "TENANT_SETTINGS": same_for_two}
    config_of("acme"), config_of("initech")
    with pytest.raises(ImproperlyConfigured, match="'acme' and 'globex' have the same issuer 'django-jwtauth' and"):
        config_of("globex")
    assert config_of("acme").tenant == "acme"


# What each tenant gets


def test_each_tenant_has_keys_of_its_own(settings):
    settings.JWTAUTH = {"TENANT": "tests.conf.test_tenants.current"}
    acme, globex = config_of("acme"), config_of("globex")
    for name in ("signing_keys", "refresh_keys"):
        kids = {getattr(each, name).signing_key.kid for each in (acme, globex, conf.get_shared_config())}
        assert len(kids) == 3
    assert len({acme.throttle_key, globex.throttle_key}) == 2
    assert config_of("acme") is acme


def test_fallbacks_of_the_secret_key_verify_for_each_tenant(settings):
    settings.JWTAUTH = {"TENANT": current}
    before = {name: config_of(name).refresh_keys.signing_key.kid for name in ("acme", "globex")}
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-good-length-0123456789"
    for name, kid in before.items():
        assert kid in [key.kid for key in config_of(name).refresh_keys]
        assert kid != config_of(name).refresh_keys.signing_key.kid


def test_the_audience_follows_the_issuer_unless_it_is_given(settings):
    pattern = {"TENANT": current, "ISSUER": "https://{tenant}.example.com"}
    settings.JWTAUTH = pattern
    assert config_of("acme").audience == ("https://acme.example.com",)
    settings.JWTAUTH = {**pattern, "AUDIENCE": "all"}
    assert config_of("acme").audience == ("all",)
    settings.JWTAUTH = {**pattern, "TENANT_SETTINGS": lambda tenant: {"ISSUER": "https://one.example.com"}}
    assert config_of("acme").audience == ("https://one.example.com",)


def test_a_trusted_issuer_s_tokens_are_for_the_tenant_s_audience(settings):
    settings.JWTAUTH = {
        "TENANT": current,
        "AUDIENCE": "{tenant}",
        "TRUSTED_ISSUERS": {"other": NAMED, "third": {**NAMED, "audience": "here"}},
    }
    acme, globex = config_of("acme"), config_of("globex")
    assert acme.verifiers["other"].audience == ("acme",)
    assert globex.verifiers["other"].audience == ("globex",)
    # The keys are fetched once for all tenants.
    assert acme.verifiers["other"].keys is globex.verifiers["other"].keys
    assert acme.verifiers["third"] is globex.verifiers["third"]
    assert acme.verifiers.keys() == {"django-jwtauth", "other", "third"}


def test_without_tenants_nothing_is_named_and_nothing_more_is_derived(settings):
    settings.JWTAUTH = {}
    assert conf.get_config() is conf.get_shared_config()
    assert conf.get_config().tenant == ""


# How much is kept


def test_a_thousand_tenants_are_remembered_and_no_more(settings):
    settings.JWTAUTH = {"TENANT": current}
    made = [config_of(f"tenant-{number}") for number in range(1000)]
    assert config_of("tenant-0") is made[0]
    config_of("tenant-1000")
    assert config_of("tenant-0") is made[0]  # it was used after tenant-1
    assert len(conf._configs.items()) == per_tenant.MAX_TENANTS
    again = config_of("tenant-1")
    assert again is not made[1]
    assert again.signing_keys.signing_key.kid == made[1].signing_keys.signing_key.kid


def test_all_tenants_together_remember_as_many_tokens_as_the_setting_says(settings):
    settings.JWTAUTH = {"TENANT": current, "TOKEN_CACHE_SIZE": 3, "SIGNING_KEYS": KEYS, "ISSUER": "{tenant}"}
    whole = conf.get_shared_config().verifier._cache
    for number in range(5):
        verifier = config_of(f"tenant-{number}").verifier
        access = token(verifier.keys.signing_key, iss=verifier.issuer, aud=verifier.issuer)
        digest = hashlib.sha256(access.encode()).digest()
        assert verifier.verify(access, now=NOW) == verifier.recall(digest, now=NOW)
        assert config_of("tenant-x").verifier.recall(digest, now=NOW) is None
    assert verifier._cache is whole
    assert len(whole._entries) == 3
    assert config_of("tenant-4").verifier.recall(digest, now=NOW) is not None


def test_two_threads_that_come_first_at_once_get_the_same_object():
    def make(tenant):
        if not objects._made:
            objects._made[tenant] = first  # as another thread does meanwhile
        return object()

    objects, first = PerTenant(make), object()
    assert objects.get("acme") is first
    assert objects.get("acme") is first


def test_what_another_thread_has_evicted_meanwhile_does_no_harm(monkeypatch):
    class Contended(type(PerTenant(str)._made)):
        def move_to_end(self, key, last=True):
            raise KeyError(key)

        def popitem(self, last=True):
            super().popitem(last)
            raise KeyError("empty")

    objects = PerTenant(str.upper)
    objects._made = Contended()
    monkeypatch.setattr(per_tenant, "MAX_TENANTS", 1)
    assert [objects.get(name) for name in ("acme", "acme", "globex")] == ["ACME", "ACME", "GLOBEX"]
    assert objects.items() == [("globex", "GLOBEX")]


def test_a_list_of_a_tenant_is_forgotten_with_the_others(settings):
    settings.JWTAUTH = {"TENANT": current}
    known = revocation_cache._current_list()
    assert known is revocation_cache._current_list()
    assert known.tenant == "acme"
    revocation_cache.forget()
    assert revocation_cache._current_list() is not known


# Checks


def check(settings, **given):
    settings.JWTAUTH = {"TENANT": current, **given}
    return tenant_checks.check_tenants()


def without_arguments():
    return {}


async def asynchronous(*tenant):
    return "acme"


def number(*tenant) -> int:
    return 5


def mapping(tenant) -> dict[str, str]:
    return {}


def name() -> str:
    return "acme"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TENANT": "django_jwtauth.nothing"}, "cannot be imported"),
        ({"TENANT": mapping}, "cannot be called with no arguments"),
        ({"TENANT": asynchronous}, "is async"),
        ({"TENANT": number}, "is annotated to return otherwise"),
        ({"TENANT_SETTINGS": without_arguments}, "cannot be called with the name of a tenant"),
        ({"TENANT_SETTINGS": asynchronous}, "is async"),
        ({"TENANT_SETTINGS": number}, "is annotated to return otherwise"),
        ({"TENANT_CONTEXT": without_arguments}, "cannot be called with the name of a tenant"),
    ],
)
def test_a_function_that_cannot_work_is_reported(settings, given, words):
    (found,) = check(settings, **given)
    assert found.id == "jwtauth.E012"
    assert found.msg.startswith(f"JWTAUTH['{[*given][-1]}'] ")
    assert words in found.msg


def test_functions_that_work_are_not(settings):
    assert check(settings, TENANT=name, TENANT_SETTINGS=mapping, TENANT_CONTEXT=override_settings.__init__) == []
    assert check(settings, TENANT=tenants.schema_name) == []
    settings.JWTAUTH = {}
    assert tenant_checks.check_tenants() == []
    settings.JWTAUTH = {"TENANT": 5}
    assert tenant_checks.check_tenants() == []


@each_row(
    ("given", "is_reported"),
    [
        ({}, False),
        ({"TENANT_APPS": ["django.contrib.auth", "django_jwtauth"]}, True),
        ({"TENANT_APPS": ["django_jwtauth.apps.JWTAuthConfig"]}, True),
        ({"TENANT_APPS": ["django.contrib.auth"]}, False),
        ({"TENANT_TYPES": {"public": {}, "shop": {"APPS": ["django_jwtauth"]}}}, True),
        ({"TENANT_TYPES": {"public": {"APPS": ["shop"]}}}, False),
        ({"TENANT_APPS": ["django_jwtauth"], "JWTAUTH": {"TENANT": name}}, False),
        ({"TENANT_APPS": ["django_jwtauth"], "JWTAUTH": {"TENANT": 5}}, False),
    ],
)
def test_schemas_that_are_not_told_apart_are_reported(given, is_reported):
    with override_settings(**given):
        found = tenant_checks.check_schemas()
    assert [message.id for message in found] == ["jwtauth.W022"] * is_reported


def test_the_checks_need_no_tenant(settings):
    settings.JWTAUTH = {"TENANT": fails, "TENANT_SETTINGS": fails, "TENANT_CONTEXT": mapping}
    found = [each.id for each in checks.run_checks(include_deployment_checks=True, tags=["security"])]
    # The cache of these tests belongs to one process.
    assert [name for name in found if name.startswith("jwtauth")] == ["jwtauth.W002"]


# The schema


def test_the_name_of_the_schema_is_the_connection_s(settings, monkeypatch):
    settings.JWTAUTH = {"TENANT": "django_jwtauth.tenants.schema_name"}
    with pytest.raises(ImproperlyConfigured, match="AttributeError"):
        conf.get_config()  # the database of these tests has no schemas
    monkeypatch.setattr(connections[RefreshToken.write_alias()], "schema_name", "acme", raising=False)
    assert conf.get_config().tenant == "acme"
