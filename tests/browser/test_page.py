"""What somebody sees who uses the page: in trouble, without a mouse, on a phone, and when asked for the password."""

import pytest
from playwright.sync_api import expect

from example_project.demo.accounts import ADA

from .app import MODES, NAMES, App, Database, reuse_reports
from .keyboard import Keyboard
from .looks import COLOURS, UNREACHABLE, WCAG, luminance, violations, width
from .proxy import cutting

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
LIST = "/admin/django_jwtauth/refreshtoken/"
ENDED = "This session was ended elsewhere."


@pytest.mark.parametrize("mode", MODES)
def test_a_refresh_whose_answer_is_lost_is_made_up_for(open_window, example, mode):
    """The server has handled it, and the connection breaks before a byte comes back."""
    database, reports = Database(example), len(reuse_reports(example))
    with cutting() as proxy:
        app = App.open(open_window(proxy={"server": proxy.url}), example, mode).sign_in()
        session = app.session
        database.let_pass(session, minutes=2)
        proxy.lose_answers_to = "/refresh/"
        app.refresh()
        assert proxy.lost == ["POST"]
        expect(app.log("no answer")).to_have_count(1)
        row = database.row(session)
        assert (row.generation, row.replays, row.is_revoked) == (1, 1, False)
        database.let_pass(session, minutes=2)
        app.refresh()  # with the new token, or it would look like theft
        row = database.row(session)
        assert (row.generation, row.replays, row.is_revoked) == (2, 1, False)
    assert len(reuse_reports(example)) == reports


@pytest.mark.parametrize("mode", MODES)
def test_without_a_network_the_page_stays_signed_in_and_says_so(open_window, example, mode):
    app = App.open(open_window(), example, mode).sign_in()
    app.sees_both_services()
    app.page.context.set_offline(True)
    app.button("Reload orders").click()
    expect(app.page.locator("#notice")).to_have_class("notice bad")
    expect(app.heading("Signed in")).to_be_visible()
    app.page.context.set_offline(False)
    app.button("Reload orders").click()
    expect(app.log("GET /api/orders/", "good")).to_have_count(2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_that_is_five_minutes_off_changes_nothing(open_window, example, mode, minutes):
    app = App.open(open_window(), example, mode)
    app.page.clock.install(time=app.page.evaluate("Date.now()") / 1000 + 60 * minutes)
    app.page.reload()
    app.sign_in()
    app.sees_both_services()
    refreshes = count_refreshes(app)
    assert shown_seconds(app) > 240
    app.page.clock.fast_forward("04:00")  # not yet due
    assert 0 < shown_seconds(app) <= 60
    assert refreshes == []
    app.page.clock.fast_forward("00:45")
    expect(app.log("The token was refreshed.")).to_have_count(1)
    assert refreshes == ["POST"]
    assert shown_seconds(app) > 240


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("minutes", "cost"), [(5, ["POST"]), (-5, [])])
def test_a_clock_that_is_set_costs_one_refresh_at_most(open_window, example, mode, minutes, cost):
    app = App.open(open_window(), example, mode)
    app.page.clock.install()
    app.page.reload()
    app.sign_in()
    app.sees_both_services()
    refreshes = count_refreshes(app)
    app.page.clock.set_system_time(app.page.evaluate("Date.now()") / 1000 + 60 * minutes + minutes)
    app.button("Eight calls at once").click()
    expect(app.log("GET /api/whoami/", "good")).to_have_count(8 + (mode == "cookie") * (1 + len(cost)))
    assert refreshes == cost
    assert shown_seconds(app) > 240


def count_refreshes(app):
    seen = []
    app.page.on("request", lambda request: "/refresh/" in request.url and seen.append(request.method))
    return seen


def shown_seconds(app):
    """Return how long the token is still good, as the page says."""
    app.page.clock.run_for(300)  # so long until the page counts again
    minutes, seconds = app.page.locator("#left").inner_text().split(":")
    return 60 * int(minutes) + int(seconds)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_that_is_revoked_in_the_admin_is_over_at_the_next_call(open_window, example, admin, mode):
    app = App.open(open_window(), example, mode).sign_in()
    app.sees_both_services()
    session = app.session
    admin.page.goto(f"{LIST}{session}/revoke/")
    admin.type(admin.field("Note"), "left in a taxi")
    admin.follow(admin.button("Revoke"))
    expect(admin.page.locator(".field-status .jwtauth-note")).to_have_text("left in a taxi")
    app.button("Reload orders").click()
    app.is_signed_out(ENDED)
    app.sign_in()  # at once again
    assert app.session != session


def test_being_signed_out_from_elsewhere_is_logged_as_no_success(open_window, example):
    app = App.open(open_window(), example, "header").sign_in()
    other = App.open(open_window(), example, "cookie").sign_in()
    other.button("End all others").click()
    expect(other.list("My devices").get_by_role("listitem")).to_have_count(1)
    app.button("Reload orders").click()
    app.is_signed_out(ENDED)
    expect(app.log("Signed out: revoked.", "bad")).to_have_count(1)
    app.sign_in()
    app.button("Sign out").click()
    app.is_signed_out("You have signed out.")
    expect(app.log("Signed out: logout.", "event")).to_have_count(1)


def test_what_is_typed_while_the_page_looks_for_cookies_stays(open_window, example):
    app = App.open(open_window(), example, "header")
    held = []
    app.page.route("**/browser/refresh/", lambda request: held.append(request))
    with app.page.expect_request("**/browser/refresh/"):
        app.page.get_by_role("radio", name="Cookie mode").check()
    app.field("Username").fill(ADA.username)
    app.field("Password").fill(ADA.password)
    (request,) = held
    request.continue_()
    expect(app.log("POST /api/auth/browser/refresh/")).to_have_count(1)
    expect(app.field("Password")).to_have_value(ADA.password)
    app.button("Sign in").click()
    expect(app.heading("Signed in")).to_be_visible()
    expect(app.field("Password")).to_have_value("")


def test_no_claim_is_printed_over_another(open_window, example):
    """The name "preferred_username" is wide."""
    app = App.open(open_window(), example, "header").sign_in()
    boxes = [part.bounding_box() for part in app.page.locator("#claims dt, #claims dd").all()]
    assert len(boxes) > 10
    for name, value in zip(boxes[::2], boxes[1::2], strict=True):
        assert name["x"] + name["width"] <= value["x"]
    wide = app.page.locator("#claims dt").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth).length"
    )
    assert wide == 0


def test_devices_are_listed_and_ended(open_window, example):
    app = App.open(open_window(), example, "header").sign_in()
    other = App.open(open_window(), example, "cookie").sign_in()
    app.button("Reload devices").click()
    expect(app.button("End this session")).to_have_count(1)
    app.button("End all others").click()
    expect(app.list("My devices").get_by_role("listitem")).to_have_count(1)
    expect(app.heading("My devices")).to_be_focused()
    other.button("Reload orders").click()
    other.is_signed_out(ENDED)
    app.button("End this session").click()
    app.is_signed_out("You have ended this session.")


@pytest.mark.parametrize("mode", MODES)
def test_everything_goes_by_keyboard(open_window, example, mode):
    app = App.open(open_window(), example, "header")
    keys = Keyboard(app.page)
    if mode != "header":
        keys.press(app.page.get_by_role("radio", name="Header mode"), "ArrowDown")
        # There might have been cookies already; only then is it clear that nobody is signed in.
        expect(app.log("POST /api/auth/browser/refresh/")).to_have_count(1)
    keys.type(app.field("Username"), ADA.username)
    keys.type(app.field("Password"), "wrong")
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("alert").filter(has_text="No active account")).to_be_visible()
    expect(app.field("Password")).to_be_focused()  # all of it is selected
    app.page.keyboard.type(ADA.password)
    app.page.keyboard.press("Enter")
    expect(app.heading("Signed in")).to_be_focused()
    expect(app.page.locator("#badge")).to_have_text(NAMES[mode])
    app.sees_both_services()
    keys.type(app.field("Item"), "biscuits")
    keys.press(app.button("Order"))
    app.says("Ordered: 1 × biscuits.")
    expect(app.field("Item")).to_be_focused()
    keys.press(app.button("Sign out"), "Space")
    app.is_signed_out("You have signed out.")


def test_accounts_of_the_demo_are_filled_in(open_window, example):
    app = App.open(open_window(), example, "header")
    app.page.get_by_role("button", name="Fill in ada").click()
    expect(app.button("Sign in")).to_be_focused()
    app.page.keyboard.press("Enter")
    expect(app.heading("Signed in")).to_be_visible()


@pytest.mark.parametrize("mode", MODES)
def test_cancelling_an_order_takes_the_password_once_more(open_window, example, mode):
    database = Database(example)
    app = App.open(open_window(), example, mode).sign_in()
    app.order(f"{mode} doubts")
    app.button(f"Cancel 1 × {mode} doubts").click()  # lately signed in: nobody is asked
    app.says(f"Cancelled: 1 × {mode} doubts.")
    expect(app.button(f"Cancel 1 × {mode} doubts")).to_have_count(0)
    app.order(f"{mode} regrets")
    cancel = app.button(f"Cancel 1 × {mode} regrets")

    session = app.session
    database.sign_in_was(session, hours=1)
    app.refresh()
    refreshes = count_refreshes(app)
    cancel.click()
    dialog = app.page.get_by_role("dialog", name="Confirm your password")
    expect(dialog.get_by_label("Your password")).to_be_focused()
    assert refreshes == []  # none would have helped
    app.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cancel).to_be_focused()

    app.page.keyboard.press("Enter")
    expect(dialog.get_by_label("Your password")).to_be_focused()
    app.page.keyboard.type("wrong")
    app.page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This is not your password.")
    assert refreshes == []
    app.page.keyboard.type(ADA.password)
    app.page.keyboard.press("Enter")
    app.says(f"Cancelled: 1 × {mode} regrets.")
    expect(dialog).to_be_hidden()
    expect(app.heading("Orders")).to_be_focused()
    assert refreshes == ["POST"]
    assert app.session == session


def test_a_dialog_of_a_session_that_has_ended_closes(open_window, example):
    app = App.open(open_window(), example, "header").sign_in()
    app.order("regrets")
    tab = app.another(example, "header")
    Database(example).sign_in_was(app.session, hours=1)
    app.refresh()
    app.button("Cancel 1 × regrets").first.click()
    expect(app.page.get_by_role("dialog")).to_be_visible()
    tab.button("Sign out").click()
    expect(app.page.get_by_role("dialog")).to_be_hidden()
    app.is_signed_out("You have signed out. In another tab.")


def views(app, example):
    """Go through all that the page can show."""
    yield
    app.sign_in()
    app.sees_both_services()
    app.order("a thing with a name as long as all of the names of all the other things together")
    app.order(190 * "x")  # nowhere a line could break
    yield
    Database(example).sign_in_was(app.session, hours=1)
    app.refresh()
    app.page.get_by_role("button", name="Cancel 1 × a thing").first.click()
    expect(app.page.get_by_role("dialog")).to_be_visible()
    app.page.keyboard.type("wrong")
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("dialog").get_by_role("alert")).not_to_be_empty()
    yield


def test_axe_finds_nothing(open_window, example):
    app = App.open(open_window(), example, "header")
    for _ in views(app, example):
        dark = []
        for scheme, rules in (("light", WCAG), ("dark", COLOURS)):
            app.page.emulate_media(color_scheme=scheme)
            dark.append(luminance(app.page) < 0.2)
            assert violations(app.page, rules) == []
        assert dark == [False, True]


def test_a_phone_shows_all_of_it(open_window, example):
    app = App.open(open_window(**PHONE), example, "cookie")
    for number, _ in enumerate(views(app, example)):
        needed, given = width(app.page)
        assert needed <= given == PHONE["viewport"]["width"]
        if number < 2:  # a dialog covers the rest, as it should
            assert app.page.locator("main").evaluate(UNREACHABLE, []) == []
