"""The two tables of Simple JWT's blacklist app. Everything here works, and does nothing, where they do not exist."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db import DatabaseError, connections, models, transaction

from ...database import table_exists
from ...models import RefreshToken
from ...users import user_key
from .models import BlacklistedToken, OutstandingToken

T = TypeVar("T")


def are_there(using: str = "") -> bool:
    """Tell whether both tables exist. Two statements: another process may have dropped them a moment ago."""
    using = using or RefreshToken.write_alias()
    return all(table_exists(using, model._meta.db_table) for model in (OutstandingToken, BlacklistedToken))


def is_blacklisted(jti: str) -> bool:
    """Tell whether Simple JWT has revoked the refresh token with this ``jti``."""
    return bool(_if_there(RefreshToken.write_alias(), BlacklistedToken.objects.filter(token__jti=jti).exists))


def blacklist(jti: str, now: datetime) -> None:
    """Revoke a refresh token for Simple JWT too, which may still run beside us while a new version is rolled out."""

    def store() -> None:
        if token := OutstandingToken.objects.filter(jti=jti).first():
            row = BlacklistedToken(token=token, blacklisted_at=now)
            BlacklistedToken.objects.bulk_create([row], ignore_conflicts=True)

    _if_there(RefreshToken.write_alias(), store)


def user_will_be_deleted(instance: models.Model, using: str, **kwargs: Any) -> None:
    """Take the user out of Simple JWT's tables. Their foreign key would not let the user go."""
    rows: Any = OutstandingToken.objects.using(using)
    _if_there(using, lambda: rows.filter(user_id=user_key(instance)).update(user_id=None))  # type: ignore[arg-type]


def _if_there(using: str, action: Callable[[], T]) -> T | None:
    """Do something with the tables, and nothing if they are not there: they may go between two of our statements."""
    if not are_there(using):
        return None
    # In a transaction, an error would make all further statements fail.
    savepoint = transaction.atomic(using=using) if connections[using].in_atomic_block else contextlib.nullcontext()
    try:
        with savepoint:
            return action()
    except DatabaseError:
        if are_there(using):
            raise
        return None
