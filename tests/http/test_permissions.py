"""The permission classes: which tokens they accept, and what a refusal tells the client."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from rest_framework.permissions import IsAuthenticated

from django_jwtauth import sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.permissions import HasAnyScope, HasClaim, HasScope, RecentLogin, RequireACR
from tests.tools.permissions import BOTH, METHODS, NOT_ALLOWED, PLAIN, Role, ask, token, verdict, view
from tests.tools.products import each_row

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
@each_row(("permission", "scope", "allowed"), SCOPES)
def test_scopes_are_compared_as_they_are(user, authentication, permission, scope, allowed):
    asked = view(IsAuthenticated, permission, authentication=authentication)
    assert verdict(asked, sessions.start(user, scope=scope).access) == ("200" if allowed else "403 insufficient_scope")


@BOTH
@pytest.mark.parametrize("factory", [HasScope, HasAnyScope])
def test_a_refusal_names_the_missing_scopes(user, authentication, factory):
    asked = view(factory("orders:read", "orders:write"), authentication=authentication)
    response = ask(asked, sessions.start(user, scope="profile").access)
    assert response.status_code == 403
    assert response["WWW-Authenticate"] == f'{PLAIN}, error="insufficient_scope", scope="orders:read orders:write"'
    assert response.data == {
        "detail": "Token lacks a required scope",
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
            # No scope allows this method, so the response names none.
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


@each_row(("values", "claim", "allowed"), CLAIMS)
def test_a_claim_must_be_one_of_the_values_and_of_their_type(user, values, claim, allowed):
    raw = token(user, org=... if claim is ABSENT else claim)
    response = ask(view(HasClaim("org", *values), authentication=StatelessJWTAuthentication), raw)
    assert response.status_code == (200 if allowed else 403)
    # No standard defines an error for this.
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
def test_a_refusal_of_an_old_login_names_the_maximum_age(user, authentication):
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
def test_a_refusal_of_another_acr_names_the_accepted_values(user, authentication):
    asked = view(RequireACR("urn:example:gold", "silver"), authentication=authentication)
    for acr in ("urn:example:gold", "silver"):
        assert verdict(asked, sessions.start(user, acr=acr).access) == "200"
    for acr in ("", "gold", "Silver", "urn:example:gold silver"):
        response = ask(asked, sessions.start(user, acr=acr).access)
        assert response.status_code == 401
        challenge = 'error="insufficient_user_authentication", acr_values="urn:example:gold silver"'
        assert response["WWW-Authenticate"] == f"{PLAIN}, {challenge}"
        assert response.data["acr_values"] == "urn:example:gold silver"


@pytest.mark.parametrize("permission", [RecentLogin(max_age=300), RequireACR("gold")])
def test_an_act_claim_of_any_form_is_no_authentication_of_the_user(user, permission):
    asked = view(permission, authentication=StatelessJWTAuthentication)
    assert verdict(asked, token(user, acr="gold")) == "200"
    for act in ({"sub": "7"}, {"client_id": "batch"}, {}, "7", ["7"], 7, True, None):
        assert verdict(asked, token(user, acr="gold", act=act)) == "401 insufficient_user_authentication", act


ODD = {
    "acr": [["gold"], {"gold": 1}, 1, None, ""],
    "auth_time": ["1", 1.5, True, None, [], 0, -1, 2**60],
    "scope": [["a"], 1, None, {"a": 1}, ""],
}


@each_row(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
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
