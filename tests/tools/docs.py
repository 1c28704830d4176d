"""The papers, and what stands in them."""

import re

from tests.tools.processes import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name):
    return (ROOT / name).read_text("utf-8")


def section(text, heading):
    """Return what stands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return found[1]


def rows(text):
    """Return the cells of all table rows."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]


def first_words(text):
    """Return the code words that table rows begin with."""
    return [cells[0].strip("| `") for cells in rows(text) if cells[0].startswith("`")]
