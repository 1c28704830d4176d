"""The npm package of the client module, as npm packs and installs it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import django_jwtauth
from tests.tools.processes import ROOT

HERE = Path(__file__).parent
MODULE = "django_jwtauth/static/django_jwtauth/jwtauth.js"


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """What `npm pack` says of the package. It is made from a copy, because packing leaves files for a moment."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("client", "LICENSE", MODULE):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    before = sorted(copy.rglob("*"))
    (said,) = json.loads(run("npm", "pack", "--json", "--silent", "--pack-destination", str(copy), cwd=copy / "client"))
    archive = copy / said["filename"]
    assert sorted(copy.rglob("*")) == sorted([*before, archive])
    return said, archive


@pytest.fixture(scope="module")
def project(packed, tmp_path_factory):
    """A project in TypeScript that has installed the package."""
    directory = tmp_path_factory.mktemp("project")
    for name in ("user.ts", "members.mjs", "tsconfig.json"):
        shutil.copy(HERE / name, directory)
    (directory / "package.json").write_text('{"private": true, "type": "module"}')
    run(
        "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", str(packed[1]), "typescript@^5", cwd=directory
    )
    return directory


def test_it_has_the_module_its_types_the_licence_and_nothing_else(packed):
    said, _ = packed
    expected = ["LICENSE", "README.md", "jwtauth.d.ts", "jwtauth.js", "package.json"]
    assert [file["path"] for file in said["files"]] == expected
    assert said["version"] == django_jwtauth.__version__


def test_its_module_is_the_one_among_the_static_files(project):
    installed = project / "node_modules" / "django-jwtauth"
    assert (installed / "jwtauth.js").read_bytes() == (ROOT / MODULE).read_bytes()
    assert (installed / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize(
    "resolution", [["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]]
)
def test_a_project_in_typescript_compiles_and_is_told_its_mistakes(project, resolution):
    """The lines with mistakes are marked in user.ts: the compiler complains if one of them is none."""
    run("npx", "tsc", "--project", "tsconfig.json", *resolution, cwd=project)
    assert run("node", "out/user.js", cwd=project).split() == ["header", "false", "AuthError", "0", "true"]


def test_the_types_name_each_member_and_no_other(project):
    members = json.loads(run("node", "members.mjs", cwd=project))
    assert members["declared"] == members["real"]
    assert set(members["real"]) == {"createClient", "AuthError", "Client"}


def test_the_options_are_those_that_the_documentation_describes(project):
    options = json.loads(run("node", "members.mjs", cwd=project))["options"]
    table = (ROOT / "docs" / "browsers.md").read_text().partition("| option |")[2].partition("\n\n")[0]
    assert sorted(options) == sorted(line.split("`")[1] for line in table.splitlines()[2:])
