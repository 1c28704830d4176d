"""What names and values a claim of a project's own may have."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jwtauth._core.custom_claims import MAX_DEPTH, MAX_INTEGER, RESERVED, is_registered, json_problem
from tests.tools import json_values
from tests.tools.products import each_row

FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in string.ascii_lowercase + "_"}
BOLD = {ord(char): 0x1D41A + index for index, char in enumerate(string.ascii_lowercase)}
CIRCLED = {ord(char): 0x24D0 + index for index, char in enumerate(string.ascii_lowercase)}


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


DISGUISES = {
    "as it is": str,
    "capitals": str.upper,
    "a capital": str.title,
    "mixed": str.swapcase,
    "camel case": camel,
    "pascal case": lambda name: "".join(map(str.capitalize, name.split("_"))),
    "kebab case": lambda name: name.replace("_", "-"),
    "dots": lambda name: name.replace("_", "."),
    "spaces": lambda name: name.replace("_", " "),
    "run together": lambda name: name.replace("_", ""),
    "pulled apart": "_".join,
    "a space before": " {}".format,
    "a line end": "{}\n".format,
    "a nul": "{}\0".format,
    "underscores": "__{}__".format,
    "a namespace without a name": ":{}".format,
    "zero width space": "\u200b".join,
    "zero width joiner": "\u200d".join,
    "soft hyphen": "\xad".join,
    "byte order mark": "\ufeff{}".format,
    "written backwards": "\u202e{}".format,
    "variation selector": "{}\ufe0f".format,
    "tag characters": "{}\U000e0073".format,
    "a frame": "{}\u20de".format,
    "full width": lambda name: name.translate(FULL_WIDTH),
    "full width capitals": lambda name: name.upper().translate(
        {ord(char): ord(char) + 0xFEE0 for char in name.upper()}
    ),
    "bold": lambda name: name.translate(BOLD),
    "circled": lambda name: name.translate(CIRCLED),
    "long s": lambda name: name.replace("s", "ſ"),
    "dotless i": lambda name: name.replace("i", "ı"),
    "dotted capital i": lambda name: name.replace("i", "İ"),
    "sharp s": lambda name: name.replace("ss", "ß"),
    "ligature": lambda name: name.replace("st", "ﬆ"),
    "decomposed and full width": lambda name: unicodedata.normalize("NFD", name.translate(FULL_WIDTH)),
}


@each_row("disguise", DISGUISES)
def test_a_registered_name_is_known_in_any_disguise(disguise):
    disguised = {name: DISGUISES[disguise](name) for name in RESERVED}
    assert [name for name, spelling in disguised.items() if not is_registered(spelling)] == []


def test_each_disguise_is_one():
    for disguise, function in DISGUISES.items():
        assert any(function(name) != name for name in RESERVED) or disguise == "as it is"


def test_no_letter_of_unicode_passes_for_another_one():
    """However a parser compares without case: by small letters, by capitals, folded, or normalized before."""
    alike = {}
    for number in range(0x110000):
        char = chr(number)
        normal = unicodedata.normalize("NFKC", char)
        for form in (char.lower(), char.upper().lower(), char.casefold(), normal.casefold(), normal.upper().lower()):
            if len(form) == 1 and form in string.ascii_lowercase:
                alike.setdefault(form, set()).add(char)
    assert {"ı", "I", "i", "ｉ"} <= alike["i"]
    assert {"K", "k"} <= alike["k"]
    for name in RESERVED:
        for letter in set(name) & alike.keys():
            missed = {char for char in alike[letter] if not is_registered(name.replace(letter, char))}
            assert missed == set(), (name, letter)


def is_letter(char):
    """Tell whether a letter or digit is in it, such as in ⓐ or ℅."""
    return any(map(str.isalnum, unicodedata.normalize("NFKC", char)))


# Marks are left out: on a letter they may make another one.
fillers = st.text(st.characters(exclude_categories=["Cs", "M"]).filter(lambda char: not is_letter(char)), max_size=3)


@given(st.sampled_from(sorted(RESERVED)), st.data())
def test_what_is_no_letter_does_not_count_wherever_it_stands(name, data):
    chars = [char.upper() if data.draw(st.booleans()) else char for char in name]
    assert is_registered("".join(data.draw(fillers) + char for char in chars) + data.draw(fillers))


@each_row(
    "name",
    [
        *("subject", "subs", "sub_id", "sub1", "user", "username", "email", "name", "tenant", "tenant_id", "org"),
        *(
            "role",
            "roles",
            "groups",
            "permissions",
            "is_staff",
            "is_superuser",
            "scopes",
            "audience",
            "issuer",
            "client",
        ),
        *("session", "expires", "expires_at", "issued_at", "acrs", "actor", "statuses", "type", "key", "id", "kid"),
        *("https://example.com/sub", "https://example.com/claims/aud", "urn:example:scope", "example.com/exp", "x-sub"),
        *("süb", "ѕub", "субъект", "主题", "🌍", "", "_", "-", "__proto__", "constructor", "toString"),
    ],
)
def test_other_names_are_free(name):
    assert not is_registered(name)


def nested(depth, wrap):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: (value,), lambda value: {"a": value}])
def test_values_may_be_nested_so_deep_and_no_deeper(wrap):
    assert json_problem(nested(MAX_DEPTH + 1, wrap)) == ""
    assert "nested deeper" in json_problem(nested(MAX_DEPTH + 2, wrap))


@each_row("value", [MAX_INTEGER, -MAX_INTEGER, 1.7976931348623157e308, 2.0**53, -0.0, True, None])
def test_numbers_that_every_language_reads_the_same_are_taken(value):
    assert json_problem([value]) == ""


@pytest.mark.parametrize("value", [MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**400])
def test_integers_that_javascript_would_round_are_refused(value):
    assert "other languages would round" in json_problem({"a": [value]})


@given(json_values.values)
def test_all_other_json_is_taken(value):
    assert json_problem(value) == ""
