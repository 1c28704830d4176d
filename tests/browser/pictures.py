"""Take pictures of the list of sessions as an operator sees it on a small screen, with the navigation beside it.

``tox exec -e admin-dj52 -- python -m tests.browser.pictures`` takes them again with that version of Django.
"""

import sys
import tempfile
from pathlib import Path

import django
from playwright.sync_api import sync_playwright

from docs.screenshots import LIST, open_admin, take
from tests.browser.example import LAUNCH, running

PICTURES = Path(__file__).parent / "expected"
THEMES = ("light", "dark")
HEIGHT = 600


def name_of(theme):
    """Return the name of the picture in a theme, with the Django that is installed."""
    return f"sessions-{'.'.join(map(str, django.VERSION[:2]))}-{theme}.png"


def main(directory):
    """Take the pictures in both themes."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as temporary,
        running(Path(temporary), "usual") as example,
        sync_playwright() as playwright,
        playwright.chromium.launch(**LAUNCH) as browser,
        browser.new_context(base_url=example.url) as context,
    ):
        page = open_admin(context, sidebar=True)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            take(page, LIST, HEIGHT, directory / name_of(theme))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
