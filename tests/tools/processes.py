"""Code that runs in a process of its own."""

import contextlib
import os
import pathlib
import subprocess
import sys
import textwrap
import threading

ROOT = pathlib.Path(__file__).parents[2]


def run_script(script, *, timeout=120, **environment):
    """Run a script in a process of its own, with nothing in its memory, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def conversation(code, **environment):
    """Run code in a process of its own, and give a function that sends it a line, and returns its answer."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )
    timer = threading.Timer(120, process.kill)
    timer.start()

    def say(line=None):
        if line is not None:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        yield say
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
