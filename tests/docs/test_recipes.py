"""What the pages on claims, scopes, step-up, signing in and migrating tell people to paste, as it stands there."""

import json
import re
import sys
from datetime import timedelta
from types import ModuleType, SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import sessions, tokens
from django_jwtauth._core.custom_claims import is_registered
from django_jwtauth.models import RefreshToken
from tests.tools.docs import FENCE, page, section
from tests.tools.http import bearer
from tests.urls import StatelessWhoAmI, WhoAmI

NAME = re.compile(r"# project/(\w+)\.py\n")
PAGES = ["claims", "signing-in", "step-up", "scopes", "migrating"]  # step-up imports from signing-in
ELSEWHERE = {"service"}  # run where FastAPI is installed: tests/servers/test_recipes.py


class AllowedOnly(APIView):
    """For permission classes that a page combines."""

    def get(self, request):
        return Response({})


@pytest.fixture
def project(monkeypatch, settings):
    """The package ``project`` of the pages, and its URLs."""
    package = ModuleType("project")
    monkeypatch.setitem(sys.modules, "project", package)
    for name in PAGES:
        for block in FENCE.findall(page(f"docs/{name}.md")):
            if (found := NAME.match(block)) and found[1] not in ELSEWHERE:
                module = ModuleType(f"project.{found[1]}")
                monkeypatch.setitem(sys.modules, module.__name__, module)
                setattr(package, found[1], module)
                exec(compile(block, f"docs/{name}.md", "exec"), vars(module))
    urls = ModuleType("project.urls")
    exec(block_with("docs/signing-in.md", "SendSignInCode.as_view"), vars(urls))
    combined = {}
    exec(block_with("docs/scopes.md", "staff_or_scope"), combined)
    urls.urlpatterns += [
        path("tenant/", package.tenants.Tenant.as_view()),
        path("orders/", package.orders.Orders.as_view()),
        path("combined/", AllowedOnly.as_view(permission_classes=combined["staff_or_scope"])),
        path("no-bots/", AllowedOnly.as_view(permission_classes=combined["not_for_bots"])),
        path("cancel/", package.payments.CancelOrder.as_view()),
        path("payout/", package.payments.Payout.as_view()),
        path("password/", package.step_up.ReenterPassword.as_view()),
        path("send-code/", package.step_up.SendCode.as_view()),
        path("second-factor/", package.step_up.SecondFactor.as_view()),
        path("act-as/<int:pk>/", package.act_as.ActAs.as_view()),
        path("address/", package.profile.ChangeAddress.as_view()),
        path("whoami/", WhoAmI.as_view()),
        path("stateless/", StatelessWhoAmI.as_view()),
    ]
    monkeypatch.setitem(sys.modules, "project.urls", urls)
    settings.ROOT_URLCONF = "project.urls"
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # Django 6.1
    return package


@pytest.fixture
def old_pair(user):
    """A pair of a session whose user was authenticated an hour ago."""
    pair = sessions.start(user, amr=["pwd"])
    hour = timedelta(hours=1)
    session = pair.session
    RefreshToken.objects.filter(pk=session.pk).update(
        auth_time=session.auth_time - hour, rotated_at=session.rotated_at - hour
    )
    return sessions.refresh(pair.refresh)


@pytest.fixture
def colleague(db):
    """Somebody who may act as others, signed in just now."""
    user = get_user_model().objects.create_user("grace", "grace@example.com", "battery staple")
    case = ContentType.objects.create(app_label="support", model="case")
    user.user_permissions.add(Permission.objects.create(codename="act_as_user", content_type=case))
    return user


def block_with(name, text):
    (block,) = [block for block in FENCE.findall(page(name)) if text in block]
    return block


def shown(name, heading):
    """Return status, challenge and body of the answer that a page shows below a heading."""
    _, _, about = page(name).partition(f"\n{heading}\n")
    head, _, body = re.search(r"```http\n(HTTP/1\.1 .*?)\n```", about, re.DOTALL)[1].partition("\n\n")
    lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers.get("WWW-Authenticate"), json.loads(body)


def given(response):
    return response.status_code, response.headers.get("WWW-Authenticate"), response.json()


def sign_in(client, **more):
    return client.post("/api/auth/token/", {"username": "ada", "password": "correct horse", **more})


def refresh(client, raw, **more):
    return client.post("/api/auth/token/refresh/", {"refresh": raw, **more})


def claims_of(client, access):
    return client.get("/stateless/", **bearer(access)).json()["claims"]


def code_in(mail):
    return re.search(r"\b\d{6}\b", mail.body)[0]


def a_wrong(code):
    return f"{(int(code) + 1) % 10**6:06}"


# The page on claims


def test_a_hook_and_a_view_that_reads_it(project, client, user, settings, monkeypatch):
    assert client.get("/tenant/", **bearer(sessions.start(user).access)).status_code == 403
    exec(block_with("docs/claims.md", '"project.auth.add_tenant"'), here := {})
    settings.JWTAUTH = here["JWTAUTH"]
    monkeypatch.setattr(type(user), "tenant", SimpleNamespace(slug="acme"), raising=False)
    answer = client.get("/tenant/", **bearer(sessions.start(user).access))
    assert (answer.status_code, answer.json()) == (200, {"tenant": "acme"})


def test_the_ready_made_hooks_that_are_shown(project, client, user, settings):
    exec(block_with("docs/claims.md", "django_jwtauth.hooks.staff"), here := {})
    settings.JWTAUTH = here["JWTAUTH"]
    user.groups.create(name="editors")
    claims = claims_of(client, sessions.start(user).access)
    assert (claims["groups"], claims["is_staff"], claims["is_superuser"]) == (["editors"], False, False)


def test_the_spellings_that_are_shown_are_reserved():
    shown_names = re.search(r"do not count\. (.*?) are refused too", " ".join(page("docs/claims.md").split()))[1]
    names = re.findall(r"`([^`]+)`", shown_names)
    assert len(names) == 7
    assert all(map(is_registered, names))


# The page on scopes


def matrix():
    """Return the rows of the table: allowed, asked, granted, asked of the refresh, and what that gives."""
    lines = section(page("docs/scopes.md"), "### A refresh narrows, and never widens").splitlines()
    table = [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    return [pytest.param(*cells, id=" / ".join(cell or "-" for cell in cells)) for cells in table[2:]]


@pytest.mark.parametrize(("allowed", "asked", "granted", "narrowed", "expected"), matrix())
def test_the_matrix_of_scopes(project, client, user, settings, allowed, asked, granted, narrowed, expected):
    before, _, after = allowed.partition(", later ")
    if before != "(not set)":
        settings.JWTAUTH = {"SCOPES": before.split()}
    first = sign_in(client, scope=asked).json()
    assert claims_of(client, first["access"]).get("scope", "") == granted
    assert first.get("scope") == (granted if asked else None)
    if after:
        settings.JWTAUTH = {"SCOPES": after.split()}
    second = refresh(client, first["refresh"], scope=narrowed)
    if expected.startswith("400"):
        assert (second.status_code, second.json()["error"]) == (400, expected.split()[1])
        second = refresh(client, first["refresh"])  # nothing has changed: the same token works, with all of it
        expected = granted
    assert second.status_code == 200
    assert claims_of(client, second.json()["access"]).get("scope", "") == expected


def test_the_matrix_of_scopes_has_its_rows():
    assert len(matrix()) == 18


def test_a_function_says_who_gets_which_scopes(project, client, user, settings):
    exec(block_with("docs/scopes.md", '"SCOPES": "project.grants.scopes"'), here := {})
    settings.JWTAUTH = here["JWTAUTH"]
    assert sign_in(client, scope="orders:read orders:write").json()["scope"] == "orders:read"
    get_user_model().objects.filter(pk=user.pk).update(is_staff=True)
    assert sign_in(client, scope="orders:read orders:write").json()["scope"] == "orders:read orders:write"


def test_scopes_by_method_and_the_refusal_that_is_shown(project, client, user):
    reader = bearer(sessions.start(user, scope="orders:read").access)
    assert client.get("/orders/", **reader).status_code == 200
    assert given(client.post("/orders/", **reader)) == shown("docs/scopes.md", "### The refusal")
    writer = bearer(sessions.start(user, scope="orders:read orders:write").access)
    assert client.post("/orders/", **writer).status_code == 201


def test_the_refusal_of_more_scope_that_is_shown(project, client, user):
    answer = refresh(client, sessions.start(user, scope="orders:write").refresh, scope="orders:read")
    assert given(answer) == shown("docs/endpoints.md", "### A scope or resource that is not allowed")


def test_combined_classes_refuse_without_a_challenge(project, client, user, settings):
    answer = client.get("/combined/", **bearer(sessions.start(user).access))
    assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (403, False)
    assert client.get("/combined/", **bearer(sessions.start(user, scope="orders:write").access)).status_code == 200
    assert client.get("/no-bots/").status_code == 401
    assert client.get("/no-bots/", **bearer(sessions.start(user).access)).status_code == 200
    settings.JWTAUTH = {"CLAIMS": {"kind": "first_name"}}
    user.first_name = "bot"
    user.save()
    assert client.get("/no-bots/", **bearer(sessions.start(user).access)).status_code == 403


def test_a_resource_binds_a_session_or_one_access_token(project, client, user, settings):
    exec(block_with("docs/scopes.md", '"AUDIENCES"'), here := {})
    settings.JWTAUTH = here["JWTAUTH"]
    orders, stock = here["JWTAUTH"]["AUDIENCES"]
    free = sign_in(client).json()
    access = refresh(client, free["refresh"], resource=orders).json()["access"]
    assert client.get("/whoami/", **bearer(access)).json()["reason"] == "wrong_audience"
    assert tokens.read_access(access).audience == (orders,)
    again = refresh(client, free["refresh"]).json()
    assert again["refresh"] == free["refresh"]
    assert tokens.read_access(again["access"]).audience == ("https://api.example.com",)
    bound = sign_in(client, resource=stock).json()
    assert tokens.read_access(bound["access"]).audience == (stock,)
    assert refresh(client, bound["refresh"], resource=orders).json()["error"] == "invalid_target"
    assert refresh(client, bound["refresh"], resource=[orders, stock]).status_code == 400
    assert sign_in(client, resource="https://nobody.example.com").json()["error"] == "invalid_target"
    assert client.post("/api/auth/logout/", **bearer(bound["access"])).json()["reason"] == "wrong_audience"
    assert client.post("/api/auth/token/blacklist/", {"refresh": bound["refresh"]}).status_code == 200
    settings.JWTAUTH = {**here["JWTAUTH"], "AUDIENCES": [orders]}
    late = sign_in(client, resource=orders).json()
    settings.JWTAUTH = {**here["JWTAUTH"], "AUDIENCES": [stock]}
    assert refresh(client, late["refresh"]).json()["error"] == "invalid_target"


# The page on step-up


def test_the_password_once_more(project, client, old_pair):
    assert given(client.post("/cancel/", **bearer(old_pair.access))) == shown("docs/step-up.md", "## Asking for it")
    wrong = client.post("/password/", {"password": "wrong"}, **bearer(old_pair.access))
    assert (wrong.status_code, list(wrong.json())) == (400, ["password"])
    assert client.post("/password/", {"password": "correct horse"}, **bearer(old_pair.access)).status_code == 200
    assert client.post("/cancel/", **bearer(old_pair.access)).status_code == 401  # it still says what it said
    fresh = refresh(client, old_pair.refresh).json()
    assert fresh["refresh"] == old_pair.refresh
    assert client.post("/cancel/", **bearer(fresh["access"])).json() == {"cancelled": True}


def test_a_second_factor(project, client, old_pair, mailoutbox):
    asked = client.post("/payout/", **bearer(old_pair.access))
    assert (asked.status_code, asked.json()["acr_values"]) == (401, "two-factor")  # and not the age: that would follow
    assert client.post("/send-code/", **bearer(old_pair.access)).status_code == 204
    code = code_in(mailoutbox[0])
    for body in (
        {"password": "correct horse", "code": a_wrong(code)},
        {"password": "wrong", "code": code},
        {"password": "correct horse"},
    ):
        assert client.post("/second-factor/", body, **bearer(old_pair.access)).status_code == 400
    good = {"password": "correct horse", "code": code}
    assert client.post("/second-factor/", good, **bearer(old_pair.access)).status_code == 200
    fresh = refresh(client, old_pair.refresh).json()["access"]
    assert client.post("/payout/", **bearer(fresh)).json() == {"paid": True}
    claims = claims_of(client, fresh)
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp"], "two-factor")
    assert client.post("/second-factor/", good, **bearer(fresh)).status_code == 400  # a code works once
    # What is proven now counts: the password alone is less.
    assert client.post("/password/", {"password": "correct horse"}, **bearer(fresh)).status_code == 200
    less = refresh(client, old_pair.refresh).json()["access"]
    assert "acr" not in claims_of(client, less)
    assert client.post("/payout/", **bearer(less)).status_code == 401


@pytest.mark.parametrize("url", ["/password/", "/second-factor/"])
def test_nobody_tries_out_passwords_in_an_open_session(project, client, pair, url):
    body = {"password": "wrong", "code": "000000"}
    answers = [client.post(url, body, **bearer(pair.access)).status_code for _ in range(11)]
    assert answers == [400] * 10 + [429]


# The page on signing in


def test_a_one_time_code(project, client, user, mailoutbox, settings):
    settings.JWTAUTH = {"SCOPES": ["orders:read"]}
    assert client.post("/api/auth/code/", {"username": "nobody"}).status_code == 204
    assert mailoutbox == []
    assert client.post("/api/auth/code/", {"username": "ada"}).status_code == 204
    (mail,) = mailoutbox
    assert mail.to == ["ada@example.com"]
    code = code_in(mail)
    wrong = client.post("/api/auth/code/token/", {"username": "ada", "code": a_wrong(code)})
    assert (wrong.status_code, wrong.json()["reason"]) == (401, "credentials")
    good = {"username": "ada", "code": code, "scope": "orders:read"}
    answer = client.post("/api/auth/code/token/", good)
    assert (answer.status_code, answer.json()["scope"]) == (200, "orders:read")
    assert claims_of(client, answer.json()["access"])["amr"] == ["otp"]
    assert client.post("/api/auth/code/token/", good).status_code == 401
    assert not project.codes.take(user, "step-up", code)


def test_a_code_for_one_purpose_is_good_for_no_other(project, user, mailoutbox):
    project.codes.send(user, "sign-in")
    code = code_in(mailoutbox[0])
    assert not project.codes.take(user, "step-up", code)
    assert project.codes.take(user, "sign-in", code)
    assert not project.codes.take(user, "sign-in", code)


def test_codes_cannot_be_tried_out(project, client, user, mailoutbox):
    client.post("/api/auth/code/", {"username": "ada"})
    body = {"username": "ada", "code": a_wrong(code_in(mailoutbox[0]))}
    answers = [client.post("/api/auth/code/token/", body).status_code for _ in range(10)]
    assert answers == [401] * 9 + [429]  # sending counted too


def test_a_deactivated_user_gets_no_code(project, client, user, mailoutbox):
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    assert client.post("/api/auth/code/", {"username": "ada"}).status_code == 204
    assert mailoutbox == []


def test_a_service_account_refreshes_as_any_client_does(project, client, db, tmp_path, capsys):
    get_user_model().objects.create_user("stock-robot")
    output = tmp_path / "tokens.json"
    call_command("jwtauth_issue", "stock-robot", scope="orders:read", output=str(output))
    issued = json.loads(output.read_text())
    assert output.stat().st_mode & 0o777 == 0o600
    assert client.get("/orders/", **bearer(issued["access"])).status_code == 200
    assert refresh(client, issued["refresh"]).json()["scope"] == "orders:read"
    call_command("jwtauth_issue", "stock-robot", access_only=True)
    assert "refresh" not in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_acting_as_somebody_else(project, client, user, colleague, caplog):
    own = bearer(sessions.start(user).access)
    token = bearer(sessions.start(colleague).access)
    answer = client.post(f"/act-as/{user.pk}/", **token)
    assert answer.status_code == 200
    acting = bearer(answer.json()["access"])
    claims = client.get("/whoami/", **acting).json()["claims"]
    assert (claims["sub"], claims["act"]) == (str(user.pk), {"sub": str(colleague.pk)})
    assert "auth_time" not in claims
    assert f"user={user.pk} actor={colleague.pk}" in caplog.text
    actors = [session["actor"] for session in client.get("/api/auth/sessions/", **own).json()["results"]]
    assert sorted(actors) == ["", str(colleague.pk)]
    assert client.put("/address/", **own).status_code == 200
    assert client.put("/address/", **acting).status_code == 403
    assert client.post("/cancel/", **acting).status_code == 401
    assert client.post("/password/", {"password": "correct horse"}, **acting).status_code == 403
    sessions.revoke_all(colleague)
    assert client.get("/whoami/", **acting).json()["reason"] == "revoked"
    assert client.get("/whoami/", **own).status_code == 200


def test_acting_is_for_some_and_not_as_everybody(project, client, user, colleague):
    token = bearer(sessions.start(colleague).access)
    others = get_user_model().objects
    staff = others.create_user("edsger", is_staff=True)
    root = others.create_user("root", is_superuser=True)
    assert client.post(f"/act-as/{staff.pk}/", **token).status_code == 404
    assert client.post(f"/act-as/{root.pk}/", **token).status_code == 403
    assert client.post(f"/act-as/{colleague.pk}/", **token).status_code == 403
    assert client.post(f"/act-as/{colleague.pk}/", **bearer(sessions.start(user).access)).status_code == 403
    case = Permission.objects.get(codename="act_as_user")
    user.user_permissions.add(case)
    acting = bearer(client.post(f"/act-as/{user.pk}/", **token).json()["access"])
    third = others.create_user("third")
    assert client.post(f"/act-as/{third.pk}/", **acting).status_code == 401  # RecentLogin: nobody has signed in


# The page on migrating


def test_claims_that_were_a_serializer(project, client, user, settings):
    exec(block_with("docs/migrating.md", '"CLAIMS_HOOKS"'), here := {})
    settings.JWTAUTH = here["JWTAUTH"]
    user.first_name = "Ada"
    user.save()
    claims = claims_of(client, sign_in(client).json()["access"])
    assert (claims["name"], claims["email"]) == ("Ada", "ada@example.com")
