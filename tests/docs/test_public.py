"""The public surface is named on two pages: on the map for contributors, and on the API page for users."""

import importlib
import re

from tests.tools.docs import page, section
from tests.tools.house import PUBLIC
from tests.tools.products import each_row

DOCUMENTED = re.findall(
    r"`django_jwtauth\.(\w+)`", section(page("docs/api.md"), "## Public modules").partition("\n\n")[2]
)


def test_the_api_page_names_the_public_modules_of_the_map():
    assert sorted(DOCUMENTED) == sorted(PUBLIC)


@each_row("module", sorted(PUBLIC))
def test_a_public_module_has_the_names_that_the_api_page_documents(module):
    text = page("docs/api.md")
    names = re.findall(rf"auto(?:function|class|exception):: django_jwtauth\.{module}\.(\w+)", text)
    found = importlib.import_module(f"django_jwtauth.{module}")
    assert [name for name in names if not hasattr(found, name)] == []
    if facade := getattr(found, "__all__", None):
        assert set(names) <= set(facade)
