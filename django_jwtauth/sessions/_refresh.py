"""The exchange of a refresh token for the next one. Every race is decided here, by one conditional UPDATE."""

import logging
from datetime import datetime
from typing import cast

from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, models
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .. import conf, grants, request_info, signals, tokens
from ..database import is_contention, refuse_transaction, write
from ..errors import InvalidTokenError, RefreshConflictError
from ..models import RefreshToken, RevokedReason
from . import _rotation
from ._pair import TokenPair, make_pair
from ._revoke import all_sessions, revoke_rows
from ._start import request_columns

logger = logging.getLogger("django_jwtauth.security")


@sensitive_variables("raw", "claims", "access")
def refresh(
    raw: str | bytes,
    *,
    request: HttpRequest | None = None,
    scope: str = "",
    audience: str = "",
    transport: str = RefreshToken.Transport.BODY,
) -> TokenPair:
    """Exchange a refresh token for the next one and a new access token.

    Two statements, each by itself. If the process dies between them, or the answer is lost, the same token works
    again within ``REFRESH_GRACE_PERIOD``.

    Args:
        raw: The refresh token as it was sent.
        request: For the address, the user agent and the claims hooks.
        scope: Fewer scopes than the session has, for this access token only (RFC 6749 section 6); by default all.
        audience: For whom this access token is, if the session is not for one audience only (RFC 8707 section 2.2).
        transport: How the token was sent.

    Raises:
        InvalidTokenError: with the reason why it is refused. After ``reused`` the session is revoked; after any
            other nothing has changed.
        RefreshConflictError: if other refreshes of the session came between, twice. Try again.
        InvalidScopeError: if more scope is asked for than the session has; nothing has changed.
        InvalidTargetError: if the audience may not be had; nothing has changed.
        ClaimsHookError: if a claims hook fails; nothing has changed, and the token stays good.
        RuntimeError: if called inside a transaction, where a lost race could not be told from reuse.
    """
    using = RefreshToken.write_alias()
    refuse_transaction(using, "sessions.refresh()")
    claims = tokens.read_refresh(raw)
    for _ in range(2):
        session, now = _rotation.read(claims, using=using, transport=transport)
        if session.actor and getattr(session.user, "is_superuser", False):
            raise InvalidTokenError("revoked")  # he was none when it began
        step = _rotation.judge(session, claims.generation, now)
        if step is _rotation.Step.REUSE:
            _end_reused(session, now=now, using=using, request=request)
            raise InvalidTokenError("reused")
        # Before the UPDATE, since hooks may fail, and after the UPDATE nothing may.
        granted = grants.scope(session, scope, request=request)
        target = grants.audience(session, audience, request=request)
        access = tokens.mint_access(session, scope=granted, audience=target, now=now, request=request)
        if step is _rotation.Step.ROTATE and not _rotate(session, now=now, using=using, request=request):
            continue  # somebody else was faster
        if step is _rotation.Step.REPLAY:
            _count_replay(session, using=using)
        signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
        return make_pair(session, access, now=now)
    raise RefreshConflictError


def _rotate(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> bool:
    """Step to the next generation, if the session still is as it was read. The one place where a race is decided."""
    # auth_hash too: a hash upgrade that came between has bound the session anew, and must not be undone.
    unchanged = (
        all_sessions(using)
        .filter(
            pk=session.pk, generation=session.generation, auth_hash=bytes(session.auth_hash), revoked_at__isnull=True
        )
        .not_signed_out()
    )
    # To the present SECRET_KEY, so that its fallback can be dropped some day.
    session.bind(cast(AbstractBaseUser, session.user))
    session.generation += 1
    session.rotated_at = now
    session.last_seen_on = now.date()
    changes = {
        "generation": session.generation,
        "rotated_at": now,
        "last_seen_on": session.last_seen_on,
        "auth_hash": session.auth_hash,
    }
    if request is not None:
        changes |= request_columns(request)
    try:
        return unchanged.update(**changes) == 1
    except OperationalError as error:
        if is_contention(error):
            return False
        raise


def _count_replay(session: RefreshToken, *, using: str) -> None:
    rows = all_sessions(using).filter(pk=session.pk)
    try:
        write(lambda: rows.update(replays=models.F("replays") + 1), using=using)
    except OperationalError as error:
        if not is_contention(error):
            raise  # a count for people; no reason to refuse anyone


def _end_reused(session: RefreshToken, *, now: datetime, using: str, request: HttpRequest | None) -> None:
    if not revoke_rows(all_sessions(using).filter(pk=session.pk), reason=RevokedReason.REUSED, using=using, now=now):
        return  # it has ended meanwhile: there is nothing new to tell
    logger.warning(
        "Refresh token reuse: session %s of user %s was revoked (request from %s).",
        session.pk,
        session.user_id,
        request_info.client_address(request, num_proxies=conf.get_config().num_proxies),
    )
    signals.refresh_token_reused.send_robust(RefreshToken, session=session, user=session.user, request=request)
