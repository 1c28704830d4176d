"""Error messages for wrong arguments of public functions. They never show a value, because it may be a secret."""

from typing import Any


def expect(kinds: type | tuple[type, ...], wanted: str, **values: object) -> None:
    """Check the types of arguments.

    Args:
        kinds: The accepted types.
        wanted: A description of them for the message.
        values: The arguments, by name.

    Raises:
        TypeError: naming the argument, what is wanted, and the type of what was given.
    """
    for name, value in values.items():
        if not isinstance(value, kinds):
            raise wrong(name, wanted, value)


def expect_list(kinds: type | tuple[type, ...], wanted: str, **values: Any) -> None:
    """Check that arguments are lists or the like of one type, and not text. Errors as for :func:`expect`."""
    for name, value in values.items():
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise wrong(name, wanted, value)
        for item in value:
            if not isinstance(item, kinds):
                raise TypeError(f"{name} must be {wanted}: it holds {_kind(item)}.")


def expect_request(request: object) -> None:
    """Check that an argument is a request, or ``None``. Errors as for :func:`expect`."""
    if request is not None and not hasattr(request, "META"):
        raise wrong("request", "a request of Django or REST framework, or None", request)


def wrong(name: str, wanted: str, value: object) -> TypeError:
    """Return the error about an argument of a wrong type."""
    return TypeError(f"{name} must be {wanted}, not {_kind(value)}.")


def _kind(value: object) -> str:
    name = "str" if isinstance(value, str) else type(value).__name__  # hidden text is text
    return "None" if value is None else f"an object of the type {name!r}"
