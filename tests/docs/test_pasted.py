"""What README and quickstart tell people to paste into a project, as it stands there."""

import re

import pytest

from tests.tools.docs import DOCS, FENCE, ROOT, page
from tests.tools.processes import run_script
from tests.tools.products import each_row

PAGES = ["README.md", "docs/quickstart.md"]
PROMPT = re.compile(r"^ *(?:[$%>]|>>>|\.\.\.|\(\.?venv\).*) \S", re.MULTILINE)
ANY_FENCE = re.compile(r"^```(\S*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVICE = """
from django.conf import settings
given = {{}}
exec({block!r}, given)
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={{}},
    INSTALLED_APPS=["rest_framework"],
    ROOT_URLCONF=__name__,
    **{{name: value for name, value in given.items() if name.isupper()}},
)
import django
django.setup()
from django.test import Client
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

class Stock(APIView):
    def get(self, request):
        return Response("stock")

urlpatterns = [path("stock/", Stock.as_view())]
for headers in ({{}}, {{"Authorization": "Bearer x.y.z"}}):
    response = Client().get("/stock/", headers=headers)
    assert response.status_code == 401, response
    assert response["Content-Type"] == "application/json", response
    assert "stock" not in response.text
"""


def test_the_readme_s_second_service_is_closed_to_everybody_without_a_token():
    (block,) = [block for block in FENCE.findall(page("README.md")) if "TRUSTED_ISSUERS" in block]
    run_script(SERVICE.format(block=block))


@pytest.mark.parametrize("name", PAGES)
def test_the_settings_of_a_new_project_are_added_to_and_not_replaced(name):
    (block,) = [block for block in FENCE.findall(page(name)) if "INSTALLED_APPS" in block]
    given = {"INSTALLED_APPS": ["django.contrib.admin"]}
    exec(block, given)
    assert given["INSTALLED_APPS"] == ["django.contrib.admin", "rest_framework", "django_jwtauth"]


@pytest.mark.parametrize("name", PAGES)
def test_the_urls_are_added_to_those_of_the_project(name):
    urls = {"urlpatterns": ["admin/"]}
    for block in FENCE.findall(page(name)):
        if "urlpatterns" in block:
            exec(block, urls)
    first, *added = urls["urlpatterns"]
    assert first == "admin/"
    assert "api/auth/" in [str(entry.pattern) for entry in added]


@each_row("path", sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")]), ids=lambda path: path.name)
def test_no_block_has_a_prompt_that_would_be_copied_with_it(path):
    blocks = ANY_FENCE.findall(path.read_text("utf-8"))
    assert [block for language, block in blocks if PROMPT.search(block) or not language] == []
