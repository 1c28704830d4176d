"""The issuer that the benchmarks measure: its settings, its database, its rows.

The database is SQLite in a temporary directory. With ``JWTAUTH_TEST_DATABASE=postgresql`` it is a new database on the
server that the usual variables (``PGHOST``, …) name, as in the tests. It is removed at the end.
"""

import contextlib
import itertools
import logging
import os
import platform
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it also runs in a clone without installation

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

from django_jwtauth.keys import Key

SIZES = (1, 10_000, 100_000)
"""The numbers of revoked sessions in the list."""
EVERYONE = 1_000_000
"""The number of sessions when everyone is signed out."""
SPREAD = timedelta(minutes=5)
"""The revocations are spread evenly over this time before now, and stay on the list for as long again."""

_BATCH = 10_000
urlpatterns: list[Any] = []


def say(*lines: str) -> None:
    """Print lines and flush."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table that can be pasted into a page."""
    cells = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    say(lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:], "")


def machine() -> str:
    """Return the versions that were measured."""
    database = connection.vendor
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if database == "sqlite" else "SHOW server_version")
        version = cursor.fetchone()[0]
    return f"Python {platform.python_version()}, Django {django.get_version()}, {database} {version}"


def configure(*, issuer: str, pem: str, database: str, admin: bool = False) -> None:
    """Set Django up as an issuer.

    Args:
        issuer: The issuer's URL.
        pem: The signing key.
        database: The name of the database; for SQLite, the path of the file.
        admin: Whether to include the admin.
    """
    more: list[str] = ["admin", "messages", "sessions"] if admin else []
    databases = {
        "sqlite": {
            "ENGINE": "django.db.backends.sqlite3",
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE", "timeout": 20},
        },
        "postgresql": {
            "ENGINE": "django.db.backends.postgresql",
            "USER": os.environ.get("PGUSER", "postgres"),
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PORT": os.environ.get("PGPORT", "5432"),
        },
    }
    chosen = databases[os.environ.get("JWTAUTH_TEST_DATABASE", "sqlite")]
    settings.configure(
        SECRET_KEY=uuid.uuid4().hex * 2,
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {**chosen, "NAME": database, "TEST": {"NAME": database}}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            *(f"django.contrib.{app}" for app in more),
            "rest_framework",
            "django_jwtauth",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        if admin
        else [],
        STATIC_URL="static/",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        JWTAUTH={"ISSUER": issuer, "SIGNING_KEYS": [{"alg": "ES256", "pem": pem}]},
        LOGGING_CONFIG=None,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="project",
        USE_TZ=True,
    )
    django.setup()
    logging.getLogger("django_jwtauth.security").setLevel(logging.ERROR)  # all revocations here are intended
    # The URLs need the apps, which are not loaded before this point.
    from django.urls import include, path

    urlpatterns.append(path("", include("django_jwtauth.urls_well_known")))
    if admin:
        from django.contrib.admin import site

        urlpatterns.append(path("admin/", site.urls))


@contextlib.contextmanager
def new_database(*, issuer: str, key: Key, admin: bool = False) -> Iterator[str]:
    """Set Django up with an empty database, yield its name, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="jwtauth-benchmark-") as directory:
        name = f"jwtauth_benchmark_{os.getpid()}"
        if os.environ.get("JWTAUTH_TEST_DATABASE", "sqlite") == "sqlite":
            name = str(Path(directory) / name)
        configure(issuer=issuer, pem=key.private_pem(), database=name, admin=admin)
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            yield name
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)


def fill(*, revoked: int = 0, live: int = 0) -> None:
    """Empty the tables, and fill them with sessions of one user, of which some are revoked and some live."""
    from django.contrib.auth import get_user_model

    from django_jwtauth.models import NotBefore, RefreshToken

    # A plain DELETE: there may be a million rows, and nothing depends on them.
    for model in (RefreshToken, NotBefore):
        model.objects.all()._raw_delete(model.objects.db)
    user, _ = get_user_model().objects.get_or_create(username="ada")
    now = timezone.now()
    secret, auth_hash = os.urandom(32), os.urandom(32)
    times = [*(now - SPREAD * number / revoked for number in range(revoked)), *itertools.repeat(None, live)]
    for start in range(0, len(times), _BATCH):
        RefreshToken.objects.bulk_create(
            [
                RefreshToken(
                    user=user,
                    secret=secret,
                    auth_hash=auth_hash,
                    created_at=now - 2 * SPREAD,
                    rotated_at=now - 2 * SPREAD,
                    auth_time=now - 2 * SPREAD,
                    expires_at=now + timedelta(days=90),
                    revoked_at=at,
                    revoked_reason="admin" if at else "",
                )
                for at in times[start : start + _BATCH]
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a server does this by itself sooner or later
