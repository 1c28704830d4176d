"""The page of the tutorial, in a browser, until the session is revoked."""

import contextlib

from playwright.sync_api import expect

from tests.tools.tutorial import Reader, blocks, follow


def test_the_page_counts_apples_until_the_session_is_revoked(chromium, tmp_path):
    steps = list(blocks())
    (revoked,) = [number for number, (said, _, _) in enumerate(steps) if said.startswith("Both services accept")]
    with contextlib.ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        follow(reader, steps[:revoked])
        page = stack.enter_context(chromium.new_context()).new_page()
        page.goto(reader.url("8000"))
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("status")).to_contain_text("No active account")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Count apples").click()
        expect(page.get_by_role("status")).to_have_text("12 apples, counted for ada.")
        follow(reader, steps[revoked:])
        page.get_by_role("button", name="Count apples").click()
        expect(page.get_by_role("status")).to_have_text("Signed out: revoked.")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
