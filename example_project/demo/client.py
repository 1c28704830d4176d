"""As much of a browser as the story needs: cookies, redirects, links and forms, with the standard library only."""

import http.client
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin

TIMEOUT_SECONDS = 15.0
MAX_REDIRECTS = 5


class StepError(Exception):
    """Something is not as the story says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The server's answer."""

    request: str
    """The request, to name it in errors."""
    path: str
    status: int
    headers: http.client.HTTPMessage
    text: str

    def expect(self, status: int, **members: Any) -> Any:
        """Return the JSON of the answer if it has this status and these members.

        Raises:
            StepError: otherwise.
        """
        if self.status != status:
            raise StepError(f"{self.request} answered {self.status}, not {status}: {self.text[:200]}")
        data = json.loads(self.text) if self.text else {}
        for name, value in members.items():
            if data.get(name) != value:
                raise StepError(f"{self.request} answered {name} = {data.get(name)!r}, not {value!r}.")
        return data


@dataclass(slots=True, kw_only=True)
class Form:
    """A form on a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """What it sends if nobody changes it."""
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)
    """The label of each submit button, and what pressing it adds."""


class Page(HTMLParser):
    """The links and forms of an HTML page."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.path = answer.path
        self.text = answer.text
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._button: tuple[dict[str, str], list[str]] | None = None
        self.feed(answer.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record links and the parts of forms."""
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(urljoin(self.path, given["href"]))
        elif tag == "form":
            self._form = Form(action=urljoin(self.path, given.get("action", "")))
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            self._input(self._form, dict(attrs), given)
        elif tag == "button" and self._form is not None and given.get("type", "submit") == "submit":
            self._button = (_sent(given), [])

    def _input(self, form: Form, attrs: dict[str, str | None], given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind == "submit":
            form.buttons[given.get("value", "")] = _sent(given)
        elif kind not in ("checkbox", "radio") or "checked" in attrs:
            form.fields |= _sent(given)

    def handle_data(self, data: str) -> None:
        """Collect the label of a button."""
        if self._button is not None:
            self._button[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        """Close buttons and forms."""
        if tag == "button" and self._button is not None and self._form is not None:
            sent, label = self._button
            self._form.buttons["".join(label).strip()] = sent
            self._button = None
        elif tag == "form":
            self._form = None

    def link(self, part: str) -> str:
        """Return the first link that contains this text.

        Raises:
            StepError: if there is none.
        """
        for link in self.links:
            if part in link:
                return link
        raise StepError(f"The page {self.path} has no link with {part!r}.")


class Client:
    """One device, with its cookies and its user agent."""

    def __init__(self, port: int, user_agent: str) -> None:
        self.port = port
        self.user_agent = user_agent
        self.cookies: dict[str, str] = {}

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        data: dict[str, Any] | None = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request, with a JSON body (``data``), a form, or no body."""
        headers = {"User-Agent": self.user_agent, **(headers or {})}
        body = None
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if data is not None:
            body, headers["Content-Type"] = json.dumps(data), "application/json"
        elif form is not None:
            body, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise StepError(f"{method} {path} was not answered: {error!r}") from None
        finally:
            connection.close()
        for header in response.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        return Answer(
            request=f"{method} {path}", path=path, status=response.status, headers=response.headers, text=text
        )

    def open(self, path: str, *, form: dict[str, str] | None = None) -> Page:
        """Open a page, or post a form, and follow redirects.

        Raises:
            StepError: if the result is not a page.
        """
        answer = self.send("GET" if form is None else "POST", path, form=form)
        for _ in range(MAX_REDIRECTS):
            if answer.status not in (301, 302, 303):
                break
            answer = self.send("GET", urljoin(answer.path, answer.headers["Location"]))
        if answer.status != 200:
            raise StepError(f"{answer.request} answered {answer.status}, not 200.")
        return Page(answer)

    def press(self, page: Page, label: str, **entries: str) -> Page:
        """Fill in the form that has this button, and press it.

        Raises:
            StepError: if there is no such button or field, or the result is not a page.
        """
        for form in page.forms:
            if label in form.buttons:
                if missing := entries.keys() - form.fields.keys():
                    raise StepError(f"The form with the button {label!r} has no field {', '.join(missing)}.")
                return self.open(form.action, form={**form.fields, **entries, **form.buttons[label]})
        raise StepError(f"The page {page.path} has no button {label!r}.")


def _sent(attrs: dict[str, str]) -> dict[str, str]:
    return {attrs["name"]: attrs.get("value", "")} if attrs.get("name") else {}
