"""The pictures of the documentation can be made anew."""

import os
import struct
import subprocess
import sys

from .example import PATIENCE, ROOT

IMAGES = ROOT / "docs" / "images"
MAX_SIZE = 200_000
"""So many bytes at most, since each reader of the README loads them."""


def test_the_script_makes_all_the_pictures_there_are(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "docs.screenshots", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made.keys() == {path.name for path in IMAGES.iterdir()}
    for name, picture in made.items():
        kept = (IMAGES / name).read_bytes()
        assert kept[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", picture[16:24]) == struct.unpack(">II", kept[16:24])  # width and height
        assert 10_000 < len(kept) < MAX_SIZE
