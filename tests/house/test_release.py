"""What a release needs: one version, one address of the repository, and workflows that do what the checkout does."""

import json
import re
import tomllib

import pytest

import django_jwtauth
from tests.tools.processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CLIENT = json.loads((ROOT / "client" / "package.json").read_text())
WORKFLOWS = {path.name: path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
TOX = (ROOT / "tox.ini").read_text()
each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def steps(name):
    """Return what the steps of a workflow run or use, one for each."""
    return re.findall(r"^ *(?:- )?(?:run|uses): (?!\|)(.*?)(?: # .*)?$", WORKFLOWS[name], re.MULTILINE)


def test_both_packages_have_the_version_of_the_library():
    assert CLIENT["version"] == django_jwtauth.__version__
    assert CLIENT["license"] == PROJECT["project"]["license"]


def test_the_repository_has_one_address():
    source = PROJECT["project"]["urls"]["Source"]
    places = ("*.md", "*.toml", "docs/*.md", "client/*.*", "tests/tools/built.py")
    texts = [path.read_text() for pattern in places for path in ROOT.glob(pattern)]
    found = {link for text in texts for link in re.findall(r"https://github\.com/django-jwtauth/[\w-]+", text)}
    assert found == {source}
    assert CLIENT["repository"]["url"] == f"git+{source}.git"


def test_python_versions_are_the_same_everywhere():
    tested = sorted({f"3.{minor}" for minor in re.findall(r"\bpy3(\d+)\b", TOX)})
    declared = [word for text in PROJECT["project"]["classifiers"] for word in re.findall(r"Python :: (3\.\d+)$", text)]
    (installed,) = (step for step in steps("ci.yml") if step.startswith("uv python install"))
    assert tested == declared == ["3.11", *re.findall(r"3\.\d+", installed)]  # the first is Debian's
    assert "image: debian:bookworm " in WORKFLOWS["ci.yml"]
    assert PROJECT["project"]["requires-python"] == f">={tested[0]}"
    assert (ROOT / ".ci" / "run").read_text().count(f"3.1[{''.join(version[-1] for version in tested)}]*") == 1


def test_django_versions_are_the_same_everywhere():
    declared = [word for text in PROJECT["project"]["classifiers"] for word in re.findall(r"Django :: (\d\.\d)$", text)]
    assert declared == [
        f"{major}.{minor}" for major, minor in re.findall(r"^ +dj(\d)(\d): django~=", TOX, re.MULTILINE)
    ]


def test_continuous_integration_runs_what_a_developer_can_run():
    assert steps("ci.yml")[-1] == ".ci/run"
    # Where it finds the servers beside it, tox passes on.
    given = re.findall(r"^      ([A-Z_]+): ", WORKFLOWS["ci.yml"], re.MULTILINE)
    assert given == ["PGHOST", "MYSQL_HOST"]
    passed = re.search(r"^pass_env =\n((?: +\S+\n)+)", TOX, re.MULTILINE)[1].split()
    assert all(any(re.fullmatch(word.replace("*", ".*"), name) for word in passed) for name in given)


def test_a_release_waits_for_all_tests_and_builds_as_tox_does():
    assert "./.github/workflows/ci.yml" in steps("release.yml")
    assert "tox run -e package" in steps("release.yml")
    assert WORKFLOWS["release.yml"].count("needs: [test, build]") == 2


@each_workflow
def test_actions_are_pinned_at_least_to_a_major_version(name):
    used = [step for step in steps(name) if re.match(r"[\w-]+/[\w.-]+@", step)]
    assert used
    assert [step for step in used if not re.search(r"@(release/)?v\d+$|@[0-9a-f]{40}$", step)] == []


@each_workflow
def test_workflows_have_the_least_permissions(name):
    """Only the jobs that publish may ask for a token of the workflow's identity, and they build nothing."""
    text = WORKFLOWS[name]
    assert re.search(r"^permissions:( \{\}|\n  contents: read)$", text, re.MULTILINE)
    assert "pull_request_target" not in text
    assert "secrets." not in text
    for job in re.split(r"^  (?=\w+:$)", text.partition("\njobs:\n")[2], flags=re.MULTILINE):
        if "id-token: write" in job:
            assert "environment: release" in job
            assert "checkout" not in job
        assert job.count("actions/checkout@") == job.count("persist-credentials: false")
