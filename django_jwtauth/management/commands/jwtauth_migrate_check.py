"""Print what to change in this project for the move from Simple JWT."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ..._core.setting_table import literal
from ...contrib.simplejwt import project, translation


class Command(BaseCommand):
    """Read the project, and print what to paste and what to do."""

    help = (
        "Reads SIMPLE_JWT, the URLs and the classes of the project. Prints the settings to paste, what each key of "
        "SIMPLE_JWT becomes, what has no counterpart, and what is half done. Changes nothing."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        old = getattr(settings, "SIMPLE_JWT", {})
        if not isinstance(old, Mapping):
            raise CommandError("SIMPLE_JWT must be a dict.")
        own_code, warnings = project.own_code(old), project.warnings(old)
        if not (old or own_code or warnings or project.uses_theirs()):
            self.stdout.write("Nothing of Simple JWT is left in this project: the move is done.")
            return
        translated = translation.translate(old, today=datetime.datetime.now(datetime.UTC).date())
        unknown = [f"{key} is no key of Simple JWT 5.5: nothing reads it." for key in translation.unknown_keys(old)]
        self._print("Settings to paste", _to_paste(translated))
        self._print("What each key becomes", _each_key(old))
        self._print("Decide", [f"- {line}" for line in [*translated.advice, *unknown]])
        self._print("Move your own code", [f"- {line}" for line in own_code])
        self._print("Warnings", [f"- {line}" for line in warnings])

    def _print(self, heading: str, lines: Iterable[str]) -> None:
        self.stdout.write(f"# {heading}\n\n")
        self.stdout.write("\n".join(lines) or "Nothing.")
        self.stdout.write("\n")


def _to_paste(translated: translation.Translation) -> Iterable[str]:
    """Yield Python code that can follow the settings of the project."""
    yield "from datetime import timedelta"
    yield ""
    if not apps.is_installed(project.BRIDGE):
        yield f'INSTALLED_APPS = [*INSTALLED_APPS, "{project.BRIDGE}"]'
    classes = project.translated_classes()
    if classes != project.authentication_classes():
        yield f'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [{", ".join(map(literal, classes))}]'
    yield "JWTAUTH = {"
    yield from [f"    {line}," for line in translated.lines]
    yield "}"
    yield f'JWTAUTH_SIMPLEJWT = {{"UNTIL": "{translated.until}"}}'


def _each_key(old: Mapping[str, Any]) -> Iterable[str]:
    for key, becomes in translation.KEYS.items():
        yield f"{'*' if key in old else ' '} {key:33}{translation.plain(becomes)}"
    yield ""
    yield "* this project sets it"
