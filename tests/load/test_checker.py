"""The checker of the load test finds each thing that must not happen, in logs that are made up; and nothing else."""

import pytest

from . import entries
from .checker import RULES, Log, broken
from .entries import Entry

BOUND = 2.0
REVOKED = {"status": 401, "reason": "revoked"}


def at(time, act, *, session="a", user="ada", took=0.1, status=200, **more):
    """Make an entry."""
    return Entry(act=act, user=user, session=session, sent=time, received=time + took, status=status, **more)


def sign_in(time=0.0, session="a", **more):
    return at(time, entries.SIGN_IN, session=session, **{"given": f"{session} 0", "generation": 0, **more})


def refresh(time, generation, *, presented=None, session="a", **more):
    about = {"presented": generation - 1 if presented is None else presented, "given": f"{session} {generation}"}
    return at(time, entries.REFRESH, session=session, **{"generation": generation, **about, **more})


def refused(time, session="a", **more):
    """A refresh that is refused."""
    return at(time, entries.REFRESH, session=session, **{**REVOKED, **more})


def end(time, act=entries.END, **more):
    return at(time, act, **more)


def call(time, act=entries.STATEFUL, **more):
    return at(time, act, **{"token": "t", **more})


ENDED_AT_ONE = [sign_in(), end(1)]
CHANGED_AT_ONE = [sign_in(), refresh(9, 1), at(1, entries.PASSWORD, status=204, password=1)]
STEPPED_UP_AT_ONE = [sign_in(), at(1, entries.STEP_UP, level="gold")]
TWO_DEVICES = [sign_in(), sign_in(session="b"), refresh(9, 1)]

# By what has happened: the rule that is broken, and the log.
BROKEN = {
    "a 500": ("failed", [sign_in(), refresh(9, 1), call(1, status=500)]),
    "the database is said to be away": (
        "failed",
        [at(1, entries.REFRESH, session="", status=503, reason="unavailable", has_retry_after=True)],
    ),
    "the list is too old": (
        "failed",
        [at(1, entries.STATELESS, session="", status=503, reason="stale", has_retry_after=True)],
    ),
    "a conflict that does not say when to try again": (
        "failed",
        [at(1, entries.REFRESH, session="", status=503, reason="conflict")],
    ),
    "a bad request": ("failed", [at(1, entries.REFRESH, session="", status=400)]),
    "sign-out is refused as unknown": ("failed", [at(1, entries.END, session="", status=404)]),
    "a tab is taken for a thief": ("thieves", [sign_in(), end(1), refused(2, reason="reused")]),
    "two tabs have different tokens": ("forked", [sign_in(), refresh(1, 1), refresh(1, 1, given="x"), refresh(9, 2)]),
    "a generation is left out": ("forked", [sign_in(), refresh(1, 2, presented=0), refresh(9, 3)]),
    "a generation comes back": ("forked", [sign_in(), refresh(1, 0, presented=1), refresh(9, 1)]),
    "after the end: a view": ("accepted", [*ENDED_AT_ONE, call(1.2)]),
    "after the end: a refresh": ("accepted", [*ENDED_AT_ONE, refresh(1.2, 1)]),
    "after the end: a step-up": ("accepted", [*ENDED_AT_ONE, at(1.2, entries.STEP_UP)]),
    "after the end and the bound: a view without a database": (
        "accepted",
        [*ENDED_AT_ONE, call(3.2, entries.STATELESS)],
    ),
    "after the end of the others": ("accepted", [*TWO_DEVICES, end(1, entries.END_OTHERS), call(1.2, session="b")]),
    "after the end of all": ("accepted", [*TWO_DEVICES, end(1, entries.END_ALL, session=""), call(1.2)]),
    "after the user was deactivated": ("accepted", [sign_in(), end(1, entries.DEACTIVATE, session=""), call(1.2)]),
    "after the user was deleted": ("accepted", [sign_in(), end(1, entries.DELETE_USER, session=""), call(1.2)]),
    "after everyone was signed out": (
        "accepted",
        [sign_in(), end(1, entries.END_EVERYONE, user="", session=""), call(1.2)],
    ),
    "after reuse": ("accepted", [sign_in(), end(1, entries.REUSE, status=401), call(1.2)]),
    "after the password was changed": ("accepted", [*CHANGED_AT_ONE, sign_in(session="b"), call(1.2, session="b")]),
    "signed in while the password was changed": (
        "accepted",
        [*CHANGED_AT_ONE, sign_in(0.9, session="b", took=1.0), call(2.0, session="b")],
    ),
    "an access token that was revoked alone": (
        "accepted",
        [sign_in(), refresh(9, 1), end(1, entries.END_TOKEN, token="t"), call(1.2)],
    ),
    "an access token that was revoked alone, without a database": (
        "accepted",
        [sign_in(), refresh(9, 1), end(1, entries.END_TOKEN, token="t"), call(3.2, entries.STATELESS)],
    ),
    "refused once, and then accepted": (
        "accepted",
        [sign_in(0, took=2.0), end(1, entries.DEACTIVATE, session=""), call(3, **REVOKED), call(4)],
    ),
    "an honest client is refused": ("signed_out", [sign_in(), call(1, **REVOKED), refresh(9, 1)]),
    "an honest refresh is refused": ("signed_out", [sign_in(), refused(1), end(2)]),
    "the end of another session ends this one": ("signed_out", [*TWO_DEVICES, end(1, session="b"), refused(2)]),
    "the others of somebody else": ("signed_out", [sign_in(), end(1, entries.END_ALL, user="eve"), refused(2)]),
    "the session that changes the password": ("signed_out", [*CHANGED_AT_ONE, call(2, **REVOKED)]),
    "the session that ends the others": ("signed_out", [*TWO_DEVICES, end(1, entries.END_OTHERS), call(2, **REVOKED)]),
    "another access token than the one that was revoked": (
        "signed_out",
        [sign_in(), refresh(9, 1), end(1, entries.END_TOKEN, token="t"), call(2, token="u", **REVOKED)],
    ),
    "a session is gone at the end": ("lost", [sign_in(), refresh(1, 1), at(2, entries.REFRESH, status=404)]),
    "a session that nobody has looked at": ("lost", [sign_in()]),
    "the old password signs in": (
        "locked_out",
        [*CHANGED_AT_ONE, sign_in(2, session="b", password=0), refused(3, "b")],
    ),
    "the new password does not": ("locked_out", [*CHANGED_AT_ONE, sign_in(2, session="", status=401, password=1)]),
    "the password does not": ("locked_out", [sign_in(2, session="", status=401)]),
    "a step-up is forgotten": ("forgotten", [*STEPPED_UP_AT_ONE, refresh(2, 1, level="")]),
    "an earlier step-up is remembered": (
        "forgotten",
        [*STEPPED_UP_AT_ONE, at(2, entries.STEP_UP, level="silver"), refresh(3, 1, level="gold")],
    ),
}
FINE = {
    "a conflict": [at(1, entries.REFRESH, session="", status=503, reason="conflict", has_retry_after=True)],
    "two tabs": [sign_in(), refresh(1, 1), refresh(1, 1), refresh(2, 1, presented=1), refresh(9, 2)],
    "a lost answer": [sign_in(), refresh(1, 1), refresh(1.5, 1), refresh(9, 2)],
    "what overlaps the end may succeed": [sign_in(), end(1, took=1.0), call(1.5), refresh(1.5, 1), refused(1.6)],
    "a view without a database, within the bound": [*ENDED_AT_ONE, call(3.0, entries.STATELESS)],
    "the end again": [*ENDED_AT_ONE, end(2)],
    "an access token alone, after the end": [*ENDED_AT_ONE, end(2, entries.END_TOKEN, token="t")],
    "what is refused after the end": [*ENDED_AT_ONE, call(2, **REVOKED), refused(2), end(3, **REVOKED)],
    "who signs in after the end of all": [end(0, entries.END_ALL, session=""), sign_in(1), refresh(9, 1)],
    "who signs in right after everyone was signed out": [
        end(0, entries.END_EVERYONE, user="", session=""),
        sign_in(0.5),
        call(0.7, entries.STATELESS, **REVOKED),
    ],
    "the session that changes the password": [*CHANGED_AT_ONE, call(2)],
    "a sign-in while the user is deactivated": [
        end(1, entries.DEACTIVATE, session="", took=1.0),
        sign_in(1.5, session="", status=401),
    ],
    "either password while it is changed": [
        sign_in(),
        at(1, entries.PASSWORD, status=204, password=1, took=1.0),
        sign_in(1.2, session="", status=401),
        sign_in(1.2, session="b"),
        refused(3, "b"),
        refresh(9, 1),
    ],
    "a step-up": [
        *STEPPED_UP_AT_ONE,
        refresh(2, 1, level="gold"),
        at(3, entries.STEP_UP, level="silver"),
        refresh(9, 2, level="silver"),
    ],
    "an access token alone": [sign_in(), end(1, entries.END_TOKEN, token="t"), call(2, **REVOKED), refresh(9, 1)],
}


@pytest.mark.parametrize(("rule", "log"), BROKEN.values(), ids=BROKEN)
def test_what_must_not_happen_is_found(rule, log):
    assert rule in {name for name, _ in broken(Log(log, bound=BOUND))}


@pytest.mark.parametrize("log", FINE.values(), ids=FINE)
def test_what_may_happen_is_no_fault(log):
    assert broken(Log(log, bound=BOUND)) == []


def test_each_rule_has_been_broken():
    assert {rule for rule, _ in BROKEN.values()} == {rule.__name__ for rule in RULES}
