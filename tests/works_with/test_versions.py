"""What is installed is what the table names."""

from importlib.metadata import version

import pytest

from .table import BESIDE, ROWS

VERSIONS = BESIDE | {package: row.version for package, row in ROWS.items() if row.environment == "apps"}


@pytest.mark.parametrize("package", VERSIONS)
def test_the_version_is_the_one_of_the_table(package):
    assert f"{version(package)}.".startswith(f"{VERSIONS[package]}.")
