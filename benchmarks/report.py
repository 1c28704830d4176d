"""What is printed, stored and put into the documentation."""

import json
import re
from pathlib import Path
from typing import Any

from . import chart
from .measure import Row, Table, table

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "result.json"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
PAGES = (ROOT / "docs" / "performance.md", ROOT / "docs" / "sessions.md", ROOT / "README.md")
_NAMES = {
    "Simple JWT": "djangorestframework-simplejwt",
    "knox": "django-rest-knox",
    "OAuth Toolkit": "django-oauth-toolkit",
    "PyJWT": "pyjwt",
    "cryptography": "cryptography",
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "": "–"}


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(speed: float) -> str:
    """Say how many times as fast something is."""
    return f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}" if speed >= 1.95 else f"{speed:.2f}"


def line(row: Row) -> str:
    """Return one comparison as a line."""
    where = f" ({DATABASES[row.database]})" if row.database else ""
    goal = f", goal {row.goal}" if row.goal else ""
    return (
        f"{row.name}{where}: {number(row.ours)} {row.unit}; {row.peer}: {number(row.theirs)} {row.unit}; "
        f"ratio {row.ratio:.3f}{goal}"
    )


def rows_of(result: dict[str, Any]) -> list[Row]:
    """Return the comparisons of a result."""
    return [Row(**row) for row in result["rows"]]


def comparison(result: dict[str, Any]) -> list[str]:
    """Return the lines of the one table of ratios."""
    head = ["what", "database", "here", "peer", "there", "here ÷ there", "goal", "times as fast"]
    body = [
        [
            row.name,
            DATABASES[row.database],
            f"{number(row.ours)} {row.unit}",
            row.peer,
            f"{number(row.theirs)} {row.unit}",
            f"{row.ratio:.2f}" if row.ratio >= 0.095 else f"{row.ratio:.3f}",
            row.goal or "–",
            times(row.speed),
        ]
        for row in rows_of(result)
    ]
    return table(head, body)


def used(result: dict[str, Any]) -> str:
    """Name the versions."""
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return "; ".join([packages, *result["databases"]])


def tables(result: dict[str, Any], *pages: str) -> list[str]:
    """Return the lines of the other tables that certain pages show."""
    lines: list[str] = []
    for found in (Table(**item) for item in result["tables"]):
        if found.page not in pages:
            continue
        where = f" ({DATABASES[found.database]})" if found.database else ""
        lines += [f"**{found.title}{where}**", "", *table(found.head, found.rows), ""]
    return lines


def text(result: dict[str, Any]) -> str:
    """Return all of it."""
    return "\n".join([*comparison(result), "", used(result), "", *tables(result, "performance", "sessions")])


HIGHLIGHTS = (
    ("authenticate, stateless, a known token, ES256", "", "A stateless request whose token was seen before"),
    ("authenticate, with user and session", "postgresql", "A request that loads user and session"),
    ("POST refresh, rotating", "postgresql", "A refresh with rotation"),
    ("POST sign-in", "postgresql", "A sign-in"),
    ("purge of expired rows", "postgresql", "The purge"),
)
"""The rows that the README shows: name, database, and the words for it."""


def highlights(result: dict[str, Any]) -> list[str]:
    """Return five lines for the README."""
    lines = []
    for name, database, words in HIGHLIGHTS:
        found = [row for row in rows_of(result) if row.name.startswith(name) and row.database == database]
        if found:
            row = found[0]
            against = f"{row.peer} {result['versions'][_NAMES[row.peer]]}"
            how = f"{times(row.speed)} times as fast as" if row.speed >= 1 else f"{times(row.ratio)} times the time of"
            lines.append(f"- {words}: {how} {against}.")
    return lines


def fill_in(page: str, name: str, lines: list[str]) -> str:
    """Replace what stands between two comments of a page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: "\n".join([begin, *lines, end]), page)


def write(
    result: dict[str, Any], *, documentation: bool, json_file: Path | None = None, svg_file: Path | None = None
) -> None:
    """Write the files that were asked for.

    Args:
        result: What was measured.
        documentation: Whether to renew the documentation.
        json_file: Where to write the result.
        svg_file: Where to draw it.
    """
    picture = chart.draw([row for row in rows_of(result) if row.peer in _NAMES or row.per_second])
    targets = {json_file: json.dumps(result, indent=1) + "\n", svg_file: picture}
    if documentation:
        targets |= {RESULT: targets[json_file] if json_file else json.dumps(result, indent=1) + "\n", PICTURE: picture}
    for file, content in targets.items():
        if file is not None:
            file.write_text(content)
    for page in PAGES if documentation else ():
        content = page.read_text()
        for name, lines in (
            (
                "measured",
                ["", *comparison(result), "", f"Versions: {used(result)}.", "", *tables(result, "performance")],
            ),
            ("simulated", ["", *tables(result, "sessions")]),
            ("highlights", highlights(result)),
        ):
            content = fill_in(content, name, lines)
        page.write_text(content)
