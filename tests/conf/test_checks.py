"""The system checks: each one is triggered, and correct settings give no message."""

import collections.abc
import datetime
import functools
import typing

import pytest
from django.contrib.admin.models import LogEntry
from django.core import checks as django_checks
from django.db import connections
from django.test import override_settings

from django_jwtauth import checks, service_checks
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.keys import Key
from tests.tools.conf import HOUR
from tests.tools.products import each_row

OURS = "django_jwtauth.authentication.JWTAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"
SHARED_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://localhost"}}
FILE_CACHE = {
    "CACHES": {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": ".pytest_tmp/cache"}
    }
}
DATABASE_CACHE = "django.core.cache.backends.db.DatabaseCache"
HOOKS = "tests.conf.test_checks."


def good_hook(user, *, request, session):
    return {}


def hook_without_session(user, *, request):
    return {}


async def async_hook(user, *, request, session):
    return {}


def typed_hook(user, *, request, session) -> "dict[str, object]":
    return {}


def hook_of_a_list(user, *, request, session) -> list[str]:
    return []


def hook_of_nothing(user, *, request, session) -> None:
    pass


def names(user, *, request, session) -> "collections.abc.Iterator[str]":
    yield "orders:read"


def one_text(user, *, request, session) -> str:
    return "orders:read"


def names_or_none(user, *, request, session) -> list[str] | None:
    return []


def strangely_typed(user, *, request, session) -> "NoSuchType":  # noqa: F821
    return []


def good_rule(user) -> bool:
    return True


def rule_of_two(user, request):
    return True


def rule_of_a_text(user) -> str:
    return "yes"


async def async_rule(user):
    pass


class Claims(typing.TypedDict):
    tenant: str


def typed_dict_hook(user, *, request, session) -> Claims:
    return {"tenant": "acme"}


def anything(user, *, request, session) -> typing.Any:
    return {}


class Names:
    """A callable object."""

    def __call__(self, user, *, request, session):
        return []


def names_of(first, user, *, request, session):
    return [first]


not_callable = {}


class OwnAuthentication(JWTAuthentication):
    """A project's subclass of ours."""


class UsersElsewhere:
    def db_for_write(self, model, **hints):
        return "users" if model._meta.label == "auth.User" else None


def jwtauth(**given):
    return {"JWTAUTH": given}


def asymmetric(**given):
    return jwtauth(SIGNING_KEYS=[{"alg": "ES256", "pem": Key.generate("ES256").private_pem()}], **given)


def for_others(**given):
    return asymmetric(ISSUER="https://auth.example.com", **given)


def trusting(issuer, **entry):
    return jwtauth(TRUSTED_ISSUERS={issuer: {"audience": "orders", **entry}})


def classes(*names):
    return {"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": names, "DEFAULT_PERMISSION_CLASSES": []}}


def found():
    """Run all checks, on settings that would be correct in production except for what the test changes."""
    modules = (service_checks, checks)
    each = [check for module in modules for check in (*module.CHECKS, *module.DEPLOY_CHECKS)]
    return [message for check in each for message in check(app_configs=None)]


PROVOKED = [
    ("jwtauth.E001", jwtauth(ISSUER=5)),
    ("jwtauth.E002", jwtauth(CLAIMS_HOOKS=[HOOKS + "no_such_hook"])),
    ("jwtauth.E010", jwtauth(USER_AUTHENTICATION_RULE=HOOKS + "no_such_rule")),
    ("jwtauth.E010", jwtauth(USER_AUTHENTICATION_RULE=HOOKS + "rule_of_two")),
    ("jwtauth.E010", jwtauth(USER_AUTHENTICATION_RULE=HOOKS + "rule_of_a_text")),
    ("jwtauth.E010", jwtauth(USER_AUTHENTICATION_RULE=HOOKS + "async_rule")),
    ("jwtauth.E003", jwtauth(CLAIMS_HOOKS=[HOOKS + "hook_without_session"])),
    ("jwtauth.E003", jwtauth(CLAIMS_HOOKS=[HOOKS + "not_callable"])),
    ("jwtauth.E004", jwtauth(CLAIMS_HOOKS=[HOOKS + "async_hook"])),
    ("jwtauth.E003", jwtauth(CLAIMS_HOOKS=[HOOKS + "hook_of_a_list"])),
    ("jwtauth.E003", jwtauth(CLAIMS_HOOKS=[HOOKS + "hook_of_nothing"])),
    ("jwtauth.E005", jwtauth(SUBJECT_FIELD="no_such_field")),
    ("jwtauth.E013", jwtauth(SUBJECT_FIELD="groups")),
    ("jwtauth.E006", jwtauth(SUBJECT_FIELD="email")),
    ("jwtauth.E007", {"DATABASE_ROUTERS": ["tests.conf.test_checks.UsersElsewhere"]}),
    ("jwtauth.E009", jwtauth(CLAIMS={"org": "organisation_id"})),
    ("jwtauth.W001", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}),
    ("jwtauth.W001", {"USE_X_FORWARDED_HOST": True}),
    ("jwtauth.W002", {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}),
    ("jwtauth.W002", {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}}),
    ("jwtauth.W002", {"CACHES": {"default": {"BACKEND": "tests.tools.caches.OwnLocMemCache"}}}),
    ("jwtauth.W002", FILE_CACHE),
    ("jwtauth.W002", {"CACHES": {"default": {"BACKEND": DATABASE_CACHE, "LOCATION": "cache"}}}),
    (
        "jwtauth.W002",
        {"CACHES": {"default": {"BACKEND": "tests.tools.caches.TimedFileCache", "LOCATION": ".pytest_tmp/cache"}}},
    ),
    ("jwtauth.W003", jwtauth(REFRESH_GRACE_PERIOD=datetime.timedelta(0))),
    ("jwtauth.W014", jwtauth(REFRESH_RETRY_PERIOD=HOUR / 120)),
    ("jwtauth.W014", jwtauth(REFRESH_RETRY_PERIOD=360 * HOUR)),
    ("jwtauth.W014", jwtauth(REFRESH_RETRY_PERIOD=2 * HOUR, SESSION_LIFETIME=HOUR)),
    ("jwtauth.W004", asymmetric()),
    ("jwtauth.W004", asymmetric(ISSUER="http://auth.example.com")),
    ("jwtauth.W004", asymmetric(ISSUER="http://127.example.com")),
    ("jwtauth.W004", asymmetric(ISSUER="auth.example.com")),
    ("jwtauth.W004", asymmetric(ISSUER="http://")),
    ("jwtauth.W004", asymmetric(ISSUER="https://")),
    ("jwtauth.W004", asymmetric(ISSUER="https:auth.example.com")),
    ("jwtauth.W004", asymmetric(ISSUER="https://[auth.example.com")),
    ("jwtauth.W005", jwtauth(REVOCATION_FAIL_OPEN=True)),
    ("jwtauth.W006", classes(SESSION, OURS)),
    ("jwtauth.W006", classes("rest_framework.authentication.BasicAuthentication", OwnAuthentication)),
    ("jwtauth.W007", trusting("http://auth.internal", allow_http=True)),
    ("jwtauth.W007", trusting("https://auth.example.com", allow_http=True)),
    ("jwtauth.W008", jwtauth(COOKIES={"secure": False})),
    ("jwtauth.W009", jwtauth(COOKIES={"domain": "example.com"})),
    ("jwtauth.W010", jwtauth(COOKIES={"samesite": "None"})),
    ("jwtauth.W031", {"REST_FRAMEWORK": {}}),
    ("jwtauth.W033", jwtauth(AUDIENCE=["a", "b"])),
    ("jwtauth.E031", jwtauth(AUTHENTICATION_CLASS="no.such.Class")),
]


@override_settings(CACHES=SHARED_CACHE)
@each_row(("id", "changes"), PROVOKED, ids=[id for id, _ in PROVOKED])
def test_each_check_finds_its_own_and_names_the_way_out(id, changes):
    with override_settings(**changes):
        (message,) = found()
    assert message.id == id
    assert message.msg
    assert message.hint
    assert message.level == (django_checks.ERROR if id.startswith("jwtauth.E") else django_checks.WARNING)


@override_settings(CACHES=SHARED_CACHE)
def test_a_database_without_a_known_clock_is_an_error(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "oracle")
    (message,) = found()
    assert message.id == "jwtauth.E008"
    assert message.hint


@override_settings(CACHES=SHARED_CACHE)
@each_row(
    "changes",
    [
        {},
        asymmetric(ISSUER="https://auth.example.com"),
        # On this machine, nobody else can answer in its place.
        asymmetric(ISSUER="http://localhost:8000"),
        asymmetric(ISSUER="http://127.0.0.1:8000"),
        asymmetric(ISSUER="http://[::1]:8000"),
        trusting("https://auth.example.com"),
        trusting("http://localhost:8000", allow_http=False),
        jwtauth(CLAIMS_HOOKS=[HOOKS + "good_hook"], SUBJECT_FIELD="username"),
        jwtauth(USER_AUTHENTICATION_RULE=HOOKS + "good_rule"),
        jwtauth(USER_AUTHENTICATION_RULE=good_rule),
        jwtauth(REFRESH_RETRY_PERIOD=12 * HOUR),
        {
            "CSRF_COOKIE_SAMESITE": "None",
            **jwtauth(COOKIES={"secure": True, "domain": None, "samesite": "None", "refresh_path": "/api/"}),
        },
        jwtauth(
            CLAIMS_HOOKS=[HOOKS + name for name in ("typed_hook", "typed_dict_hook", "strangely_typed", "anything")]
        ),
        jwtauth(CLAIMS_HOOKS=[f"django_jwtauth.hooks.{name}" for name in ("groups", "permissions", "staff")]),
        jwtauth(CLAIMS={"email": "email", "key": "pk", "staff": "is_staff", "known": "is_authenticated"}),
        for_others(SCOPES=names, AUDIENCES=HOOKS + "names"),
        for_others(SCOPES=["orders:read"], AUDIENCES=["https://stock.example.com"]),
        for_others(SCOPES=functools.partial(names_of, "orders:read"), AUDIENCES=Names()),
        for_others(SCOPES=names_or_none, AUDIENCES=strangely_typed),
        {"USE_X_FORWARDED_HOST": True, **jwtauth(NUM_PROXIES=1)},
        classes(OURS, SESSION),
        classes(OwnAuthentication, SESSION),
        classes(SESSION),
        classes("no.such.Class", OURS),
        {"REST_FRAMEWORK": {"DEFAULT_PERMISSION_CLASSES": []}},
        {
            "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            **jwtauth(THROTTLE_RATES=dict.fromkeys(["login", "login_address", "login_username", "refresh"])),
        },
        {"CACHES": {"default": {"BACKEND": "tests.tools.caches.OwnCountingCache"}}},
        {"CACHES": {"default": {"BACKEND": "no.such.Cache"}}},
        {
            **FILE_CACHE,
            **jwtauth(THROTTLE_RATES=dict.fromkeys(["login", "login_address", "login_username", "refresh"])),
        },
    ],
    ids=[
        "defaults",
        "https",
        "localhost",
        "loopback",
        "loopback-6",
        "trusted",
        "trusted-localhost",
        "hook",
        "rule",
        "rule itself",
        "retries",
        "cookies",
        "typed hooks",
        "our hooks",
        "claims",
        "callables",
        "lists",
        "objects",
        "odd types",
        "proxies",
        "ours-first",
        "own-first",
        "no-ours",
        "unknown",
        "no-drf",
        "no-rates",
        "own-cache",
        "unusable-cache",
        "no-rates-in-files",
    ],
)
def test_sound_settings_give_no_message(changes):
    with override_settings(**changes):
        assert found() == []


@override_settings(CACHES=SHARED_CACHE)
def test_settings_that_cannot_be_read_are_reported_once_and_by_no_other_check():
    with override_settings(**jwtauth(ISSUER=1, NONSENSE=2), USE_X_FORWARDED_HOST=True):
        messages = found()
    assert [message.id for message in messages] == ["jwtauth.E001", "jwtauth.E001"]
    assert "ISSUER" in messages[0].msg
    assert "NONSENSE" in messages[1].msg


@override_settings(CACHES=SHARED_CACHE)
def test_each_issuer_over_http_is_named():
    entries = {f"http://{name}.internal": {"allow_http": True} for name in "ab"}
    with override_settings(**jwtauth(TRUSTED_ISSUERS={**entries, "https://c.example.com": {}})):
        messages = found()
    assert [(message.id, message.msg.split("'")[1]) for message in messages] == [
        ("jwtauth.W007", "http://a.internal"),
        ("jwtauth.W007", "http://b.internal"),
    ]


@override_settings(CACHES=SHARED_CACHE)
def test_cookies_of_a_domain_over_http_are_two_findings():
    with override_settings(**jwtauth(COOKIES={"secure": False, "domain": "example.com"})):
        assert [message.id for message in found()] == ["jwtauth.W008", "jwtauth.W009"]


FOR_NAMES = [
    ("jwtauth.E002", HOOKS + "no_such_function", "'tests.conf.test_checks.no_such_function' cannot be imported"),
    ("jwtauth.E002", "orders.read", "'orders.read' cannot be imported"),
    ("jwtauth.E003", hook_without_session, "'hook_without_session' cannot be called"),
    ("jwtauth.E003", HOOKS + "hook_without_session", "'tests.conf.test_checks.hook_without_session' cannot be called"),
    ("jwtauth.E003", HOOKS + "not_callable", "'tests.conf.test_checks.not_callable' cannot be called"),
    ("jwtauth.E003", functools.partial(names_of), "functools.partial(<function names_of"),
    ("jwtauth.E003", one_text, "'one_text' is annotated to return the wrong type"),
    ("jwtauth.E003", HOOKS + "hook_of_nothing", "'tests.conf.test_checks.hook_of_nothing' is annotated to return"),
    ("jwtauth.E004", async_hook, "'async_hook' is async"),
    ("jwtauth.E004", HOOKS + "async_hook", "'tests.conf.test_checks.async_hook' is async"),
]


@override_settings(CACHES=SHARED_CACHE)
@each_row("setting", ["SCOPES", "AUDIENCES"])
@each_row(("id", "source", "problem"), FOR_NAMES, ids=[problem for _, _, problem in FOR_NAMES])
def test_what_computes_scopes_and_audiences_is_checked_as_hooks_are(setting, id, source, problem):
    with override_settings(**for_others(**{setting: source})):
        (message,) = found()
    assert message.id == id
    assert message.msg.startswith(f"JWTAUTH['{setting}'] {problem}")
    assert ("iterable of names" in message.hint) == (id == "jwtauth.E003")


def challenge(user, *, request) -> dict[str, str] | None:
    return None


def no_challenge(user, *, request) -> None:
    return None


def challenge_of_a_word(user, *, request) -> str:
    return "second_factor"


@override_settings(CACHES=SHARED_CACHE)
@pytest.mark.parametrize("source", [challenge, no_challenge, HOOKS + "hook_without_session"])
def test_a_challenge_is_called_without_a_session(source):
    with override_settings(**jwtauth(SIGN_IN_CHALLENGE=source)):
        assert found() == []


@override_settings(CACHES=SHARED_CACHE)
@pytest.mark.parametrize(
    ("id", "source"),
    [
        ("jwtauth.E002", HOOKS + "no_such_function"),
        ("jwtauth.E003", good_hook),
        ("jwtauth.E003", challenge_of_a_word),
        ("jwtauth.E003", HOOKS + "not_callable"),
    ],
)
def test_a_challenge_that_cannot_work_is_found_as_a_hook_is(id, source):
    with override_settings(**jwtauth(SIGN_IN_CHALLENGE=source)):
        (message,) = found()
    assert (message.id, message.msg.startswith("JWTAUTH['SIGN_IN_CHALLENGE'] ")) == (id, True)
    assert ("def hook(user, *, request), and return a mapping or None" in message.hint) == (id == "jwtauth.E003")


@override_settings(CACHES=SHARED_CACHE)
@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ("no_such_attribute", "there is no attribute auth.User.no_such_attribute"),
        ("profile.organisation_id", "there is no attribute auth.User.profile"),
        ("get_full_name", "auth.User.get_full_name is a method"),
        ("get_full_name.x", "auth.User.get_full_name is a method"),
        ("normalize_username", "auth.User.normalize_username is a method"),
        ("groups", "auth.User.groups is a relation, not a value"),
        ("groups.name", "auth.User.groups is a relation, not a value"),
    ],
)
def test_a_claim_is_mapped_to_an_attribute_that_is_there_and_is_a_value(attribute, problem):
    with override_settings(**jwtauth(CLAIMS={"email": "email", "wrong": attribute})):
        (message,) = found()
    assert (message.id, message.msg) == ("jwtauth.E009", f"JWTAUTH['CLAIMS']['wrong']: {problem}.")


def test_a_path_is_followed_through_related_models_and_no_further(monkeypatch):
    """The user model is a different one here: a log entry, which is related to users and to content types."""
    monkeypatch.setattr(checks, "get_user_model", lambda: LogEntry)
    sound = ["user.email", "user_id", "user.pk.x", "content_type.app_label", "action_flag.x", "object_id"]
    with override_settings(**jwtauth(CLAIMS=dict(zip("abcdef", sound, strict=True)))):
        assert checks.check_claims() == []
    broken = {"a": "user", "b": "content_type.model_class", "c": "user.mail", "d": "user.groups"}
    with override_settings(**jwtauth(CLAIMS=broken)):
        assert [message.msg.partition("]: ")[2] for message in checks.check_claims()] == [
            "admin.LogEntry.user is a relation, not a value.",
            "contenttypes.ContentType.model_class is a method.",
            "there is no attribute auth.User.mail.",
            "auth.User.groups is a relation, not a value.",
        ]


def test_each_id_belongs_to_one_kind_of_finding():
    provoked = {}
    for id, changes in PROVOKED:
        with override_settings(**{"CACHES": SHARED_CACHE, **changes}):
            provoked.setdefault(id, set()).add(found()[0].hint)
    assert all(len(hints) == 1 for hints in provoked.values())
    assert len(set().union(*provoked.values())) == len(provoked)


@pytest.mark.django_db
def test_manage_py_check_runs_them():
    with override_settings(**jwtauth(REVOCATION_FAIL_OPEN=True, NONSENSE=1)):
        assert "jwtauth.E001" in {message.id for message in django_checks.run_checks()}
    with override_settings(**jwtauth(REVOCATION_FAIL_OPEN=True)):
        usual = {message.id for message in django_checks.run_checks()}
        deploy = {message.id for message in django_checks.run_checks(include_deployment_checks=True)}
    assert not any(id.startswith("jwtauth") for id in usual)
    assert "jwtauth.W005" in deploy


@pytest.mark.django_db
def test_the_settings_of_the_tests_are_sound():
    assert django_checks.run_checks() == []
