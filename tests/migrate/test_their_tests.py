"""Simple JWT's own tests of its endpoints, run against ours. What fails is a row of the page of differences."""

import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree

import pytest

from tests.tools.docs import page, section
from tests.tools.processes import ROOT

VERSION = "5.5.1"
FILES = ["tests/test_views.py", "tests/test_integration.py"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-c", os.devnull, "--rootdir=."]
SLIDING = "sliding tokens"
NO_USER = "tokens that name no user"
EXPECTED = {
    "TestTokenObtainPairView.test_update_last_login": "`last_login`",
    "TestTokenRefreshView.test_it_should_return_access_token_if_everything_ok": NO_USER,
    "TestTokenVerifyView.test_it_should_return_200_if_everything_okay": NO_USER,
    "TestTokenVerifyView.test_it_should_ignore_token_type": "what passes at `token/verify/`",
    "TestTokenBlacklistView.test_it_should_return_if_everything_ok": NO_USER,
    "TestTokenBlacklistView.test_it_should_return_401_if_token_is_blacklisted": NO_USER,
    "TestTokenObtainSlidingView.test_success": SLIDING,
    "TestTokenObtainSlidingView.test_update_last_login": "`last_login`",
    "TestTokenRefreshSlidingView.test_fields_missing": SLIDING,
    "TestTokenRefreshSlidingView.test_it_should_return_401_if_token_invalid": SLIDING,
    "TestTokenRefreshSlidingView.test_it_should_return_401_if_token_has_no_refresh_exp_claim": SLIDING,
    "TestTokenRefreshSlidingView.test_it_should_return_401_if_token_has_refresh_period_expired": SLIDING,
    "TestTokenRefreshSlidingView.test_it_should_update_token_exp_claim_if_everything_ok": SLIDING,
    "TestTestView.test_expired_token": "lifetimes",
    "TestTestView.test_user_can_get_sliding_token_and_use_it": SLIDING,
    "TestTestView.test_wrong_auth_type": SLIDING,
}
"""What fails, and the row that says why."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source of Simple JWT from PyPI, which has its tests: an installed package has none."""
    folder = tmp_path_factory.mktemp("source")
    package = "djangorestframework-simplejwt"  # what pip needs to read its metadata may be wheels
    what = ["--no-deps", f"--no-binary={package}", f"{package}=={VERSION}"]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", folder, *what], check=True, timeout=300)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def test_what_fails_is_on_the_page(source):
    report = source / "report.xml"
    done = subprocess.run(
        [*PYTEST, f"--junitxml={report}", *FILES],
        cwd=source,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))},
            "DJANGO_SETTINGS_MODULE": "their_settings",
            "PYTHONPATH": f"{ROOT / 'tests' / 'migrate' / 'theirs'}{os.pathsep}{ROOT}",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert len(cases) == 35, done.stdout
    failed = {
        f"{case.get('classname').rpartition('.')[2]}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert failed == set(EXPECTED), done.stdout


def test_each_row_stands_on_the_page():
    rows = set(
        re.findall(r"^\| ([^|]*) \|", section(page("docs/migrating.md"), "## Intended differences"), re.MULTILINE)
    )
    assert set(EXPECTED.values()) <= rows
