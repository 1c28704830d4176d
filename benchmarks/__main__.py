"""The command: runs groups of measurements, each in a process of its own, and prints, stores and draws the result."""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from . import report
from .measure import Options, Row, Table
from .project import say, versions

GROUPS: dict[str, tuple[str, ...]] = {
    "verification": ("",),
    "requests": ("sqlite", "postgresql"),
    "load": ("postgresql",),
    "growth": ("sqlite", "postgresql"),
    "scale": ("postgresql",),
    "purge": ("postgresql",),
    "startup": ("",),
    "revocation_list": ("sqlite",),
    "lost_responses": ("",),
}
"""What is measured, and on which databases."""
LONG: dict[str, tuple[str, ...]] = {
    "revocation_changes": ("sqlite",),
    "revocation_delay": ("sqlite",),
    "admin_list": ("postgresql",),
}
"""What has figures of its own in the documentation, and is measured only if it is named."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = [*GROUPS, *LONG]
    named = f"some of {', '.join(choices)}; by default all but the last three"
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=named)
    parser.add_argument("--rows", default="", metavar="TEXT", help="show only the rows whose name contains this text")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only what is measured on this one")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller measurements: less than two minutes")
    parser.add_argument("--write", action="store_true", help="renew the figures and the picture of the documentation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to this file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the result into this file")
    given = parser.parse_args()
    for name in given.groups:
        if name not in choices:
            parser.error(f"there is no group {name!r}; choose from {', '.join(choices)}")
    return given


def measure(group: str, options: Options) -> dict[str, Any]:
    """Run one group in a process of its own, and return what it has measured."""
    with tempfile.NamedTemporaryFile(prefix="jwtauth-benchmark-", suffix=".json") as file:
        given = json.dumps({**asdict(options), "file": file.name})
        command = [sys.executable, "-m", "benchmarks", "--child", group, given]
        subprocess.run(command, check=True, cwd=report.ROOT)  # noqa: S603 - it is this package
        found: dict[str, Any] = json.loads(Path(file.name).read_text())
        return found


def child(group: str, given: str) -> None:
    """Run in the process of one group."""
    settings = json.loads(given)
    file = Path(settings.pop("file"))
    rows, tables, databases = [], [], []
    with contextlib.closing(import_module(f"benchmarks.{group}").run(Options(**settings))) as results:
        for result in _watched(results, databases):
            (rows if isinstance(result, Row) else tables).append(asdict(result))
    file.write_text(json.dumps({"rows": rows, "tables": tables, "databases": sorted(set(databases))}))


def _watched(results: Iterator[Row | Table], databases: list[str]) -> Iterator[Row | Table]:
    from django.conf import settings

    from . import project

    for result in results:
        if settings.configured and result.database:
            databases.append(project.database_version())
        say(*([report.line(result)] if isinstance(result, Row) else ["", result.title, ""]))
        yield result


def main() -> None:
    """Run the command."""
    given = arguments()
    result: dict[str, Any] = {"versions": versions(), "quick": given.quick, "rows": [], "tables": [], "databases": []}
    for group in given.groups or GROUPS:
        for database in {**GROUPS, **LONG}[group]:
            if given.database and database not in ("", given.database):
                continue
            say("", f"== {group} {database}".rstrip())
            found = measure(group, Options(database=database, quick=given.quick))
            for name in ("rows", "tables", "databases"):
                result[name] += [item for item in found[name] if item not in result[name]]
    result["rows"] = [row for row in result["rows"] if given.rows in row["name"]]
    say("", report.text(result))
    if given.write and (given.quick or given.rows or given.groups or given.database):
        sys.exit("The documentation has the figures of a whole run: use --write alone.")
    report.write(result, documentation=given.write, json_file=given.json, svg_file=given.svg)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
