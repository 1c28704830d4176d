"""Tests that try all rows of a table: none hides what fails in one of them."""

import pytest

from tests.tools.products import each_row


@each_row("limit", [1, pytest.param(4, id="four"), 2])
@each_row(("number", "name"), [(1, "one"), (3, "three")], ids=["a", "b"])
def compare(number, name, limit, order):
    order.append((limit, number))
    if name == "three" and limit == 1:
        pytest.fail("a failure of pytest's own")
    assert number < limit


def notes(error):
    """Return the notes of all failures, the inner ones first."""
    inner = [note for each in getattr(error, "exceptions", []) for note in notes(each)]
    return [*inner, *getattr(error, "__notes__", [])]


def test_all_rows_are_tried_and_each_that_fails_is_named():
    order = []
    with pytest.raises(BaseExceptionGroup) as caught:
        compare(order=order)
    assert order == [(1, 1), (1, 3), (4, 1), (4, 3), (2, 1), (2, 3)]
    assert notes(caught.value) == ["in row 0: a", "in row 1: b", "in row 0: 1", "in row 1: b", "in row 2: 2"]


def test_a_table_without_rows_or_with_marks_is_a_mistake():
    for rows in ([], [pytest.param(1, marks=pytest.mark.long)]):
        with pytest.raises(AssertionError):
            each_row("number", rows)
