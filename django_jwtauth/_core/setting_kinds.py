"""Reads a dict of settings key by key, and collects what is wrong in sentences that name the key."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

MAX_DURATION = timedelta(days=3650)


Source = tuple[str, ...] | str | Callable[..., Iterable[str]] | None
"""Texts, or what computes them: a callable or its dotted path."""


def is_text(value: object) -> bool:
    """Tell whether this is a text that is not empty and has no control characters."""
    return isinstance(value, str) and value != "" and value.isprintable()


class Reader:
    """Reads a dict key by key. What is wrong goes to :attr:`problems`, and the default is taken in its place."""

    def __init__(self, given: Mapping[str, Any], name: str = "JWTAUTH") -> None:
        self.given = given
        self.name = name
        self.problems: list[str] = []
        self.read_keys: set[str] = set()

    def refuse_unknown(self, word: str) -> None:
        """Name the keys that nobody has asked for."""
        self.problems += [
            f"{self.name} has no {word} {key!r}; it knows {', '.join(sorted(self.read_keys))}."
            for key in self.given
            if key not in self.read_keys
        ]

    def value(self, key: str, default: Any) -> Any:
        """Return what is given, or the default."""
        self.read_keys.add(key)
        return self.given.get(key, default)

    def refuse(self, key: str, rule: str, value: object) -> None:
        """Put down that a value breaks a rule."""
        self.problems.append(f"{self.name}[{key!r}] must be {rule}, not {kind(value)}.")

    def text_or_none(self, key: str, default: str) -> str | None:
        """Read a text, or None."""
        return None if self.value(key, default) is None else self.text(key, default)

    def text(self, key: str, default: str) -> str:
        """Read a text that is not empty."""
        value = self.value(key, default)
        if key in self.given and not is_text(value):
            self.refuse(key, "a str that is not empty and has no control characters", value)
            return default
        return str(value)

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self.value(key, default)
        if not isinstance(value, list | tuple) or not all(is_text(item) for item in value):
            self.refuse(key, "a list of str", value)
            return default
        return tuple(value)

    def one_or_more(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Read a text, or a list of at least one."""
        value = self.value(key, default)
        if key not in self.given:
            return default
        if is_text(value):
            return (value,)
        if not value:
            self.refuse(key, "a str, or a list of at least one str", value)
            return default
        return self.texts(key, default)

    def texts_or_callable(self, key: str, rule: Callable[[str], bool] = is_text) -> Source:
        """Read a list of texts, or what computes one: a callable or its dotted path. ``None`` if nothing is given."""
        given = self.value(key, None)
        if given is None or callable(given) or (is_text(given) and "." in given):
            return given  # type: ignore[no-any-return]
        if not isinstance(given, list | tuple) or not all(is_text(item) and rule(item) for item in given):
            self.refuse(key, "a list of valid names, a callable, or the dotted path of one", given)
            return None
        return tuple(given)

    def boolean(self, key: str, *, default: bool) -> bool:
        """Read True or False."""
        value = self.value(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "True or False", value)
            return default
        return value

    def integer(self, key: str, default: int | None, *, least: int) -> int | None:
        """Read an int; None only if that is the default."""
        value = self.value(key, default)
        if value is None and default is None:
            return None
        if type(value) is not int or value < least:
            self.refuse(key, f"an int of at least {least}", value)
            return default
        return value

    def duration(
        self, key: str, default: timedelta, *, least: timedelta = timedelta(0), most: timedelta = MAX_DURATION
    ) -> timedelta:
        """Read a timedelta within limits."""
        value = self.value(key, default)
        if not isinstance(value, timedelta):
            self.refuse(key, "a timedelta", value)
            return default
        if not least <= value <= most:
            self.refuse(key, f"a timedelta of at least {least} and at most {most}", value)
            return default
        return value


def kind(value: object) -> str:
    """Say what a value is without giving it away: it may be a secret in the wrong place."""
    if (
        value is None
        or isinstance(value, bool | int | timedelta)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return repr(value)
    size = f" of length {len(value)}" if isinstance(value, str | bytes | list | tuple | dict) else ""
    return f"{type(value).__name__}{size}"
