"""The rules that hold for the log of a load test, whatever the order in which things have happened.

Each rule yields what breaks it. An answer counts from the moment when it was there, a request from the moment when it
was sent: what overlaps may have happened in either order.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from .entries import (
    DEACTIVATE,
    DELETE_USER,
    END,
    END_ALL,
    END_EVERYONE,
    END_OTHERS,
    END_TOKEN,
    EXPECTED,
    PASSWORD,
    REFRESH,
    REUSE,
    SIGN_IN,
    STATEFUL,
    STATELESS,
    STEP_UP,
)

OWN = (END, REUSE)
"""They end the session that they are made in."""
ALWAYS_DONE = (*OWN, END_TOKEN)
"""They are answered that it is done, also if the session has ended before (RFC 7009 section 2.2)."""
AWAY = (DEACTIVATE, DELETE_USER)
"""While they last, the user cannot sign in."""
WHOLE_SECONDS = 2.0
"""Times in tokens are whole seconds: for so long after everyone was signed out, a new sign-in may be refused."""
NEVER = float("inf")


@dataclass(frozen=True)
class Session:
    """A session, and when it ends."""

    sign_in: object
    """The entry in which it began."""
    may_have_ended: float
    """From then on it may be over."""
    has_ended: float
    """From then on it is over."""


@dataclass(frozen=True)
class Log:
    """All entries, in the order in which they were sent."""

    entries: list
    bound: float
    """Within so many seconds, services without a database refuse what has ended."""
    _by: dict = field(default_factory=dict)

    def of(self, act, user=None):
        """Return the entries of one act, of all users or of one."""
        if not self._by:
            found = defaultdict(list)
            for entry in sorted(self.entries, key=lambda entry: entry.sent):
                found[entry.act].append(entry)
                found[entry.act, entry.user].append(entry)
            self._by.update(found)
        return self._by.get(act if user is None else (act, user), [])

    @cached_property
    def sessions(self):
        """The sessions, by id."""
        own, refused = defaultdict(list), defaultdict(list)
        for act in OWN:
            for entry in self.of(act):
                own[entry.session].append(entry)
        for entry in (*self.of(REFRESH), *self.of(STATEFUL)):
            # What has been refused once is not accepted again.
            if entry.status == 401 and entry.token not in self.tokens:
                refused[entry.session].append(entry.received)
        found = {}
        for entry in self.of(SIGN_IN):
            if entry.session:
                ways = [*self._ways(entry), *((way, True) for way in own[entry.session])]
                may = min((way.sent for way, _ in ways), default=NEVER)
                # What is under way while the user signs in may come first.
                sure = [max(way.received, entry.received) for way, is_sure in ways if is_sure and way.has_succeeded]
                sure += refused[entry.session]
                found[entry.session] = Session(entry, may, min(sure, default=NEVER))
        return found

    def _ways(self, sign_in):
        """Return what may have ended a session from elsewhere, and whether it surely has, if it has succeeded."""
        for act in (END_OTHERS, END_ALL, *AWAY):
            for way in self.of(act, sign_in.user):
                is_other = way.session != sign_in.session or act != END_OTHERS
                if is_other and way.received > sign_in.sent:
                    yield way, way.sent > sign_in.received
        for way in self.of(PASSWORD, sign_in.user):
            if way.session != sign_in.session and way.password > sign_in.password:
                yield way, True
        for way in self.of(END_EVERYONE):
            if way.received + WHOLE_SECONDS > sign_in.sent:
                yield way, way.sent > sign_in.received

    @cached_property
    def tokens(self):
        """The access tokens that were revoked alone: by id, when that was asked for and when it was answered."""
        return {entry.token: entry for entry in self.of(END_TOKEN)}


def failed(log):
    """Nothing fails: no 500, no error of the database, nothing that nobody has described."""
    for entry in log.entries:
        # Others have refreshed the session at that very moment; the client tries again.
        is_conflict = entry.status == 503 and entry.reason == "conflict" and entry.has_retry_after
        if not is_conflict and entry.status not in EXPECTED[entry.act]:
            yield entry


def thieves(log):
    """Nobody is taken for a thief but one."""
    for entry in log.of(REFRESH):
        if entry.reason == "reused":
            yield entry


def forked(log):
    """A generation of a session is one refresh token, and follows the one that was presented."""
    known = {}
    for entry in log.entries:
        if entry.given:
            if known.setdefault((entry.session, entry.generation), entry.given) != entry.given:
                yield entry
            if entry.act == REFRESH and entry.generation - entry.presented not in (0, 1):
                yield entry


def accepted(log):
    """What has ended is refused: by the issuer at once, without a database within the bound."""
    for entry in log.entries:
        is_let_in = entry.has_succeeded and entry.act not in (SIGN_IN, *ALWAYS_DONE)
        if not is_let_in or entry.session not in log.sessions:
            continue
        bound = log.bound if entry.act == STATELESS else 0.0
        has_ended = log.sessions[entry.session].has_ended
        revoked = log.tokens.get(entry.token)
        if revoked is not None and revoked.has_succeeded:
            has_ended = min(has_ended, revoked.received)
        if entry.sent > has_ended + bound:
            yield entry


def signed_out(log):
    """Nobody is refused before anybody has asked for the end of the session or of the token."""
    for entry in log.entries:
        session = log.sessions.get(entry.session)
        if session is None or entry.status != 401 or entry.act == REUSE:
            continue
        revoked = log.tokens.get(entry.token)
        is_revoked = revoked is not None and entry.received > revoked.sent
        if entry.received < session.may_have_ended and not is_revoked:
            yield entry


def lost(log):
    """A session that nobody has ended is there at the end: its last refresh succeeds."""
    latest = {}
    for entry in log.of(REFRESH):
        latest[entry.session] = entry
    for name, session in log.sessions.items():
        if session.may_have_ended == NEVER and (name not in latest or latest[name].status != 200):
            yield latest.get(name, session.sign_in)


def locked_out(log):
    """The password that a user has signs in, and no former one does."""
    for entry in log.of(SIGN_IN):
        later = [change for change in log.of(PASSWORD, entry.user) if change.password > entry.password]
        is_former = any(change.has_succeeded and change.received < entry.sent for change in later)
        # A change that was refused may have been made all the same, as far as anybody knows.
        beside = [change for change in later if change.sent < entry.received]
        beside += [act for name in AWAY for act in log.of(name, entry.user) if overlap(act, entry)]
        beside += [act for act in log.of(END_EVERYONE) if overlap(act, entry)]
        if (entry.status == 200 and is_former) or (entry.status == 401 and not beside):
            yield entry


def overlap(one, other):
    """Tell whether two requests were under way at the same time."""
    return one.sent < other.received and other.sent < one.received


def forgotten(log):
    """What a step-up has confirmed is in every access token after it, until another step-up."""
    steps = defaultdict(list)
    for step in log.of(STEP_UP):
        if step.has_succeeded:
            steps[step.session].append(step)
    for entry in log.of(REFRESH):
        done = [step for step in steps[entry.session] if step.received < entry.sent]
        if entry.status == 200 and done:
            since = max(step.received for step in done)
            levels = {
                step.level for step in steps[entry.session] if since <= step.received and step.sent < entry.received
            }
            if entry.level not in levels:
                yield entry


RULES = (failed, thieves, forked, accepted, signed_out, lost, locked_out, forgotten)


def broken(log):
    """Return what breaks the rules: the name of the rule, and the entry."""
    return [(rule.__name__, entry) for rule in RULES for entry in rule(log)]


def history(log, entry):
    """Return what has happened to the session of an entry, and to its user."""
    found = [
        each for each in log.entries if each.session == entry.session or (each.user == entry.user and not each.session)
    ]
    return sorted(found, key=lambda each: each.sent)
