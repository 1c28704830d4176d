"""Scopes over HTTP: what is asked for, what ``SCOPES`` allows, what a refresh narrows, and whether it is enforced."""

import json

import pytest
from django.test import override_settings

from django_jwtauth import conf, grants, sessions
from django_jwtauth.errors import InsufficientScopeError, InvalidScopeError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.products import each_row, in_turn
from tests.tools.scopes import (
    CREDENTIALS,
    INVALID_SCOPE,
    INVALID_TARGET,
    KINDS,
    MINUTE,
    MODES,
    ORDERS,
    OWN,
    OWN2,
    PUBLIC,
    REFRESH,
    STOCK,
    TOKEN,
    R,
    W,
    X,
    allowed,
    post,
    source,
    state,
    verifier,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.tools.scopes")]


def enforced_scopes(client, raw):
    """Return the scopes that each of those who enforce them finds in a token; they agree."""
    found = []
    for kind in ("stateful", "stateless"):
        answers = {scope: client.get(f"/needs/{kind}/{scope}/", **bearer(raw)) for scope in (R, W, X)}
        assert {answer.status_code for answer in answers.values()} <= {200, 403}
        for scope, answer in answers.items():
            if answer.status_code == 403:
                challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'
                assert answer["WWW-Authenticate"] == challenge
        found.append({scope for scope, answer in answers.items() if answer.status_code == 200})
    found.append({scope for scope in (R, W, X) if is_verified(raw, [scope])})
    assert found[0] == found[1] == found[2]
    if found[0]:
        assert is_verified(raw, sorted(found[0]))
    return " ".join(sorted(found[0]))


def is_verified(raw, scopes):
    try:
        verifier(OWN).verify(raw, scopes=scopes)
    except InsufficientScopeError:
        return False
    return True


# Asked for at sign-in, allowed by SCOPES (None: not set), asked for at a refresh; granted at either.
SCOPES = [
    ("", None, "", "", ""),
    (R, None, "", "", ""),
    (R, None, R, "", ""),
    ("", [], "", "", ""),
    (R, [], "", "", ""),
    (R, [], R, "", INVALID_SCOPE),
    ("", [R, W], "", "", ""),
    ("", [R, W], R, "", INVALID_SCOPE),
    (R, [R, W], "", R, R),
    (R, [R, W], R, R, R),
    (R, [R, W], W, R, INVALID_SCOPE),
    (R, [R, W], f"{R} {W}", R, INVALID_SCOPE),
    (f"{R} {W}", [R], "", R, R),
    (f"{R} {W}", [R], R, R, R),
    (f"{R} {W}", [R], W, R, INVALID_SCOPE),
    (f"{R} {W}", [R], f"{R} {W}", R, INVALID_SCOPE),
    (f"{R} {W}", [R, W], "", f"{R} {W}", f"{R} {W}"),
    (f"{R} {W}", [R, W], R, f"{R} {W}", R),
    (f"{R} {W}", [R, W], W, f"{R} {W}", W),
    (f"{R} {W}", [R, W], f"{W} {R}", f"{R} {W}", f"{W} {R}"),
    (f"{W} {R} {R}", [R, W], f"{R} {R}", f"{W} {R}", R),
    (X, [R, W], "", "", ""),
    (f"{X} {R}", [R, W], "", R, R),
    (f"{X} {R}", [R, W], X, R, INVALID_SCOPE),
    (f"{R} {W}", [R, W], X, f"{R} {W}", INVALID_SCOPE),
    (R.upper(), [R], "", "", ""),
    (R, [R], R.upper(), R, INVALID_SCOPE),
]


@pytest.mark.parametrize(
    ("asked", "names", "narrowed", "granted", "left", "kind", "by"), in_turn(dict(enumerate(SCOPES)), MODES)
)
def test_scopes_asked_for_allowed_and_narrowed(
    client, user, configure, age, kind, by, asked, names, narrowed, granted, left
):
    configure(SCOPES=source(kind, names))
    first = post(client, TOKEN, CREDENTIALS | ({"scope": asked} if asked else {}))
    assert first.get("scope") == (granted if asked else None)
    assert enforced_scopes(client, first["access"]) == " ".join(sorted(granted.split()))

    age(RefreshToken.objects.get(), by)
    before = RefreshToken.objects.values().get()
    body = {"refresh": first["refresh"]}
    if left == INVALID_SCOPE:
        refused = post(client, REFRESH, {**body, "scope": narrowed}, 400)
        assert (refused["error"], refused["code"]) == (INVALID_SCOPE, INVALID_SCOPE)
        assert RefreshToken.objects.values().get() == before
    else:
        second = post(client, REFRESH, body | ({"scope": narrowed} if narrowed else {}))
        assert second.get("scope") == (left if granted or narrowed else None)
        assert enforced_scopes(client, second["access"]) == " ".join(sorted(left.split()))
        assert RefreshToken.objects.get().generation == (1 if by else 0)
        body = {"refresh": second["refresh"]}
    # It was one access token that was narrowed. The session, and what the next refresh gives, is what it was.
    third = post(client, REFRESH, body)
    assert third.get("scope", "") == granted == RefreshToken.objects.get().scope
    assert enforced_scopes(client, third["access"]) == " ".join(sorted(granted.split()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_scopes_allows_no_more_is_left_out_from_the_next_refresh_on(client, user, configure, age, kind):
    configure(SCOPES=source(kind, [R, W]))
    answer = post(client, TOKEN, {**CREDENTIALS, "scope": f"{R} {W}"})
    for names, asked, scope in (
        ([R], "", R),
        ([R], f"{R} {W}", R),
        ([R], W, ""),
        ([], "", ""),
        ([W, X], "", W),
        ([X], "", ""),
        ([R, W], "", f"{R} {W}"),
    ):
        configure(SCOPES=source(kind, names))
        age(RefreshToken.objects.get(), MINUTE)
        answer = post(client, REFRESH, {"refresh": answer["refresh"], "scope": asked})
        assert answer["scope"] == scope  # also where nothing is left, and nothing was asked for
        assert enforced_scopes(client, answer["access"]) == scope
    refused = post(client, REFRESH, {"refresh": answer["refresh"], "scope": X}, 400)
    assert refused["error"] == INVALID_SCOPE


def test_code_may_start_a_session_with_any_scope_unless_a_setting_says_otherwise(user, configure):
    assert sessions.start(user, scope=f"{R} {X}").scope == f"{R} {X}"
    configure(SCOPES=[R])
    assert sessions.start(user, scope=f"{R} {X}").scope == R
    with pytest.raises(InvalidScopeError):
        sessions.start(user, scope="a\nb")


@pytest.mark.parametrize("setting", ["SCOPES", "AUDIENCES"])
def test_callables_are_told_who_asks(client, user, configure, age, setting):
    configure(**{setting: allowed})
    state["allowed"] = (name for name in [R, STOCK])  # anything that can be iterated
    asked = {"scope": R} if setting == "SCOPES" else {"resource": STOCK}
    answer = post(client, TOKEN, CREDENTIALS | asked)
    who, request, session = state["called"]
    assert (who, request.path) == (user, TOKEN)
    (row,) = RefreshToken.objects.all()
    assert (session.pk, session.user, session.amr) == (row.pk, user, ["pwd"])
    state["allowed"] = {R: 1, STOCK: 2}
    age(row, MINUTE)
    post(client, REFRESH, {"refresh": answer["refresh"]} | asked)
    who, request, session = state["called"]
    assert (who, request.path, session.pk) == (user, REFRESH, row.pk)
    state["allowed"] = [R, STOCK]
    sessions.refresh(answer["refresh"], scope=asked.get("scope", ""), audience=asked.get("resource", ""))
    assert state["called"][1] is None


@pytest.mark.parametrize(
    ("names", "problem", "kind", "setting", "asked"),
    in_turn(
        {
            repr(row[0]): row
            for row in [
                (ZeroDivisionError("secret"), "it raised ZeroDivisionError"),
                (None, "it raised TypeError"),
                (5, "it raised TypeError"),
                ("a b", "it must return a list of names"),
                ("a", "it must return a list of names"),
                ("", "it must return a list of names"),
                (b"a", "it must return a list of names"),
                (["a", 1], "it must return a list of names"),
                (["a", ""], "it must return a list of names"),
                (["a", "\n"], "it must return a list of names"),
                ([["a"]], "it must return a list of names"),
            ]
        },
        {
            f"{kind}-{setting}": (kind, setting, {name: "a"})
            for kind in ("callable", "dotted path")
            for setting, name in (("SCOPES", "scope"), ("AUDIENCES", "resource"))
        },
    ),
)
def test_a_callable_that_fails_is_500_named_in_the_log_and_nothing_is_written(
    client, user, configure, age, caplog, setting, asked, kind, names, problem
):
    answer = post(client, TOKEN, CREDENTIALS)
    RefreshToken.objects.update(scope="a")
    age(RefreshToken.objects.get(), MINUTE)
    before = list(RefreshToken.objects.values())
    configure(**{setting: source(kind, ["a"])})
    state["allowed"] = names
    client.raise_request_exception = False
    for url, body in ((TOKEN, CREDENTIALS), (REFRESH, {"refresh": answer["refresh"]})):
        caplog.clear()
        assert client.post(url, body | asked).status_code == 500
        (message,) = (record.getMessage() for record in caplog.records if record.name == "django_jwtauth")
        assert f"JWTAUTH['{setting}']: {problem}" in message
        assert "secret" not in message
        assert list(RefreshToken.objects.values()) == before
    state["allowed"] = ["a"]
    assert client.post(REFRESH, {"refresh": answer["refresh"]} | asked).status_code == 200


def test_a_callable_is_not_asked_where_nothing_is(client, user, configure):
    configure(SCOPES=allowed, AUDIENCES=allowed)
    state["allowed"] = ZeroDivisionError()
    answer = post(client, TOKEN, CREDENTIALS)
    post(client, REFRESH, {"refresh": answer["refresh"]})
    post(client, REFRESH, {"refresh": answer["refresh"], "resource": OWN2})  # our own needs no setting
    assert "called" not in state


MALFORMED_SCOPES = ["a  b", " a", "a ", " ", 'a"b', "a\\b", "ä", "a\tb", "a\nb", "a\x7fb", "🌍", "a\u00a0b", "a\u2028b"]


@each_row("format", ["json", "multipart"])
@each_row("scope", MALFORMED_SCOPES, ids=ascii)
def test_a_malformed_scope_is_400_and_changes_nothing(client, user, configure, age, scope, format):
    configure(SCOPES=[R])
    pair = sessions.start(user, scope=R)
    age(pair.session, MINUTE)
    before = list(RefreshToken.objects.values())
    for url, body in ((TOKEN, CREDENTIALS), (REFRESH, {"refresh": pair.refresh})):
        response = client.post(url, {**body, "scope": scope}, format=format)
        assert (response.status_code, response.json()["error"]) == (400, INVALID_SCOPE)
        assert response["Cache-Control"] == "no-store"
    assert list(RefreshToken.objects.values()) == before


NO_TEXTS = [[], {}, ["a"], {"a": 1}, True, None, "a" * 5000, "\ud800", "a\0"]


@pytest.mark.parametrize("name", ["scope", "resource"])
@pytest.mark.parametrize("value", NO_TEXTS, ids=lambda value: ascii(value)[:12])
def test_what_is_no_text_is_400_of_that_field(client, user, configure, age, name, value):
    configure(SCOPES=[R], AUDIENCES=[STOCK])
    pair = sessions.start(user)
    age(pair.session, MINUTE)
    before = list(RefreshToken.objects.values())
    for url, body in ((TOKEN, CREDENTIALS), (REFRESH, {"refresh": pair.refresh})):
        data = json.dumps({**body, name: value})
        response = client.post(url, data, content_type="application/json")
        assert response.status_code == 400, response.content
        # What is well-formed JSON and yet no Unicode may be found out later than by the field.
        assert (
            name in response.json() or response.json()["error"] == f"invalid_{'target' if name == 'resource' else name}"
        )
    assert list(RefreshToken.objects.values()) == before


# Guessing passwords


ODD_REQUESTS = {
    "nothing": {},
    "scope": {"scope": R},
    "unknown scope": {"scope": X},
    "malformed scope": {"scope": "a  b"},
    "scope that is a list": {"scope": ["a"]},
    "scope that is null": {"scope": None},
    "resource": {"resource": STOCK},
    "unknown resource": {"resource": ORDERS},
    "odd resource": {"resource": "a\x01b"},
    "several resources": {"resource": [STOCK, ORDERS]},
    "long resource": {"resource": "x" * 300},
    "both": {"scope": "a  b", "resource": ORDERS},
}


@pytest.mark.parametrize("names", [None, [R, STOCK]], ids=["unset", "set"])
@pytest.mark.parametrize("odd", ODD_REQUESTS)
def test_no_scope_and_no_resource_lets_passwords_be_guessed_uncounted(client, user, configure, odd, names):
    """Either the answer does not depend on the password, or each wrong one counts."""
    configure(SCOPES=names, AUDIENCES=names, THROTTLE_RATES={"login": "3/min"})
    right = {**CREDENTIALS, **ODD_REQUESTS[odd]}
    wrong = {**right, "password": "wrong"}

    def answers(body, count):
        return [client.post(TOKEN, body, format="json", REMOTE_ADDR=PUBLIC).status_code for _ in range(count)]

    told_right, told_wrong = answers(right, 1)[0], answers(wrong, 1)[0]
    if told_right == told_wrong:
        assert told_right == 400
        return
    assert (told_right, told_wrong) in [(200, 401), (400, 401)]
    left = 2 if told_right == 200 else 1  # such a 400 tells that the password was right, so it counts too
    assert answers(wrong, 3) == [401] * left + [429] * (3 - left)
    assert answers(right, 1) == [429]


def test_what_is_refused_before_the_password_is_looked_at_is_no_failed_sign_in(client, user, configure):
    configure(SCOPES=[R], AUDIENCES=[STOCK], THROTTLE_RATES={"login": "1/min"})
    for _ in range(3):
        answer = post(client, TOKEN, {**CREDENTIALS, **ODD_REQUESTS["malformed scope"]}, 400)
        assert answer["error"] == INVALID_SCOPE
    assert not RefreshToken.objects.exists()
    post(client, TOKEN, CREDENTIALS)


def test_a_refusal_that_tells_a_right_password_from_a_wrong_one_counts(client, user, configure):
    configure(SCOPES=[R], AUDIENCES=[STOCK], THROTTLE_RATES={"login": "1/min"})
    answer = post(client, TOKEN, {**CREDENTIALS, **ODD_REQUESTS["unknown resource"]}, 400)
    assert answer["error"] == INVALID_TARGET
    post(client, TOKEN, CREDENTIALS, 429)
    assert not RefreshToken.objects.exists()


@each_row(
    ("text", "tokens"),
    [("", ()), ("a", ("a",)), ("b a b", ("b", "a")), ("!", ("!",)), ("[]~#", ("[]~#",)), ("a:b.c/d", ("a:b.c/d",))],
)
def test_a_scope_is_words(text, tokens):
    assert grants.parse_scope(text) == tokens


@each_row("text", [*MALFORMED_SCOPES, " ", " a", "a ", "\ud800", "\0"], ids=ascii)
def test_anything_else_is_no_scope(text):
    with pytest.raises(InvalidScopeError):
        grants.parse_scope(text)
    with override_settings(JWTAUTH={"SCOPES": ["a", text]}), pytest.raises(conf.InvalidSettingsError, match="SCOPES"):
        conf.get_config()
