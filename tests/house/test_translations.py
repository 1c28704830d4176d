"""The catalogues of texts: complete in each language, of the same texts as the source, and compiled."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import django
import polib
import pytest
import rest_framework
from django.utils import translation

from django_jwtauth.refusals import MESSAGES
from tests.tools.house import PACKAGE

LANGUAGES = ["ar", "de", "es", "fr", "it", "ja", "ko", "pl", "pt_BR", "ru", "tr", "zh_Hans"]
LOCALE = PACKAGE / "locale"
OTHERS = [Path(package.__file__).parent for package in (django, rest_framework)]
CONTEXTS = {f"jwtauth {word}" for word in ("button", "heading", "label", "log entry", "reason", "status", "time")}
each_language = pytest.mark.parametrize("language", LANGUAGES)


def catalogue(language, kind="po"):
    path = LOCALE / language / "LC_MESSAGES" / f"django.{kind}"
    return getattr(polib, f"{kind}file")(str(path))


def texts_of(catalogue):
    return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in catalogue if not entry.obsolete}


def placeholders(text):
    """Return what ``%`` would fill in, with its format."""
    return sorted(re.findall(r"%\(\w+\)[a-z]|%[a-z%]", text))


def test_there_is_one_for_each_language():
    assert sorted(path.name for path in LOCALE.iterdir()) == LANGUAGES


@each_language
def test_each_text_is_translated(language):
    found = catalogue(language)
    assert [entry.msgid for entry in found if entry.fuzzy or entry.obsolete or not entry.translated()] == []
    assert texts_of(found) == texts_of(catalogue("de"))
    assert "@" not in "".join(found.metadata.values())


@each_language
def test_each_translation_has_the_placeholders_of_its_text(language):
    for entry in catalogue(language):
        if not entry.msgid_plural:
            assert placeholders(entry.msgstr) == placeholders(entry.msgid), entry.msgid
            continue
        # A form for one or two may say the number in words, unless it is filled in by its place.
        assert all(text.count("%d") == entry.msgid.count("%d") for text in entry.msgstr_plural.values()), entry.msgid
        named = set(placeholders(entry.msgid_plural))
        assert all(set(placeholders(text)) <= named for text in entry.msgstr_plural.values()), entry.msgid
        assert set(placeholders(entry.msgstr_plural[max(entry.msgstr_plural)])) == named, entry.msgid


@each_language
def test_the_compiled_catalogue_is_that_of_the_texts(language):
    texts, compiled = catalogue(language), catalogue(language, "mo")
    assert {(entry.msgctxt, entry.msgid): (entry.msgstr, entry.msgstr_plural) for entry in compiled} == {
        (entry.msgctxt, entry.msgid): (entry.msgstr, entry.msgstr_plural) for entry in texts
    }


@each_language
def test_a_text_that_others_have_too_is_translated_as_they_do(language):
    """Django keeps all catalogues in one: without a context, one would change the texts of the other."""
    theirs = {}
    for catalogue_file in (path for package in OTHERS for path in package.rglob(f"{language}/LC_MESSAGES/django.mo")):
        for entry in polib.mofile(str(catalogue_file)):
            theirs.setdefault((entry.msgctxt, entry.msgid), set()).add(entry.msgstr)
    ours = {(entry.msgctxt, entry.msgid): entry.msgstr for entry in catalogue(language)}
    shared = ours.keys() & theirs.keys()
    assert {text: ours[text] for text in shared if ours[text] not in theirs[text]} == {}
    assert (None, "Home") in shared


def test_a_text_of_one_word_has_a_context():
    """Other packages may have the same word. These three are Django's own, and mean the same here."""
    words = {entry.msgid for entry in catalogue("de") if not entry.msgctxt and len(entry.msgid.split()) == 1}
    assert words == {"Home", "Yes", "No"}
    assert {entry.msgctxt for entry in catalogue("de") if entry.msgctxt} == CONTEXTS


@each_language
def test_a_refusal_is_said_in_the_language(language):
    english = str(MESSAGES["credentials"])
    with translation.override(translation.to_language(language)):
        assert str(MESSAGES["credentials"]) != english


@pytest.mark.long
def test_the_catalogues_have_each_text_of_the_source(tmp_path):
    """It takes the programs of gettext. To add what is missing: ``django-admin makemessages --all`` in the package."""
    copy = tmp_path / "django_jwtauth"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-obsolete"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=120)
    made = polib.pofile(str(copy / "locale" / "de" / "LC_MESSAGES" / "django.po"))
    assert texts_of(made) == texts_of(catalogue("de"))
