"""The issuer that the benchmarks measure, with its peers beside it: settings, database, rows.

The database is SQLite in a temporary directory, or a new one on the PostgreSQL server that the usual variables
(``PGHOST``, …) name. It is removed at the end.
"""

import contextlib
import itertools
import logging
import os
import platform
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

EVERYONE = 1_000_000
"""The number of sessions when everyone is signed out."""
SPREAD = timedelta(minutes=5)
"""The revocations are spread evenly over this time before now, and stay on the list for as long again."""
PEERS = ("rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist", "knox", "oauth2_provider")
_PACKAGES = (
    "djangorestframework-jwtauth",
    "djangorestframework-simplejwt",
    "django-rest-knox",
    "django-oauth-toolkit",
    "pyjwt",
    "cryptography",
    "django",
    "djangorestframework",
    "psycopg",
    "gunicorn",
)

_BATCH = 10_000
urlpatterns: list[Any] = []


def say(*lines: str) -> None:
    """Print lines and flush."""
    print(*lines, sep="\n", flush=True)  # noqa: T201 - it is what a command does


def versions() -> dict[str, str]:
    """Return the versions of Python and of all packages that are measured or used."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def database_version() -> str:
    """Return the name and the version of the database."""
    database = connection.vendor
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if database == "sqlite" else "SHOW server_version")
        version = cursor.fetchone()[0]
    return f"{database} {version}"


def database_settings(vendor: str, name: str) -> dict[str, Any]:
    """Return the settings of one database.

    Args:
        vendor: ``sqlite`` or ``postgresql``.
        name: Its name; for SQLite, the path of the file.
    """
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
    return {**databases[vendor], "NAME": name, "CONN_MAX_AGE": None, "TEST": {"NAME": name}}


def configure(
    *, databases: dict[str, dict[str, Any]], issuer: str = "", pem: str = "", admin: bool = False, **more_settings: Any
) -> None:
    """Set Django up as an issuer, with our peers beside us. No throttle and no default is changed that one pays for.

    Args:
        databases: The databases, by alias.
        issuer: The issuer's URL; by default ``ISSUER`` is not set.
        pem: The signing key; by default a secret.
        admin: Whether to include the admin.
        more_settings: Other settings.
    """
    many = dict.fromkeys(("login", "login_address", "login_username", "refresh"), "1000000/min")
    jwtauth: dict[str, Any] = {"REFRESH_GRACE_PERIOD": timedelta(0), "THROTTLE_RATES": many}
    if issuer:
        jwtauth = {"ISSUER": issuer, "SIGNING_KEYS": [{"alg": "ES256", "pem": pem}]}
    more: list[str] = ["admin", "messages", "sessions"] if admin else []
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "testserver"],
        DATABASES=databases,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            *(f"django.contrib.{app}" for app in more),
            "rest_framework",
            "django_jwtauth",
            *PEERS,
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
        JWTAUTH=jwtauth,
        SIMPLE_JWT={"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True, "UPDATE_LAST_LOGIN": True},
        LOGGING_CONFIG=None,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="benchmarks.project",
        USE_TZ=True,
        **{"SECRET_KEY": uuid.uuid4().hex * 2, **more_settings},
    )
    django.setup()
    logging.getLogger("django_jwtauth.security").setLevel(logging.ERROR)  # all revocations here are intended
    # The URLs need the apps, which are not loaded before this point.
    from django.urls import include, path

    from .views import patterns

    urlpatterns.extend([path("", include("django_jwtauth.urls_well_known")), *patterns()])
    if admin:
        from django.contrib.admin import site

        urlpatterns.append(path("admin/", site.urls))


@contextlib.contextmanager
def new_database(vendor: str, **options: Any) -> Iterator[str]:
    """Set Django up with an empty database, yield its name, and remove it at the end.

    Args:
        vendor: ``sqlite`` or ``postgresql``.
        options: As for :func:`configure`.
    """
    with tempfile.TemporaryDirectory(prefix="jwtauth-benchmark-") as directory:
        name = f"jwtauth_benchmark_{os.getpid()}"
        if vendor == "sqlite":
            name = str(Path(directory) / name)
        configure(databases={"default": database_settings(vendor, name)}, **options)
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
