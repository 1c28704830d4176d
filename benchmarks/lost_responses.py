"""A simulation: whom does the rotation of refresh tokens sign out by mistake, and how long does a thief go unseen?

Nothing is measured, and the machine does not matter: the same seed gives the same figures. Each design is the rule that
its documentation publishes for a refresh token that is sent a second time, with its defaults; where the default is to
accept none, also with a period. A test compares the model of this library with the library itself.

All tabs of a client share their tokens, but no lock. Access tokens live for five minutes, and are used as soon as they
have arrived. Of the responses to refreshes, 1 % are lost. In two of three cases the client then tries again within
seconds. In the third it is killed, and comes back one to eight hours later with the tokens that it has stored.
"""

import heapq
import itertools
import random
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .measure import Options, Table

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
ACCESS_LIFETIME = 5 * MINUTE
LOST, KILLED = 0.01, 1 / 3
MAX_UNSEEN = 30 * DAY


class EndedError(Exception):
    """The server takes a token for stolen, and ends the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a refresh gives."""

    refresh: int
    minted: float


class Design(ABC):
    """A server with one session, whose first refresh token is 0."""

    @abstractmethod
    def refresh(self, token: int, now: float) -> Tokens:
        """Exchange a refresh token.

        Raises:
            EndedError: if the token is taken for stolen.
        """

    def seen(self, tokens: Tokens, now: float) -> None:  # noqa: B027 - most designs do not look
        """An access token is used where the server can look up its session."""


class Here(Design):
    """This library: within the grace period, the previous token gives the present one.

    So it does within the retry period, while nothing of the present generation was seen, but not for two generations in
    a row.
    """

    GRACE_PERIOD = 30 * SECOND

    def __init__(self, retry_period: float = 0.0) -> None:
        self.retry_period = retry_period
        self.generation, self.rotated_at = 0, 0.0
        self.unseen_since: float | None = None
        self.retried: int | None = None

    def refresh(self, token: int, now: float) -> Tokens:
        is_young = now - self.rotated_at < self.GRACE_PERIOD
        if token == self.generation:
            self.unseen_since = None
            if not is_young:
                self.generation, self.rotated_at = self.generation + 1, now
                self.unseen_since = now if self.retry_period else None
        elif token != self.generation - 1:
            raise EndedError
        elif not is_young:
            is_unseen = self.unseen_since is not None and now - self.unseen_since < self.retry_period
            if not is_unseen or token == self.retried:
                raise EndedError
            self.rotated_at, self.retried = now, self.generation
        return Tokens(refresh=self.generation, minted=now)

    def seen(self, tokens: Tokens, now: float) -> None:
        if self.unseen_since is not None and tokens.minted >= self.unseen_since:
            self.unseen_since = None


class Family(Design):
    """Each exchange makes another token, and an exchanged one remains good for some seconds.

    - Auth0 ("Configure Refresh Token Rotation"): the rotation overlap period, off by default. Only the previous token
      may be used again, not the one before it.
    - Okta ("Refresh token rotation"): the grace period, 30 seconds by default.
    - Ory Hydra ("Graceful refresh token rotation"): the rotation grace period, off by default; the guide has an example
      with 60 seconds.

    What they do not say is whether the tokens of two exchanges of one token are both good. Here they are.
    """

    def __init__(self, leeway: float, *, only_previous: bool = False) -> None:
        self.leeway, self.only_previous = leeway, only_previous
        self.parents: list[int | None] = [None]
        self.used_at: dict[int, float] = {}
        self.succeeded: set[int | None] = set()  # tokens of which a successor has been used

    def refresh(self, token: int, now: float) -> Tokens:
        if token in self.used_at:
            is_late = now - self.used_at[token] >= self.leeway
            if is_late or (self.only_previous and token in self.succeeded):
                raise EndedError
        self.used_at.setdefault(token, now)
        self.succeeded.add(self.parents[token])
        self.parents.append(token)
        return Tokens(refresh=len(self.parents) - 1, minted=now)


class Supabase(Design):
    """Within 10 seconds after its exchange a token gives the present one. The one before the present always does.

    Supabase ("User sessions"): the reuse interval, and the exception for the parent of the active token.
    """

    REUSE_INTERVAL = 10 * SECOND

    def __init__(self) -> None:
        self.used_at: list[float] = []

    def refresh(self, token: int, now: float) -> Tokens:
        present = len(self.used_at)
        if token == present:
            self.used_at.append(now)
        elif token < present - 1 and now - self.used_at[token] >= self.REUSE_INTERVAL:
            raise EndedError
        return Tokens(refresh=len(self.used_at), minted=now)


class SuperTokens(Design):
    """A token may be exchanged, for another one each time, until one of those is seen: by a refresh, or by a request.

    SuperTokens ("Sessions" of its core): only the token that was used last is stored, and each names its parent. Its
    own clients have a lock, which is left out here as everywhere.
    """

    def __init__(self) -> None:
        self.parents: list[int | None] = [None]
        self.present = 0

    def refresh(self, token: int, now: float) -> Tokens:
        self._promote(token)
        if token != self.present:
            raise EndedError
        self.parents.append(token)
        return Tokens(refresh=len(self.parents) - 1, minted=now)

    def seen(self, tokens: Tokens, now: float) -> None:
        self._promote(tokens.refresh)

    def _promote(self, token: int) -> None:
        if self.parents[token] == self.present:
            self.present = token


DESIGNS: dict[str, Callable[[], Design]] = {
    "here, by default": Here,
    "here, `REFRESH_RETRY_PERIOD` of 12 hours": lambda: Here(12 * HOUR),
    "Auth0, by default": lambda: Family(0, only_previous=True),
    "Auth0, overlap of 30 s": lambda: Family(30 * SECOND, only_previous=True),
    "Okta, by default (30 s)": lambda: Family(30 * SECOND),
    "Supabase, by default (10 s)": Supabase,
    "Ory Hydra, by default": lambda: Family(0),
    "Ory Hydra, grace period of 60 s": lambda: Family(60 * SECOND),
    "SuperTokens": SuperTokens,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a client is used."""

    tabs: int = 1
    times_a_day: int = 3
    lasting: float = 90 * MINUTE


CLIENTS = {
    "1 tab": Habits(),
    "3 tabs": Habits(tabs=3),
    "8 tabs": Habits(tabs=8),
    "native app": Habits(times_a_day=20, lasting=3 * MINUTE),
}


@dataclass(slots=True, kw_only=True)
class World:
    """What happens at which time."""

    chance: random.Random
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def after(self, delay: float, act: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (self.now + delay, next(self._numbers), act))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = until


class Client:
    """A client that its user opens some times a day.

    Args:
        world: The world.
        habits: How it is used.
        design: Makes the server of a new session.
    """

    def __init__(self, world: World, habits: Habits, design: Callable[[], Design]) -> None:
        self.world, self.habits, self.design = world, habits, design
        self.sign_outs = -1
        self.open_until = 0.0
        self._life = 0  # what was under way when the client was killed, or signed out, is without effect
        self.sign_in()
        self._plan_day()

    def sign_in(self) -> None:
        """Begin a session."""
        self.sign_outs += 1
        self._life += 1
        self.server = self.design()
        # Times of a session count from its beginning.
        self.began = self.world.now
        self.tokens = Tokens(refresh=0, minted=0.0)
        self._start_tabs()

    @property
    def time(self) -> float:
        """The time since the session began."""
        return self.world.now - self.began

    def _plan_day(self) -> None:
        for _ in range(self.habits.times_a_day):
            self.world.after(self.world.chance.uniform(7 * HOUR, 23 * HOUR), self._open)
        self.world.after(DAY, self._plan_day)

    def _open(self) -> None:
        if self.open_until < self.world.now:
            self.open_until = self.world.now + self.habits.lasting
            self._start_tabs()

    def _start_tabs(self) -> None:
        for _ in range(self.habits.tabs):
            self._next_request(self.world.chance.uniform(0, 2 * SECOND))

    def _next_request(self, delay: float) -> None:
        """Let a tab send its next request. Those with a good access token change nothing, and are left out."""
        life = self._life
        good_for = max(self.tokens.minted + ACCESS_LIFETIME - self.time, 0.0)

        def act() -> None:
            if life != self._life or self.world.now > self.open_until:
                return
            if self.tokens.minted + ACCESS_LIFETIME > self.time:  # another tab has refreshed
                self._next_request(self.world.chance.uniform(0, 20 * SECOND))
            else:
                self._send_refresh(self.tokens.refresh)

        self.world.after(good_for + delay, act)

    def _send_refresh(self, token: int) -> None:
        life = self._life

        def arrive() -> None:
            if life != self._life:
                return
            try:
                tokens = self.server.refresh(token, self.time)
            except EndedError:
                self.sign_in()
                return
            if self.world.chance.random() >= LOST:
                self.world.after(self.world.chance.uniform(0.05, 0.8), lambda: answer(tokens))
            elif self.world.chance.random() < KILLED:
                self._life += 1
                self.open_until = 0.0
                self.world.after(self.world.chance.uniform(1 * HOUR, 8 * HOUR), self._open)
            else:
                self._next_request(self.world.chance.uniform(2 * SECOND, 10 * SECOND))

        def answer(tokens: Tokens) -> None:
            if life == self._life:
                self.tokens = tokens
                self.server.seen(tokens, self.time)
                self._next_request(self.world.chance.uniform(0, 20 * SECOND))

        self.world.after(self.world.chance.uniform(0.05, 0.2), arrive)


def false_sign_outs(design: Callable[[], Design], habits: Habits, days: int, seed: int) -> float:
    """Return how often a user is signed out in 100 days, although nobody has stolen anything."""
    world = World(chance=random.Random(seed))  # noqa: S311 - nothing secret
    client = Client(world, habits, design)
    world.run(until=days * DAY)
    return client.sign_outs / days * 100


def unseen(design: Callable[[], Design], *, beside: bool, looked_up: bool, seed: int) -> float:
    """Return for how many seconds a thief of the present refresh token goes unseen.

    Args:
        design: The design.
        beside: Whether the thief refreshes only while the client is open, and as often; else day and night.
        looked_up: Whether the thief uses access tokens where the server looks up their session.
        seed: For the choice of everything that is left to chance.
    """
    world = World(chance=random.Random(seed))  # noqa: S311 - nothing secret
    client = Client(world, CLIENTS["1 tab"], design)
    while client.open_until < world.now + 10 * MINUTE:
        world.run(until=world.now + 10 * MINUTE)
    world.run(until=world.now + world.chance.uniform(0, 10 * MINUTE))
    server, stolen_at, held = client.server, world.now, client.tokens
    ended: list[float] = []

    def act() -> None:
        nonlocal held
        if client.server is not server:
            ended.append(world.now)
            return
        if not beside or world.now <= client.open_until:
            try:
                held = server.refresh(held.refresh, client.time)
            except EndedError:
                ended.append(world.now)
                return
            if looked_up:
                server.seen(held, client.time)
        world.after(ACCESS_LIFETIME + world.chance.uniform(0, 20 * SECOND), act)

    world.after(world.chance.uniform(0, ACCESS_LIFETIME), act)
    while not ended and client.server is server and world.now < stolen_at + MAX_UNSEEN:
        world.run(until=world.now + MINUTE)
    return world.now - stolen_at


def run(options: Options) -> Iterator[Table]:
    """Simulate."""
    days, thefts = (50, 10) if options.quick else (2000, 200)
    yield Table(
        title="Sign-outs by mistake in 100 days of a session",
        head=("design", *CLIENTS),
        rows=tuple(
            (name, *(f"{false_sign_outs(design, habits, days, seed=1):.1f}" for habits in CLIENTS.values()))
            for name, design in DESIGNS.items()
        ),
        page="sessions",
    )
    kinds = {
        "all day": {"beside": False, "looked_up": True},
        "all day, stateless": {"beside": False, "looked_up": False},
        "beside the client": {"beside": True, "looked_up": True},
        "beside the client, stateless": {"beside": True, "looked_up": False},
    }
    yield Table(
        title="How long a thief goes unseen: in half of the cases, and in 19 of 20",
        head=("design", *kinds),
        rows=tuple(
            (name, *(_spell([unseen(design, **kind, seed=seed) for seed in range(thefts)]) for kind in kinds.values()))
            for name, design in DESIGNS.items()
        ),
        page="sessions",
    )


def _spell(times: list[float]) -> str:
    return ", ".join(_duration(time) for time in (statistics.median(times), sorted(times)[len(times) * 19 // 20]))


def _duration(seconds: float) -> str:
    if seconds >= MAX_UNSEEN:
        return "more than 30 days"
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:.0f} days"
    return f"{seconds / HOUR:.1f} h" if seconds >= 2 * HOUR else f"{seconds / MINUTE:.0f} min"
