"""The page "Testing": its tests run as they stand there, in a project of their own."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from django_jwtauth import test
from tests.tools.docs import FENCE, page
from tests.tools.processes import ROOT, run_script

NAME = re.compile(r"# ((?:project|tests)/\w+\.py)\n")
SETTINGS = """
    ALLOWED_HOSTS = ["*"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_jwtauth"]
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    ROOT_URLCONF = "project.urls"
    SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
    USE_TZ = True
"""


@pytest.mark.long
def test_its_tests_pass(tmp_path):
    blocks = FENCE.findall(page("docs/testing.md"))
    (trusted,) = [block for block in blocks if block.startswith("JWTAUTH = ")]
    files = {found[1]: block for block in blocks if (found := NAME.match(block))}
    tests = [name for name in files if name.startswith("tests/")]
    assert len(tests) == 8
    files["project/settings.py"] = textwrap.dedent(SETTINGS) + trusted
    files["pytest.ini"] = "[pytest]\nDJANGO_SETTINGS_MODULE = project.settings\nfilterwarnings = error\n"
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE)


def test_a_verifier_is_tested_without_a_django_project():
    (block,) = [block for block in FENCE.findall(page("docs/testing.md")) if "settings.configure()" in block]
    run_script(f"{block}\ntest_a_verifier()", DJANGO_SETTINGS_MODULE="")


def test_it_names_each_fault_and_its_reason():
    rows = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)` \|$", page("docs/testing.md"), re.MULTILINE)
    assert dict(rows) == test.FAULTS


def test_it_names_all_that_is_public():
    text = page("docs/testing.md")
    assert [name for name in test.__all__ if f"`{name}" not in text and f"test.{name}\n" not in text] == []
