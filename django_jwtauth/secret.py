"""Tokens, passwords and keys that no error report shows.

Error trackers, and Django's own reports, show the variables of each frame by their ``repr()``. So what must not be
shown is hidden by the first line that sees it, and revealed in the expression that needs it. Nothing here needs Django.
"""

from typing import Any, NoReturn, Self

_SHOWN = "'********'"


class RevealedText(str):
    """Text that does not show itself in ``repr()``. To code that needs text, it is like any other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    __sentry_repr__ = __repr__  # Sentry's SDK would send a text as it is

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class Secret:
    """A value that shows itself nowhere: not in ``repr()``, ``str()`` or a format, and not in a pickle.

    It cannot be changed. It is equal to itself alone. Its length is that of the value.
    """

    __slots__ = ("_value",)
    _value: Any

    def __init__(self, value: Any) -> None:
        _store(self, RevealedText(value) if type(value) is str else value)

    def reveal(self) -> Any:
        """Return the value. Use it in an expression: a variable would be shown, unless it is text."""
        return self._value

    def reveal_bytes(self) -> bytes:
        """Return text as bytes. What is not ASCII becomes a question mark, which no token has."""
        value: str | bytes = self._value
        return value.encode("ascii", "replace") if isinstance(value, str) else value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"<Secret {_SHOWN}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A Secret cannot be changed.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A Secret cannot be changed.")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret cannot be pickled.")


_store = Secret.__dict__["_value"].__set__  # what object.__setattr__() finds each time


def hide(raw: str | bytes | Secret) -> Secret:
    """Hide a token. A function that takes one as text does this first, under the same name: ``raw = hide(raw)``.

    Args:
        raw: The token.

    Raises:
        TypeError: if it is anything else.
    """
    if type(raw) is Secret:
        return raw
    if isinstance(raw, str | bytes):
        return Secret(raw)
    raise TypeError(f"A token is str or bytes, not {type(raw).__name__}.")


def hidden(value: Any) -> Secret:
    """Hide any value, such as the text of a key or a dict that holds one. One that is hidden stays as it is."""
    return value if isinstance(value, Secret) else Secret(value)


def without_past(error: Exception) -> Exception:
    """Return an error without its traceback and context, whose frames hold what could not be read.

    Raise it after the ``except`` block: inside, Python would give it a context again.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
