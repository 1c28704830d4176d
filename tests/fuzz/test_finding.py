"""What breaks a rule is reported, and kept to be tried again."""

import subprocess
import sys

from tests.tools.processes import ROOT

PROJECT = """
import os, sys, time
from pathlib import Path
from tests.fuzz import __main__ as fuzzing
from tests.fuzz.target import Target

def fails(data):
    if data[:1] == b"a":
        raise KeyError("what nobody has thought of")

def hangs(data):
    while data[:1] == b"a":
        pass

def takes_long(data):
    if data[:1] == b"a":
        until = time.process_time() + 0.5
        while time.process_time() < until:
            pass

def ends(data):
    if data[:1] == b"a":
        os._exit(0)

fuzzing.KEPT = Path(os.environ["KEPT"])
fuzzing.LONGEST_SECONDS = 3
checks = {check.__name__: check for check in (fails, hangs, takes_long, ends, len)}
fuzzing.TARGETS = {
    name: Target(name=name, check=check, seeds=lambda: [b"q"], seconds=0.1, max_length=2)
    for name, check in checks.items()
}
raise SystemExit(fuzzing.main())
"""


def fuzz(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", PROJECT, *arguments],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "KEPT": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_what_breaks_a_rule_is_told_and_kept(tmp_path):
    done = fuzz(tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Rules are broken: fails, hangs, takes_long, ends" in done.stdout
    for words in ("what nobody has thought of", "ERROR: libFuzzer: timeout", "seconds of processor time"):
        assert words in done.stdout
    kept = {path.name.partition("-")[0]: path for path in tmp_path.iterdir()}
    assert set(kept) == {"fails", "hangs", "takes_long"}
    again = fuzz(tmp_path, "fails", "--again", str(kept["fails"]))
    assert again.returncode == 1
    assert "what nobody has thought of" in again.stdout
