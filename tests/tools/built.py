"""Look at the distributions that were built, and at the installed wheel: ``python -P built.py DIRECTORY``."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import django_jwtauth

ROOT = Path(__file__).parents[2]
FILES = [
    "py.typed",
    "locale/ja/LC_MESSAGES/django.mo",
    "migrations/0001_initial.py",
    "static/django_jwtauth/admin.css",
    "static/django_jwtauth/jwtauth.js",
    "templates/admin/django_jwtauth/refreshtoken/change_form.html",
]
"""Some of each kind of file that the package needs."""
LINK = re.compile(r"\]\(([^)\s]*)\)")


def check_package() -> None:
    """Insist that the wheel is installed, and that it has all kinds of files."""
    where = Path(django_jwtauth.__file__).parent
    assert "site-packages" in where.parts, where
    assert [name for name in FILES if not (where / name).is_file()] == []


def check_description(text: str) -> None:
    """Insist that each link of the text for the package index is absolute, and leads to a file if it is ours."""
    base = f"https://github.com/django-jwtauth/django-jwtauth/(?:raw|blob)/v{re.escape(django_jwtauth.__version__)}/"
    links = LINK.findall(text)
    assert [link for link in links if not re.match("https://|#", link)] == []
    inside = [re.sub(base, "", link).partition("#")[0] for link in links if re.match(base, link)]
    assert len(inside) > 30, inside
    assert [name for name in inside if not (ROOT / name).exists()] == []


def main(directory: Path) -> None:
    """Check the wheel and the source distribution in a directory."""
    check_package()
    (wheel,), (source,) = directory.glob("*.whl"), directory.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        check_description(archive.read(metadata).decode())
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "django_jwtauth",
        "djangorestframework_jwtauth",
    }
    with tarfile.open(source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"client/package.json", "tests/settings.py", ".ci/run", "docs/index.md", "package.json", "tox.ini"}
    assert wanted <= packed, wanted - packed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
