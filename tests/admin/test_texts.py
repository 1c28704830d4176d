"""Every text of the admin can be translated."""

import ast
import re

from tests.tools.house import PACKAGE
from tests.tools.products import each_row

# Texts


TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
TECHNICAL = {"kid", "&rsaquo;"}


@each_row("template", TEMPLATES, ids=lambda path: path.name)
def test_every_text_of_the_templates_can_be_translated(template):
    source = re.sub(r"{% block bodyclass %}.*", "", template.read_text())
    plain = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", source, flags=re.DOTALL)
    texts = {text.strip() for text in re.sub(r"<[^>]*>", "\n", plain).splitlines()} - {""}
    assert texts <= TECHNICAL
    attributes = re.findall(r'\b(?:value|title|alt|placeholder|aria-label)="([^"]*)"', plain)
    assert not [text for text in attributes if text.strip()]
    if re.search(r"{% (?:block)?trans", source):
        assert "{% load i18n" in source


ADMIN = sorted(PACKAGE.glob("admin/*.py"))
SHOWN = {"title", "question", "button", "label", "help_text", "description", "verbose_name", "verbose_name_plural"}


@each_row("module", ADMIN, ids=lambda path: path.stem)
def test_every_text_of_the_modules_can_be_translated(module):
    tree = ast.parse(module.read_text())
    bare = [
        keyword.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in SHOWN and isinstance(keyword.value, ast.Constant | ast.JoinedStr)
    ]
    bare += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and {getattr(target, "id", "") for target in node.targets} & (SHOWN | {"search_help_text"})
        and isinstance(node.value, ast.Constant | ast.JoinedStr)
    ]
    # No sentence stands outside a call that translates, a docstring or an error for developers.
    translated = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "gettext", "ngettext", "pgettext_lazy")
        for inner in ast.walk(node)
    }
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    bare += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in translated | docstrings
        and re.search(r"[a-z]{2,} [a-z]{2,}", re.sub(r"<[^>]*>", "", node.value))
    ]
    assert bare == []
