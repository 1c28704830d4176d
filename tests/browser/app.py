"""The page of another origin, as somebody uses it, and what the database of its services says."""

import contextlib
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from example_project.demo.accounts import ADA

from .example import PATIENCE

MODES = ("header", "cookie")
NAMES = {"header": "Header mode", "cookie": "Cookie mode"}
COOKIES = {"jwtauth-access", "jwtauth-refresh"}
WITHOUT_LOCKS = "delete Navigator.prototype.locks"


class App:
    """The page in one tab."""

    def __init__(self, page):
        self.page = page

    @classmethod
    def open(cls, page, example, mode):
        """Load the page in a mode, and wait until it knows whether somebody is signed in."""
        page.goto(f"{example.page_url}/#{mode}")
        app = cls(page)
        expect(app.heading("Sign in").or_(app.heading("Signed in"))).to_be_visible()
        return app

    def another(self, example, mode):
        """Open another tab of the same window."""
        return App.open(self.page.context.new_page(), example, mode)

    def sign_in(self, account=ADA):
        """Sign in with name and password."""
        self.field("Username").fill(account.username)
        self.field("Password").fill(account.password)
        self.button("Sign in").click()
        expect(self.heading("Signed in")).to_be_visible()
        return self

    def sees_both_services(self):
        """See what the services have answered."""
        expect(self.list("Stock").get_by_text("coffee")).to_be_visible()
        expect(self.list("Orders").get_by_role("listitem").first).to_be_visible()

    def order(self, item, quantity=1):
        """Order something, and see that it is done."""
        self.field("Item").fill(item)
        self.field("Quantity").fill(str(quantity))
        self.button("Order").click()
        self.says(f"Ordered: {quantity} × {item}.")
        expect(self.list("Orders").get_by_role("listitem").first).to_contain_text(f"{quantity} × {item}")

    def refresh(self):
        """Refresh by hand, and see that it is done."""
        lines = self.log("The token was refreshed.")
        before = lines.count()
        self.button("Refresh now").click()
        expect(lines).to_have_count(before + 1)
        self.says("The token was refreshed.")

    # The page's parts

    def heading(self, name):
        return self.page.get_by_role("heading", name=name, exact=True)

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label):
        return self.page.get_by_label(label, exact=True)

    def list(self, name):
        return self.page.get_by_role("list", name=name, exact=True)

    def log(self, text, kind=None):
        """Find lines of the log, maybe only those of answers that were good or bad."""
        return self.page.locator(f"#log li[data-kind={kind}]" if kind else "#log li", has_text=text)

    def says(self, text):
        """See that the page's message is this."""
        expect(self.page.get_by_role("status").and_(self.page.locator("#notice"))).to_have_text(text)

    def is_signed_out(self, why):
        """See that the page says why, and offers the sign-in."""
        expect(self.heading("Sign in")).to_be_visible()
        expect(self.heading("Signed in")).to_be_hidden()
        self.says(why)
        expect(self.field("Username")).to_be_focused()

    @property
    def session(self):
        """The id of its session, as the page shows it among the claims."""
        row = self.page.locator("#claims div", has=self.page.locator("dt:text-is('sid')"))
        return row.locator("dd").inner_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the database knows of a session."""

    generation: int
    replays: int
    reason: str
    is_revoked: bool


class Database:
    """The database of the orders service, while that runs: what it holds, and time that has gone by."""

    def __init__(self, example):
        self._path = example.database

    def row(self, session):
        """Read a session."""
        query = (
            "SELECT generation, replays, revoked_reason, revoked_at IS NOT NULL FROM django_jwtauth_refreshtoken "
            "WHERE id = ?"
        )
        ((generation, replays, reason, is_revoked),) = self._run(query, _key(session))
        return Row(generation=generation, replays=replays, reason=reason, is_revoked=bool(is_revoked))

    def let_pass(self, session, **ago):
        """Make it so long ago that the session got its refresh token: the next refresh rotates."""
        self._put_back("rotated_at", session, ago)

    def sign_in_was(self, session, **ago):
        """Make it so long ago that the user was last asked for the password."""
        self._put_back("auth_time", session, ago)

    def snapshot(self):
        """Read all that an attack could change."""
        sessions = "SELECT id, generation, replays, revoked_at, auth_time FROM django_jwtauth_refreshtoken ORDER BY id"
        orders = "SELECT id, owner_id, item, quantity, cancelled_at FROM orders_order ORDER BY id"
        return [self._run(sessions), self._run(orders)]

    def _put_back(self, column, session, ago):
        then = (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%d %H:%M:%S.%f")
        self._run(f"UPDATE django_jwtauth_refreshtoken SET {column} = ? WHERE id = ?", then, _key(session))

    def _run(self, query, *values):
        with contextlib.closing(sqlite3.connect(self._path, timeout=PATIENCE)) as database, database:
            return database.execute(query, values).fetchall()


def _key(session):
    assert re.fullmatch("[0-9a-f-]{36}", session), session
    return session.replace("-", "")


def reuse_reports(example):
    """Return the lines of the server's log that speak of stolen tokens."""
    return [line for line in example.log.splitlines() if "Refresh token reuse" in line]
