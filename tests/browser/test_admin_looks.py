"""The admin's pages in both themes, on a phone, and for assistive technology."""

import pytest
from playwright.sync_api import expect

from .looks import COLOURS, WCAG, contrasts, luminance, unreachable, violations, width

LIST = "/admin/django_jwtauth/refreshtoken/"
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
READABLE = 4.5
"""The least contrast of text (WCAG 2.1 section 1.4.3)."""
STATUSES = {
    "active",
    "idle",
    "expired",
    "user inactive",
    "revoked: password changed",
    "revoked: refresh token reuse",
    "revoked: signed out",
    "revoked: administrator",
    "7",  # replays
}

UNREACHABLE = [".sortoptions .sortremove"]
"""What shows on Django's lists only below a mouse."""
PARTS = [".breadcrumbs", ".selector"]
"""What Django puts on our pages, and axe may find faults with; on Django's own pages then too."""
FIELDS = ".datetime"
"""Fields of Django's own on the page of a user. Some of them have no labels in Django 5.2."""


@pytest.fixture(scope="session")
def pages(chromium, example, admin_state):
    """The addresses of our pages, by a name for each."""
    with chromium.new_context(base_url=example.url, storage_state=admin_state) as context:
        page = context.new_page()
        page.goto(f"{LIST}?q=grace&status=active")
        row = page.locator("#result_list tbody tr").first
        session = row.locator("th a").get_attribute("href").partition("?")[0]
        user = row.locator(".field-user_link a").get_attribute("href")
    return {
        "list": LIST,
        "list-nothing-found": f"{LIST}?q=nobody-at-all",
        "session": session,
        "revoke": session.replace("/change/", "/revoke/"),
        "history": session.replace("/change/", "/history/"),
        "sign-out": f"{LIST}user/{user.split('/')[-3]}/",
        "user": user,
        "find": f"{LIST}find/",
        "events": f"{LIST}events/",
        "keys": f"{LIST}keys/",
        "everyone": f"{LIST}everyone/",
        "blacklisted": "/admin/django_jwtauth/blacklistedtoken/",
        "blacklist": "/admin/django_jwtauth/blacklistedtoken/blacklist/",
        "times": "/admin/django_jwtauth/notbefore/",
    }


@pytest.fixture(scope="session")
def faulty(chromium, example, admin_state, pages):
    """The parts that axe finds faults with on a page of Django's own, in this version of it."""
    with chromium.new_context(base_url=example.url, storage_state=admin_state) as context:
        page = context.new_page()
        page.goto("/admin/auth/group/add/")
        # With a title as long as ours: only then do the words beside the links count as a text.
        page.locator(".breadcrumbs").evaluate("element => element.append(' with a name that is as long'.repeat(3))")
        faulty = [part for part in PARTS if violations(page, within=part)]
        assert violations(page, without=faulty) == []
        page.goto(pages["user"])
        if page.locator(FIELDS).count() and violations(page, within=FIELDS):
            faulty.append(FIELDS)
    return faulty


NAMES = [
    "list",
    "list-nothing-found",
    "session",
    "revoke",
    "history",
    "sign-out",
    "user",
    "find",
    "events",
    "keys",
    "everyone",
    "blacklisted",
    "blacklist",
    "times",
]


def open_page(page, address):
    assert page.goto(address).status == 200


def test_each_page_is_looked_at(pages):
    assert list(pages) == NAMES


@pytest.mark.parametrize("system", ["light", "dark"])
def test_status_words_are_readable_in_each_theme(open_window, admin_state, system):
    page = open_window(storage_state=admin_state, color_scheme=system)
    open_page(page, LIST)
    words = page.locator(".jwtauth-status")
    seen = {}
    for _ in range(3):  # Django's button goes round: auto, light, dark
        theme = page.locator("html").get_attribute("data-theme")
        is_dark = theme == "dark" or (theme == "auto" and system == "dark")
        assert (luminance(page) < 0.2) == is_dark
        measured = contrasts(words)
        assert {word["text"] for word in measured} >= STATUSES
        assert [word for word in measured if word["ratio"] < READABLE] == []
        # Dark words on light, or light ones on dark: none glares.
        assert [word for word in measured if (word["behind"] < 0.2) != is_dark] == []
        seen[theme] = measured
        page.locator(".theme-toggle:visible").first.press("Enter")
        expect(page.locator("html")).not_to_have_attribute("data-theme", theme)
    assert seen.keys() == {"auto", "light", "dark"}
    assert seen["auto"] == seen[system]


def test_a_small_screen_shows_all_columns_of_the_list_beside_filters_and_navigation(open_window, admin_state):
    page = open_window(viewport={"width": 1280, "height": 800}, storage_state=admin_state)
    page.add_init_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'true')")
    page.goto(LIST)
    assert page.locator("#nav-sidebar").bounding_box()["width"] > 200
    assert page.locator("#changelist-filter").bounding_box()["width"] > 150
    for area in ("html", ".results"):
        needed, given = page.locator(area).evaluate("area => [area.scrollWidth, area.clientWidth]")
        assert needed <= given, area
    heights = sorted(row.bounding_box()["height"] for row in page.locator("#result_list tbody tr").all())
    assert heights[len(heights) // 2] < 70  # a few have a note that takes more lines
    heading = page.locator("h1", has_text="Select refresh token").bounding_box()
    buttons = page.locator(".object-tools").bounding_box()
    is_above = heading["y"] + heading["height"] <= buttons["y"]
    assert is_above or heading["x"] + heading["width"] <= buttons["x"]  # beside it since Django 6.1


# How far the second line of each cell is from the side where its first line begins.
GAPS = """cells => cells.map(cell => {
    const text = document.createRange();
    text.selectNodeContents(cell.querySelector(".jwtauth-below"));
    const inside = cell.getBoundingClientRect().right - parseFloat(getComputedStyle(cell).paddingRight);
    return Math.abs(inside - text.getBoundingClientRect().right);
})"""


def test_from_right_to_left_both_lines_of_a_cell_begin_at_the_right(open_window, admin_state):
    page = open_window(storage_state=admin_state)
    open_page(page, LIST)
    page.locator("html").evaluate("html => { html.dir = 'rtl'; }")
    page.add_style_tag(url="/static/admin/css/rtl.css")  # as Django does in Arabic
    gaps = page.locator(".field-device_and_address:has(.jwtauth-below bdi:not(:empty))").evaluate_all(GAPS)
    assert gaps
    assert max(gaps) < 1


@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_too_wide_for_a_phone_and_all_can_be_reached(open_window, admin_state, pages, name):
    page = open_window(storage_state=admin_state, **PHONE)
    open_page(page, pages[name])
    needed, given = width(page)
    assert needed <= given == PHONE["viewport"]["width"]
    assert unreachable(page, without=UNREACHABLE) == []


@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(open_window, admin_state, pages, faulty, name):
    page = open_window(storage_state=admin_state)
    for scheme, rules in (("light", WCAG), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)
        open_page(page, pages[name])  # anew, since Django's colours do not change at once
        assert violations(page, rules, without=faulty) == []


def test_axe_finds_nothing_where_a_form_was_wrong(open_window, admin_state, pages, faulty):
    page = open_window(storage_state=admin_state)
    open_page(page, pages["everyone"])
    page.get_by_label("Type “everyone” to confirm", exact=True).fill("all")
    page.get_by_role("button", name="Sign everyone out").press("Enter")
    expect(page.locator(".errorlist")).to_be_visible()
    assert violations(page, without=faulty) == []


def test_what_no_finger_reaches_is_the_same_on_a_list_of_djangos(open_window, admin_state):
    page = open_window(storage_state=admin_state, **PHONE)
    open_page(page, "/admin/auth/user/")
    assert unreachable(page)
    assert unreachable(page, without=UNREACHABLE) == []
