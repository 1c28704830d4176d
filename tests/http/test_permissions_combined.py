"""Permission classes without a token, in combinations, and with wrong arguments."""

import itertools
import re
import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import override_settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.test import APIRequestFactory, force_authenticate

from django_jwtauth import conf, sessions, views
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import InsufficientScopeError
from django_jwtauth.permissions import HasAnyScope, HasClaim, HasScope, RecentLogin, RequireACR, TokenPermission
from django_jwtauth.verifier import AccessToken
from tests.tools.http import bearer
from tests.tools.permissions import BOTH, PLAIN, ClosedObject, Nobody, ask, token, verdict, view
from tests.tools.products import each_row

# Without a token

ALL = [HasScope("a"), HasAnyScope("a"), HasScope(POST="a"), HasClaim("sub"), RecentLogin(max_age=60), RequireACR("b")]


@BOTH
@each_row("permission", ALL)
def test_a_request_without_a_token_is_a_401(db, authentication, permission):
    for asked in (view(permission, authentication=authentication), view(IsAuthenticated, permission)):
        response = ask(asked)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, PLAIN)
        assert response.data == {"detail": "Authentication credentials were not provided."}


@pytest.mark.parametrize("permission", ALL)
def test_a_user_without_a_token_gets_a_403_without_a_challenge(client, user, permission):
    asked = view(permission, authentication=SessionAuthentication)
    request = APIRequestFactory().get("/")
    request.user = user
    response = asked(request)
    assert (response.status_code, response.has_header("WWW-Authenticate")) == (403, False)
    assert response.data["reason"] == "no_token"
    # A token of another kind is not accepted in place of ours.
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
        # REST framework's own classes accept every object, and ``~`` turns that into a refusal.
        objects = [None] if {one, two, three} & {*others} else [None, "open"]
        for (permission, expected), obj in itertools.product(combined.items(), objects):
            asked = view(permission, authentication=authentication, obj=obj)
            assert ask(asked, raw).status_code == (200 if expected else 403)


def test_a_challenge_that_another_class_makes_needless_is_not_raised(user):
    raw = sessions.start(user).access
    assert verdict(view(RecentLogin(max_age=60) | Nobody), raw) == "200"
    assert verdict(view(HasScope("a") | RequireACR("gold") | IsAuthenticated), raw) == "200"
    assert verdict(view(HasScope("a") | RequireACR("gold")), raw) == "403"
    # A list gives the refusal of the first class that refuses.
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


def test_not_accepts_requests_without_a_token(db):
    """This is how REST framework's ``~`` works. To require a token as well, add ``IsAuthenticated``."""
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


def test_classes_are_distinct_and_have_names():
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


@each_row(
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
    with pytest.raises((ValueError, TypeError)):
        factory(*arguments, **named)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: HasScope(["a"]),
            "scopes must be texts, like HasScope('orders:read'): it holds an object of the type ",
        ),
        (lambda: HasScope(GET=["a"]), "GET must be a text, with spaces between scopes, not an object of the type "),
        (lambda: RecentLogin(max_age="soon"), "max_age must be a timedelta, or an int of seconds, not an object of "),
        (lambda: RequireACR(2), "values must be texts, like RequireACR('two-factor'): it holds an object of the type "),
    ],
)
def test_an_argument_of_a_wrong_type_is_named_in_a_sentence(make, sentence):
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}"):
        make()


def test_the_leeway_is_that_of_the_settings(user):
    raw = token(user, auth_time=int(time.time()) - 100)
    asked = view(RecentLogin(max_age=60), authentication=StatelessJWTAuthentication)
    assert verdict(asked, raw) == "401 insufficient_user_authentication"
    with override_settings(JWTAUTH={"LEEWAY": timedelta(minutes=1)}):
        assert verdict(asked, raw) == "200"


def test_anonymous_users_of_other_kinds_are_refused(db, user):
    access = conf.get_config().verifier.verify(sessions.start(user, scope="a").access)
    request = APIRequestFactory().get("/")
    force_authenticate(request, AnonymousUser(), token=AccessToken.from_claims({**access.claims, "scope": ""}))
    assert view(IsAdminUser | HasScope("a"))(request).status_code == 403


class ShopAuthentication(JWTAuthentication):
    www_authenticate_realm = "shop"


class Narrow(views.AuthenticatedView):
    www_authenticate_realm = "shop"

    def get(self, request):
        raise InsufficientScopeError("r")


def test_a_realm_of_ones_own_stands_in_every_challenge(client, user):
    raw = sessions.start(user).access
    for permission in (HasScope("r"), RecentLogin(max_age=300) & HasScope("r")):
        assert ask(view(permission, authentication=ShopAuthentication), raw).status_code == 403
    asked = ask(view(HasScope("r"), authentication=ShopAuthentication), raw)
    assert asked["WWW-Authenticate"] == 'Bearer realm="shop", error="insufficient_scope", scope="r"'
    assert ask(Narrow.as_view(), raw)["WWW-Authenticate"] == asked["WWW-Authenticate"]
