"""Eight tabs in each of two windows wake at once, five times, and none has a token that is still good."""

import pytest
from playwright.sync_api import expect

from .app import MODES, WITHOUT_LOCKS, App, Database, reuse_reports
from .example import Example, serving

TABS = 8
ROUNDS = 5
# As when the lid of a laptop is opened: all the tabs of a window, within some milliseconds.
SLEEPER = """new BroadcastChannel("wake").onmessage = () => document.getElementById("load-orders").click()"""
WAKE = """new BroadcastChannel("wake").postMessage("")"""


class Brief(Example):
    """With access tokens that end after some seconds."""

    def __init__(self, directory):
        super().__init__(directory)
        self._environment["DJANGO_SETTINGS_MODULE"] = "tests.browser.brief"


@pytest.fixture
def brief(tmp_path):
    """The example, with such tokens."""
    with serving(Brief(tmp_path)) as example:
        yield example


class Window:
    """A browser's window full of tabs, signed in by the first one."""

    def __init__(self, page, example, mode):
        first = App.open(page, example, mode).sign_in()
        others = [App(page.context.new_page()) for _ in range(TABS - 1)]
        for tab in others:  # all of them load at the same time
            tab.page.goto(page.url, wait_until="commit")
        self.tabs = [first, *others]
        for tab in self.tabs:
            expect(tab.heading("Signed in")).to_be_visible()
            tab.field("Refresh automatically before it expires").uncheck()
            expect(tab.log("GET /api/orders/", "good")).to_have_count(1)
            tab.button("Clear").click()
        self.session = first.session

    def sleeps(self):
        """Wait until no tab has a token that is still good."""
        for tab in self.tabs:
            expect(tab.page.locator("#left")).to_have_text("0:00")

    def wakes(self):
        """Let all the tabs call the API at the same time."""
        self.tabs[0].page.evaluate(WAKE)

    def has_called(self, times):
        """See that every tab got its answer at each of so many times, and none was refused."""
        for tab in self.tabs:
            expect(tab.log("GET /api/orders/", "good")).to_have_count(times)
            expect(tab.log("GET /api/orders/")).to_have_count(times)


@pytest.mark.parametrize("locks", [True, False], ids=["with-locks", "without-locks"])
def test_nobody_is_signed_out_and_nothing_looks_like_theft(open_window, brief, locks):
    database, windows = Database(brief), []
    for mode in MODES:
        page = open_window()
        page.context.add_init_script(SLEEPER if locks else f"{SLEEPER}; {WITHOUT_LOCKS}")
        windows.append(Window(page, brief, mode))
        assert page.evaluate("'locks' in navigator") == locks
    before = [database.row(window.session) for window in windows]
    for number in range(1, ROUNDS + 1):
        for window in windows:
            window.sleeps()
            database.let_pass(window.session, hours=1)
        for window in windows:
            window.wakes()
        for window, row in zip(windows, before, strict=True):
            window.has_called(number)
            assert database.row(window.session).generation == row.generation + number
    for window, row in zip(windows, before, strict=True):
        after = database.row(window.session)
        assert not after.is_revoked
        # The lock lets one tab ask for all of them. Without it most ask, and are answered by the same new token.
        assert (after.replays == row.replays) == locks
        for tab in window.tabs:
            expect(tab.heading("Signed in")).to_be_visible()
            expect(tab.log("Signed out")).to_have_count(0)
    assert reuse_reports(brief) == []
