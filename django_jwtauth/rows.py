"""Makes objects of rows, as Django does for a queryset, without preparing for it each time.

The rows become objects by Django's converters and ``from_db()``.
"""

from collections.abc import Sequence
from types import MethodType
from typing import Any

from django.db import models
from django.db.models import query
from django.db.models.base import ModelState


class Reader:
    """Makes objects of rows as :class:`django.db.models.query.ModelIterable` does, which prepares for it each time.

    Args:
        queryset: The query.
        compiler: Django's, which has compiled it.
        connection: The connection of the compiler. It is not kept, since it belongs to one thread.
    """

    def __init__(self, queryset: Any, compiler: Any, connection: Any) -> None:
        columns = [column for column, *_ in compiler.select]
        self._converters = [
            (position, converter.__func__ if is_method else converter, column, is_method)
            for position, (converters, column) in compiler.get_converters(columns).items()
            for converter in converters
            for is_method in [isinstance(converter, MethodType) and converter.__self__ is connection.ops]
        ]
        info = compiler.klass_info
        self._using = queryset.db
        self._model = info["model"]
        self._range = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
        self._names = [column.target.attname for column in columns[self._range]]
        # From Django 6.1 on, a query says how its objects fetch what they lack.
        self._modes = {name[1:]: mode for name, mode in vars(queryset).items() if name == "_fetch_mode"}
        modes = self._modes.values()
        self._populators = query.get_related_populators(info, compiler.select, self._using, *modes)
        self._annotations = list(compiler.annotation_col_map.items())
        self.is_proven = False
        """Whether the objects have been the same as Django's."""

    def read(self, rows: Sequence[Sequence[Any]], connection: Any) -> list[Any]:
        """Return the objects.

        Args:
            rows: The rows, as the cursor gives them.
            connection: The connection that they come from.
        """
        ops = connection.ops
        found = []
        for values in rows:
            row = list(values)
            for position, convert, column, is_method in self._converters:
                value = row[position]
                row[position] = (
                    convert(ops, value, column, connection) if is_method else convert(value, column, connection)
                )
            made = self._model.from_db(self._using, self._names, row[self._range], **self._modes)
            for populator in self._populators:
                populator.populate(row, made)
            for name, position in self._annotations:
                setattr(made, name, row[position])
            found.append(made)
        return found


def is_alike(one: Any, other: Any) -> bool:
    """Tell whether two objects, or lists of them, hold the same, however they were made."""
    if type(one) is not type(other):
        return False
    if isinstance(one, models.Model | ModelState):
        return is_alike(vars(one), vars(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_alike, one, other))
    # What a project's class attaches to its objects may be equal to nothing but itself.
    return bool(one == other) or vars(object)["__eq__"] is type(one).__eq__
