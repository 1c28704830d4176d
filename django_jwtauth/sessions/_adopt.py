"""Sessions of users who were signed in by another library: each becomes a row here, and nobody signs in again."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from .. import conf, grants
from ..database import write
from ..models import RefreshToken
from ._pair import request_columns
from ._start import _checked_backend


def adopted(
    user: AbstractBaseUser,
    *,
    session_id: uuid.UUID,
    signed_in_at: datetime,
    last_seen_at: datetime,
    now: datetime,
    request: HttpRequest | None = None,
) -> RefreshToken:
    """Return the session that a sign-in elsewhere becomes. It is not saved.

    Its absolute limit counts from now: a session that is older than ``SESSION_LIFETIME`` does not end by the move.

    Args:
        user: The user.
        session_id: The id of the session. The same sign-in always has the same id, so that it becomes one session.
        signed_in_at: When the user was authenticated.
        last_seen_at: From when on the idle limit counts.
        now: The database's time.
        request: For the address, the user agent and the granted scopes.

    Raises:
        InvalidTokenError: ``user_inactive``, if the user may not sign in.
    """
    session = RefreshToken(
        pk=session_id,
        user=cast(Any, user),
        created_at=min(signed_in_at, now),
        rotated_at=last_seen_at,
        last_seen_on=last_seen_at.date(),
        auth_time=min(signed_in_at, now),
        expires_at=now + conf.get_config().session_lifetime,
        backend=_checked_backend(user),
        **request_columns(request),
    )
    session.bind(user)
    session.scope = grants.scope(session, "", request=request)
    return session


def insert(sessions: Sequence[RefreshToken]) -> None:
    """Write adopted sessions. Those whose id is there already stay as they are: another request was faster."""
    RefreshToken.objects.bulk_create(sessions, ignore_conflicts=True)


def touch(session: RefreshToken, *, now: datetime, request: HttpRequest | None, **changes: Any) -> bool:
    """Record that a session is in use, without rotating it, if its row is still as it was read.

    Args:
        session: The session.
        now: The database's time.
        request: For the address and the user agent.
        **changes: Further columns to change.

    Returns:
        Whether it was. If not, it has been used, rotated or revoked meanwhile.
    """
    as_read = {name: getattr(session, name) for name in ("pk", "generation", "rotated_at", "unseen_since")}
    same = RefreshToken.objects.unrevoked().not_signed_out().filter(**as_read)
    changes |= {"rotated_at": now, "last_seen_on": now.date()}
    session.rotated_at, session.last_seen_on = now, now.date()
    if request is not None:
        changes |= request_columns(request)
    return write(lambda: same.update(**changes), using=RefreshToken.write_alias()) == 1
