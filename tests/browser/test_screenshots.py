"""The pictures of the documentation: they can be made anew, and show the admin as it is, in both themes."""

import os
import struct
import subprocess
import sys

from .example import PATIENCE, ROOT
from .looks import differences

IMAGES = ROOT / "docs" / "images"
MAX_SIZE = 200_000
"""So many bytes at most, since each reader of the README loads them."""


MEAN, FAR, SHARE = 1.5, 30, 0.01
"""How much a picture may differ: on the mean, and in how many squares more than so far. Other times and ids of sessions
make a mean of 0.2. A column of another width makes 3, and so does another font: so the script names one."""


def test_the_script_makes_all_the_pictures_there_are(tmp_path, chromium):
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
    assert made.keys() == {path.name for path in IMAGES.glob("*.png")}
    for name, picture in made.items():
        kept = (IMAGES / name).read_bytes()
        assert kept[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", picture[16:24]) == struct.unpack(">II", kept[16:24])  # width and height
        assert 10_000 < len(kept) < MAX_SIZE
        with chromium.new_page() as page:
            found = differences(page, kept, picture)
        far = sum(difference > FAR for difference in found) / len(found)
        problem = f"{name} is out of date, or the font is missing: {sum(found) / len(found):.1f}, {far:.3f}"
        assert (sum(found) / len(found) < MEAN, far < SHARE) == (True, True), problem
