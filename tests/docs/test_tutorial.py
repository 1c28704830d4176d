"""The tutorial, from an empty folder to a revoked session that two services refuse.

Its page is used in a real browser by ``tests/browser/test_tutorial.py``.
"""

import contextlib

import pytest

from tests.tools.tutorial import FILES, Reader, blocks, follow


def test_each_block_has_a_sentence_before_it_that_says_where_it_goes():
    for said, language, _ in blocks():
        assert language == "text" or said.endswith(":"), said
        assert language in {"sh", "text"} or FILES.search(said), said


@pytest.mark.long
def test_the_blocks_work_when_they_are_pasted_one_after_the_other(tmp_path):
    with contextlib.ExitStack() as stack:
        assert follow(Reader(tmp_path, stack), blocks()) == 10
