"""The page on standards names each requirement once, and tests that exist."""

import ast
import functools
import re

from tests.tools.docs import page, rows, section
from tests.tools.processes import ROOT
from tests.tools.products import each_row

PAGE = page("docs/standards.md")
STATES = {"met", "partly", "not met", "yours", "n/a"}


def numbers(chapter, *counts):
    """Return the numbers of the requirements of a chapter, from how many each of its sections has."""
    return [f"{chapter}.{number}.{each + 1}" for number, count in enumerate(counts, 1) for each in range(count)]


REQUIREMENTS = {
    "RFC 8725": [f"3.{number}" for number in range(1, 13)],
    "RFC 9700": [
        *("2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"),
        *(f"4.{number}" for number in range(1, 18)),
    ],
    "RFC 9068": ["2.1", "2.2", "2.2.1", "2.2.2", "2.2.3", "3", "4", "4", "4", "5", "6"],
    "OWASP ASVS 5.0, V7": numbers(7, 3, 4, 2, 5, 3, 2),
    "OWASP ASVS 5.0, V9": numbers(9, 3, 4),
    "OWASP ASVS 5.0, V10": numbers(10, 2, 3, 5, 16, 5, 2, 3),
}


def requirements(name):
    """Return the rows of a standard: number, requirement, state, remark and tests."""
    found = [line for line in section(PAGE, heading(name)).splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found]


def heading(name):
    (found,) = re.findall(rf"^## {re.escape(name)}: .*$", PAGE, re.MULTILINE)
    return found


@functools.cache
def functions_in(file):
    if not (ROOT / file).exists():
        return set()
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@each_row("name", REQUIREMENTS)
def test_each_requirement_of_a_standard_is_there_once(name):
    assert [cells[0] for cells in requirements(name)] == REQUIREMENTS[name]


def test_no_other_standard_is_there():
    assert len(re.findall(r"^## ", PAGE, re.MULTILINE)) == len(REQUIREMENTS)


@each_row("name", REQUIREMENTS)
def test_what_is_met_has_tests_and_what_is_not_has_a_reason(name):
    for number, requirement, state, remark, tests in requirements(name):
        assert requirement, number
        assert state in STATES, number
        assert tests or state != "met", number
        assert remark or state == "met" or (state == "yours" and not tests), number


def test_each_state_is_explained():
    explained = {cells[0].strip("*") for cells in rows(PAGE.partition("\n## ")[0])[1:]}
    assert explained == STATES


def test_each_test_that_is_named_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 80
    missing = [
        f"{file}::{test}" for file, test in named if not (ROOT / file).exists() or test not in functions_in(file)
    ]
    assert missing == []
    assert PAGE.count("::") == len(named)  # none is written in another form
