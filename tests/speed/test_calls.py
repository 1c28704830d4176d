"""The paths that are used most take no more statements, and no more calls of functions, than they did.

No time is measured. If a path is meant to take more, ``python -m tests.tools.calls --store`` renews the bounds of the
Python that runs it; the change of ``bounds.json`` then shows what it costs.
"""

import copy

import pytest

from tests.tools.calls import PYTHON, bounds, counts

SLACK = 1.03
"""Other versions of Django and of REST framework call a little more, or less."""
STATEMENTS = {
    "verify, a known token": 0,
    "verify, a new token": 0,
    "stateless, a known token": 0,
    "stateless, a new token": 0,
    "JWTAuthentication": 1,
    "POST token/refresh/": 2,
    "POST token/": 4,
}
"""What is promised; the table may hold less."""
BOUNDS = bounds()


def bound(path):
    """The stored counts. A Python that has none of its own may take what the most generous one may."""
    if PYTHON in BOUNDS:
        return BOUNDS[PYTHON][path]
    return max((table[path] for table in BOUNDS.values()), key=lambda found: found["calls"])


def growth(path, found, stored):
    """Say how much a path has grown, and by which functions; empty if it has not."""
    problems = []
    if found["statements"] > stored["statements"]:
        problems.append(f"{path}: {found['statements']} statements, not {stored['statements']}")
    if found["calls"] > stored["calls"] * SLACK:
        before, now = stored["by function"], found["by function"]
        more = {name: number - before.get(name, 0) for name, number in now.items()}
        grown = sorted(((number, name) for name, number in more.items() if number > 0), reverse=True)
        lines = [f"  +{number} {name}" for number, name in grown[:15]]
        problems.append("\n".join([f"{path}: {found['calls']} calls, not {stored['calls']}", *lines]))
    return "\n".join(problems)


def test_no_path_takes_more_than_it_did():
    """All in one test: counting takes long, and each process that runs one of several would do it."""
    found = counts()
    assert all(table.keys() == found.keys() for table in BOUNDS.values()), "each path that is counted has a bound"
    problems = [problem for path in found if (problem := growth(path, found[path], bound(path)))]
    if problems:
        lines = "\n".join(problems)
        pytest.fail(f"{lines}\nIf this is meant: python -m tests.tools.calls --store", pytrace=False)


@pytest.mark.parametrize("python", BOUNDS)
def test_the_bounds_keep_what_is_promised(python):
    for path, statements in STATEMENTS.items():
        assert BOUNDS[python][path]["statements"] <= statements


def test_growth_is_told_with_the_functions_that_grew():
    stored = bound("stateless, a known token")
    more = copy.deepcopy(stored)
    more["statements"] += 1
    more["calls"] += 100
    more["by function"]["django_jwtauth.verifier:Verifier.recall"] += 97
    more["by function"]["a.new.module"] = 3
    assert growth("x", more, stored).splitlines() == [
        f"x: {stored['statements'] + 1} statements, not {stored['statements']}",
        f"x: {stored['calls'] + 100} calls, not {stored['calls']}",
        "  +97 django_jwtauth.verifier:Verifier.recall",
        "  +3 a.new.module",
    ]
    assert growth("x", stored, stored) == ""
