"""Fuzzes all targets, one after the other: ``python -m tests.fuzz``.

The short form makes the same attempts each time. With ``--long``, each target is fuzzed for some minutes from another
beginning, and what has been found to be interesting is kept for the next time, in ``.fuzz``. An input that breaks a
rule is kept there, too; ``python -m tests.fuzz NAME --again FILE`` tries it again.
"""

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.fuzz.settings")

# What is imported here tells which branches an input takes. Each module would be named.
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["django_jwtauth", "rest_framework.parsers", "jwt"]),
):
    import django

    django.setup()

    from tests.fuzz.requests import world
    from tests.fuzz.targets import TARGETS

KEPT = Path(__file__).parents[2] / ".fuzz"
SEED = 1
LONGEST_SECONDS = 60
"""When an input that never ends is stopped, also on a machine that is busy."""
MEBIBYTES = 1024
"""How much memory a process may have."""


def main():
    """Fuzz what the command line names. Returns the status of the process."""
    arguments = read_arguments()
    if unknown := set(arguments.targets) - set(TARGETS):
        raise SystemExit(f"There is no target {', '.join(sorted(unknown))}, only {', '.join(TARGETS)}.")
    KEPT.mkdir(exist_ok=True)
    world()  # made once, and not by the first input of a target, whose time is taken
    failed = [name for name in arguments.targets or TARGETS if not fuzz(TARGETS[name], arguments)]
    if failed:
        sys.stdout.write(f"Rules are broken: {', '.join(failed)}\n")
    return len(failed)


def read_arguments():
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the targets.")
    parser.add_argument("targets", nargs="*", help="which ones; by default all")
    parser.add_argument("--long", action="store_true", help="fuzz for some time, and keep what was found")
    parser.add_argument("--seconds", type=int, default=600, help="how long for each target, with --long")
    parser.add_argument("--again", help="a file with the one input to try")
    return parser.parse_args()


def fuzz(target, arguments):
    """Fuzz one target. Tells whether all rules hold."""
    with tempfile.TemporaryDirectory() as directory:
        output, status = run(target, options(target, arguments, Path(directory)), Path(directory) / "output")
    executed = re.search(r"number_of_executed_units: *([0-9]+)|Executed (.+)", output)
    features = re.findall(r" ft: ([0-9]+)", output)
    holds = status == 0 and executed is not None  # it has not been ended by anything else
    counts = f"{executed[1] or 1} inputs, {features[-1] if features else 0} features" if executed else ""
    summary = counts if holds else f"FAILED\n{output[-8000:]}"
    sys.stdout.write(f"{target.name}: {summary}\n")
    sys.stdout.flush()
    return holds


def options(target, arguments, directory):
    """Return the arguments of libFuzzer."""
    limits = [f"-max_len={target.max_length}", f"-timeout={LONGEST_SECONDS}", f"-rss_limit_mb={MEBIBYTES}"]
    if arguments.again:
        return [*limits, arguments.again]
    seeds, words = directory / "seeds", directory / "words"
    write_seeds(target, seeds)
    words.write_text("".join(f'"{escaped(word)}"\n' for word in (target.name, *target.words)))  # it must not be empty
    limits += [f"-dict={words}", f"-artifact_prefix={KEPT}/{target.name}-", "-print_final_stats=1"]
    if not arguments.long:
        return [*limits, f"-seed={SEED}", f"-runs={target.runs}", str(seeds)]
    found = KEPT / target.name  # the first folder gets what is new
    found.mkdir(exist_ok=True)
    return [*limits, f"-max_total_time={arguments.seconds}", str(found), str(seeds)]


def run(target, options, output):
    """Run libFuzzer in a process of its own, since it ends the process. Returns what it has written, and the status."""
    with output.open("wb") as file:
        child = os.fork()
        if not child:
            with aborting():
                os.dup2(file.fileno(), sys.stdout.fileno())
                os.dup2(file.fileno(), sys.stderr.fileno())
                atheris.Setup([target.name, *options], aborting()(target))
                atheris.Fuzz()
        _, status = os.waitpid(child, 0)
    return output.read_text(errors="replace"), os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def aborting():
    """Abort the process if anything is raised: libFuzzer then keeps the input, and nothing of the parent's is done."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os.abort()


def write_seeds(target, folder):
    """Write what a target begins with, each input to a file."""
    folder.mkdir()
    for number, seed in enumerate(target.seeds()):
        if len(seed) <= target.max_length:
            (folder / f"{number:04}").write_bytes(seed)


def escaped(word):
    """Return a word as libFuzzer's dictionaries have it."""
    return "".join(char if char.isalnum() else "".join(f"\\x{byte:02x}" for byte in char.encode()) for char in word)


if __name__ == "__main__":
    raise SystemExit(main())
