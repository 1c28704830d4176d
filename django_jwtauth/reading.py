"""Sessions as each request and each refresh reads them: by id, in one statement that is compiled once.

Models are found when they are needed. REST framework may import the authentication classes, which import this module,
before they are loaded.
"""

import re
import uuid
from typing import Any

from django.apps import apps
from django.db import models, router

from .compiled import Select

_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def session_of(sid: str) -> Any:
    """Return a session with its user and the database's time. One statement.

    Args:
        sid: The id, as a token has it.

    Returns:
        The session, annotated by ``with_clock()``; ``None`` if there is none, which needs no statement if ``sid`` is
        not a UUID written as we write it.
    """
    return _first(_by_id, sid)


def session_of_access_token(sid: str, jti: str) -> Any:
    """Return the same as :func:`session_of`, annotated also by ``is_blacklisted``. One statement.

    Args:
        sid: The id, as a token has it.
        jti: The id of the access token.
    """
    return _first(_by_id_and_jti, sid, jti=jti)


def is_id(sid: str) -> bool:
    """Tell whether a text is the id of a session as we write it."""
    return _ID.fullmatch(sid) is not None


def _first(statement: Select, sid: str, **values: Any) -> Any:
    if not _ID.fullmatch(sid):
        return None
    rows = statement.run(router.db_for_write(_model("RefreshToken")), {"pk": uuid.UUID(sid), **values})
    return rows[0] if rows else None


def _rows(pk: Any) -> Any:
    return _model("RefreshToken").objects.filter(pk=pk).with_clock().select_related("user")


def _rows_and_blacklist(pk: Any, jti: Any) -> Any:
    blacklist = _model("BlacklistedToken").objects.filter(jti=jti)
    return _rows(pk).annotate(is_blacklisted=models.Exists(blacklist)).only(*_NEEDED)


def _model(name: str) -> Any:
    return apps.get_model("django_jwtauth", name)


# What RefreshToken.refusal() looks at, the user, and whether anything of the present generation has been seen.
_NEEDED = (
    "user",
    "secret",
    "expires_at",
    "auth_hash",
    "backend",
    "actor",
    "actor_backend",
    "unseen_since",
    "revoked_at",
    "revoked_reason",
)

_by_id = Select(_rows, pk=models.UUIDField())
_by_id_and_jti = Select(_rows_and_blacklist, pk=models.UUIDField(), jti=models.CharField())
