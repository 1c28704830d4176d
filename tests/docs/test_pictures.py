"""The pictures of the documentation: each can be read in words, in both themes, and without the network."""

import re

import pytest

from tests.tools.docs import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
IMAGES = re.compile(
    r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]*)\)|```\{image\} (?P<file>.*)\n(?::(?!alt)\w+:.*\n)*:alt: (?P<words>.*)\n"
)
USES = [
    (page, page.parent / (found["path"] or found["file"]), found["alt"] or found["words"])
    for page in PAGES
    for found in IMAGES.finditer(page.read_text("utf-8"))
]
DRAWN = {path.stem: path for path in sorted((DOCS / "images").glob("*.svg"))}


def test_each_picture_is_shown_and_has_words_in_its_place():
    assert {path.resolve() for _, path, _ in USES} == set((DOCS / "images").iterdir())
    assert len(USES) == sum(len(re.findall(r"!\[|```\{image\}", page.read_text("utf-8"))) for page in PAGES)
    assert [str(path) for _, path, words in USES if len(words.split()) < 5] == []


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_has_both_themes_and_loads_nothing(name):
    text = DRAWN[name].read_text()
    light, _, dark = text.partition("@media (prefers-color-scheme: dark) {")
    assert 'role="img"' in light
    assert set(re.findall(r"^\.(page|box|band|token|bad|line|tip)\b", light, re.MULTILINE)) <= set(
        re.findall(r"\.(\w+) \{", dark)
    )
    assert re.findall(r"href|@import|@font-face|url\((?!#)|<script|<image", text) == []


@pytest.mark.parametrize("name", sorted(DRAWN.keys() - {"performance"}))
def test_the_words_for_a_drawing_are_those_it_says_of_itself(name):
    (described,) = re.findall(r'<desc id="desc">(.*)</desc>', DRAWN[name].read_text())
    assert [words for _, path, words in USES if path.stem == name] == [described]
