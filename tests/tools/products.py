"""Products of parameters: each combination is tried by the long tests, and one of each row by all others."""

import pytest


def in_turn(rows, others):
    """Return each row with each of the others. All but one of each row are marked as long, in turn.

    Args:
        rows: Values, or tuples of values, by the name that they have in the id of the test.
        others: The same.
    """
    return [
        pytest.param(
            *_values(row),
            *_values(other),
            id=f"{name}-{beside}",
            marks=[pytest.mark.long] * (number % len(others) != turn),
        )
        for number, (name, row) in enumerate(rows.items())
        for turn, (beside, other) in enumerate(others.items())
    ]


def _values(given):
    return given if isinstance(given, tuple) else (given,)
