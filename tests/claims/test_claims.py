"""Claims hooks: when they run, what they may give, and what a bad one can break (nothing)."""

import datetime
import decimal
import enum
import types
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy

from django_jwtauth import claims, conf, sessions
from django_jwtauth._core import custom_claims
from django_jwtauth.errors import ClaimsHookError, JWTAuthError, ReservedClaimError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.products import each_row

HOUR = datetime.timedelta(hours=1)
PATH = "tests.claims.test_claims."

given = {}


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    RED = "red"


def tenant(user, *, request, session):
    path = request.path if request is not None else None
    return {"tenant": user.username, "path": path, "first": "tenant"}


def roles(user, *, request, session):
    return {"roles": ["staff"] if user.is_staff else [], "first": "roles"}


def session_kind(user, *, request, session):
    return {"kind": session.scope, "generation": session.generation}


def whatever(user, *, request, session):
    """Gives what the test wants, or raises it."""
    value = given["value"]
    if isinstance(value, Exception):
        raise value
    return value


def only_ada(user, *, request, session):
    return {"name": {"ada": "Ada"}[user.username]}


def failing(user, *, request, session):
    return [1 / 0]


def small(user, *, request, session):
    return {"small": "x"}


@pytest.fixture
def hooks(settings):
    def hooks(*names, **more):
        settings.JWTAUTH = {"CLAIMS_HOOKS": [PATH + name for name in names], **more}

    yield hooks
    given.clear()


@pytest.fixture
def logged_in():
    users = []

    def receiver(sender, user, **kwargs):
        users.append(user)

    user_logged_in.connect(receiver)
    yield users
    user_logged_in.disconnect(receiver)


def everything():
    """All that a sign-in or a refresh may write."""
    return list(RefreshToken.objects.values()), list(get_user_model().objects.values())


def claims_of(pair):
    return conf.get_config().verifier.verify(pair.access).claims


@pytest.mark.django_db
def test_hooks_run_at_sign_in_and_at_each_refresh(user, client, hooks, age):
    """So a changed role shows within the lifetime of one access token."""
    hooks("tenant", "roles")
    first = client.post("/auth/token/", {"username": "ada", "password": "correct horse"}).json()
    seen = client.get("/whoami/", **bearer(first["access"])).json()["claims"]
    assert (seen["tenant"], seen["path"], seen["roles"]) == ("ada", "/auth/token/", [])
    user.is_staff = True
    user.save()
    for by in (datetime.timedelta(0), HOUR, datetime.timedelta(0)):  # repeat, rotation, replay
        age(RefreshToken.objects.get(), by)
        answer = client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()
        seen = client.get("/stateless/", **bearer(answer["access"])).json()["claims"]
        assert (seen["path"], seen["roles"]) == ("/auth/token/refresh/", ["staff"])


@pytest.mark.django_db
@pytest.mark.parametrize(("order", "wins"), [(("tenant", "roles"), "roles"), (("roles", "tenant"), "tenant")])
def test_hooks_run_in_the_order_of_the_setting_and_the_last_wins(user, hooks, order, wins):
    hooks(*order)
    assert claims_of(sessions.start(user))["first"] == wins


@pytest.mark.django_db
def test_hooks_see_the_session_and_may_get_no_request(user, hooks):
    hooks("tenant", "session_kind")
    seen = claims_of(sessions.start(user, scope="orders:read"))
    assert (seen["path"], seen["kind"], seen["generation"]) == (None, "orders:read", 0)


@pytest.mark.django_db
def test_hooks_go_into_access_tokens_only(user, hooks):
    given["value"] = {"secret_plan": "x" * 1000}
    hooks("whatever")
    pair = sessions.start(user)
    assert len(pair.access) > 1500
    assert len(pair.refresh) < 600


RESERVED = (
    "iss sub aud client_id iat exp jti sid auth_time scope amr acr act nbf cnf status gen typ".split()  # noqa: SIM905
)


@pytest.mark.django_db
@each_row("name", RESERVED)
def test_a_reserved_claim_cannot_be_set(user, hooks, name):
    hooks("small", "whatever")
    given["value"] = {name: "x", "other": 1}
    with pytest.raises(ReservedClaimError, match=f"whatever.*{name}") as caught:
        sessions.start(user)
    assert (caught.value.hook, caught.value.code) == (PATH + "whatever", "claims_hook")
    assert not RefreshToken.objects.exists()


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time"])
def test_each_claim_that_tokens_carry_of_themselves_is_reserved(name, pair):
    assert name in claims_of(pair)
    assert name in custom_claims.RESERVED


@pytest.mark.django_db
@each_row(
    "value",
    [
        None,
        True,
        -5,
        2**53 - 1,
        1.5,
        "",
        "Zürich 🌍",
        '\u2028 \x00 "\\',
        [],
        {},
        {"a": {"b": [1, 2.5, None, {"c": "d"}]}},
        (1, 2),
        Number.ONE,
        Word.RED,
    ],
    ids=repr,
)
def test_whatever_is_json_comes_out_as_it_went_in(user, hooks, value):
    hooks("whatever")
    given["value"] = {"value": value}
    seen = claims_of(sessions.start(user))["value"]
    assert seen == (list(value) if isinstance(value, tuple) else value)


def test_a_mapping_need_not_be_a_dict(user, hooks):
    hooks("whatever")
    given["value"] = types.MappingProxyType({"value": 1})
    assert claims_of(sessions.start(user))["value"] == 1


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


endless = []
endless.append(endless)


@pytest.mark.django_db
@each_row(
    ("value", "problem"),
    [
        (float("nan"), "NaN or Infinity"),
        ([float("inf")], "NaN or Infinity"),
        ({"a": [float("-inf")]}, "NaN or Infinity"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "datetime"),
        (datetime.timedelta(1), "timedelta"),
        (decimal.Decimal("1.5"), "Decimal"),
        (uuid.UUID(int=1), "UUID"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (gettext_lazy("Yes"), "__proxy__"),
        (types.MappingProxyType({}), "mappingproxy"),
        ({1: "one"}, "keys that are not str"),
        ({"a": {None: 1}}, "keys that are not str"),
        ("\ud800", "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        ([["\udfff"]], "lone surrogate"),
        (2**53, "other languages would round"),
        (-(10**5000), "other languages would round"),
        (nested(50), "nested deeper"),
        (nested(100_000), "nested deeper"),
        (endless, "nested deeper"),
    ],
    ids=[
        *("nan", "infinity", "minus infinity", "datetime", "timedelta", "decimal", "uuid", "bytes", "set", "lazy"),
        *("mapping", "int key", "none key", "surrogate", "surrogate key", "surrogate inside", "integer", "digits"),
        *("deep", "very deep", "endless"),
    ],
)
def test_what_is_no_json_is_an_error_that_names_hook_and_claim(user, hooks, value, problem):
    hooks("whatever")
    given["value"] = {"fine": 1, "wrong": value}
    with pytest.raises(ClaimsHookError, match=f"whatever.*'wrong' is not JSON.*{problem}"):
        sessions.start(user)
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "NoneType"),
        ([("a", 1)], "list"),
        ("text", "str"),
        ({1: "one"}, "names of claims"),
        ({"": "one"}, "names of claims"),
        ({"\ud800": "one"}, "lone surrogate"),
        (ZeroDivisionError("with secret details"), "it raised ZeroDivisionError"),
    ],
    ids=["none", "pairs", "text", "int name", "empty name", "surrogate name", "exception"],
)
def test_a_hook_must_return_claims(user, hooks, value, problem):
    hooks("whatever")
    given["value"] = value
    with pytest.raises(ClaimsHookError, match=f"whatever.*{problem}") as caught:
        sessions.start(user)
    assert isinstance(caught.value, JWTAuthError)
    assert "secret details" not in str(caught.value)


@pytest.mark.django_db
def test_a_hook_that_cannot_be_imported_is_named(user, hooks):
    hooks("missing")
    with pytest.raises(ClaimsHookError, match=r"test_claims\.missing.*ImportError"):
        sessions.start(user)
    with pytest.raises(ImportError):
        claims.load(PATH + "missing")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [ZeroDivisionError(), {"sub": "root"}, {"a": {1, 2}}, {"a": "x" * 5000}],
    ids=["raises", "reserved", "no json", "too long"],
)
def test_after_a_bad_hook_the_same_refresh_token_works(user, hooks, age, value, rf):
    """Also the rotation itself has not happened, nor is the address noted."""
    pair = sessions.start(user)
    age(pair.session, HOUR)
    hooks("whatever")
    given["value"] = value
    before = RefreshToken.objects.values().get()
    with pytest.raises(ClaimsHookError):
        sessions.refresh(pair.refresh, request=rf.post("/"))
    assert RefreshToken.objects.values().get() == before
    given["value"] = {}
    assert sessions.refresh(pair.refresh).session.generation == 1


FAILING = {
    "raises": ({"CLAIMS_HOOKS": [PATH + "whatever"]}, ZeroDivisionError("secret"), PATH + "whatever: it raised Zero"),
    "registered": ({"CLAIMS_HOOKS": [PATH + "whatever"]}, {"Sub": "root"}, PATH + "whatever: it may not set 'Sub'"),
    "not JSON": ({"CLAIMS_HOOKS": [PATH + "whatever"]}, {"a": {1, 2}}, PATH + "whatever: the claim 'a' is not JSON"),
    "no mapping": ({"CLAIMS_HOOKS": [PATH + "whatever"]}, None, PATH + "whatever: it must return a mapping"),
    "too long": ({"CLAIMS_HOOKS": [PATH + "whatever"]}, {"a": "x" * 5000}, PATH + "whatever: the access token would"),
    "is not there": ({"CLAIMS_HOOKS": [PATH + "missing"]}, None, PATH + "missing: it raised ImportError"),
    "attribute": ({"CLAIMS": {"org": "profile.org"}}, None, "JWTAUTH['CLAIMS']['org']: it raised AttributeError"),
    "scopes": ({"SCOPES": PATH + "failing"}, None, "JWTAUTH['SCOPES']: it raised ZeroDivisionError"),
    "audiences": ({"AUDIENCES": PATH + "failing"}, None, "JWTAUTH['AUDIENCES']: it raised ZeroDivisionError"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", FAILING)
def test_a_hook_that_fails_is_500_is_named_in_the_log_and_changes_nothing(
    user, client, settings, age, caplog, logged_in, what
):
    """At sign-in and at a refresh; and the same refresh token works as soon as the hook does."""
    jwtauth, given["value"], logged = FAILING[what]
    client.raise_request_exception = False
    settings.JWTAUTH = {"SCOPES": ["read"], "AUDIENCES": ["stock"]}
    body = {"username": "ada", "password": "correct horse", "scope": "read"}
    first = client.post("/auth/token/", body).json()
    age(RefreshToken.objects.get(), HOUR)
    before = everything()
    logged_in.clear()
    settings.JWTAUTH = jwtauth
    for path, data in (
        ("/auth/token/", {**body, "resource": "stock"} if what == "audiences" else body),
        (
            "/auth/token/refresh/",
            {"refresh": first["refresh"], **({"resource": "stock"} if what == "audiences" else {})},
        ),
    ):
        caplog.clear()
        response = client.post(path, data)
        assert response.status_code == 500
        (message,) = (record.getMessage() for record in caplog.records if record.name == "django_jwtauth")
        assert message.startswith(f"Claims hook {logged}")
        assert "secret" not in message
        assert everything() == before
        assert logged_in == []
    given["value"] = {}
    settings.JWTAUTH = {"CLAIMS_HOOKS": [PATH + "whatever"]}
    response = client.post("/auth/token/refresh/", {"refresh": first["refresh"]})
    assert response.status_code == 200
    assert RefreshToken.objects.get().generation == 1
    assert client.get("/whoami/", **bearer(response.json()["access"])).status_code == 200


@pytest.mark.django_db
def test_a_hook_that_fails_for_one_user_fails_for_no_other(user, client, settings):
    get_user_model().objects.create_user("bob", password="correct horse")
    settings.JWTAUTH = {"CLAIMS_HOOKS": [PATH + "only_ada"]}
    client.raise_request_exception = False
    for name, status in (("bob", 500), ("ada", 200)):
        assert client.post("/auth/token/", {"username": name, "password": "correct horse"}).status_code == status


@pytest.mark.django_db
def test_a_token_that_gets_too_long_names_the_biggest_hook(user, hooks):
    hooks("small", "whatever", "roles")
    given["value"] = {"big": "x" * 4000}
    with pytest.raises(ClaimsHookError, match=r"MAX_TOKEN_LENGTH \(4096\)") as caught:
        sessions.start(user)
    assert (caught.value.hook, caught.value.reason) == (PATH + "whatever", "too_long")
    hooks("small", "whatever", "roles", MAX_TOKEN_LENGTH=10_000)
    assert claims_of(sessions.start(user))["big"] == "x" * 4000


@pytest.mark.django_db
def test_a_token_that_is_too_long_without_any_hook_is_a_matter_of_the_setting(user, settings):
    settings.JWTAUTH = {"MAX_TOKEN_LENGTH": 512, "CLIENT_ID": "c" * 300}
    with pytest.raises(ImproperlyConfigured, match="MAX_TOKEN_LENGTH"):
        sessions.start(user)
