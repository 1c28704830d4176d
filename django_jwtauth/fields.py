"""The column for what nobody should see outside of the database."""

import hmac
from typing import Any

from django.db import models

_SHOWN = "********"


class HiddenBytes:
    """Bytes that show themselves neither as text nor in ``repr()``, so that exports, logs and reports do not either.

    They are no ``bytes``, which others would try to decode. ``bytes(value)`` is the only way to them.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def __bytes__(self) -> bytes:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HiddenBytes | bytes):
            return NotImplemented
        return hmac.compare_digest(self._value, bytes(other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> tuple[type["HiddenBytes"], tuple[bytes]]:
        return HiddenBytes, (self._value,)


class HiddenField(models.BinaryField):  # type: ignore[type-arg]
    """A ``BinaryField`` that serializers leave out, and whose values are :class:`HiddenBytes`.

    ``serialize=False`` is what Django's serializers (and with them ``dumpdata`` and django-reversion) and REST
    framework's ``ModelSerializer`` ask.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "serialize": False})

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> HiddenBytes | None:
        """Hide what was read; Django calls this. It is ``None`` where an outer join or an aggregate finds no row."""
        return None if value is None else HiddenBytes(value)

    def get_prep_value(self, value: Any) -> Any:
        return bytes(value) if isinstance(value, HiddenBytes) else value
