"""Whatever JSON a hook gives comes out as it went in, wherever claims are read. All else is refused at the hook."""

import datetime
import decimal
import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from django_jwtauth import conf, sessions, tokens
from django_jwtauth._core.custom_claims import RESERVED
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication, StatelessUser
from django_jwtauth.database import database_now
from django_jwtauth.errors import ClaimsHookError, ReservedClaimError
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.models import RefreshToken
from django_jwtauth.verifier import Verifier
from tests.tools import json_values
from tests.tools.http import bearer

KEY = Key.generate("ES256")
PUBLIC_KEYS = KeySet([Key.from_pem(KEY.public_pem(), alg="ES256")])
# The database is only read, and each example is judged by itself.
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

given_by_hook = {}


def hook(user, *, request, session):
    return given_by_hook["claims"]


class Claims(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response(request.auth.claims)


VIEWS = [
    Claims.as_view(authentication_classes=[JWTAuthentication]),
    Claims.as_view(authentication_classes=[StatelessJWTAuthentication]),
]


@pytest.fixture
def session(user, settings):
    settings.JWTAUTH = {
        "SIGNING_KEYS": [{"alg": "ES256", "pem": KEY.private_pem()}],
        "CLAIMS_HOOKS": ["tests.claims.test_properties.hook"],
        "MAX_TOKEN_LENGTH": 200_000,
    }
    given_by_hook["claims"] = {}
    yield sessions.start(user).session
    given_by_hook.clear()


def mint(session):
    now = database_now(RefreshToken.write_alias())
    return tokens.mint_access(session, now=now, request=None).raw.reveal()


def added(claims, names):
    """Return the claims that are not the token's own."""
    own = RESERVED & claims.keys()
    assert own == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time"}
    assert claims.keys() - own == set(names)
    return {name: claims[name] for name in names}


@many
@given(claims=json_values.claims)
def test_claims_come_out_as_they_went_in(session, claims):
    given_by_hook["claims"] = claims
    raw = mint(session)
    elsewhere = Verifier(issuer="django-jwtauth", audience="django-jwtauth", keys=PUBLIC_KEYS, max_token_length=200_000)
    for authentication in (JWTAuthentication(), StatelessJWTAuthentication()):
        for _ in range(2):  # the second time from the cache
            _, token = authentication.authenticate_token(raw)
            assert json_values.same(added(token.claims, claims), claims)
    for _ in range(2):
        assert json_values.same(added(elsewhere.verify(raw).claims, claims), claims)


@many
@given(claims=json_values.claims)
def test_claims_are_attributes_of_the_stateless_user(session, claims):
    given_by_hook["claims"] = claims
    user, token = StatelessJWTAuthentication().authenticate_token(mint(session))
    for name, value in claims.items():
        assert json_values.same(user.token.claims[name], value)
        # What every user has, and what Python looks for itself, no claim can replace.
        if not hasattr(StatelessUser, name) and not name.startswith("_"):
            assert json_values.same(getattr(user, name), value)
    assert (user.pk, user.id, user.issuer, user.is_active) == (token.subject, token.subject, "django-jwtauth", True)
    assert not hasattr(user, "".join(claims) + "_no_claim")


@many
@given(claims=json_values.claims)
def test_claims_come_out_of_views_as_they_went_in(session, claims):
    given_by_hook["claims"] = claims
    raw = mint(session)
    for view in VIEWS:
        response = view(APIRequestFactory().get("/", **bearer(raw))).render()
        assert response.status_code == 200
        assert json_values.same(added(json.loads(response.content), claims), claims)


bad_values = st.sampled_from(
    [
        *(float("nan"), float("inf"), float("-inf"), 2**53, -(2**53), 10**400, "\ud800", "a\udfffb", b"", b"bytes"),
        *(
            {1},
            frozenset(),
            object(),
            decimal.Decimal(1),
            uuid.UUID(int=0),
            datetime.date(2026, 1, 1),
            {1: 1},
            {None: 1},
        ),
        *({"\ud800": 1}, 1j, range(2), Ellipsis, iter(())),
    ]
)
around = st.recursive(
    bad_values,
    lambda inner: (
        st.builds(lambda a, b, c: [*a, b, *c], st.lists(json_values.values), inner, st.lists(json_values.values))
        | st.builds(lambda a, name, b: {**a, name: b}, json_values.claims, json_values.names, inner)
    ),
    max_leaves=3,
)


@many
@given(claims=json_values.claims, name=st.sampled_from(["x", "wrong"]), bad=around)
def test_what_is_no_json_is_refused_at_the_hook(session, claims, name, bad):
    given_by_hook["claims"] = {**claims, name: bad}
    with pytest.raises(ClaimsHookError, match=rf"test_properties\.hook: the claim '{name}' is not JSON"):
        mint(session)


@many
@given(claims=json_values.claims, value=json_values.values, name=st.sampled_from(sorted(RESERVED)), data=st.data())
def test_what_is_registered_is_refused_at_the_hook(session, claims, value, name, data):
    spelled = "".join(data.draw(st.sampled_from([char, char.upper(), f"{char}_", f" {char}"])) for char in name)
    given_by_hook["claims"] = {**claims, spelled: value}
    with pytest.raises(ReservedClaimError, match=r"test_properties\.hook: it may not set"):
        mint(session)


@many
@given(claims=st.dictionaries(st.text(max_size=10), json_values.values, max_size=4))
def test_whatever_a_hook_gives_the_rest_of_the_token_stays(session, claims):
    given_by_hook["claims"] = claims
    try:
        raw = mint(session)
    except ClaimsHookError:
        return
    seen = conf.get_config().verifier.verify(raw)
    assert (seen.issuer, seen.subject, seen.sid) == ("django-jwtauth", session.subject, str(session.pk))
    assert json_values.same(added(seen.claims, claims), claims)
