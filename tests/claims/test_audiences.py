"""Audiences over HTTP (RFC 8707): what is asked for, what ``AUDIENCES`` allows, and where the token is good then."""

import pytest
from django.contrib.auth.models import Permission

from django_jwtauth import sessions
from django_jwtauth._core import jws
from django_jwtauth.errors import InsufficientScopeError, InvalidTargetError, InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.products import in_turn
from tests.tools.scopes import (
    CREDENTIALS,
    INVALID_TARGET,
    MINUTE,
    MODES,
    ORDERS,
    OWN,
    OWN2,
    PUBLIC_KEYS,
    REFRESH,
    STOCK,
    TOKEN,
    R,
    W,
    allowed,
    post,
    source,
    state,
    verdict,
    verifier,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.tools.scopes")]


# Asked for at sign-in, allowed by AUDIENCES, asked for at a refresh; the audience at sign-in, and after the refresh.
AUDIENCES = [
    ("", None, "", OWN, OWN),
    ("", None, OWN, OWN, OWN),
    ("", None, OWN2, OWN, OWN2),
    ("", None, STOCK, OWN, INVALID_TARGET),
    (OWN, None, "", OWN, OWN),
    (OWN2, None, "", OWN2, OWN2),
    (OWN2, None, OWN2, OWN2, OWN2),
    (OWN2, None, OWN, OWN2, INVALID_TARGET),
    (STOCK, None, "", INVALID_TARGET, None),
    ("", [], STOCK, OWN, INVALID_TARGET),
    (STOCK, [], "", INVALID_TARGET, None),
    ("", [STOCK], "", OWN, OWN),
    ("", [STOCK], STOCK, OWN, STOCK),
    ("", [STOCK], OWN2, OWN, OWN2),
    ("", [STOCK], ORDERS, OWN, INVALID_TARGET),
    ("", [STOCK, ORDERS], ORDERS, OWN, ORDERS),
    (STOCK, [STOCK], "", STOCK, STOCK),
    (STOCK, [STOCK], STOCK, STOCK, STOCK),
    (STOCK, [STOCK, ORDERS], ORDERS, STOCK, INVALID_TARGET),
    (STOCK, [STOCK], OWN, STOCK, INVALID_TARGET),
    (ORDERS, [STOCK], "", INVALID_TARGET, None),
    (STOCK + "/", [STOCK], "", INVALID_TARGET, None),
    (STOCK.upper(), [STOCK], "", INVALID_TARGET, None),
    (f"{STOCK} ", [STOCK], "", INVALID_TARGET, None),
    (f" {STOCK}", [STOCK], "", INVALID_TARGET, None),
]


def accepted_by(client, raw):
    """Return whose verifier takes a token; our own endpoints take it if it is ours."""
    verdicts = {audience: verdict(audience, raw) for audience in (OWN, OWN2, STOCK, ORDERS)}
    assert sorted(verdicts.values()) == ["good", *["wrong_audience"] * 3]
    found = {audience for audience in verdicts if verdicts[audience] == "good"}
    for url in ("/whoami/", "/stateless/", "/auth/sessions/"):
        answer = client.get(url, **bearer(raw))
        if found & {OWN, OWN2}:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_audience")
    verify = client.post("/auth/token/verify/", {"token": raw})
    assert verify.status_code == (200 if found & {OWN, OWN2} else 401)
    (audience,) = found
    return audience


@pytest.mark.parametrize(
    ("asked", "names", "wanted", "first_audience", "audience", "kind", "by"), in_turn(dict(enumerate(AUDIENCES)), MODES)
)
def test_a_token_is_good_at_the_audience_that_was_asked_for_and_nowhere_else(
    client, user, configure, age, kind, by, asked, names, wanted, first_audience, audience
):
    configure(AUDIENCES=source(kind, names))
    body = CREDENTIALS | ({"resource": asked} if asked else {})
    if first_audience == INVALID_TARGET:
        refused = post(client, TOKEN, body, 400)
        assert (refused["error"], refused["code"]) == (INVALID_TARGET, INVALID_TARGET)
        assert not RefreshToken.objects.exists()
        return
    first = post(client, TOKEN, body)
    assert accepted_by(client, first["access"]) == first_audience

    age(RefreshToken.objects.get(), by)
    before = RefreshToken.objects.values().get()
    body = {"refresh": first["refresh"]}
    if audience == INVALID_TARGET:
        refused = post(client, REFRESH, {**body, "resource": wanted}, 400)
        assert (refused["error"], refused["code"]) == (INVALID_TARGET, INVALID_TARGET)
        assert RefreshToken.objects.values().get() == before
    else:
        second = post(client, REFRESH, body | ({"resource": wanted} if wanted else {}))
        assert accepted_by(client, second["access"]) == audience
        body = {"refresh": second["refresh"]}
    # It was for that one access token.
    third = post(client, REFRESH, body)
    assert accepted_by(client, third["access"]) == first_audience


def test_a_session_for_an_audience_that_is_allowed_no_more_gives_no_tokens_until_it_is_again(client, user, configure):
    configure(AUDIENCES=[STOCK])
    answer = post(client, TOKEN, {**CREDENTIALS, "resource": STOCK})
    before = RefreshToken.objects.values().get()
    configure(AUDIENCES=[ORDERS])
    assert post(client, REFRESH, {"refresh": answer["refresh"]}, 400)["error"] == INVALID_TARGET
    assert RefreshToken.objects.values().get() == before
    configure(AUDIENCES=[STOCK])
    assert accepted_by(client, post(client, REFRESH, {"refresh": answer["refresh"]})["access"]) == STOCK


def test_code_may_start_a_session_for_anybody_unless_a_setting_says_otherwise(client, user, configure):
    pair = sessions.start(user, audience=STOCK)
    assert accepted_by(client, pair.access) == STOCK
    assert accepted_by(client, post(client, REFRESH, {"refresh": pair.refresh})["access"]) == STOCK
    configure(AUDIENCES=[ORDERS])
    with pytest.raises(InvalidTargetError):
        sessions.start(user, audience=STOCK)


ODD_RESOURCES = ["a\x01b", "a\tb", "\u200b", "a\u00a0b", "\u2028x", "\ufeff", "https://stock.example.com\u200b"]


@pytest.mark.parametrize("names", [None, [], [STOCK]], ids=str)
@pytest.mark.parametrize("resource", ODD_RESOURCES, ids=ascii)
def test_a_resource_with_odd_characters_is_unknown(client, user, configure, age, resource, names):
    configure(AUDIENCES=names)
    pair = sessions.start(user)
    age(pair.session, MINUTE)
    before = list(RefreshToken.objects.values())
    for url, body in ((TOKEN, CREDENTIALS), (REFRESH, {"refresh": pair.refresh})):
        response = client.post(url, {**body, "resource": resource}, format="json")
        assert (response.status_code, response.json().get("error")) == (400, INVALID_TARGET), response.content
    assert list(RefreshToken.objects.values()) == before


@pytest.mark.parametrize("several", [[STOCK, ORDERS], [STOCK, STOCK], [STOCK, ""]], ids=["two", "twice", "and nothing"])
@pytest.mark.parametrize("format", ["json", "multipart", "form"])
def test_several_resources_are_400(client, user, configure, age, several, format):
    configure(AUDIENCES=[STOCK, ORDERS])
    pair = sessions.start(user)
    age(pair.session, MINUTE)
    before = list(RefreshToken.objects.values())
    for url, body in ((TOKEN, CREDENTIALS), (REFRESH, {"refresh": pair.refresh})):
        data = {**body, "resource": several}
        if format == "form":
            form = "&".join([*(f"{name}={value}" for name, value in body.items()), *(f"resource={r}" for r in several)])
            response = client.post(url, form, content_type="application/x-www-form-urlencoded")
        else:
            response = client.post(url, data, format=format)
        assert (response.status_code, response.json()) == (400, {"resource": ["Ask for only one resource."]})
    assert list(RefreshToken.objects.values()) == before


@pytest.mark.parametrize("format", ["json", "multipart", "form"])
def test_every_format_will_do(client, user, configure, format):
    configure(SCOPES=[R], AUDIENCES=[STOCK])
    body = {**CREDENTIALS, "scope": R, "resource": STOCK}
    if format == "form":
        form = "&".join(f"{name}={value}" for name, value in body.items())
        answer = client.post(TOKEN, form, content_type="application/x-www-form-urlencoded").json()
    else:
        answer = client.post(TOKEN, body, format=format).json()
    assert answer["scope"] == R
    assert verifier(STOCK).verify(answer["access"], scopes=[R]).audience == (STOCK,)


def test_scope_and_audience_go_together(client, user, configure):
    configure(SCOPES=[R, W], AUDIENCES=[STOCK])
    answer = post(client, TOKEN, {**CREDENTIALS, "scope": f"{R} {W}"})
    answer = post(client, REFRESH, {"refresh": answer["refresh"], "scope": R, "resource": STOCK})
    assert verifier(STOCK).verify(answer["access"], scopes=[R]).scopes == {R}
    with pytest.raises(InsufficientScopeError):
        verifier(STOCK).verify(answer["access"], scopes=[W])
    with pytest.raises(InvalidTokenError, match="wrong_audience"):
        verifier(OWN).verify(answer["access"], scopes=[R])


@pytest.fixture
def staff(client, user, django_user_model, configure):
    """An access token of somebody who may introspect."""
    staff = django_user_model.objects.create_user("staff")
    staff.user_permissions.add(Permission.objects.get(codename="introspect_token"))
    return sessions.start(staff).access


def revocations(client):
    raw = client.get("/.well-known/jwt-revocations").content
    return jws.verify_signature(raw, profile=jws.REVOCATIONS, keys=PUBLIC_KEYS, max_length=10**6).claims


def test_a_token_for_another_audience_can_be_introspected_and_revoked_here(client, user, configure, staff):
    configure(SCOPES=[R], AUDIENCES=[STOCK])
    answer = post(client, TOKEN, {**CREDENTIALS, "scope": R, "resource": STOCK})

    def introspect():
        return client.post("/auth/token/introspect/", {"token": answer["access"]}, **bearer(staff)).json()

    seen = introspect()
    assert (seen["active"], seen["aud"], seen["scope"], seen["username"]) == (True, STOCK, R, "ada")
    assert client.post("/auth/token/revoke/", {"token": answer["access"]}).status_code == 200
    assert introspect() == {"active": False}
    assert revocations(client)["jtis"] == [verifier(STOCK).verify(answer["access"]).jti]
    assert RefreshToken.objects.get(user=user).revoked_at is None


def test_a_token_for_another_audience_cannot_sign_out_here(client, user, configure):
    configure(AUDIENCES=[STOCK])
    answer = post(client, TOKEN, {**CREDENTIALS, "resource": STOCK})
    for url in ("/auth/logout/", "/auth/logout/all/"):
        refused = client.post(url, **bearer(answer["access"]))
        assert (refused.status_code, refused.json()["reason"]) == (401, "wrong_audience")
    assert RefreshToken.objects.get().revoked_at is None


def test_nobody_learns_from_an_error_which_audiences_there_are(client, user, configure):
    """One that is there for others and one that is not: the answer is the same."""
    configure(AUDIENCES=allowed)
    state["allowed"] = [STOCK] if user.is_staff else []
    answers = [post(client, TOKEN, {**CREDENTIALS, "resource": resource}, 400) for resource in (STOCK, "https://x.y")]
    assert answers[0] == answers[1]
    assert STOCK not in str(answers)
