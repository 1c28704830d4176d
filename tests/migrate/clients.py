"""Clients that go on calling and refreshing while the project behind them moves."""

import random
import threading
import time

PASSWORD = "correct horse"


class Deployment:
    """The servers that answer at the moment."""

    def __init__(self):
        self.servers, self.services = [], []
        self.takes_pairs_only = False
        """Whether the clients of sliding tokens have got their new version."""
        self.is_over = False
        self.troubles = []

    def ask(self, place, *request):
        server = random.choice(getattr(self, place))
        status, body = server.ask(*request)
        if status != 200:
            self.troubles.append((server.name, request[:2], status, body))
        return server, body


class Client:
    """One device of a user."""

    def __init__(self, name, variant):
        self.name, self.variant = name, variant
        self.refresh = self.access = ""
        self.over = []
        """The refresh tokens that it has replaced by others."""
        self.is_signed_out = False

    def step(self, deployment):
        if not self.access:
            self.sign_in(deployment)
        else:
            self.call(deployment)
            self.renew(deployment)

    def sign_in(self, deployment):
        body = {"username": self.name, "password": PASSWORD}
        if self.variant == "sliding" and not deployment.takes_pairs_only:
            self.access = deployment.ask("servers", "POST", "/api/token/sliding/", body)[1]["token"]
        else:
            self.store(deployment.ask("servers", "POST", "/api/token/", body)[1])

    def call(self, deployment):
        for place in ("servers", "services"):
            if getattr(deployment, place):
                body = deployment.ask(place, "GET", "/whoami/", None, self.access)[1]
                # A service has no user names. Simple JWT's own claims are those of the serializer.
                known = {self.name} if place == "servers" else {body["user"]}
                if body["user"] not in known or (self.variant == "own serializer" and body["name"] != self.name):
                    deployment.troubles.append(("answered somebody else", self.name, body))

    def renew(self, deployment):
        if self.variant == "sliding" and not self.refresh:
            if not deployment.takes_pairs_only:
                body = {"token": self.access}
                self.access = deployment.ask("servers", "POST", "/api/token/sliding/refresh/", body)[1]["token"]
                return
            self.refresh = self.access  # the new version of the client: its sliding token becomes a pair
        sent = {"refresh": self.refresh}
        server, body = deployment.ask("servers", "POST", "/api/token/refresh/", sent)
        if server.name in ("step 2", "after"):  # a lost response, or a second tab
            again = deployment.ask("servers", "POST", "/api/token/refresh/", sent)[1]
            if again["refresh"] != body["refresh"]:
                deployment.troubles.append(("two chains of tokens", self.name, server.name))
        self.store(body)

    def store(self, body):
        self.access = body["access"]
        if body.get("refresh", self.refresh) != self.refresh:
            self.over += filter(None, [self.refresh])
            self.refresh = body["refresh"]

    def sign_out(self, deployment):
        deployment.ask("servers", "POST", "/api/token/blacklist/", {"refresh": self.refresh})
        self.is_signed_out = True


class Crowd(threading.Thread):
    """Some clients, one after the other, again and again."""

    def __init__(self, clients, deployment):
        super().__init__(daemon=True)
        self.clients, self.deployment = clients, deployment
        self.steps = self.goal = 0

    def run(self):
        try:
            while not self.deployment.is_over:
                for client in self.clients:
                    client.step(self.deployment)
                    self.steps += 1
                    if self.steps > self.goal:
                        time.sleep(0.1)  # they go on, but more slowly, until the next thing happens
                    if self.deployment.is_over:
                        return
        except Exception as error:  # what the main thread shall see
            self.deployment.troubles.append(("a client failed", repr(error)))
            raise


def go_on(crowds, *, share=1):
    """Wait until each client has done something since now, or a share of them, such as a quarter."""
    for crowd in crowds:
        crowd.goal = crowd.steps + int(len(crowd.clients) * share) + 1
    end = time.monotonic() + 300
    while any(crowd.is_alive() and crowd.steps < crowd.goal for crowd in crowds):
        assert time.monotonic() < end
        time.sleep(0.01)
