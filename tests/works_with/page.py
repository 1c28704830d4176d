"""The page "Works with": the lines that it prints for a package are the lines that the tests run."""

import re
from types import ModuleType

from tests.tools.docs import FENCE, page, section

PAGE, NEIGHBOURS = "docs/works-with.md", "docs/neighbours.md"


def blocks(package):
    """Return the Python that is printed below the heading of a package."""
    return FENCE.findall(section(page(PAGE), f"## {package}"))


def template(package):
    """Return the template that is printed below the heading of a package."""
    return re.search(r"^```html\n(.*?)^```$", section(page(PAGE), f"## {package}"), re.MULTILINE | re.DOTALL)[1]


def run(package, **given):
    """Run what is printed below the heading of a package, and return the module that it makes."""
    (block,) = blocks(package)
    module = ModuleType(package)
    vars(module).update(given)
    exec(compile(block, f"{PAGE}: {package}", "exec"), vars(module))
    return module


def moved_in(settings, heading):
    """Run what the page of neighbours prints below a heading, set what it sets, and return the rest of its names."""
    names = {}
    for block in FENCE.findall(section(page(NEIGHBOURS), f"## {heading}")):
        exec(compile(block, f"{NEIGHBOURS}: {heading}", "exec"), names)
    for name in filter(str.isupper, names):
        setattr(settings, name, names[name])
    return names


def set_up(settings, package):
    """Add what a block of settings says to those of a test. What it adds to, with ``+=``, it finds there."""
    (block,) = blocks(package)
    given = {name: list(getattr(settings, name)) for name in re.findall(r"^([A-Z_]+) \+=", block, re.MULTILINE)}
    for name, value in vars(run(package, **given)).items():
        if name.isupper():
            setattr(settings, name, value)
