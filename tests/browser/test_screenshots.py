"""The pictures that are kept: they can be made anew, and show the admin as it is, in both themes."""

import os
import struct
import subprocess
import sys

import pytest

from .example import PATIENCE, ROOT
from .looks import differences
from .pictures import PICTURES, THEMES, name_of

IMAGES = ROOT / "docs" / "images"
MAX_SIZE = 200_000
"""So many bytes at most, since each reader of the README loads them."""


MEAN, FAR, SHARE = 1.5, 30, 0.01
"""How much a picture may differ: on the mean, and in how many squares more than so far. Other times and ids of sessions
make a mean of 0.2. A column of another width makes 3, and so does another font: so the script names one."""


def made_by(script, directory):
    """Return the pictures that a script makes, by name."""
    done = subprocess.run(
        [sys.executable, "-m", script, str(directory)],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def compare(chromium, made, kept):
    """Insist that a picture shows what the one that is kept does."""
    assert kept[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", made[16:24]) == struct.unpack(">II", kept[16:24])  # width and height
    with chromium.new_page() as page:
        found = differences(page, kept, made)
    far = sum(difference > FAR for difference in found) / len(found)
    problem = f"it is out of date, or the font is missing: {sum(found) / len(found):.1f}, {far:.3f}"
    assert (sum(found) / len(found) < MEAN, far < SHARE) == (True, True), problem


def test_the_documentation_shows_what_there_is(tmp_path, chromium):
    made = made_by("docs.screenshots", tmp_path)
    assert made.keys() == {path.name for path in IMAGES.glob("*.png")}
    for name, picture in made.items():
        kept = (IMAGES / name).read_bytes()
        assert 10_000 < len(kept) < MAX_SIZE
        compare(chromium, picture, kept)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """The list of sessions on a small screen, with the Django that is installed."""
    return made_by("tests.browser.pictures", tmp_path_factory.mktemp("lists"))


@pytest.mark.parametrize("theme", THEMES)
def test_the_list_on_a_small_screen_looks_as_it_did(lists, chromium, theme):
    compare(chromium, lists[name_of(theme)], (PICTURES / name_of(theme)).read_bytes())
