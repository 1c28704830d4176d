"""The permission classes: whom they let pass, what those who are refused are told, and how they combine."""

import dataclasses
import enum
import itertools
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import override_settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.permissions import HasAnyScope, HasClaim, HasScope, RecentLogin, RequireACR, TokenPermission

from .conftest import bearer

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
BOTH = pytest.mark.parametrize("authentication", [JWTAuthentication, StatelessJWTAuthentication])
PLAIN = 'Bearer realm="api"'
NOT_ALLOWED = "You do not have permission to perform this action."


class Nobody(BasePermission):
    def has_permission(self, request, view):
        return False


class ClosedObject(BasePermission):
    def has_object_permission(self, request, view, obj):
        return obj != "closed"


def view(*permissions, authentication=JWTAuthentication, obj=None):
    class View(APIView):
        authentication_classes = [authentication]
        permission_classes = permissions

        def get(self, request):
            if obj is not None:
                self.check_object_permissions(request, obj)
            return Response("in")

        post = put = patch = delete = trace = get

    return View.as_view()


def ask(asked, raw=None, *, method="GET"):
    return asked(APIRequestFactory().generic(method, "/", **(bearer(raw) if raw else {})))


def verdict(asked, raw=None, *, method="GET"):
    response = ask(asked, raw, method=method)
    error = response.get("WWW-Authenticate", "").partition('error="')[2].partition('"')[0]
    return f"{response.status_code} {error}".strip()


def token(user, **changes):
    """A token of ours with other claims than we would give; ``...`` leaves one out."""
    config = conf.get_config()
    claims = {**config.verifier.verify(sessions.start(user).access).claims, **changes}
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jws.sign(claims, typ="at+jwt", key=config.signing_keys.signing_key)


# Scopes

SCOPES = [
    (HasScope("a"), "a", True),
    (HasScope("a"), "b a c", True),
    (HasScope("a"), "", False),
    (HasScope("a"), "A", False),
    (HasScope("a"), "a:b", False),
    (HasScope("a:b"), "a", False),
    (HasScope("a", "b"), "a", False),
    (HasScope("a", "b"), "b a", True),
    (HasAnyScope("a", "b"), "b", True),
    (HasAnyScope("a", "b"), "c", False),
    (HasAnyScope("a", "b"), "", False),
]


@BOTH
@pytest.mark.parametrize(("permission", "scope", "allowed"), SCOPES)
def test_scopes_are_compared_as_they_are(user, authentication, permission, scope, allowed):
    asked = view(IsAuthenticated, permission, authentication=authentication)
    assert verdict(asked, sessions.start(user, scope=scope).access) == ("200" if allowed else "403 insufficient_scope")


@BOTH
@pytest.mark.parametrize("factory", [HasScope, HasAnyScope])
def test_who_lacks_a_scope_is_told_which(user, authentication, factory):
    asked = view(factory("orders:read", "orders:write"), authentication=authentication)
    response = ask(asked, sessions.start(user, scope="profile").access)
    assert response.status_code == 403
    assert response["WWW-Authenticate"] == f'{PLAIN}, error="insufficient_scope", scope="orders:read orders:write"'
    assert response.data == {
        "detail": "The token lacks a required scope",
        "code": "insufficient_scope",
        "reason": "insufficient_scope",
        "scope": "orders:read orders:write",
    }


PER_METHOD = {
    "all": ({"scopes": ["w"]}, dict.fromkeys(METHODS, "w")),
    "some": (
        {"by_method": {"GET": "r", "POST": "r w"}},
        {"GET": "r", "HEAD": "r", "OPTIONS": "r", "POST": "r w"},
    ),
    "some and the others": (
        {"scopes": ["w"], "by_method": {"GET": "r", "OPTIONS": "o"}},
        {**dict.fromkeys(METHODS, "w"), "GET": "r", "HEAD": "r", "OPTIONS": "o"},
    ),
    "no GET": ({"by_method": {"POST": "w"}}, {"POST": "w"}),
    "HEAD alone": ({"by_method": {"HEAD": "h"}}, {"HEAD": "h"}),
}


@pytest.mark.parametrize("name", PER_METHOD)
def test_each_method_may_want_scopes_of_its_own(user, name):
    arguments, wanted = PER_METHOD[name]
    permission = HasScope(*arguments.get("scopes", ()), **arguments.get("by_method", {}))
    asked = view(permission, authentication=StatelessJWTAuthentication)
    everything = sessions.start(user, scope="r w o h x").access
    nothing = sessions.start(user, scope="x").access
    for method in METHODS:
        if method not in wanted:
            # None would do: so it is no lack of scope, and nothing is promised.
            response = ask(asked, everything, method=method)
            assert (response.status_code, response.has_header("WWW-Authenticate")) == (403, False)
            assert response.data["detail"] == NOT_ALLOWED
            continue
        scope = wanted[method]
        assert verdict(asked, sessions.start(user, scope=scope).access, method=method) == "200"
        refused = ask(asked, nothing, method=method)
        assert refused["WWW-Authenticate"] == f'{PLAIN}, error="insufficient_scope", scope="{scope}"'
        for lacking in scope.split():
            others = {"r", "w", "o", "h"} - {lacking}
            raw = sessions.start(user, scope=" ".join(sorted(others))).access
            assert verdict(asked, raw, method=method) == "403 insufficient_scope"


# Claims


class Role(enum.StrEnum):
    ADMIN = "admin"


ABSENT = object()
CLAIMS = [
    ((), "x", True),
    ((), False, True),
    ((), 0, True),
    ((), [], True),
    ((), None, False),
    ((), ABSENT, False),
    (("acme",), "acme", True),
    (("acme",), "ACME", False),
    (("acme",), ["other", "acme"], True),
    (("acme",), [["acme"]], False),
    (("acme",), {"acme": True}, False),
    (("acme", "other"), "other", True),
    (("acme",), ABSENT, False),
    (("acme",), None, False),
    ((1,), 1, True),
    ((1,), True, False),
    ((1,), 1.0, False),
    ((1,), "1", False),
    ((True,), 1, False),
    (([1],), [True], False),
    (([1],), [1], True),
    (([1, 2],), [2, 1], False),
    (({"a": 1, "b": [2]},), {"b": [2], "a": 1}, True),
    (({"a": 1},), {"a": True}, False),
    ((Role.ADMIN,), "admin", True),
    (("é",), "é", True),
    (("é",), "e\u0301", False),
]


@pytest.mark.parametrize(("values", "claim", "allowed"), CLAIMS)
def test_a_claim_must_be_one_of_the_values_and_of_their_type(user, values, claim, allowed):
    raw = token(user, org=... if claim is ABSENT else claim)
    response = ask(view(HasClaim("org", *values), authentication=StatelessJWTAuthentication), raw)
    assert response.status_code == (200 if allowed else 403)
    # No standard has a word for that.
    assert not response.has_header("WWW-Authenticate")


# How and when the user was authenticated


@BOTH
@pytest.mark.parametrize(
    ("age", "max_age", "allowed"),
    [
        (0, 300, True),
        (305, 300, True),  # the leeway
        (305.1, 300, False),
        (310, timedelta(minutes=6), True),
        (-60, 300, True),  # a clock that is ahead
    ],
)
def test_a_login_is_recent_for_some_time(user, monkeypatch, authentication, age, max_age, allowed):
    auth_time = int(time.time()) - 100
    raw = token(user, auth_time=auth_time)
    monkeypatch.setattr("django_jwtauth.permissions.time", SimpleNamespace(time=lambda: auth_time + age))
    asked = view(RecentLogin(max_age=max_age), authentication=authentication)
    assert verdict(asked, raw) == ("200" if allowed else "401 insufficient_user_authentication")


@BOTH
def test_whose_login_is_too_old_is_told_how_recent_it_must_be(user, authentication):
    raw = token(user, auth_time=1)
    response = ask(view(RecentLogin(max_age=timedelta(minutes=5)), authentication=authentication), raw)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == f'{PLAIN}, error="insufficient_user_authentication", max_age="300"'
    assert response.data == {
        "detail": "A more recent or stronger sign-in is needed",
        "code": "insufficient_user_authentication",
        "reason": "insufficient_user_authentication",
        "max_age": "300",
    }


@BOTH
def test_who_was_authenticated_otherwise_is_told_what_would_do(user, authentication):
    asked = view(RequireACR("urn:example:gold", "silver"), authentication=authentication)
    for acr in ("urn:example:gold", "silver"):
        assert verdict(asked, sessions.start(user, acr=acr).access) == "200"
    for acr in ("", "gold", "Silver", "urn:example:gold silver"):
        response = ask(asked, sessions.start(user, acr=acr).access)
        assert response.status_code == 401
        challenge = 'error="insufficient_user_authentication", acr_values="urn:example:gold silver"'
        assert response["WWW-Authenticate"] == f"{PLAIN}, {challenge}"
        assert response.data["acr_values"] == "urn:example:gold silver"


def test_somebody_who_acts_as_the_user_has_no_recent_login_in_whatever_form_it_is_said(user):
    asked = view(RecentLogin(max_age=300), authentication=StatelessJWTAuthentication)
    assert verdict(asked, token(user)) == "200"
    for act in ({"sub": "7"}, {"client_id": "batch"}, {}, "7", ["7"], 7, True, None):
        assert verdict(asked, token(user, act=act)) == "401 insufficient_user_authentication", act


ODD = {
    "acr": [["gold"], {"gold": 1}, 1, None, ""],
    "auth_time": ["1", 1.5, True, None, [], 0, -1, 2**60],
    "scope": [["a"], 1, None, {"a": 1}, ""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
def test_a_token_with_odd_claims_never_makes_an_error_of_the_server(user, name, value):
    asked = view(RecentLogin(max_age=60), authentication=StatelessJWTAuthentication)
    assert verdict(asked, token(user, **{name: value})) == "401 invalid_token"


@pytest.mark.parametrize("amr", ["pwd", 1, None, {"a": 1}, [1, None]])
def test_what_no_class_reads_may_be_odd(user, amr):
    asked = view(IsAuthenticated, authentication=StatelessJWTAuthentication)
    assert verdict(asked, token(user, amr=amr)) == "200"


def test_a_token_that_says_nothing_is_refused_by_all(user):
    raw = token(user, auth_time=..., acr=..., scope=...)
    wanted = {
        HasScope("a"): "403 insufficient_scope",
        HasAnyScope("a"): "403 insufficient_scope",
        HasClaim("org"): "403",
        RecentLogin(max_age=60): "401 insufficient_user_authentication",
        RequireACR("gold"): "401 insufficient_user_authentication",
    }
    for permission, refusal in wanted.items():
        assert verdict(view(permission, authentication=StatelessJWTAuthentication), raw) == refusal


# Who comes without a token

ALL = [HasScope("a"), HasAnyScope("a"), HasScope(POST="a"), HasClaim("sub"), RecentLogin(max_age=60), RequireACR("b")]


@BOTH
@pytest.mark.parametrize("permission", ALL)
def test_who_is_nobody_is_told_to_sign_in(db, authentication, permission):
    for asked in (view(permission, authentication=authentication), view(IsAuthenticated, permission)):
        response = ask(asked)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, PLAIN)
        assert response.data == {"detail": "Authentication credentials were not provided."}


@pytest.mark.parametrize("permission", ALL)
def test_who_is_signed_in_without_a_token_lacks_nothing_in_a_token(client, user, permission):
    asked = view(permission, authentication=SessionAuthentication)
    request = APIRequestFactory().get("/")
    request.user = user
    response = asked(request)
    assert (response.status_code, response.has_header("WWW-Authenticate")) == (403, False)
    assert response.data["detail"] == NOT_ALLOWED
    # Nor does somebody else's token stand for ours.
    request = APIRequestFactory().get("/")
    force_authenticate(request, user, token={"scope": "a", "acr": "b", "auth_time": time.time()})
    assert asked(request).status_code == 403


# Combinations


@BOTH
def test_combinations_say_what_their_operators_say(user, authentication):
    raw = sessions.start(user, scope="a").access
    ours = [(HasScope("a"), True), (HasScope("b"), False)]
    others = [(IsAuthenticated, True), (Nobody, False)]
    for one, two, three in itertools.product(ours + others, repeat=3):
        (x, is_x), (y, is_y), (z, is_z) = one, two, three
        combined = {
            x & y | z: (is_x and is_y) or is_z,
            x & (y | ~z): is_x and (is_y or not is_z),
            ~(x | y) | z: not (is_x or is_y) or is_z,
        }
        # What REST framework's own classes say of an object, ``~`` makes a refusal.
        objects = [None] if {one, two, three} & {*others} else [None, "open"]
        for (permission, expected), obj in itertools.product(combined.items(), objects):
            asked = view(permission, authentication=authentication, obj=obj)
            assert ask(asked, raw).status_code == (200 if expected else 403)


def test_a_challenge_that_another_class_makes_needless_is_not_raised(user):
    raw = sessions.start(user).access
    assert verdict(view(RecentLogin(max_age=60) | Nobody), raw) == "200"
    assert verdict(view(HasScope("a") | RequireACR("gold") | IsAuthenticated), raw) == "200"
    assert verdict(view(HasScope("a") | RequireACR("gold")), raw) == "403"
    # A list tells what the first one that refuses tells.
    assert verdict(view(IsAuthenticated, HasScope("a"), RequireACR("gold")), raw) == "403 insufficient_scope"
    refused = "401 insufficient_user_authentication"
    assert verdict(view(IsAuthenticated, RequireACR("gold"), HasScope("a")), raw) == refused
    assert verdict(view(Nobody, RequireACR("gold")), raw) == "403"


@pytest.mark.parametrize("obj", ["open", "closed"])
def test_classes_that_ask_for_an_object_combine_with_ours(user, obj):
    raw = sessions.start(user, scope="a").access
    expected = {
        HasScope("a") & ClosedObject: obj == "open",
        ClosedObject & ~HasScope("b"): obj == "open",
        ~HasScope("a") | ClosedObject: obj == "open",
        HasScope("b") | ClosedObject: obj == "open",
        HasScope("a") | ClosedObject: True,
        ~HasScope("a") & ClosedObject: False,
    }
    for permission, allowed in expected.items():
        assert ask(view(permission, obj=obj), raw).status_code == (200 if allowed else 403)


def test_an_object_is_refused_with_the_same_challenge(user, rf):
    asked = view(AllowAny)
    request = asked.cls().initialize_request(rf.get("/", **bearer(sessions.start(user).access)))
    request.user, request.auth = JWTAuthentication().authenticate(request)
    permission = HasScope("a")()
    assert permission.has_object_permission(request, asked, "open") is False
    with pytest.raises(Exception, match="insufficient_scope") as caught:
        _ = permission.message
    assert caught.value.auth_header == f'{PLAIN}, error="insufficient_scope", scope="a"'


def test_not_lets_pass_who_is_nobody(db):
    """That is what REST framework's ``~`` says; whoever means a user with a token says so."""
    assert ask(view(~HasScope("a"))).status_code == 200
    assert ask(view(IsAuthenticated, ~HasScope("a"))).status_code == 401


# Nothing is kept


def test_requests_at_the_same_time_get_their_own_answers(user):
    asked = view(HasScope(GET="r", POST="w"), authentication=StatelessJWTAuthentication)
    raws = [sessions.start(user, scope=scope).access for scope in ("r", "w", "x")]
    cases = [(raw, method) for raw in raws for method in ("GET", "POST")]
    wanted = ["200", "403 w", "403 r", "200", "403 r", "403 w"]
    barrier = threading.Barrier(len(cases))
    found = {}
    ask(asked, raws[0])  # the revocation list is read here: the threads have no database

    def run(case):
        barrier.wait(30)
        for _ in range(20):
            response = ask(asked, case[0], method=case[1])
            lacking = "" if response.status_code == 200 else response.data["scope"]
            found.setdefault(case, set()).add(f"{response.status_code} {lacking}".strip())

    threads = [threading.Thread(target=run, args=[case]) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [found[case] for case in cases] == [{answer} for answer in wanted]


def test_classes_are_told_apart_and_have_names():
    assert HasScope("a") is not HasScope("a")
    assert HasScope("a").scopes == {"": ("a",)}
    names = ["HasScope", "HasAnyScope", "HasScope", "HasClaim", "RecentLogin", "RequireACR"]
    assert [permission.__name__ for permission in ALL] == names


def test_a_class_of_ones_own_needs_to_say_what_it_accepts(user, rf):
    class Tenant(TokenPermission):
        def accepts(self, token, request):
            return token.claims.get("tenant") == "acme"

    assert verdict(view(Tenant), token(user, tenant="acme")) == "200"
    assert verdict(view(Tenant), token(user)) == "403"
    with pytest.raises(NotImplementedError):
        view(TokenPermission)(rf.get("/", **bearer(token(user))))


# Wrong arguments


@pytest.mark.parametrize(
    ("factory", "arguments", "named"),
    [
        (HasScope, {}, {}),
        (HasScope, [""], {}),
        (HasScope, ["a b"], {}),
        (HasScope, ['a"'], {}),
        (HasScope, ["a\\"], {}),
        (HasScope, ["é"], {}),
        (HasScope, ["a\n"], {}),
        (HasScope, [], {"GET": ""}),
        (HasScope, ["a"], {"GET": " "}),
        (HasScope, [], {"get": "a"}),
        (HasScope, [], {"FETCH": "a"}),
        (HasScope, [["a"]], {}),
        (HasScope, [None], {}),
        (HasScope, [], {"GET": ["a"]}),
        (HasAnyScope, [], {}),
        (HasClaim, [""], {}),
        (HasClaim, [None], {}),
        (HasClaim, [1], {}),
        (HasClaim, ["org", None], {}),
        (HasClaim, ["org", "a", None], {}),
        (HasClaim, ["org", float("nan")], {}),
        (HasClaim, ["org", object()], {}),
        (HasClaim, ["org", {1}], {}),
        (RecentLogin, [], {"max_age": 0}),
        (RecentLogin, [], {"max_age": -1}),
        (RecentLogin, [], {"max_age": timedelta(0)}),
        (RecentLogin, [], {"max_age": timedelta(milliseconds=999)}),
        (RecentLogin, [], {"max_age": "soon"}),
        (RecentLogin, [], {"max_age": None}),
        (RecentLogin, [60], {}),
        (RequireACR, [], {}),
        (RequireACR, [""], {}),
        (RequireACR, ["a b"], {}),
        (RequireACR, ['"'], {}),
        (RequireACR, [None], {}),
    ],
)
def test_wrong_arguments_are_errors_where_they_are_written(factory, arguments, named):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        factory(*arguments, **named)


def test_the_leeway_is_that_of_the_settings(user):
    raw = token(user, auth_time=int(time.time()) - 100)
    asked = view(RecentLogin(max_age=60), authentication=StatelessJWTAuthentication)
    assert verdict(asked, raw) == "401 insufficient_user_authentication"
    with override_settings(JWTAUTH={"LEEWAY": timedelta(minutes=1)}):
        assert verdict(asked, raw) == "200"


def test_anonymous_users_of_other_kinds_are_nobody(db, user):
    access = conf.get_config().verifier.verify(sessions.start(user, scope="a").access)
    request = APIRequestFactory().get("/")
    force_authenticate(request, AnonymousUser(), token=dataclasses.replace(access, scopes=frozenset()))
    assert view(IsAdminUser | HasScope("a"))(request).status_code == 403
