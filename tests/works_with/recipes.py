"""The project of the page "Async", as it is printed there: what uvicorn serves in the tests."""

import os
import re
import sys
from types import ModuleType

import django

from tests.tools.docs import FENCE, page

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.works_with.recipes_settings"
PAGE = "docs/async.md"
NAME = re.compile(r"# (project\.\w+|project/(\w+)\.py)\n")

django.setup()
sys.modules["project"] = ModuleType("project")
for block in FENCE.findall(page(PAGE)):
    if found := NAME.match(block):
        module = ModuleType(f"project.{found[2]}")
        sys.modules[module.__name__] = module
        if found[2] != "asgi":
            exec(compile(block, f"{PAGE}: {found[2]}", "exec"), vars(module))
        if found[2] == "sockets":
            module.CHECK_SECONDS = 0.3
        if found[2] == "asgi":
            last = block
exec(compile(last, f"{PAGE}: asgi", "exec"), globals())
