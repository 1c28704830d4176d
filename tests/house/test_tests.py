"""The form of the tests: where they live, what they may import, and where they run."""

import configparser
import re

from tests.tools.house import MAX_LINES, each
from tests.tools.processes import ROOT

TESTS = ROOT / "tests"
FILES = {str(path.relative_to(ROOT)): path for path in sorted(TESTS.rglob("*.py"))}
each_file = each(FILES)


@each_file
def test_no_file_is_too_long_to_be_read_at_once(name):
    assert len(FILES[name].read_text().splitlines()) <= MAX_LINES


@each_file
def test_nothing_is_imported_from_a_test_or_a_conftest(name):
    # As text: to parse all of them takes a second.
    statements = re.findall(r"^\s*(?:from|import)\s[^(\n]*(?:\([^)]*\))?", FILES[name].read_text(), re.MULTILINE)
    assert [found for found in statements if re.search(r"\b(test_\w+|conftest)\b", found)] == []


def test_tests_stand_in_folders():
    assert sorted(TESTS.glob("test_*.py")) == []


def test_tox_runs_each_folder():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = " ".join(tox["folders"][name] for name in ("django", "once", "own")).split()
    assert sorted(named) == sorted({f"tests/{path.relative_to(TESTS).parts[0]}" for path in TESTS.rglob("test_*.py")})
    database = {word for word in tox["folders"]["database"].split() if word.startswith("tests/")}
    assert database <= set(tox["folders"]["django"].split())
    for word in re.findall(
        r"tests/\S+", " ".join(tox["folders"][name] for name in ("rest", "between", "database", "cache", "modes"))
    ):
        assert list(ROOT.glob(word)), word
    commands = "\n".join(section.get("commands", "") for section in map(tox.__getitem__, tox.sections()))
    assert set(tox["folders"]["own"].split()) <= set(re.findall(r"tests/\w+", commands))
