"""The page in header mode: tokens in its memory, sent to services of other origins."""

from playwright.sync_api import expect

from .app import App, Database

STORED = """async () => ({
    cookies: document.cookie,
    local: {...localStorage},
    session: {...sessionStorage},
    databases: (await indexedDB.databases()).map(({name}) => name),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""
NOTHING = {"cookies": "", "local": {}, "session": {}, "databases": [], "caches": [], "workers": 0}


def keeps_nothing(app):
    """See that the browser has put nothing anywhere: neither we nor a script of another page could find it there."""
    assert app.page.context.cookies() == []
    assert app.page.evaluate(STORED) == NOTHING


def test_signs_in_calls_both_services_refreshes_and_signs_out(open_window, example):
    database = Database(example)
    app = App.open(open_window(), example, "header")
    sent = []
    app.page.on("request", lambda request: sent.append(request))
    app.sign_in()
    app.sees_both_services()
    app.order("header tea", 2)
    keeps_nothing(app)

    session = app.session
    database.let_pass(session, minutes=2)
    app.refresh()
    assert database.row(session).generation == 1
    app.button("Reload orders").click()
    app.button("Reload stock").click()
    expect(app.log("GET /api/stock/")).to_have_count(2)
    keeps_nothing(app)

    app.button("Sign out").click()
    app.is_signed_out("You have signed out.")  # at once: the server is told meanwhile
    expect(app.log("POST /api/auth/token/blacklist/")).to_have_count(1)
    assert database.row(session).reason == "logout"
    keeps_nothing(app)

    services = [f"http://127.0.0.1:{port}/" for port in (example.port, example.stock_port)]
    calls = [request for request in sent if request.url.startswith(tuple(services)) and request.method != "OPTIONS"]
    assert all(any(call.url.startswith(service) for call in calls) for service in services)
    for call in calls:
        headers = call.all_headers()
        assert headers["origin"] == example.page_url
        assert "cookie" not in headers
        assert ("authorization" in headers) == ("/api/auth/token/" not in call.url)


def test_a_new_tab_is_handed_the_sign_in_and_a_reload_of_the_only_one_forgets_it(open_window, example):
    app = App.open(open_window(), example, "header").sign_in()
    other = app.another(example, "header")
    expect(other.heading("Signed in")).to_be_visible()
    expect(other.log("Signed in through another tab.")).to_be_visible()
    other.sees_both_services()
    app.page.reload()  # the other tab hands it back
    expect(app.heading("Signed in")).to_be_visible()
    keeps_nothing(app)
    other.page.close()
    app.page.reload()
    expect(app.heading("Sign in")).to_be_visible()


def test_signing_out_everywhere_reaches_other_tabs_and_other_browsers(open_window, example):
    app = App.open(open_window(), example, "header").sign_in()
    tab = app.another(example, "header")
    expect(tab.heading("Signed in")).to_be_visible()
    elsewhere = App.open(open_window(), example, "header").sign_in()
    app.button("Sign out everywhere").click()
    app.is_signed_out("You have signed out on all devices.")
    expect(tab.page.locator("#notice")).to_have_text("You have signed out on all devices. In another tab.")
    elsewhere.button("Reload orders").click()
    elsewhere.is_signed_out("This session was ended elsewhere.")


def test_one_refresh_for_eight_calls_whose_token_has_ended(open_window, example):
    """With the token's end moved ahead by the page's clock, not the server's."""
    app = App.open(open_window(), example, "header")
    app.page.clock.install()
    app.sign_in()
    app.field("Refresh automatically before it expires").uncheck()
    app.page.clock.fast_forward("05:01")
    refreshes = []
    app.page.on("request", lambda request: "/token/refresh/" in request.url and refreshes.append(request.method))
    app.button("Eight calls at once").click()
    expect(app.log("GET /api/whoami/", "good")).to_have_count(8)
    assert refreshes == ["POST"]
