"""People who use the project at the same time, each on some devices, and note each answer."""

import json
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

from django_jwtauth.keys import b64url_decode

from . import entries
from .entries import Entry

SECONDS = float(os.environ.get("JWTAUTH_LOAD_SECONDS", "8"))
PEOPLE = int(os.environ.get("JWTAUTH_LOAD_PEOPLE", "16"))
DEVICES = 2
START_HEADER = "X-Request-Start"
TOKEN, REFRESH, LOGOUT, SESSIONS = "/auth/token/", "/auth/token/refresh/", "/auth/logout/", "/auth/sessions/"


@dataclass(eq=False)
class Device:
    """A session, as its client knows it."""

    session: str
    access: str
    refresh: str
    former: list = field(default_factory=list)
    """The refresh tokens before the present one, oldest first."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body):
        """Keep the tokens of an answer. Of two tabs, both are given the same generation."""
        with self._lock:
            if claims_of(body["refresh"])["gen"] > claims_of(self.refresh)["gen"]:
                self.former.append(self.refresh)
                self.refresh = body["refresh"]
            self.access = body["access"]


class Person(threading.Thread):
    """Does one thing after the other, and some at once, until the time is up; then sees that all sessions are there."""

    def __init__(self, server, number, bound, *, retries):
        super().__init__(daemon=True)
        self._retries = retries  # whether late ones are allowed
        self.user = f"user {number}"
        self.log = []
        self.error = None
        self._server = server
        self._bound = bound
        self._chance = random.Random(number)
        self._until = time.monotonic() + SECONDS
        self._devices = []
        self._ended = []
        self._password = self._passwords = 0

    def run(self):
        acts = {
            self.refresh_in_two_tabs: 6,
            self.lose_an_answer: 3,
            **({self.lose_an_answer_for_an_hour: 3} if self._retries else {}),
            self.call_views: 6,
            self.step_up: 2,
            self.change_password: 1,
            self.revoke_an_access_token: 1,
            self.end: 3,
            self.be_robbed: 1,
        }
        try:
            while time.monotonic() < self._until:
                if len(self._devices) < DEVICES:
                    self.sign_in()
                if self._devices:
                    (act,) = self._chance.choices(list(acts), acts.values())
                    act(self._chance.choice(self._devices))
                self.look_back()
            for device in self._devices:
                self.refresh(device)
        except BaseException as error:
            self.error = error

    # What a person does

    def sign_in(self):
        """Sign in on another device. Returns it, or ``None`` if that is refused."""
        number = self._password
        answer = self.ask(entries.SIGN_IN, TOKEN, username=self.user, password=password(number))
        device, note = None, {}
        if answer.status == 200:
            access, refresh = answer.body["access"], answer.body["refresh"]
            device = Device(session=claims_of(access)["sid"], access=access, refresh=refresh)
            note = {"session": device.session, **about(refresh)}
            self._devices.append(device)
        self.write(entries.SIGN_IN, answer, **note, password=number)
        return device

    def refresh_in_two_tabs(self, device):
        """Refresh in both at the same moment. The first one rotates."""
        self.make_due(device)
        with ThreadPoolExecutor(2) as tabs:
            list(tabs.map(lambda _: self.refresh(device), range(2)))
        self.call_views(device)

    def lose_an_answer(self, device):
        """Refresh, and never see the answer; then again."""
        self.make_due(device)
        self.refresh(device, is_lost=True)
        self.refresh(device)

    def lose_an_answer_for_an_hour(self, device):
        """Refresh, and never see the answer; then again, when the grace period is over. Next time all goes well."""
        self.make_due(device)
        self.refresh(device, is_lost=True)
        self.make_due(device)
        self.refresh(device)
        self.make_due(device)
        self.refresh(device)

    def call_views(self, device):
        """Call a view that asks the database, and one that does not."""
        if self.call(entries.STATEFUL, device) == 401:
            self.see_the_end(device)
        else:
            self.call(entries.STATELESS, device)

    def step_up(self, device):
        """Confirm who it is, at a level that nobody has had before."""
        level = f"level {time.monotonic()}"
        answer = self.ask(entries.STEP_UP, "/step-up/", token=device.access, level=level)
        self.write(entries.STEP_UP, answer, session=device.session, level=level)
        self.refresh(device)

    def change_password(self, device):
        """Change the password on one device, while another one is signed in with the old password."""
        self._passwords += 1
        number = self._passwords
        with ThreadPoolExecutor(1) as other:
            signing_in = other.submit(self.sign_in)
            answer = self.ask(entries.PASSWORD, "/password/", token=device.access, new_password=password(number))
            self.write(entries.PASSWORD, answer, session=device.session, password=number)
            signing_in.result()
        if answer.status == 204:
            self._password = number
            for former in [each for each in self._devices if each is not device]:
                self.see_the_end(former)
        self.refresh(device)

    def revoke_an_access_token(self, device):
        """Revoke the access token alone; the session goes on."""
        answer = self.ask(entries.END_TOKEN, f"{TOKEN}revoke/", sent_token=device.access)
        self.write(entries.END_TOKEN, answer, session=device.session, token=id_of(device.access))
        self.call(entries.STATEFUL, device)
        self._ended.append((device.session, device.access, answer.received))
        self.refresh(device)

    def be_robbed(self, device):
        """Somebody has an old refresh token, and comes with it."""
        if len(device.former) < 2:
            self.refresh_in_two_tabs(device)
            return
        answer = self.ask(entries.REUSE, REFRESH, refresh=device.former[-2])
        self.write(entries.REUSE, answer, session=device.session)
        self.see_the_end(device)

    def end(self, device):
        """End the session, or more, in one of many ways, often while another tab or device does something."""
        name, own, bearer = quote(self.user), {"session": device.session}, {"token": device.access}
        ways = [
            (entries.END, f"{TOKEN}blacklist/", {"refresh": device.refresh}, own),
            (entries.END, f"{TOKEN}revoke/", {"sent_token": device.refresh}, own),
            (entries.END, LOGOUT, {**bearer, "method": "POST"}, own),
            (entries.END, f"{SESSIONS}{device.session}/", {**bearer, "method": "DELETE"}, own),
            (entries.END, f"/operator/revoke/?sid={device.session}", {}, own),
            (entries.END_OTHERS, SESSIONS, {**bearer, "method": "DELETE"}, own),
            (entries.END_ALL, f"{LOGOUT}all/", {**bearer, "method": "POST"}, own),
            (entries.END_ALL, f"/operator/revoke/?user={name}", {}, {}),
            (entries.DEACTIVATE, f"/operator/deactivate/?user={name}", {}, {}),
            (entries.DELETE_USER, f"/operator/delete/?user={name}&password={quote(password(self._password))}", {}, {}),
        ]
        act, path, request, note = self._chance.choice(ways)
        over = [device] if act == entries.END else [*self._devices]
        if act == entries.END_OTHERS:
            over.remove(device)
        beside = self._chance.choice([lambda: None, lambda: self.refresh(device), self.sign_in])
        with ThreadPoolExecutor(1) as other:
            doing = other.submit(beside)
            answer = self.ask(act, path, **request)
            self.write(act, answer, **note)
            begun = doing.result()
        for each in over:
            self.see_the_end(each)
        if begun is not None:
            self.call_views(begun)

    # How a client does it

    def make_due(self, device):
        """Let the next refresh rotate, as if an hour had passed. The client has the present token, or the last one."""
        answer = self._server.ask(f"/operator/make-due/?sid={device.session}")
        assert answer.status == 200, answer

    def refresh(self, device, *, is_lost=False):
        """Refresh. A client that is answered has the new tokens from then on."""
        presented = device.refresh
        answer = self.ask(entries.REFRESH, REFRESH, refresh=presented)
        note = {"session": device.session, "presented": claims_of(presented)["gen"]}
        if answer.status == 200:
            note |= {**about(answer.body["refresh"]), "level": claims_of(answer.body["access"]).get("acr", "")}
        self.write(entries.REFRESH, answer, **note)
        if answer.status == 200 and not is_lost:
            device.take(answer.body)
        elif answer.status == 401 and device in self._devices:
            self._devices.remove(device)

    def call(self, act, device):
        """Call a view with the access token of a device. Returns the status."""
        return self.call_with(act, device.session, device.access)

    def call_with(self, act, session, access):
        """Call a view with an access token. Returns the status."""
        answer = self.ask(act, f"/{act}/", token=access)
        self.write(act, answer, session=session, token=id_of(access))
        return answer.status

    def see_the_end(self, device):
        """Look whether a session has ended, and remember to look again."""
        access = device.access
        self.call_with(entries.STATEFUL, device.session, access)
        self.refresh(device)
        self._ended.append((device.session, access, time.monotonic()))

    def look_back(self):
        """Call the view that does not ask the database with what has ended, once the bound has passed."""
        while self._ended and time.monotonic() - self._ended[0][2] > self._bound:
            session, access, _ = self._ended.pop(0)
            self.call_with(entries.STATELESS, session, access)

    def ask(self, act, path, **request):
        """Send a request, again as long as the answer says so. Returns the last answer."""
        while True:
            answer = self._server.ask(path, headers={START_HEADER: f"t={time.time():.6f}"}, **request)
            if answer.status != 503:
                return answer
            self.write(act, answer)
            time.sleep(1.0)

    def write(self, act, answer, **note):
        """Write an entry."""
        self.log.append(entry(act, answer, user=self.user, **note))


class Operator(threading.Thread):
    """Signs everyone out once, in the middle; and purges all the time."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.log = []
        self.error = None
        self._server = server
        self._began = time.monotonic()
        self.purges = 0

    def run(self):
        try:
            is_done = False
            while time.monotonic() < self._began + SECONDS:
                self._server.shell("from django.core.management import call_command; call_command('jwtauth_purge')")
                self.purges += 1
                if not is_done and time.monotonic() > self._began + SECONDS / 2:
                    is_done = True
                    answer = self._server.ask("/operator/revoke-everyone/")
                    self.log.append(entry(entries.END_EVERYONE, answer))
        except BaseException as error:
            self.error = error


def entry(act, answer, **about):
    """Make an entry of an answer."""
    return Entry(
        act=act,
        sent=answer.sent,
        received=answer.received,
        status=answer.status,
        reason=answer.body.get("reason", ""),
        has_retry_after=bool(answer.retry_after),
        **about,
    )


def password(number):
    """Return one of the passwords of a user."""
    return f"correct horse {number}"


def claims_of(token):
    """Return what a token says."""
    return json.loads(b64url_decode(token.split(".")[1].encode()))


def id_of(access):
    """Return the id of an access token."""
    return claims_of(access)["jti"]


def about(refresh):
    """Return what there is to note about a refresh token that was given.

    Its id, not its text: the times in it are later for who asks after a rotation that took long.
    """
    claims = claims_of(refresh)
    return {"given": claims["jti"], "generation": claims["gen"]}
