"""Settings as data: a setting is a field of a dataclass, declared with its kind and its default.

A dict that a project wrote is read into such a dataclass. Each problem becomes a sentence that names the key, and
reading goes on, so that all problems are found at once.
"""

import difflib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, Generic, TypeVar

from ..secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_UNITS = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
    "milliseconds": timedelta(milliseconds=1),
}


class WrongValueError(ValueError):
    """A value cannot be used.

    The arguments are sentences that say why. Without arguments, the value breaks the rule of its kind.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value is in the settings."""

    name: str
    """As in an error message: ``JWTAUTH['COOKIES']['domain']``."""
    problems: list[str]
    """Collects the problems of a value's parts."""
    earlier: Any = None
    """The values of the settings that are declared before it in the same dict, as attributes."""

    def inside(self, key: object, earlier: Any = None) -> "Place":
        """Return the place of a value that this one holds."""
        return Place(name=f"{self.name}[{key!r}]", problems=self.problems, earlier=earlier)

    def attempt(self, kind: "Kind[T]", given: Secret, key: Any, *, default: T) -> T:
        """Read the value that a dict has under a key. If that fails, record why, and return the default."""
        try:
            return kind.read(Secret(given.reveal()[key]) if kind.is_secret else given.reveal()[key], self)
        except WrongValueError as error:
            # A text is never shown: it may be a secret in the wrong place.
            self.problems.extend(
                error.args or [f"{self.name} must be {kind.rule}, not {describe(given.reveal()[key])}."]
            )
            return default


class Kind(ABC, Generic[T_co]):
    """A kind of values that a setting can have."""

    __slots__ = ()

    @property
    @abstractmethod
    def words(self) -> str:
        """The kind and its limits, as the documentation prints them."""

    @property
    @abstractmethod
    def rule(self) -> str:
        """What a value must be, as an error message says it."""

    @property
    def nested(self) -> "tuple[Setting, ...]":
        """The settings of a dict that a value of this kind is, or holds."""
        return ()

    @property
    def is_secret(self) -> bool:
        """Whether :meth:`read` gets the value as a :class:`~django_jwtauth.secret.Secret`."""
        return False

    @abstractmethod
    def read(self, value: object, place: Place) -> T_co:
        """Return the value in the form that the library uses.

        Args:
            value: As the project wrote it.
            place: Where it is. The problems of its parts are collected there.

        Raises:
            WrongValueError: if it is not of this kind.
        """

    def literal(self, value: Any) -> str:
        """Return the Python code of a value, as the documentation prints it."""
        return literal(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Generic[T_co]):
    """A value that depends on other settings."""

    words: str
    """Describes it, for the documentation."""
    compute: Callable[[Any], T_co]
    """Gets the values of the settings declared before, as attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of a dict of settings."""

    key: str
    """As a project writes it."""
    name: str
    """As the library reads it: the name of the field."""
    kind: Kind[Any]
    default: Any
    """The value where the key is not given, or a :class:`Derived` one."""
    default_words: str
    """The default, as the documentation prints it."""

    def read(self, given: Secret, place: Place) -> Any:
        """Return the value that is given; the default if the key is absent or its value cannot be used."""
        default = self.default.compute(place.earlier) if isinstance(self.default, Derived) else self.default
        return place.attempt(self.kind, given, self.key, default=default) if self.key in given.reveal() else default


def setting(
    kind: Kind[T], *, default: T | Derived[T], default_words: str = "", key: str = "", secret: bool = False
) -> T:
    """Declare a field of a dataclass as a setting. A type checker compares kind, default and the field's type.

    Args:
        kind: The kind of its values.
        default: The value where the key is not given.
        default_words: Describes the default where its Python code says too little.
        key: The key, if it is not the name of the field.
        secret: Whether to keep the value out of ``repr``.
    """
    declared: T = field(
        repr=not secret, metadata={"kind": kind, "default": default, "default_words": default_words, "key": key}
    )
    return declared


def settings_of(cls: type, spell: Callable[[str], str] = str) -> tuple[Setting, ...]:
    """Return the settings that are declared in a dataclass, in their order.

    Args:
        cls: The dataclass. Fields that are not settings are left out.
        spell: Makes the key from the name of the field.
    """
    return tuple(
        make_setting(each.name, **{**each.metadata, "key": each.metadata["key"] or spell(each.name)})
        for each in fields(cls)
        if "kind" in each.metadata
    )


def make_setting(
    name: str, kind: Kind[T], *, default: T | Derived[T], default_words: str = "", key: str = ""
) -> Setting:
    """Return a setting. Arguments as for :func:`setting`, and the name of the field."""
    words = default_words or (default.words if isinstance(default, Derived) else f"`{kind.literal(default)}`")
    return Setting(key=key or name, name=name, kind=kind, default=default, default_words=words)


def read_settings(
    settings: Iterable[Setting],
    given: Secret,
    place: Place,
    *,
    noun: str = "key",
    hints: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read a dict.

    Args:
        settings: The keys that it may have. A derived default can use those before it.
        given: The dict. It is hidden from error reports, since it may hold keys, and not only in their right places.
        place: Where the dict is. Problems are collected there.
        noun: What a key is called in messages.
        hints: What to add about unknown keys that are likely to be written, by key.

    Returns:
        A value for each setting, by the name of the field.
    """
    settings = tuple(settings)
    values = SimpleNamespace()
    for each in settings:
        setattr(values, each.name, each.read(given, place.inside(each.key, values)))
    known = sorted(each.key for each in settings)
    for key in given.reveal():
        if key not in known:
            meant = _similar(key, known) or f"; it knows {', '.join(known)}."
            place.problems.append(f"{place.name} has no {noun} {key!r}{meant}{hints.get(key, '')}")
    return vars(values)


def _similar(key: object, known: Iterable[str]) -> str:
    """Return a question that names the key that was probably meant; empty if none is similar."""
    spelled = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(str(key).casefold(), spelled, n=1, cutoff=0.8)
    return f". Did you mean {spelled[found[0]]!r}?" if found else ""


def _no_problems(value: object) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Kind[T_co]):
    """A dict with keys of its own, each of them optional."""

    settings: tuple[Setting, ...]
    make: Callable[..., T_co]
    """Makes the value of the table from the values of its settings."""
    problems: Callable[[Any], Iterable[str]] = _no_problems
    """Finds what is wrong with several values together. Each sentence follows the name of the table and a colon."""
    noun: str = "key"
    words: str = "dict with the keys below, all optional"
    rule: str = "a dict"

    @property
    def nested(self) -> tuple[Setting, ...]:
        return self.settings

    def read(self, value: object, place: Place) -> T_co:
        if not isinstance(value, Mapping):
            raise WrongValueError
        made = self.make(**read_settings(self.settings, Secret(value), place, noun=self.noun))
        place.problems.extend(f"{place.name}: {problem}" for problem in self.problems(made))
        return made

    @property
    def when_absent(self) -> Derived[T_co]:
        """The value of a table that is not given: all its defaults."""
        is_plain = not any(isinstance(each.default, Derived) for each in self.settings)
        entries = [f'"{each.key}": {each.kind.literal(each.default)}' for each in self.settings if is_plain]
        return Derived(
            words=f"`{{{', '.join(entries)}}}`", compute=lambda _: self.read({}, Place(name="", problems=[]))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DictOf(Kind[Mapping[str, T_co]]):
    """A dict whose keys the project chooses, of tables. An entry with a problem is left out."""

    key: Kind[str]
    key_noun: str
    table: Table[T_co]
    words: str
    rule: str = "a dict"

    @property
    def nested(self) -> tuple[Setting, ...]:
        return self.table.settings

    def read(self, value: object, place: Place) -> Mapping[str, T_co]:
        if not isinstance(value, Mapping):
            raise WrongValueError
        entries = {}
        for key, entry in value.items():
            inside = place.inside(key)
            key_place = Place(name=f"{inside.name}: {self.key_noun}", problems=place.problems)
            problems_before = len(place.problems)
            name = key_place.attempt(self.key, Secret({key: key}), key, default="")
            read = inside.attempt(self.table, Secret({key: entry}), key, default=None)
            if read is not None and len(place.problems) == problems_before:
                entries[name] = read
        return MappingProxyType(entries)


def describe(value: object) -> str:
    """Say what a value is without showing a text, which may be a secret in the wrong place."""
    if (
        value is None
        or isinstance(value, bool | int | timedelta)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return repr(value)
    size = f" of length {len(value)}" if isinstance(value, str | bytes | list | tuple | dict) else ""
    return f"{type(value).__name__}{size}"


def literal(value: object) -> str:
    """Return the Python code of a value."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping) and not value:
        return "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, timedelta):
        count, unit = _in_units(value)
        return f"timedelta({unit}={count})"
    return repr(value)


def spell_duration(value: timedelta) -> str:
    """Return a duration in words: ``5 minutes``."""
    count, unit = _in_units(value)
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def _in_units(value: timedelta) -> tuple[int, str]:
    """Return a duration as a number of the largest unit that divides it."""
    for name, unit in _UNITS.items():
        if value and not value % unit:
            return value // unit, name
    return value // timedelta(microseconds=1), "microseconds" if value else "seconds"


SIMPLE_JWT = dict.fromkeys(
    re.findall(
        r"\w+",
        """
    ALGORITHM AUTH_HEADER_NAME AUTH_HEADER_TYPES AUTH_TOKEN_CLASSES BLACKLIST_AFTER_ROTATION CHECK_REVOKE_TOKEN
    CHECK_USER_IS_ACTIVE JSON_ENCODER JTI_CLAIM JWK_URL REVOKE_TOKEN_CLAIM ROTATE_REFRESH_TOKENS SIGNING_KEY
    SLIDING_TOKEN_LIFETIME SLIDING_TOKEN_OBTAIN_SERIALIZER SLIDING_TOKEN_REFRESH_EXP_CLAIM
    SLIDING_TOKEN_REFRESH_LIFETIME SLIDING_TOKEN_REFRESH_SERIALIZER TOKEN_BLACKLIST_SERIALIZER TOKEN_OBTAIN_SERIALIZER
    TOKEN_REFRESH_SERIALIZER TOKEN_TYPE_CLAIM TOKEN_USER_CLASS TOKEN_VERIFY_SERIALIZER UPDATE_LAST_LOGIN
    USER_ID_CLAIM USER_ID_FIELD VERIFYING_KEY
    """,
    ),
    ' This is a setting of Simple JWT: "Migrating from Simple JWT" in the documentation has its counterpart.',
)
"""The hint for each key of Simple JWT's settings that is found in ``JWTAUTH``."""
