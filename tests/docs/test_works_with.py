"""The page "Works with" says what the tests try, and those try each package that it names."""

import ast
import configparser
import re

from tests.tools.docs import page, section
from tests.tools.processes import ROOT
from tests.tools.products import each_row
from tests.works_with import table


def test_the_page_shows_the_table():
    text = page("docs/works-with.md")
    assert table.markdown() in text
    versions = "Django {django}, REST framework {djangorestframework}".format(**table.BESIDE)
    assert versions in " ".join(text.split())


def test_each_heading_of_the_page_belongs_to_a_row():
    headings = re.findall(r"^## (.*)$", page("docs/works-with.md"), re.MULTILINE)
    assert set(headings) == {row.lines for row in table.ROWS.values() if row.lines and ".md" not in row.lines}


@each_row("package", table.ROWS)
def test_each_row_has_tests(package):
    where, prefix = table.ROWS[package].tests.split("::")
    files = sorted((ROOT / where).rglob("test_*.py")) or [ROOT / where]
    names = [node.name for file in files for node in ast.parse(file.read_text()).body if hasattr(node, "name")]
    assert [name for name in names if name.startswith(prefix)]


@each_row("package", table.ROWS)
def test_tox_installs_the_version_of_each_row(package):
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    row = table.ROWS[package]
    extras = f"[{row.extras}]" if row.extras else ""
    pin = row.version if re.search("[a-z]", row.version) else f"{row.version}.*"
    assert f"{package}{extras}=={pin}" in tox[f"testenv:{row.environment}"]["deps"].split()


def test_no_row_says_should():
    assert "should" not in section(page("docs/works-with.md"), "# Works with")
