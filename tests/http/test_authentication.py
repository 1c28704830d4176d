"""The authentication classes: which headers count, who the user is, and what a refusal looks like."""

import copy
import pickle
import types

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.permissions import IsAdminUser
from rest_framework.test import APIClient

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import (
    BearerAuthentication,
    JWTAuthentication,
    StatelessJWTAuthentication,
    StatelessUser,
)
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.refusals import MESSAGES, error_body
from django_jwtauth.verifier import AccessToken
from tests.tools.http import bearer
from tests.tools.products import each_row

BOTH = pytest.mark.parametrize("url", ["/whoami/", "/stateless/"], ids=["stateful", "stateless"])
PLAIN = 'Bearer realm="api"'
INVALID = 'Bearer realm="api", error="invalid_token"'


def add_tenant(user, *, request, session):
    return {"tenant": "acme", "_private": 1, "pk": "someone else", "is_active": False}


# The header


@BOTH
@each_row(
    "header",
    ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}", " Bearer {} "],
    ids=["usual", "lower", "upper", "mixed", "two-spaces", "surrounding-spaces"],
)
def test_a_bearer_header_authenticates(client, pair, url, header):
    assert client.get(url, headers={"Authorization": header.format(pair.access)}).status_code == 200


@BOTH
@each_row(
    "header",
    [None, "", " ", "Basic YWRhOng=", "Bearer\t{}", "Bearer:{}", "Bearertoken", "{}", "Token {}", "\u00a0Bearer {}"],
)
def test_any_other_header_is_ignored(client, pair, url, header):
    headers = {} if header is None else {"Authorization": header.format(pair.access)}
    response = client.get(url, headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == PLAIN
    assert response.json()["detail"] == "Authentication credentials were not provided."


@BOTH
@each_row(
    ("header", "challenge"),
    [
        ("Bearer", PLAIN),
        ("bearer ", PLAIN),
        ("Bearer {} {}", INVALID),
        ("Bearer {}, Bearer {}", INVALID),
        ("Bearer {},Basic YQ==", INVALID),
        ("Bearer \u20ac", PLAIN),
        ("Bearer \ud800", PLAIN),
    ],
    ids=["alone", "blank", "two", "two-headers", "two-schemes", "euro", "surrogate"],
)
def test_a_bearer_header_that_is_not_two_words_is_refused(client, pair, url, header, challenge):
    response = client.get(url, HTTP_AUTHORIZATION=header.format(pair.access, pair.access))
    assert response.status_code == 401
    assert (response.json()["code"], response.json()["reason"]) == ("bad_authorization_header", "invalid")
    assert response["WWW-Authenticate"] == challenge


@BOTH
@each_row("token", ["\xfc", "a.b.c", "{}=", "{}.", "x" * 5000, "\x00"])
def test_a_bad_token_is_401_with_code_and_reason_and_costs_no_query(client, pair, url, token):
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url, HTTP_AUTHORIZATION=f"Bearer {token.format(pair.access)}")
    assert response.status_code == 401
    assert response.json() == {"detail": "Token is invalid", "code": "token_not_valid", "reason": "invalid"}
    assert response["WWW-Authenticate"] == INVALID
    assert not queries.captured_queries


@BOTH
def test_a_token_anywhere_but_in_the_header_is_not_looked_at(client, pair, url):
    client.cookies["access"] = pair.access
    assert client.get(url, {"access_token": pair.access}).status_code == 401


# Refusals


@BOTH
@pytest.mark.parametrize(
    ("settings", "code", "reason"),
    [
        ({"ISSUER": "other"}, "token_not_valid", "wrong_issuer"),
        ({"AUDIENCE": "other"}, "token_not_valid", "wrong_audience"),
        ({"MAX_TOKEN_LENGTH": 512}, "token_not_valid", "invalid"),
    ],
)
def test_a_token_of_another_configuration_is_refused(client, user, url, settings, code, reason):
    pair = sessions.start(user, scope="x" * 400)
    with override_settings(JWTAUTH=settings):
        response = client.get(url, **bearer(pair.access))
    assert response.status_code == 401
    assert (response.json()["code"], response.json()["reason"]) == (code, reason)
    assert response["WWW-Authenticate"] == INVALID


@BOTH
@pytest.mark.parametrize("how", ["session", "token"])
def test_a_revoked_token_is_refused(client, pair, url, how):
    assert client.get(url, **bearer(pair.access)).status_code == 200
    if how == "session":
        sessions.revoke(pair.session)
    else:
        sessions.blacklist(pair.access)
    response = client.get(url, **bearer(pair.access))
    assert response.json() == {"detail": "Token is revoked", "code": "token_not_valid", "reason": "revoked"}
    assert response["WWW-Authenticate"] == INVALID


def delete_session(pair, user):
    RefreshToken.objects.all().delete()


def expire_session(pair, user):
    RefreshToken.objects.update(expires_at=pair.session.created_at)


def deactivate(pair, user):
    get_user_model().objects.update(is_active=False)


def change_password(pair, user):
    get_user_model().objects.update(password="!")


def rename(pair, user):
    get_user_model().objects.update(username="ada lovelace")


@override_settings(JWTAUTH={"SUBJECT_FIELD": "username"})
@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (delete_session, "token_not_valid", "invalid"),
        (expire_session, "token_not_valid", "session_expired"),
        (deactivate, "user_inactive", "user_inactive"),
        (change_password, "password_changed", "password_changed"),
        (rename, "user_not_found", "invalid"),
    ],
)
def test_jwtauthentication_sees_every_change_at_the_next_request(client, user, change, code, reason):
    pair = sessions.start(user)
    assert client.get("/whoami/", **bearer(pair.access)).json()["claims"]["sub"] == "ada"
    change(pair, user)
    response = client.get("/whoami/", **bearer(pair.access))
    assert response.status_code == 401
    assert (response.json()["code"], response.json()["reason"]) == (code, reason)
    assert response["WWW-Authenticate"] == INVALID


def test_a_deleted_users_token_is_refused(client, user, pair):
    user.delete()
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "revoked"


def test_jwtauthentication_costs_one_query_and_gives_the_user(pair, user, django_assert_num_queries):
    request = RequestFactory().get("/", **bearer(pair.access))
    with django_assert_num_queries(1):
        found, token = JWTAuthentication().authenticate(request)
        assert found.get_username() == "ada"
    assert found == user
    assert token.sid == str(pair.session.pk)


def test_statelessjwtauthentication_costs_no_query_while_the_list_is_fresh(pair, django_assert_num_queries):
    request = RequestFactory().get("/", **bearer(pair.access))
    with django_assert_num_queries(1):
        StatelessJWTAuthentication().authenticate(request)
    with django_assert_num_queries(0):
        found, token = StatelessJWTAuthentication().authenticate(request)
    assert found == StatelessUser(issuer="django-jwtauth", pk=token.subject, token=token)


def test_the_base_class_leaves_verification_to_others(pair):
    with pytest.raises(NotImplementedError):
        BearerAuthentication().authenticate(RequestFactory().get("/", **bearer(pair.access)))


def test_an_invalid_setting_is_not_a_401(pair):
    with override_settings(JWTAUTH={"NONSENSE": 1}):
        response = APIClient(raise_request_exception=False).get("/whoami/", **bearer(pair.access))
    assert response.status_code == 500


@pytest.fixture
def without(settings):
    """Take apps out of the project."""

    def without(*apps):
        settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name not in apps]

    return without


CLASSES = pytest.mark.parametrize("cls", [JWTAuthentication, StatelessJWTAuthentication])
TRUSTING = {"TRUSTED_ISSUERS": {"https://auth.example.com": {"audience": "orders"}}}


@CLASSES
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}], ids=["no-token", "token"])
def test_a_project_that_accepts_no_tokens_gets_an_error_that_says_so(settings, without, cls, header):
    without("django_jwtauth")
    with pytest.raises(ImproperlyConfigured, match=r"INSTALLED_APPS.*TRUSTED_ISSUERS"):
        cls().authenticate(RequestFactory().get("/", headers=header))
    settings.JWTAUTH = TRUSTING
    assert cls().authenticate(RequestFactory().get("/")) is None


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}], ids=["no-token", "token"])
def test_without_djangos_users_unauthenticated_user_must_be_set(settings, without, header):
    without("django_jwtauth", "django.contrib.auth", "django.contrib.admin", "tests")
    settings.JWTAUTH = TRUSTING
    with pytest.raises(ImproperlyConfigured, match="UNAUTHENTICATED_USER"):
        StatelessJWTAuthentication().authenticate(RequestFactory().get("/", headers=header))
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    assert StatelessJWTAuthentication().authenticate(RequestFactory().get("/")) is None


def test_jwtauthentication_in_a_service_says_what_to_use_instead(settings, without):
    without("django_jwtauth")
    settings.JWTAUTH = TRUSTING
    with pytest.raises(ImproperlyConfigured, match="use StatelessJWTAuthentication"):
        JWTAuthentication().authenticate(RequestFactory().get("/", **bearer("x")))


def test_a_realm_can_be_chosen(pair):
    class Shop(StatelessJWTAuthentication):
        www_authenticate_realm = "shop"

    assert Shop().authenticate_header(RequestFactory().get("/")) == 'Bearer realm="shop"'


@each_row(
    ("error", "detail"),
    [(InvalidTokenError(reason), text) for reason, text in MESSAGES.items()]
    + [
        (InvalidTokenError("invalid", code="user_not_found"), "User not found"),
        (InvalidTokenError("frozen", message="Account frozen"), "Account frozen"),
        (InvalidTokenError("frozen"), "Token is invalid"),
    ],
    ids=lambda value: str(value),
)
def test_every_reason_has_a_message(error, detail):
    body = error_body(error)
    assert body == {"detail": detail, "code": error.code, "reason": error.reason}
    assert str(body["detail"])


# The stateless user


@pytest.fixture
def stateless(user):
    with override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.http.test_authentication.add_tenant"]}):
        access = sessions.start(user).access
        yield StatelessJWTAuthentication().authenticate_token(access)[0]


def test_the_stateless_user_is_the_subject_of_the_token(stateless, user):
    assert (stateless.pk, stateless.id, str(stateless)) == (str(user.pk),) * 3
    assert (stateless.is_authenticated, stateless.is_anonymous, stateless.is_active) == (True, False, True)
    assert stateless.issuer == "django-jwtauth"


def test_the_stateless_user_reads_claims_as_attributes_only_if_they_are_there(stateless):
    assert stateless.tenant == "acme"
    assert stateless.iss == "django-jwtauth"
    for name in ("missing", "_private", "__html__"):
        assert not hasattr(stateless, name)
    with pytest.raises(AttributeError, match="missing"):
        _ = stateless.missing


def test_the_stateless_user_is_issuer_and_subject(stateless):
    def other(**changes):
        return StatelessUser(**{"issuer": stateless.issuer, "pk": stateless.pk, "token": stateless.token, **changes})

    assert other() == stateless
    assert other(token=None) == stateless
    assert hash(other(token=None)) == hash(stateless)
    assert len({stateless, other(), other(issuer="x"), other(pk="x")}) == 3
    assert stateless != stateless.pk


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda user: pickle.loads(pickle.dumps(user))])
def test_the_stateless_user_can_be_copied_and_pickled(stateless, clone):
    twin = clone(stateless)
    assert twin == stateless
    assert twin.tenant == "acme"
    assert twin.token == stateless.token


def test_neither_user_nor_token_show_claims_or_the_token_when_printed(stateless):
    printed = repr(stateless) + repr(stateless.token)
    assert stateless.token.jti not in printed
    assert "acme" not in printed


def test_the_stateless_user_cannot_be_changed(stateless):
    with pytest.raises(AttributeError):
        stateless.pk = "2"


def test_a_session_id_that_is_not_a_uuid_is_unknown(client, pair):
    config = conf.get_config()
    claims = {**config.verifier.verify(pair.access).claims, "sid": str(pair.session.pk).upper()}
    raw = jws.sign(claims, typ="at+jwt", key=config.signing_keys.signing_key)
    assert client.get("/whoami/", **bearer(raw)).json()["reason"] == "invalid"


@pytest.mark.parametrize(("claims", "allowed"), [({}, False), ({"is_staff": 1}, False), ({"is_staff": True}, True)])
def test_only_the_token_decides_who_is_staff(stateless, claims, allowed):
    user = StatelessUser(issuer="i", pk="1", token=AccessToken.from_claims({**stateless.token.claims, **claims}))
    request = types.SimpleNamespace(user=user)
    assert IsAdminUser().has_permission(request, None) is allowed
    assert user.is_superuser is False
