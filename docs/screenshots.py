"""Take the screenshots of the documentation: ``python -m docs.screenshots [DIRECTORY]``, from the root of the checkout.

Starts the example with a database in a temporary directory, and opens it in Chromium. It has the same requirements as
``tox -e browser``, so run ``tox exec -e browser -- python -m docs.screenshots``.
"""

import argparse
import os
import tempfile
from pathlib import Path

import django
from playwright.sync_api import sync_playwright

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.settings")
django.setup()  # the imports below use models, so the apps must be loaded

from example_project.demo.accounts import ADMIN  # noqa: E402
from tests.browser.app import App  # noqa: E402
from tests.browser.example import FIREFOX, IPHONE, LAUNCH, Device, running  # noqa: E402
from tests.browser.keyboard import Keyboard  # noqa: E402

IMAGES = Path(__file__).parent / "images"
LIST = "/admin/django_jwtauth/refreshtoken/"
WIDTH = 1280
PAGE_SIZE = {"width": 1120, "height": 1010}
# Both use the system font. This one makes the pictures look the same on every machine.
FONT = """
:root { --font-family-primary: "Liberation Sans", Arial, sans-serif; }
body { font-family: "Liberation Sans", Arial, sans-serif; }
"""


def main(directory):
    """Take all screenshots."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as temporary,
        running(Path(temporary), "usual") as example,
        sync_playwright() as playwright,
        playwright.chromium.launch(**LAUNCH) as browser,
    ):
        with browser.new_context(base_url=example.url) as context:
            page = open_admin(context, sidebar=False)
            page.goto(f"{LIST}?q=grace&status=active")
            row = page.locator("#result_list tbody tr", has_text="Safari on macOS")
            grace = row.locator("th a").get_attribute("href")

            take(page, LIST, 780, directory / "admin-sessions.png")
            take(page, grace.partition("?")[0], 960, directory / "admin-session.png")
            page.emulate_media(color_scheme="dark")
            take(page, LIST, 780, directory / "admin-sessions-dark.png")

        with browser.new_context(bypass_csp=True, viewport=PAGE_SIZE, reduced_motion="reduce") as context:
            _take_page(context.new_page(), example, directory)


def open_admin(context, *, sidebar):
    """Sign an operator in to the admin.

    Args:
        context: Where no window is open yet.
        sidebar: Whether the navigation is open beside each page.
    """
    context.add_init_script(f'localStorage["django.admin.navSidebarIsOpen"] = "{str(sidebar).lower()}"')
    page = context.new_page()
    page.goto("/admin/")
    Keyboard(page).sign_in(ADMIN)
    return page


def take(page, address, height, path):
    """Take a picture of a page of the admin, in a window of :data:`WIDTH`."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(address)
    page.add_style_tag(content=FONT)
    page.screenshot(path=path)


def _take_page(page, example, directory):
    for user_agent in (IPHONE, FIREFOX):
        Device(example, user_agent=user_agent)
    app = App.open(page, example, "header").sign_in()
    app.sees_both_services()
    for item, quantity in (("biscuits", 1), ("coffee", 2), ("tea", 12)):
        app.order(item, quantity)
    app.button("Cancel 1 × biscuits").click()
    app.says("Cancelled: 1 × biscuits.")
    page.add_style_tag(content=FONT)
    page.evaluate("document.activeElement.blur()")
    for scheme, name in (("light", "page.png"), ("dark", "page-dark.png")):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=directory / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=IMAGES)
    main(parser.parse_args().directory)
