"""The form of the tests: where they live, what they may import, and where they run."""

import ast
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
    imported = set()
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.ImportFrom):
            imported |= {node.module or "", *(f"{node.module or ''}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    assert [module for module in imported if re.search(r"(^|\.)(test_\w+|conftest)$", module)] == []


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
