"""The page in cookie mode: tokens in cookies that no script can read, and what other origins can do with them."""

import json
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from example_project.demo.accounts import MARY

from .app import COOKIES, App, Database
from .attacker import ATTEMPT, attacking

FORM, MULTIPART, TEXT = "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"
CREDENTIALS = {"username": MARY.username, "password": MARY.password}
ORDER = {"item": "stolen", "quantity": "1"}


def tokens(app):
    """Return the cookies with tokens, by name."""
    return {cookie["name"]: cookie for cookie in app.page.context.cookies() if cookie["name"] in COOKIES}


def as_text(data):
    """Return the field of a form whose text/plain body is JSON."""
    body = json.dumps({**data, "padding": "X"})
    name, _, value = body.partition("X")
    return {name: value}  # "name=value" is all of it


def test_signs_in_calls_both_services_refreshes_and_signs_out(open_window, example):
    database = Database(example)
    app = App.open(open_window(), example, "cookie")
    answers, bodies = [], []
    app.page.on("response", lambda response: "/api/auth/browser/" in response.url and answers.append(response))
    app.sign_in()
    app.sees_both_services()
    app.order("cookie tea", 3)
    cookies = tokens(app)
    assert cookies.keys() == COOKIES
    for cookie in cookies.values():
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert cookie["domain"] == "127.0.0.1"  # no Domain attribute: for this host alone
    assert {name: cookie["path"] for name, cookie in cookies.items()} == {
        "jwtauth-access": "/",
        "jwtauth-refresh": "/api/auth/browser/",
    }
    assert "jwtauth" not in app.page.evaluate("document.cookie")

    session = app.session
    database.let_pass(session, minutes=2)
    app.refresh()
    assert database.row(session).generation == 1
    assert all(tokens(app)[name]["value"] != cookies[name]["value"] for name in COOKIES)
    bodies += [answer.text() for answer in answers if answer.request.method == "POST"]
    answers.clear()
    app.page.reload()  # of the only tab
    expect(app.heading("Signed in")).to_be_visible()
    app.sees_both_services()
    bodies += [answer.text() for answer in answers if answer.request.method == "POST"]
    assert len(bodies) == 3  # sign-in, refresh, and the one after the reload
    assert all("expires_in" in body and "eyJ" not in body for body in bodies)  # as all JWTs begin

    app.button("Sign out").click()
    app.is_signed_out("You have signed out.")
    assert tokens(app) == {}
    assert database.row(session).reason == "logout"


def test_script_cannot_read_or_replace_the_cookies(open_window, example):
    app = App.open(open_window(), example, "cookie").sign_in()
    before = tokens(app)
    seen = app.page.evaluate(
        """async () => {
            document.cookie = "jwtauth-access=mine; path=/";
            document.cookie = "jwtauth-refresh=mine; path=/api/auth/browser/";
            return [document.cookie, (await cookieStore.getAll()).map(({name}) => name).join()];
        }"""
    )
    assert "jwtauth" not in "".join(seen)
    assert tokens(app) == before
    app.button("Reload orders").click()
    expect(app.log("GET /api/orders/", "good")).to_have_count(2)


@pytest.fixture(params=["localhost", "127.0.0.1"], ids=["cross-site", "same-site"])
def attacked(request, open_window, example):
    """The page, signed in, and the origin of an attacker: of another site, and of the same one on another port."""
    with attacking(request.param) as origin:
        app = App.open(open_window(), example, "cookie").sign_in()
        app.order("mine")
        Database(example).let_pass(app.session, minutes=2)  # a refresh would rotate
        app.field("Refresh automatically before it expires").uncheck()
        yield app, origin


def still_works(app, example, session):
    """See that what the attacker has tried does not hinder who is signed in."""
    assert app.session == session
    app.order("mine again")
    app.refresh()
    assert Database(example).row(session).generation == 1


def forms(example, session):
    """Everything that changes something, as a form of another page could send it, and how it is refused."""
    auth = f"{example.url}/api/auth"
    yield f"{auth}/browser/login/", FORM, CREDENTIALS
    yield f"{auth}/browser/login/", MULTIPART, CREDENTIALS
    yield f"{auth}/browser/login/", TEXT, as_text(CREDENTIALS)
    yield f"{auth}/browser/refresh/", FORM, {}
    yield f"{auth}/browser/refresh/", TEXT, as_text({})
    yield f"{auth}/browser/logout/", FORM, {}
    yield f"{auth}/logout/", FORM, {}
    yield f"{auth}/logout/all/", FORM, {}
    yield f"{auth}/sessions/", FORM, {"_method": "DELETE"}
    yield f"{auth}/sessions/{session}/", FORM, {"_method": "DELETE"}
    yield f"{example.url}/api/orders/", FORM, ORDER
    yield f"{example.url}/api/orders/", MULTIPART, ORDER
    yield f"{example.url}/api/orders/", TEXT, as_text(ORDER)
    yield f"{example.url}/api/confirm-password/", FORM, {"password": CREDENTIALS["password"]}


def refusals(action, cookie=""):
    """How a request of another page may be refused."""
    if "/sessions/" in action:
        return (405,)  # no form can send DELETE, and POST does nothing there
    return (403,) if cookie or "/browser/" in action else (401, 403)


def test_no_form_of_another_page_changes_anything(attacked, example):
    app, origin = attacked
    session, database = app.session, Database(example)
    held, before = tokens(app), database.snapshot()
    for action, enctype, fields in forms(example, session):
        query = urlencode({"action": action, "enctype": enctype, **fields})
        hostile = app.page.context.new_page()
        with hostile.expect_response(lambda response, action=action: response.url == action) as answer:
            hostile.evaluate("address => { location = address }", f"{origin}/?{query}")
        request = answer.value.request
        assert (request.method, request.is_navigation_request()) == ("POST", True)
        assert request.all_headers()["origin"] == origin
        cookie = request.all_headers().get("cookie", "")
        assert ("jwtauth-access=" in cookie) == ("127.0.0.1" in origin)  # SameSite=Strict is one wall, CSRF the other
        assert answer.value.status in refusals(action, cookie), action
        assert database.snapshot() == before, action
        assert tokens(app) == held, action
        hostile.close()
    still_works(app, example, session)


def test_no_script_of_another_page_changes_or_reads_anything(attacked, example):
    app, origin = attacked
    session, database = app.session, Database(example)
    held, before = tokens(app), database.snapshot()
    hostile = app.page.context.new_page()
    hostile.goto(origin)
    plain = {"Content-Type": "text/plain"}
    blind = [
        {"method": "POST", "mode": "no-cors", "body": urlencode(fields), "headers": {"Content-Type": enctype}}
        if enctype == FORM
        else {"method": "POST", "mode": "no-cors", "body": json.dumps(fields), "headers": plain}
        for _, enctype, fields in forms(example, session)
    ]
    for (action, _, _), init in zip(forms(example, session), blind, strict=True):
        with hostile.expect_response(lambda response, action=action: response.url == action) as answer:
            assert hostile.evaluate(ATTEMPT, [action, init]) == {"type": "opaque", "text": ""}
        assert answer.value.status in refusals(action), action
        assert database.snapshot() == before, action
    json_body = {"Content-Type": "application/json"}
    for action, init in [
        (f"{example.url}/api/auth/browser/csrf/", {}),  # what would make all the others work
        (f"{example.url}/api/orders/", {}),
        (f"{example.url}/api/whoami/", {}),
        (f"{example.url}/api/auth/sessions/", {"method": "DELETE"}),
        (f"{example.url}/api/auth/sessions/{session}/", {"method": "DELETE"}),
        (f"{example.url}/api/orders/", {"method": "POST", "headers": json_body, "body": json.dumps(ORDER)}),
        (f"{example.url}/api/auth/browser/logout/", {"method": "POST", "headers": {"X-CSRFToken": "x" * 32}}),
    ]:
        assert hostile.evaluate(ATTEMPT, [action, init]) == {"type": "error", "text": ""}, action
        assert database.snapshot() == before, action
    assert tokens(app) == held
    still_works(app, example, session)


def test_the_same_requests_of_the_page_itself_do_change_something(open_window, example):
    """Or the two tests above could not fail."""
    app = App.open(open_window(), example, "cookie").sign_in()
    session, database = app.session, Database(example)
    csrf_url = f"{example.url}/api/auth/browser/csrf/"
    answer = app.page.evaluate(ATTEMPT, [csrf_url, {}])
    assert answer["type"] == "cors"
    headers = {"Content-Type": FORM, "X-CSRFToken": json.loads(answer["text"])["csrf_token"]}

    def send(path, fields, **init):
        body = {"body": urlencode(fields)} if fields else {}
        url = f"{example.url}{path}"
        return app.page.evaluate(ATTEMPT, [url, {"method": "POST", "headers": headers, **body, **init}])

    orders = len(database.snapshot()[1])
    assert json.loads(send("/api/orders/", ORDER)["text"])["item"] == "stolen"
    assert len(database.snapshot()[1]) == orders + 1
    database.let_pass(session, minutes=2)
    send("/api/auth/browser/refresh/", {})
    assert database.row(session).generation == 1
    send("/api/auth/sessions/" + session + "/", {}, method="DELETE")
    assert database.row(session).is_revoked
    assert example.page_url == app.page.evaluate("origin")
    # In another browser's eyes this is a sign-in as somebody else.
    assert "expires_in" in send("/api/auth/browser/login/", CREDENTIALS)["text"]
