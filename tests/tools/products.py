"""Tables of parameters: products, of which the long tests try each combination; and rows that one test tries."""

import contextlib
import functools
import inspect

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


@contextlib.contextmanager
def all_rows():
    """Give a context for each row of a table. What fails is named, and reported after all rows have been tried."""
    failures = []

    @contextlib.contextmanager
    def row(name):
        try:
            yield
        except (Exception, pytest.fail.Exception, BaseExceptionGroup) as error:  # the last one from a table inside
            error.add_note(f"in row {name}")
            failures.append(error)

    yield row
    if failures:
        raise BaseExceptionGroup("some rows failed", failures)


def each_row(names, rows, ids=None):
    """Have one test try all rows of a table: a test for each of hundreds would take longer to start than to run.

    It takes the place of ``pytest.mark.parametrize``, and can be stacked with it. Each row that fails is named, and the
    others are tried all the same. It is for tests that leave nothing behind: fixtures are made once for all rows.

    Args:
        names: The names of the parameters, as one text or as a list.
        rows: Values, or tuples of values; ``pytest.param`` may give them an id.
        ids: The ids of the rows, or a function that makes one of each value; by default, their values.
    """
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    table = [(number, *_row(row, len(names))) for number, row in enumerate(rows)]
    assert table, "a table has rows"

    def decorate(test):
        @functools.wraps(test)
        def of_all(**fixtures):
            with all_rows() as row:
                for number, values, given in table:
                    with row(f"{number}: {given or _id(ids, number, values)}"):
                        test(**fixtures, **dict(zip(names, values, strict=True)))

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in names]
        of_all.__signature__ = signature.replace(parameters=left)
        return of_all

    return decorate


def _row(row, width):
    values, given = row, None
    if isinstance(row, type(pytest.param())):
        assert not row.marks, "a row has no marks: the test has them"
        values, given = row.values, row.id
    elif width == 1:
        values = (row,)
    assert len(values) == width, row
    return tuple(values), given


def _id(ids, number, values):
    if ids is None or callable(ids):
        return "-".join((ids or ascii)(value)[:100] for value in values)
    return [*ids][number]
