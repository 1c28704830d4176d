"""The kinds of values that settings can have: what is accepted, and how the documentation and messages describe it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Generic, TypeGuard, TypeVar

from ..errors import InvalidKeyError
from ..keys import Key, KeySet
from ..secret import Secret
from .custom_claims import is_registered
from .setting_table import Derived, Kind, Place, WrongValueError, describe, literal, spell_duration

T = TypeVar("T")
MAX_DURATION = timedelta(days=3650)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([1-9][0-9]*)/(s|sec|second|m|min|minute|h|hour|d|day)")
Source = tuple[str, ...] | str | Callable[..., Iterable[str]] | None
"""Names, or what computes them: a callable or its dotted path. ``None`` if the setting is not used."""


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a ``str`` that is not empty and has no control characters."""
    return isinstance(value, str) and value != "" and value.isprintable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Kind[str]):
    """A text, of a certain form if there is a pattern."""

    pattern: re.Pattern[str] | None = None
    form: str = ""
    """What matches the pattern: ``the name of a cookie``."""

    @property
    def words(self) -> str:
        return f"text: {self.form}" if self.form else "text"

    @property
    def rule(self) -> str:
        return f"a str that is {self.form or 'not empty and has no control characters'}"

    def read(self, value: object, place: Place) -> str:
        if not is_text(value) or (self.pattern and not self.pattern.fullmatch(value)):
            raise WrongValueError
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(Kind[tuple[str, ...]]):
    """A list of texts, which may be empty."""

    words: str = "list of text"
    rule: str = "a list of str that are not empty"

    def read(self, value: object, place: Place) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(map(is_text, value)):
            raise WrongValueError
        return tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrMoreTexts(Kind[tuple[str, ...]]):
    """A text, or a list of at least one."""

    words: str = "text, or a list of at least one text"
    rule: str = "a str, or a list of at least one str, none of them empty"

    def read(self, value: object, place: Place) -> tuple[str, ...]:
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not texts or not all(map(is_text, texts)):
            raise WrongValueError
        return tuple(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedTexts(Kind[Source]):
    """A list of texts, or what computes one for a user: a callable or its dotted path."""

    pattern: re.Pattern[str] | None = None
    """Of each text in the list."""
    words: str = "list of text, a function, or the dotted path of one; or `None`"
    rule: str = "a list of valid names, a callable, the dotted path of one, or None"

    def read(self, value: object, place: Place) -> Source:
        if value is None or callable(value):
            return value
        if is_text(value) and "." in value:
            return value
        if not isinstance(value, list | tuple) or not all(map(self._is_valid, value)):
            raise WrongValueError
        return tuple(value)

    def _is_valid(self, text: object) -> bool:
        return is_text(text) and (self.pattern is None or self.pattern.fullmatch(text) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Kind[Callable[..., Any] | str]):
    """A function, or its dotted path."""

    words: str = "a function, or the dotted path of one"
    rule: str = "a callable, the dotted path of one"

    def read(self, value: object, place: Place) -> Callable[..., Any] | str:
        if callable(value) or (is_text(value) and "." in value):
            return value
        raise WrongValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Kind[T]):
    """One of some values."""

    options: tuple[T, ...]

    @property
    def words(self) -> str:
        *others, last = (f"`{literal(option)}`" for option in self.options)
        return f"{', '.join(others)} or {last}"

    @property
    def rule(self) -> str:
        *others, last = map(repr, self.options)
        return f"{', '.join(others)} or {last}"

    def read(self, value: object, place: Place) -> T:
        for option in self.options:
            if isinstance(value, type(option)) and value == option:  # 1 is not True
                return option
        raise WrongValueError


BOOLEAN = Choice(options=(True, False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Kind[int]):
    """An int, and never a bool."""

    least: int

    @property
    def words(self) -> str:
        return f"integer of at least {self.least}"

    @property
    def rule(self) -> str:
        return f"an int of at least {self.least}"

    def read(self, value: object, place: Place) -> int:
        if type(value) is not int or value < self.least:
            raise WrongValueError
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration(Kind[timedelta]):
    """A timedelta within limits."""

    least: timedelta | Derived[timedelta] = timedelta(0)
    most: timedelta = MAX_DURATION

    @property
    def words(self) -> str:
        limits = [f"at least {self._least_words}"] if self.least else []
        if self.most != MAX_DURATION:
            limits.append(f"at most {spell_duration(self.most)}")
        return ", ".join(["duration", *([" and ".join(limits)] if limits else [])])

    @property
    def rule(self) -> str:
        return f"a timedelta of at least {self._least_words} and at most {spell_duration(self.most)}"

    @property
    def _least_words(self) -> str:
        return self.least.words if isinstance(self.least, Derived) else spell_duration(self.least)

    def read(self, value: object, place: Place) -> timedelta:
        least = self.least.compute(place.earlier) if isinstance(self.least, Derived) else self.least
        if not isinstance(value, timedelta) or not least <= value <= self.most:
            raise WrongValueError
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class OrNone(Kind[T | None], Generic[T]):
    """A value of another kind, or None."""

    kind: Kind[T]
    meaning: str = ""
    """What ``None`` stands for: ``no limit``."""

    @property
    def words(self) -> str:
        return f"{self.kind.words}, or `None`{f' for {self.meaning}' if self.meaning else ''}"

    @property
    def rule(self) -> str:
        return f"{self.kind.rule}, or None"

    @property
    def is_secret(self) -> bool:
        return self.kind.is_secret

    def read(self, value: Any, place: Place) -> T | None:
        is_none = value is None or (self.is_secret and value.reveal() is None)
        return None if is_none else self.kind.read(value, place)

    def literal(self, value: Any) -> str:
        return literal(None) if value is None else self.kind.literal(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number of events in a number of seconds."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateText(Kind[Rate]):
    """A rate, written as in REST framework."""

    words: str = "rate"
    rule: str = "a rate like '10/min'"

    def read(self, value: object, place: Place) -> Rate:
        match = _RATE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise WrongValueError
        return Rate(limit=int(match[1]), seconds=_SECONDS[match[2][0]])

    def literal(self, value: Any) -> str:
        (unit,) = (word for word in ("second", "min", "hour", "day") if _SECONDS[word[0]] == value.seconds)
        return literal(f"{value.limit}/{unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPaths(Kind[Mapping[str, tuple[str, ...]]]):
    """A dict from the names of claims to paths of attributes. A path is split at its dots."""

    words: str = "dict that maps names of claims to paths of a user's attributes, both text"
    rule: str = "a dict"

    def read(self, value: object, place: Place) -> Mapping[str, tuple[str, ...]]:
        if not isinstance(value, Mapping):
            raise WrongValueError
        paths = {}
        for name, path in value.items():
            parts = tuple(path.split(".")) if isinstance(path, str) else ()
            if isinstance(name, str) and is_registered(name):
                place.problems.append(
                    f"{place.name} may not set {name!r}: it is a registered claim, or may be mistaken for one."
                )
            elif not is_text(name):
                place.problems.append(f"{place.name} must name claims, and {name!r} is not the name of a claim.")
            elif not parts or not all(part.isidentifier() and not part.startswith("_") for part in parts):
                place.problems.append(
                    f"{place.inside(name).name} must be the path of a user's attribute, like "
                    f"'profile.organisation_id', not {describe(path)}."
                )
            else:
                paths[name] = parts
        return MappingProxyType(paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys(Kind[KeySet]):
    """A list of keys. The first one signs."""

    words: str = "a list of at least one key"
    rule: str = "a list of at least one key"

    @property
    def is_secret(self) -> bool:
        return True

    def read(self, value: Any, place: Place) -> KeySet:
        if not isinstance(value.reveal(), list | tuple) or not len(value):
            raise WrongValueError
        keys, problems = [], []
        for index, entry in enumerate(map(Secret, value.reveal())):
            try:
                if not isinstance(entry.reveal(), Mapping):
                    raise InvalidKeyError(f"A key must be a dict, not {type(entry.reveal()).__name__}.")
                keys.append(Key.load(entry))
            except InvalidKeyError as error:
                problems.append(f"{place.inside(index).name}: {error}")
        if problems:
            raise WrongValueError(*problems)
        try:
            key_set = KeySet(keys)
            _ = key_set.signing_key
        except InvalidKeyError as error:
            raise WrongValueError(f"{place.name}: {error}") from None
        return key_set
