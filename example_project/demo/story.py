"""The story of ``manage.py demo --check``. Each step is a method, and the first line of its docstring is printed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django_jwtauth._core.polling import MAX_BACKOFF_SECONDS
from example_project.demo.accounts import ADA, ADMIN, MARY, Account
from example_project.demo.client import Answer, Client, Page, StepError
from example_project.demo.services import base

LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"
NEW_PASSWORD = "engine-of-differences"  # noqa: S105  # of a user in a temporary database

AUTH = "/api/auth/"
ORDERS = "/api/orders/"
WHOAMI = "/api/whoami/"

STOCK = "/api/stock/"
TEA = f"{STOCK}tea/"

POLL_MARGIN_SECONDS = 2.0  # in other services a revocation takes effect within the poll interval plus this

Tokens = dict[str, Any]
Step = Callable[[], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the story takes place."""

    orders_port: int
    stock_port: int
    page_port: int
    second_stock_port: int
    """A second server of the stock service, which goes on when the other two are stopped."""
    grace_seconds: float
    poll_seconds: float
    stop: Callable[[], None]
    """Stops the orders service, and the stock service with it."""
    start: Callable[[], None]
    """Starts them again, with the same ports and database."""


class Story:
    """Ada with two devices, Mary of the warehouse, a thief, and an administrator."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.laptop = Client(stage.orders_port, LAPTOP)
        self.phone = Client(stage.orders_port, PHONE)
        self.thief = Client(stage.orders_port, "curl/8.14.1")
        self.browser = Client(stage.orders_port, LAPTOP)  # the administrator's
        self.stock = Client(stage.stock_port, LAPTOP)
        self.page = Client(stage.page_port, LAPTOP)
        self.second_stock = Client(stage.second_stock_port, LAPTOP)
        self.tokens: Tokens = {}
        self.superseded: Tokens = {}
        self.warehouse: Tokens = {}
        self.rotated = 0.0  # when there was a new refresh token
        self.index: Page | None = None

    def steps(self) -> list[tuple[str, Step]]:
        """Return each step with its description. A step may return how many seconds something took."""
        order: tuple[Step, ...] = (
            self.sign_in,
            self.refresh_inside_the_grace_period,
            self.wrong_password,
            self.orders,
            self.orders_are_private,
            self.stateless,
            self.elsewhere,
            self.page_is_served,
            self.across_origins,
            self.rotation,
            self.groups_elsewhere,
            self.revoked_elsewhere,
            self.two_tabs,
            self.theft,
            self.dead_for_the_owner,
            self.admin_revokes,
            self.two_devices,
            self.logout_everywhere,
            self.password_change,
            self.issuer_stopped,
            self.issuer_back,
        )
        return [((step.__doc__ or "").strip(), step) for step in order]

    def sign_in(self) -> None:
        """Ada signs in, and gets an access and a refresh token that no cache may keep."""
        answer = self._post(self.laptop, "token/", username=ADA.username, password=ADA.password)
        self.tokens = answer.expect(200, token_type="Bearer")  # noqa: S106
        self.rotated = time.monotonic()
        _same("Cache-Control", answer.headers["Cache-Control"], "no-store")

    def refresh_inside_the_grace_period(self) -> None:
        """A refresh within REFRESH_GRACE_PERIOD returns the same refresh token, with a new access token."""
        again = self._refresh(self.laptop, self.tokens).expect(200)
        _same("the refresh token", again["refresh"], self.tokens["refresh"])
        _differs("the access token", again["access"], self.tokens["access"])

    def wrong_password(self) -> None:
        """A wrong password is refused."""
        answer = self._post(self.laptop, "token/", username=ADA.username, password="wrong")  # noqa: S106
        answer.expect(401, code="no_active_account", reason="credentials")

    def orders(self) -> None:
        """The orders API accepts the access token, and refuses requests without one."""
        token = self.tokens["access"]
        self.laptop.send("POST", ORDERS, token=token, data={"item": "Tea", "quantity": 2}).expect(201, item="Tea")
        page = self.laptop.send("GET", ORDERS, token=token).expect(200, count=1)
        _same("the order", (page["results"][0]["item"], page["results"][0]["quantity"]), ("Tea", 2))
        anonymous = self.laptop.send("GET", ORDERS)
        anonymous.expect(401)
        _same("WWW-Authenticate", anonymous.headers["WWW-Authenticate"], 'Bearer realm="api"')

    def orders_are_private(self) -> None:
        """Another user does not see Ada's order."""
        other = self._sign_in(Client(self.laptop.port, LAPTOP), ADMIN)
        self.laptop.send("GET", ORDERS, token=other["access"]).expect(200, count=0)

    def stateless(self) -> None:
        """The stateless view answers from the token alone, which contains a claim that the project has added."""
        self.laptop.send("GET", WHOAMI, token=self.tokens["access"]).expect(200, scopes=[], groups=list(ADA.groups))

    def elsewhere(self) -> None:
        """The stock service, which has no database, accepts the same token, and refuses requests without one."""
        items = self.stock.send("GET", STOCK, token=self.tokens["access"]).expect(200)
        _same("the stock", [entry["item"] for entry in items], ["tea", "coffee", "biscuits"])
        anonymous = self.stock.send("GET", STOCK)
        anonymous.expect(401)
        _same("WWW-Authenticate", anonymous.headers["WWW-Authenticate"], 'Bearer realm="api"')

    def page_is_served(self) -> None:
        """The page has an origin of its own, may run only its own scripts, and knows where the services are."""
        answer = self.page.send("GET", "/")
        _same("the status of the page", answer.status, 200)
        policy = answer.headers["Content-Security-Policy"]
        orders, stock = base(self.stage.orders_port), base(self.stage.stock_port)
        _contains("the policy of the page", policy, "script-src 'self'; ")
        _contains("the policy of the page", policy, f"connect-src 'self' {orders} {stock}; ")
        self.page.send("GET", "/config.json").expect(200, issuer=orders, stock=stock)

    def across_origins(self) -> None:
        """Both services let scripts of the page's origin call them with a token, but scripts of no other origin."""
        page = base(self.stage.page_port)
        for client, path in ((self.laptop, ORDERS), (self.stock, STOCK)):
            for origin, allowed in ((page, page), (base(self.stage.orders_port), None), ("null", None)):
                asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
                preflight = client.send("OPTIONS", path, headers={"Origin": origin, **asked})
                _same(f"whom {path} allows", preflight.headers["Access-Control-Allow-Origin"], allowed)
                refusal = client.send("GET", path, headers={"Origin": origin})
                refusal.expect(401)
                _same(f"whom {path} answers", refusal.headers["Access-Control-Allow-Origin"], allowed)

    def rotation(self) -> None:
        """A refresh after the grace period replaces the refresh token."""
        self._wait()
        self.superseded, self.tokens = self.tokens, self._refresh(self.laptop, self.tokens).expect(200)
        self.rotated = time.monotonic()
        _differs("the refresh token", self.tokens["refresh"], self.superseded["refresh"])

    def groups_elsewhere(self) -> None:
        """In the stock service the groups in the token decide who may change a quantity: Mary may, Ada may not."""
        self.stock.send("PATCH", TEA, token=self.tokens["access"], data={"quantity": 7}).expect(403)
        self.warehouse = self._sign_in(self.phone, MARY)
        token = self.warehouse["access"]
        self.stock.send("PATCH", TEA, token=token, data={"quantity": 7}).expect(200, item="tea", quantity=7)
        self.stock.send("GET", TEA, token=self.tokens["access"]).expect(200, quantity=7)

    def revoked_elsewhere(self) -> float:
        """Mary signs out of the orders service: the stock service refuses her within the poll interval + 2 seconds."""
        self.phone.send("POST", f"{AUTH}logout/", token=self.warehouse["access"]).expect(204)
        return self._refused_within(self.stage.poll_seconds + POLL_MARGIN_SECONDS, self.stock, self.warehouse)

    def two_tabs(self) -> None:
        """Two tabs that refresh at the same time both get the same new token, and the session goes on."""
        self._wait()
        together = threading.Barrier(2, timeout=10)

        def tab() -> Tokens:
            together.wait()
            return self._refresh(self.laptop, self.tokens).expect(200)

        with ThreadPoolExecutor(2) as pool:
            first, second = (future.result() for future in [pool.submit(tab), pool.submit(tab)])
        _same("the second tab's refresh token", second["refresh"], first["refresh"])
        _differs("the new refresh token", first["refresh"], self.tokens["refresh"])
        self.superseded, self.tokens, self.rotated = self.tokens, first, time.monotonic()
        self._accepted(self.laptop, self.tokens)

    def theft(self) -> None:
        """A stolen refresh token that has been replaced is detected when the thief uses it."""
        self._wait()
        self._refresh(self.thief, self.superseded).expect(401, code="token_not_valid", reason="reused")

    def dead_for_the_owner(self) -> None:
        """That ends the session for thief and owner: all its tokens are refused, by stateless views too."""
        self._refresh(self.thief, self.superseded).expect(401, reason="revoked")
        self._refresh(self.laptop, self.tokens).expect(401, reason="revoked")
        self._refused(self.laptop, self.tokens)

    def admin_revokes(self) -> None:
        """The administrator finds the session in the admin and revokes it: its access token is refused at once."""
        self.tokens = self._sign_in(self.laptop)
        self._accepted(self.laptop, self.tokens)
        login = self.browser.open("/admin/")
        self.index = self.browser.press(login, "Log in", username=ADMIN.username, password=ADMIN.password)
        sessions = self.browser.open(self.index.link("/refreshtoken/"))
        session = self.browser.open(sessions.link(self._session_id()))
        question = self.browser.open(session.link("/revoke/"))
        revoked = self.browser.press(question, "Revoke", note="laptop lost")
        self._refused(self.laptop, self.tokens)
        _contains("the admin", revoked.text, "1 session was revoked.")

    def two_devices(self) -> None:
        """Ada signs in on two devices, and sees both in the list of her sessions."""
        self.tokens = self._sign_in(self.laptop)
        self.superseded = self._sign_in(self.phone)
        page = self.laptop.send("GET", f"{AUTH}sessions/", token=self.tokens["access"]).expect(200, count=2)
        seen = [(session["device"], session["current"]) for session in page["results"]]
        _same("the list of sessions", seen, [("Safari on iPhone", False), ("Firefox on Linux", True)])

    def logout_everywhere(self) -> None:
        """After signing out everywhere, both devices are refused at once."""
        self.laptop.send("POST", f"{AUTH}logout/all/", token=self.tokens["access"]).expect(200, revoked=2)
        self._refused(self.laptop, self.tokens)
        self._refused(self.phone, self.superseded)

    def password_change(self) -> None:
        """The administrator sets another password: Ada's session ends, and only the new password works."""
        self.tokens = self._sign_in(self.laptop)
        self._accepted(self.laptop, self.tokens)
        if self.index is None:
            raise StepError("Nobody is signed in to the admin.")
        users = self.browser.open(self.index.link("/auth/user/"))
        subject = self.laptop.send("GET", WHOAMI, token=self.tokens["access"]).expect(200)["subject"]
        user = self.browser.open(users.link(f"/auth/user/{subject}/change/"))
        form = self.browser.open(user.link("/password/"))
        self.browser.press(form, "Change password", password1=NEW_PASSWORD, password2=NEW_PASSWORD)
        self._refused(self.laptop, self.tokens)
        self._post(self.laptop, "token/", username=ADA.username, password=ADA.password).expect(401)
        self._post(self.laptop, "token/", username=ADA.username, password=NEW_PASSWORD).expect(200)

    def issuer_stopped(self) -> None:
        """With the orders service stopped, the stock service still accepts its tokens."""
        self.warehouse = self._sign_in(self.phone, MARY)
        token = self.warehouse["access"]
        self.second_stock.send("GET", STOCK, token=token).expect(200)
        self.stage.stop()
        for client in (self.laptop, self.stock):
            _unreachable(client)
        until = time.monotonic() + 2 * self.stage.poll_seconds + 0.1  # until its list is no longer fresh
        while True:
            over = time.monotonic() > until
            self.second_stock.send("GET", STOCK, token=token).expect(200)
            if over:
                return
            time.sleep(0.1)

    def issuer_back(self) -> float:
        """Started again, the orders service still accepts its tokens, and other services refuse what it revokes."""
        self.stage.start()
        token = self.warehouse["access"]
        self.laptop.send("GET", WHOAMI, token=token).expect(200, groups=list(MARY.groups))
        self.second_stock.send("GET", STOCK, token=token).expect(200)
        self.phone.send("POST", f"{AUTH}logout/", token=token).expect(204)
        # The other service tries again after a pause, which is longer the longer it could not reach the orders service.
        bound = MAX_BACKOFF_SECONDS + self.stage.poll_seconds + POLL_MARGIN_SECONDS
        return self._refused_within(bound, self.second_stock, self.warehouse)

    def _post(self, client: Client, path: str, **data: str) -> Answer:
        return client.send("POST", f"{AUTH}{path}", data=data)

    def _sign_in(self, client: Client, account: Account = ADA) -> Tokens:
        tokens: Tokens = self._post(client, "token/", username=account.username, password=account.password).expect(200)
        return tokens

    def _refresh(self, client: Client, tokens: Tokens) -> Answer:
        return self._post(client, "token/refresh/", refresh=tokens["refresh"])

    def _wait(self) -> None:
        """Let the grace period pass."""
        time.sleep(max(self.rotated + self.stage.grace_seconds + 0.1 - time.monotonic(), 0))

    def _session_id(self) -> str:
        page = self.laptop.send("GET", f"{AUTH}sessions/", token=self.tokens["access"]).expect(200)
        return str(next(session["id"] for session in page["results"] if session["current"]))

    def _accepted(self, client: Client, tokens: Tokens) -> None:
        for path in (ORDERS, WHOAMI):
            client.send("GET", path, token=tokens["access"]).expect(200)

    def _refused(self, client: Client, tokens: Tokens) -> None:
        for path in (ORDERS, WHOAMI):
            client.send("GET", path, token=tokens["access"]).expect(401, reason="revoked")

    def _refused_within(self, seconds: float, client: Client, tokens: Tokens) -> float:
        """Send requests until a session that was just revoked is refused, and return how many seconds that took.

        Raises:
            StepError: if a request that is sent later than the limit is still accepted.
        """
        revoked = time.monotonic()
        while True:
            took = time.monotonic() - revoked
            answer = client.send("GET", STOCK, token=tokens["access"])
            if answer.status != 200:
                answer.expect(401, reason="revoked")
                return took
            if took > seconds:
                raise StepError(f"The session is still accepted {took:.1f} seconds after it was revoked.")
            time.sleep(0.05)


def _unreachable(client: Client) -> None:
    try:
        client.send("GET", "/")
    except StepError:
        return
    raise StepError(f"The service on port {client.port} still answers.")


def _same(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise StepError(f"{what}: {got!r}, not {expected!r}.")


def _differs(what: str, got: object, other: object) -> None:
    if got == other:
        raise StepError(f"{what} is still the same.")


def _contains(what: str, text: str, part: str) -> None:
    if part not in text:
        raise StepError(f"{what} does not say {part!r}.")
