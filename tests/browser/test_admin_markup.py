"""Markup in what people send is shown as it is, and does nothing."""

from playwright.sync_api import expect

from .keyboard import Keyboard
from .people import HOSTILE

LIST = "/admin/django_jwtauth/refreshtoken/"


def test_hostile_device_user_name_and_note_are_inert(open_window, admin_state):
    page = open_window(storage_state=admin_state)
    keys = Keyboard(page)

    def look(*, shows=True):
        """See that the page is whole, shows the markup as text, and has run nothing."""
        page.wait_for_load_state("load")
        assert page.evaluate("document.hacked") is None
        assert page.locator("#content b.hacked, #content img[src=x], #content svg[onload]").count() == 0
        assert page.locator("script", has_text="hacked").count() == 0
        if shows:
            expect(page.locator("#content")).to_contain_text("<img src=x onerror=document.hacked=2>")

    page.goto(LIST)
    look()
    keys.type(page.locator("#searchbar"), HOSTILE)
    keys.follow(keys.button("Search"))
    look()
    row = page.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    user = row.locator(".field-user_link a").get_attribute("href")
    keys.follow(row.locator("th a"))
    look()
    session = page.url
    expect(page.locator(".field-user_agent")).to_contain_text(HOSTILE)
    page.goto(user)
    look()
    keys.follow(keys.link("Sign out everywhere"))
    look()
    page.goto(f"{LIST}events/")
    look()
    page.goto(session)
    keys.follow(keys.link("Revoke this session"))
    look()
    keys.type(keys.field("Note"), HOSTILE)
    keys.follow(keys.button("Revoke"))
    look()
    expect(page.locator(".field-status .jwtauth-note")).to_have_text(HOSTILE)
    expect(page.locator(".field-revoked_note")).to_contain_text(HOSTILE)
    expect(page.locator(".jwtauth-timeline")).to_contain_text(f"revoked: administrator, by admin: {HOSTILE}")
    expect(page.locator(".jwtauth-timeline")).to_contain_text(f"admin: Revoked: {HOSTILE}")
    for address in (session.replace("/change/", "/history/"), LIST, f"{LIST}events/"):
        page.goto(address)
        look()
    page.goto("/admin/")  # recent actions
    look(shows=False)
