"""The admin's actions with the keyboard alone, and what becomes of the tokens."""

import pytest
from playwright.sync_api import expect

from example_project.demo.accounts import ADA, ADMIN, MARY

from .example import IPHONE, Device, running
from .keyboard import Keyboard

SESSIONS = "Refresh tokens (sessions)"


@pytest.fixture
def sessions(admin):
    """The administrator, at the list of sessions."""
    admin.follow(admin.link(SESSIONS, within=admin.page.locator("#content")))
    return admin


def row(keys, device):
    return keys.page.locator("#result_list tbody tr", has_text=device.session[:8])


def open_session(keys, device):
    keys.follow(row(keys, device).locator("th a"))


def filter_by(keys, heading, choice):
    box = keys.page.locator("#changelist-filter details", has=keys.page.locator(f"summary:text-is('{heading}')"))
    keys.follow(keys.link(choice, within=box))


def run_action(keys, name):
    box = keys.page.locator(".actions")
    keys.choose(box.get_by_role("combobox"), name)
    keys.follow(box.get_by_role("button"))


def status_of(keys):
    return keys.page.locator(".field-status .jwtauth-status")


def test_a_session_is_filtered_opened_and_revoked_with_a_note(open_window, example):
    lost, kept = Device(example), Device(example, user_agent=IPHONE)
    keys = Keyboard(open_window())
    keys.page.goto("/admin/")
    keys.sign_in(ADMIN)
    keys.follow(keys.link(SESSIONS, within=keys.page.locator("#content")))
    keys.type(keys.page.locator("#searchbar"), "ada")
    keys.follow(keys.button("Search"))
    filter_by(keys, "By status", "active")
    open_session(keys, lost)
    expect(status_of(keys)).to_have_text("active")
    keys.follow(keys.link("Revoke this session"))
    assert lost.refusal() == ""  # asked, not done yet
    keys.type(keys.field("Note"), "left in a taxi")
    keys.follow(keys.button("Revoke"))
    assert lost.refusal() == "revoked"
    assert lost.refresh_refusal() == "revoked"
    assert kept.refusal() == ""
    keys.says("1 session was revoked.")
    expect(status_of(keys)).to_have_text("revoked: administrator")
    expect(keys.page.locator(".field-status .jwtauth-note")).to_have_text("left in a taxi")
    expect(keys.link("Revoke this session")).to_have_count(0)


def test_two_selected_sessions_are_revoked(sessions, example):
    first, second, third = (Device(example, MARY) for _ in range(3))
    sessions.page.reload()
    for device in (first, third):
        sessions.press(row(sessions, device).get_by_role("checkbox"), "Space")
    run_action(sessions, "Revoke selected sessions")
    expect(sessions.page.locator("#content")).to_contain_text("2 selected sessions")
    assert first.refusal() == ""
    sessions.type(sessions.field("Note"), "left the company")
    sessions.follow(sessions.button("Revoke"))
    assert [device.refusal() for device in (first, second, third)] == ["revoked", "", "revoked"]
    sessions.says("2 sessions were revoked.")


def test_users_of_selected_sessions_are_signed_out_everywhere(sessions, example):
    chosen, other, hers = Device(example), Device(example), Device(example, MARY)
    sessions.page.reload()
    sessions.press(row(sessions, chosen).get_by_role("checkbox"), "Space")
    run_action(sessions, "Sign the users of selected sessions out everywhere")
    sessions.follow(sessions.button("Sign out"))
    assert [device.refusal() for device in (chosen, other, hers)] == ["revoked", "revoked", ""]


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_session_is_found_by_a_token_that_stands_in_no_address(sessions, example, kind):
    device = Device(example)
    token = getattr(device, kind)
    addresses = []
    sessions.page.on("request", lambda request: addresses.append(request.url))
    sessions.follow(sessions.link("Find by token"))
    sessions.type(sessions.field("Token"), token)
    sessions.follow(sessions.button("Find the session"))
    expect(sessions.page.locator(".field-id")).to_contain_text(device.session)
    assert addresses
    assert not [address for address in addresses if token in address]
    assert token not in sessions.page.content()
    assert token not in example.log
    assert device.refusal() == ""
    sessions.page.go_back()
    expect(sessions.field("Token")).to_have_value("")


def test_one_access_token_is_blacklisted_and_its_session_goes_on(sessions, example):
    device = Device(example)
    sessions.follow(sessions.link("Blacklist an access token"))
    sessions.type(sessions.field("Token"), device.access)
    sessions.type(sessions.field("Note"), "was in a log")
    sessions.follow(sessions.button("Blacklist"))
    assert device.refusal() == "revoked"
    assert device.refresh_refusal() == ""
    sessions.says("The access token was blacklisted.")
    expect(sessions.page.locator("#result_list")).to_contain_text("was in a log")


def test_a_user_is_signed_out_everywhere_from_the_users_page(admin, example):
    hers = [Device(example, MARY), Device(example, MARY, user_agent=IPHONE)]
    ada = Device(example, ADA)
    admin.follow(admin.link("Users", within=admin.page.locator("#content")))
    admin.follow(admin.link("mary"))
    for device in hers:
        expect(admin.link(device.session[:8])).to_be_visible()
    admin.follow(admin.link("Sign out everywhere"))
    admin.type(admin.field("Note"), "phishing mail answered")
    admin.follow(admin.button("Sign out"))
    assert [device.refusal() for device in (*hers, ada)] == ["revoked", "revoked", ""]
    admin.says("were revoked.")
    expect(admin.page).to_have_url(f"{example.url}/admin/auth/user/{admin.page.url.split('/')[-3]}/change/")
    for device in hers:
        expect(admin.link(device.session[:8])).to_have_count(0)


def test_a_reuse_is_acted_on_from_the_security_events(sessions):
    sessions.follow(sessions.link("Security events"))
    event = sessions.page.locator("#content tbody tr", has_text="orders-sync")
    expect(event.locator(".jwtauth-status")).to_have_text("active")
    sessions.follow(sessions.link("Revoke", within=event))
    sessions.follow(sessions.button("Revoke"))
    expect(status_of(sessions)).to_have_text("revoked: administrator")


@pytest.fixture(scope="module")
def own_example(tmp_path_factory):
    """An example for actions that end more than the sessions of the test."""
    with running(tmp_path_factory.mktemp("own")) as example:
        yield example


def test_everyone_is_signed_out_by_a_typed_word(open_window, own_example):
    devices = [Device(own_example, account) for account in (ADA, ADMIN)]
    keys = Keyboard(open_window(base_url=own_example.url))
    keys.page.goto("/admin/")
    keys.sign_in(ADMIN)
    keys.follow(keys.link(SESSIONS, within=keys.page.locator("#content")))
    keys.follow(keys.link("Sign everyone out"))
    expect(keys.page.locator(".messagelist")).to_contain_text("Your own sessions are among them.")
    keys.type(keys.field("Type “everyone” to confirm"), "all")
    keys.follow(keys.button("Sign everyone out"))
    expect(keys.page.locator(".errorlist")).to_have_text("This is not the word “everyone”.")
    assert [device.refusal() for device in devices] == ["", ""]
    keys.go_to(keys.field("Type “everyone” to confirm"))
    keys.page.keyboard.press("Control+A")
    keys.page.keyboard.type("everyone")
    keys.type(keys.field("Note"), "the key has leaked")
    keys.follow(keys.button("Sign everyone out"))
    assert [device.refusal() for device in devices] == ["revoked"] * 2
    assert [device.refresh_refusal() for device in devices] == ["revoked"] * 2
    keys.says("Everyone was signed out.")
    assert Device(own_example).refusal() == ""


def test_who_is_deactivated_on_the_users_page_is_signed_out(open_window, own_example):
    device = Device(own_example, MARY)
    keys = Keyboard(open_window(base_url=own_example.url))
    keys.page.goto("/admin/auth/user/?q=mary")
    keys.sign_in(ADMIN)
    keys.follow(keys.link("mary"))
    keys.press(keys.field("Active"), "Space")
    keys.follow(keys.page.get_by_role("button", name="Save and continue editing"))
    assert device.refusal() == "revoked"
    keys.says("1 session of the user has ended.")
