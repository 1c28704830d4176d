"""The exchange of a refresh token for the next one.

No lock is needed: a session is changed by one conditional UPDATE, so of several requests at once exactly one succeeds,
on any database.
"""

import logging
from datetime import datetime

from django.db import OperationalError, models
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .. import audit, conf, grants, request_info, signals, tokens
from ..database import is_contention, refuse_transaction, write
from ..errors import InvalidTokenError, RefreshConflictError
from ..models import RefreshToken, RevokedReason
from ._lookup import session_of
from ._pair import TokenPair, make_pair, request_columns
from ._revoke import revoke_rows
from ._rotation import Step, judge

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

    Two statements, neither in a transaction; more if it loses a race. If the process dies between them, or the response
    is lost, the same token works again within ``REFRESH_GRACE_PERIOD``.

    Args:
        raw: The refresh token as it was sent.
        request: For the address, the user agent and the claims hooks.
        scope: Fewer scopes than the session has, for this access token only (RFC 6749 section 6); by default all.
        audience: The audience of this access token, unless the session is for one audience only (RFC 8707 section 2.2).
        transport: How the token was sent.

    Raises:
        InvalidTokenError: with the reason why the token is refused. After ``reused`` the session is revoked; after any
            other reason nothing has changed.
        RefreshConflictError: if other refreshes of the session came first, twice. Try again.
        InvalidScopeError: if more scope is asked for than the session has; nothing has changed.
        InvalidTargetError: if the audience is not allowed; nothing has changed.
        ClaimsHookError: if a claims hook fails; nothing has changed, and the token stays valid.
        RuntimeError: if called inside a transaction, where a lost race could not be told from reuse.
    """
    refuse_transaction(RefreshToken.write_alias(), "sessions.refresh()")
    claims = tokens.read_refresh(raw)
    for _ in range(2):
        session = session_of(claims)
        now = session.database_now
        step = judge(session, claims.generation, transport=transport)
        if step is Step.REUSE:
            _end_reused(session, now=now, request=request)
            raise InvalidTokenError("reused")
        # All that may fail comes before the UPDATE; after it, nothing may.
        granted = grants.scope(session, scope, request=request)
        target = grants.audience(session, audience, request=request)
        access = tokens.mint_access(session, scope=granted, audience=target, now=now, request=request)
        if step is Step.ROTATE and not _rotate(session, now=now, request=request):
            continue  # another request was faster
        if step is Step.REPLAY:
            _count_replay(session)
        signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
        return make_pair(session, access, now=now)
    raise RefreshConflictError


def _rotate(session: RefreshToken, *, now: datetime, request: HttpRequest | None) -> bool:
    """Advance a session to its next generation, if its row is still as it was read. Every race is decided here."""
    # auth_hash is compared too: a hash upgrade in between has bound the session again, which must not be undone.
    unchanged = (
        RefreshToken.objects.unrevoked()
        .not_signed_out()
        .filter(pk=session.pk, generation=session.generation, auth_hash=bytes(session.auth_hash))
    )
    # Bound with the present SECRET_KEY, so that its fallbacks can be removed one day.
    session.bind(session.password_holder)
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


def _count_replay(session: RefreshToken) -> None:
    rows = RefreshToken.objects.filter(pk=session.pk)
    try:
        write(lambda: rows.update(replays=models.F("replays") + 1), using=RefreshToken.write_alias())
    except OperationalError as error:
        if not is_contention(error):
            raise  # contention alone does not matter: the count is for people, and no reason to refuse a token


def _end_reused(session: RefreshToken, *, now: datetime, request: HttpRequest | None) -> None:
    config = conf.get_config()
    rows = RefreshToken.objects.filter(pk=session.pk)
    if not revoke_rows(rows, reason=RevokedReason.REUSED, now=now, session=session.pk, user=session.user_id):
        return  # the session has ended meanwhile, so there is nothing new to report
    address = request_info.client_address(request, num_proxies=config.num_proxies, header=config.proxy_header)
    logger.warning(
        "Refresh token reuse: session %s of user %s was revoked (request from %s).",
        session.pk,
        session.user_id,
        address,
        extra=audit.fields(
            "refresh_token_reused",
            session=session.pk,
            user=session.user_id,
            reason=RevokedReason.REUSED,
            address=address,
        ),
    )
    signals.refresh_token_reused.send_robust(RefreshToken, session=session, user=session.user, request=request)
