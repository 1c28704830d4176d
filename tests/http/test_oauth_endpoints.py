"""RFC 7009 revocation and RFC 7662 introspection: their responses, who may call them, and what stays unchanged."""

import datetime
import json
import uuid
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.auth.signals import user_logged_out
from rest_framework.test import APIClient

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.database import epoch
from django_jwtauth.keys import Key
from django_jwtauth.models import BlacklistedToken, RefreshToken
from tests.tools.http import bearer
from tests.tools.products import each_row

REVOKE, INTROSPECT = "/auth/token/revoke/", "/auth/token/introspect/"
HOUR = datetime.timedelta(hours=1)
INACTIVE = {"active": False}
FORMATS = ("form", "json", "multipart")


def rows():
    """Everything both tables hold, to show that nothing changed."""
    return list(RefreshToken.objects.order_by("pk").values()), list(BlacklistedToken.objects.values())


def post(client, url, body, format="form", **extra):
    if format == "form":
        return client.post(url, urlencode(body), content_type="application/x-www-form-urlencoded", **extra)
    return client.post(url, body, format=format, **extra)


def revoke(client, token, **more):
    response = post(client, REVOKE, {"token": token, **more})
    assert (response.status_code, response.json()) == (200, {})
    assert response["Cache-Control"] == "no-store"


def signed(raw, *, typ="at+jwt", key=None, **changes):
    """Return the same token with changed claims, signed with our key or another one."""
    config = conf.get_config()
    keys = config.refresh_keys if typ == "rt+jwt" else config.signing_keys
    claims = {**jws.reload(jws.b64url_decode(raw.split(".")[1].encode())), **changes}
    return jws.sign(claims, typ=typ, key=key or keys.signing_key)


@pytest.fixture
def logged_out():
    users = []

    def receiver(sender, user, **kwargs):
        users.append(user)

    user_logged_out.connect(receiver)
    yield users
    user_logged_out.disconnect(receiver)


@pytest.fixture
def rotated(user, age):
    """A session of three generations; the refresh tokens of all of them."""
    pair = sessions.start(user)
    raws = [pair.refresh]
    for _ in range(2):
        age(pair.session, HOUR)
        raws.append(sessions.refresh(raws[-1]).refresh)
    assert len(set(raws)) == 3
    return raws


# Revoke


@pytest.mark.parametrize("generation", [0, 1, 2])
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "access_token"}])
def test_a_refresh_token_of_any_generation_ends_its_session_once(client, user, rotated, logged_out, generation, hint):
    revoke(client, rotated[generation], **hint)
    session = RefreshToken.objects.get()
    assert (session.revoked_at is not None, session.revoked_reason) == (True, "logout")
    assert logged_out == [user]
    after = rows()
    revoke(client, rotated[generation], **hint)
    assert rows() == after
    assert logged_out == [user]


@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "access_token"}])
def test_an_access_token_is_revoked_alone_and_its_session_goes_on(client, user, age, logged_out, hint):
    pair = sessions.start(user)
    other = sessions.refresh(pair.refresh)
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200
    revoke(client, pair.access, **hint)
    revoke(client, pair.access, **hint)
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"
        assert client.get(path, **bearer(other.access)).status_code == 200
    (entry,) = BlacklistedToken.objects.all()
    assert (entry.user, entry.reason) == (user, "logout")
    assert logged_out == []
    age(pair.session, HOUR)
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.parametrize("format", FORMATS)
def test_revoke_takes_forms_and_json(client, pair, format):
    response = post(client, REVOKE, {"token": pair.refresh, "token_type_hint": "refresh_token"}, format)
    assert (response.status_code, response.json()) == (200, {})
    assert RefreshToken.objects.get().revoked_at


def expired_access(pair):
    return signed(pair.access, iat=1_000_000_000, exp=1_000_000_300)


def expired_refresh(pair):
    return signed(pair.refresh, typ="rt+jwt", iat=1_000_000_000, exp=1_000_000_300)


def forged_access(pair):
    return signed(pair.access, key=Key.generate("ES256"))


def forged_refresh(pair):
    """Signed by an attacker who has read the database or stolen the access key, but does not have the refresh key."""
    return signed(pair.refresh, typ="rt+jwt", key=conf.get_config().signing_keys.signing_key)


def refresh_with_another_jti(pair):
    return signed(pair.refresh, typ="rt+jwt", jti="x" * 43)


def access_as_refresh(pair):
    return signed(pair.access, typ="rt+jwt")


def refresh_as_access(pair):
    return signed(pair.refresh, typ="at+jwt")


def other_type(pair):
    return signed(pair.access, typ="jwt")


def other_issuer(pair):
    return signed(pair.access, iss="https://other.example.com")


def unknown_session(pair):
    return signed(pair.refresh, typ="rt+jwt", sid=str(uuid.uuid4()))


BAD = [
    "x",
    "a.b.c",
    " ",
    "é",
    "x" * 100_000,
    "eyJ0eXAiOiJydCtqd3QifQ.e30.AA",
    forged_access,
    forged_refresh,
    access_as_refresh,
    refresh_as_access,
    other_type,
    other_issuer,
]
NEED_A_QUERY = [expired_access, expired_refresh, refresh_with_another_jti, unknown_session]
ids = {"ids": lambda bad: ascii(bad)[:20] if isinstance(bad, str) else bad.__name__}


def text(bad, pair):
    return bad if isinstance(bad, str) else bad(pair)


@each_row("bad", BAD, **ids)
@each_row("hint", ["", "access_token", "refresh_token", "nonsense"])
def test_an_invalid_token_is_200_changes_nothing_and_costs_no_query(
    client, pair, logged_out, django_assert_num_queries, bad, hint
):
    before, body = rows(), json.dumps({"token": text(bad, pair), "token_type_hint": hint})
    with django_assert_num_queries(0):
        response = client.post(REVOKE, body, content_type="application/json")
    assert (response.status_code, response.json()) == (200, {})
    assert rows() == before
    assert logged_out == []


@pytest.mark.parametrize("bad", NEED_A_QUERY, **ids)
def test_a_signed_token_that_is_not_the_rows_is_200_and_changes_nothing(
    client, pair, logged_out, django_assert_num_queries, bad
):
    before, raw = rows(), bad(pair)
    with django_assert_num_queries(1):
        revoke(client, raw)
    assert rows() == before
    assert logged_out == []


def test_a_token_of_a_session_that_is_gone_is_200(client, pair):
    RefreshToken.objects.all().delete()
    revoke(client, pair.refresh)
    revoke(client, pair.access)


def test_revoke_ignores_a_token_in_the_header(client, pair):
    response = client.post(REVOKE, {"token": pair.refresh}, **bearer("nonsense"))
    assert response.status_code == 200
    assert RefreshToken.objects.get().revoked_at


# What is wrong with the fields


@pytest.fixture
def caller(user):
    """A client that may introspect."""
    staff = get_user_model().objects.create_user("gateway")
    staff.user_permissions.set(Permission.objects.filter(codename="introspect_token"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {sessions.start(staff).access}")
    return client


@each_row("url", [REVOKE, INTROSPECT])
@each_row(
    ("body", "field"),
    [
        ({}, "token"),
        ({"token": ""}, "token"),
        ({"token": None}, "token"),
        ({"token": ["a"]}, "token"),
        ({"token": "a\x00"}, "token"),
        ({"token": "x", "token_type_hint": []}, "token_type_hint"),
        ([], "non_field_errors"),
        ("x", "non_field_errors"),
    ],
    ids=str,
)
def test_a_request_without_a_usable_token_is_an_oauth_error(caller, url, body, field):
    response = caller.post(url, body, format="json")
    assert response.status_code == 400
    assert response.json().keys() == {"error", field}
    assert response.json()["error"] == "invalid_request"  # RFC 6749 section 5.2
    assert response["Cache-Control"] == "no-store"


@each_row("url", [REVOKE, INTROSPECT])
@each_row(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ('{"token": "\\ud800"}', "application/json", 400),
        ("token=x", "application/json; charset=nonsense", 400),
        ("token=x", "text/plain", 415),
        ("token=x&token_type_hint=nonsense", "application/x-www-form-urlencoded", 200),
    ],
    ids=["half", "deep", "surrogate", "charset", "plain", "unknown-hint"],
)
def test_no_body_makes_an_error_of_ours(caller, url, body, content_type, status):
    response = caller.post(url, body, content_type=content_type)
    assert response.status_code == status
    assert response.json().get("error") == ("invalid_request" if status == 400 else None)
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", [REVOKE, INTROSPECT])
def test_both_take_post_only(caller, url):
    assert caller.get(url, {"token": "x"}).status_code == 405


# Introspect: who may


def test_introspection_needs_the_permission(client, caller, user, pair):
    anonymous = client.post(INTROSPECT, {"token": pair.access})
    assert anonymous.status_code == 401
    assert anonymous.json()["code"] == "not_authenticated"
    assert anonymous["WWW-Authenticate"] == 'Bearer realm="api"'
    refused = client.post(INTROSPECT, {"token": pair.access}, **bearer("nonsense"))
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    without = client.post(INTROSPECT, {"token": pair.access}, **bearer(pair.access))
    assert without.status_code == 403
    assert caller.post(INTROSPECT, {"token": pair.access}).status_code == 200
    for response in (anonymous, refused, without):
        assert response["Cache-Control"] == "no-store"
        assert "active" not in response.json()


def test_a_superuser_may_introspect_but_not_by_a_refresh_token(client, pair):
    root = sessions.start(get_user_model().objects.create_superuser("root"))
    assert client.post(INTROSPECT, {"token": pair.access}, **bearer(root.access)).json()["active"] is True
    assert client.post(INTROSPECT, {"token": pair.access}, **bearer(root.refresh)).status_code == 401


def test_without_the_permission_the_body_is_not_judged(client, pair):
    assert client.post(INTROSPECT, {}, **bearer(pair.access)).status_code == 403


# Introspect: what it says


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "nonsense"}])
def test_a_good_access_token_is_active(caller, user, format, hint):
    pair = sessions.start(user, scope="orders:read", amr=["pwd"])
    token = conf.get_config().verifier.verify(pair.access)
    response = post(caller, INTROSPECT, {"token": pair.access, **hint}, format)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "active": True,
        "token_type": "Bearer",
        "username": "ada",
        "iss": "django-jwtauth",
        "sub": str(user.pk),
        "aud": "django-jwtauth",
        "client_id": "first-party",
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.jti,
        "sid": str(pair.session.pk),
        "auth_time": token.claims["auth_time"],
        "scope": "orders:read",
        "amr": ["pwd"],
    }


@pytest.mark.parametrize("scope", ["", "orders:read orders:write"])
def test_a_refresh_token_is_active_if_the_hint_says_that_it_is_one(caller, user, scope):
    pair = sessions.start(user, scope=scope)
    response = caller.post(INTROSPECT, {"token": pair.refresh, "token_type_hint": "refresh_token"})
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "active": True,
        "iss": "django-jwtauth",
        "client_id": "first-party",
        "sub": str(user.pk),
        "username": "ada",
        "sid": str(pair.session.pk),
        "iat": int(epoch(pair.session.rotated_at)),
        "exp": int(epoch(pair.session.idle_at)),
        **({"scope": scope} if scope else {}),
    }


def revoked(pair):
    sessions.revoke(pair.session)


def blacklisted(pair):
    sessions.blacklist(pair.access)


def deactivated(pair):
    get_user_model().objects.filter(username="ada").update(is_active=False)


def new_password(pair):
    get_user_model().objects.filter(username="ada").update(password="!")


def deleted(pair):
    pair.session.user.delete()


ENDS = [(end, kind) for end in (revoked, deactivated, new_password, deleted) for kind in ("access", "refresh")]


@pytest.mark.parametrize(("end", "kind"), [*ENDS, (blacklisted, "access")])
def test_what_has_ended_is_not_active_and_no_more_is_said(caller, pair, end, kind):
    raw = getattr(pair, kind)
    body = {"token": raw, "token_type_hint": f"{kind}_token"}
    assert caller.post(INTROSPECT, body).json()["active"] is True
    end(pair)
    response = caller.post(INTROSPECT, body)
    assert (response.status_code, response.json()) == (200, INACTIVE)
    assert response["Cache-Control"] == "no-store"


def test_a_refresh_token_for_acting_as_a_new_superuser_is_not_active(caller, user):
    staff = get_user_model().objects.create_user("bob", is_staff=True)
    acting, own = sessions.start(user, actor=staff, refreshable=True), sessions.start(user)
    body = {"token": acting.refresh, "token_type_hint": "refresh_token"}
    assert caller.post(INTROSPECT, body).json()["act"] == {"sub": str(staff.pk)}
    user.is_superuser = True
    user.save()
    assert caller.post(INTROSPECT, body).json() == INACTIVE
    assert caller.post(INTROSPECT, {**body, "token": own.refresh}).json()["active"] is True


@each_row("bad", BAD + NEED_A_QUERY, **ids)
@each_row("hint", ["", "access_token", "refresh_token", "nonsense"])
def test_an_invalid_token_is_not_active(caller, pair, bad, hint):
    before, body = rows(), json.dumps({"token": text(bad, pair), "token_type_hint": hint})
    response = caller.post(INTROSPECT, body, content_type="application/json")
    assert (response.status_code, response.json()) == (200, INACTIVE)
    assert rows() == before


def test_a_token_taken_for_the_other_kind_is_not_active(caller, pair):
    """A service that looks at ``active`` alone must never take a refresh token for an access token."""
    for hint in ({}, {"token_type_hint": "access_token"}, {"token_type_hint": "nonsense"}, {"token_type_hint": ""}):
        assert caller.post(INTROSPECT, {"token": pair.refresh, **hint}).json() == INACTIVE
    assert caller.post(INTROSPECT, {"token": pair.access, "token_type_hint": "refresh_token"}).json() == INACTIVE


def test_a_superseded_refresh_token_is_not_active_and_nothing_is_revoked(caller, rotated):
    before = rows()
    answers = [
        caller.post(INTROSPECT, {"token": raw, "token_type_hint": "refresh_token"}).json()["active"] for raw in rotated
    ]
    assert answers == [False, False, True]
    assert rows() == before


def test_after_everyone_was_signed_out_the_caller_is_refused_too(caller, pair):
    sessions.revoke_everyone()
    assert caller.post(INTROSPECT, {"token": pair.access}).status_code == 401


def odd_claims(user, *, request, session):
    return {"active": False, "username": "root", "token_type": "refresh_token", "tenant": "acme"}


def test_claims_of_hooks_are_included_but_replace_none_of_ours(caller, user, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.http.test_oauth_endpoints.odd_claims"]}
    answer = caller.post(INTROSPECT, {"token": sessions.start(user).access}).json()
    assert (answer["active"], answer["username"], answer["tenant"]) == (True, "ada", "acme")
    assert answer["token_type"] == "Bearer"


def test_introspection_costs_two_queries_for_a_caller_whose_permissions_are_known(
    caller, pair, django_assert_num_queries
):
    """One to authenticate the caller, one for the token; two for the caller's permissions, which are Django's."""
    with django_assert_num_queries(4):
        assert caller.post(INTROSPECT, {"token": pair.access}).json()["active"] is True
