"""Sessions start here, and a user who is authenticated once more is recorded here."""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .. import conf, grants, request_info, signals, tokens
from ..database import database_now, write
from ..errors import InvalidTokenError
from ..models import RefreshToken, RevokedReason, subject_of, user_key
from ..verifier import AccessToken
from ._pair import TokenPair, make_pair
from ._revoke import all_sessions, revoke_ids, session_id

logger = logging.getLogger("django_jwtauth.security")

MAX_LENGTH = 255
"""Of what the columns for ``acr`` and ``audience`` take."""


@sensitive_variables("access")
def start(
    user: AbstractBaseUser,
    *,
    request: HttpRequest | None = None,
    amr: Sequence[str] = (),
    acr: str = "",
    scope: str = "",
    audience: str = "",
    actor: AbstractBaseUser | None = None,
    refreshable: bool | None = None,
    allow_superuser: bool = False,
    transport: str = RefreshToken.Transport.BODY,
    auth_time: datetime | None = None,
) -> TokenPair:
    """Start a session for a user who has just been authenticated, or for somebody who acts as that user.

    May run inside a transaction. Two statements, two more where ``MAX_SESSIONS_PER_USER`` is set.

    Args:
        user: The user.
        request: For the address, the user agent and the claims hooks.
        amr: How the user was authenticated (RFC 8176), e.g. ``["pwd", "otp"]``.
        acr: The level of that (OpenID Connect Core section 2).
        scope: The scopes asked for, separated by spaces (RFC 6749 section 3.3). Granted are those that ``SCOPES``
            allows; all of them where it is not set.
        audience: For whom the access tokens of this session are; by default the first ``AUDIENCE``.
        actor: Who acts as the user, where that is somebody else (RFC 8693 section 1.1). Whether he may is for you to
            check. The tokens say so (claim ``act``), and not when the user signed in.
        refreshable: Whether there is a refresh token. By default there is, unless somebody acts as the user: that ends
            with the access token.
        allow_superuser: Whether ``user`` may be a superuser even so; then there is no refresh token.
        auth_time: When the user was authenticated, where that was not just now: say, for whom Django's own session
            vouches.
        transport: How the client keeps its refresh token; it is refused if it comes in another way.

    Raises:
        InvalidTokenError: ``user_inactive``, if the user, or the actor, may not sign in.
        PermissionDenied: if somebody would act as a superuser, or as himself; or if the request itself comes from
            somebody who acts as the user, or as the actor.
        ClaimsHookError: if a claims hook fails; nothing has been written.
        InvalidScopeError: if ``scope`` is none.
        InvalidTargetError: if ``AUDIENCES`` does not allow the audience.
        ValueError: if ``amr``, ``acr`` or ``audience`` is no text that a token may carry.
    """
    config = conf.get_config()
    _check_methods(amr, acr)
    if not audience.isprintable() or len(audience) > MAX_LENGTH:
        raise ValueError(f"An audience holds no control characters, and at most {MAX_LENGTH} others.")
    if not user.is_active:
        raise InvalidTokenError("user_inactive")
    if refreshable is None:
        refreshable = actor is None
    if actor is not None:
        _check_actor(actor, user, allow_superuser=allow_superuser and not refreshable)
    _check_presence(request, user, actor)
    using = RefreshToken.write_alias()
    now = database_now(using)
    session = RefreshToken(
        user=cast(Any, user),  # the type that settings name
        created_at=now,
        rotated_at=now,
        last_seen_on=now.date(),
        auth_time=now if auth_time is None else min(auth_time, now),
        expires_at=now + (config.session_lifetime if refreshable else config.access_token_lifetime),
        amr=list(amr),
        acr=acr,
        scope=" ".join(grants.parse_scope(scope)),
        audience=audience,
        actor="" if actor is None else subject_of(actor),
        transport=transport,
        **request_columns(request),
    )
    session.bind(user)
    session.scope = grants.scope(session, "", request=request)
    granted = grants.audience(session, "", request=request)
    access = tokens.mint_access(session, scope=session.scope, audience=granted, now=now, request=request)
    session.save(using=using, force_insert=True)
    if session.actor:
        logger.warning("Session %s: %s acts as user %s.", session.pk, session.actor, session.user_id)
    elif config.max_sessions_per_user is not None:
        own = all_sessions(using).live(now).filter(user_id=user_key(user), actor="")
        newest = own.order_by("-created_at", "-pk")
        others = newest.exclude(pk=session.pk).values_list("pk", "created_at")[config.max_sessions_per_user - 1 :]
        # None that is newer: of two sign-ins at once, each would end the other's.
        surplus = [pk for pk, created_at in others if created_at <= now]
        revoke_ids(surplus, reason=RevokedReason.SESSION_LIMIT, using=using, now=now)
    signals.session_started.send_robust(RefreshToken, session=session, user=user, request=request)
    return make_pair(session, access, now=now, refreshable=refreshable)


def step_up(session: RefreshToken | uuid.UUID | str, *, amr: Sequence[str], acr: str = "") -> RefreshToken:
    """Put down that the user has just been authenticated once more, in a session that goes on (RFC 9470).

    Nothing else changes ``auth_time``, ``amr`` and ``acr`` of a session. Access tokens say it from the next refresh on,
    which may come at once. One statement, one more to read the session back.

    Args:
        session: The session, or its id (``request.auth.sid``).
        amr: How the user was authenticated (RFC 8176), now: what was put down before counts no more.
        acr: The level of that, likewise.

    Returns:
        The session as it is stored.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended.
        PermissionDenied: if somebody acts as the user: then it is not the user who was authenticated.
        ValueError: if ``amr`` or ``acr`` is no text that a token may carry.
    """
    _check_methods(amr, acr)
    using = RefreshToken.write_alias()
    pk = session_id(session)
    now = database_now(using)
    live = all_sessions(using).live(now).filter(pk=pk)
    changes = {"auth_time": now, "amr": list(amr), "acr": acr}
    count = write(lambda: live.filter(actor="").update(**changes), using=using)
    row = live.select_related("user").first()
    if row is None:
        raise InvalidTokenError("revoked")
    if not count:
        raise PermissionDenied("Somebody else acts as the user of this session.")
    logger.info("Session %s: authenticated once more.", pk)
    return row


def _check_methods(amr: Sequence[str], acr: str) -> None:
    if isinstance(amr, str) or not all(text.isprintable() for text in (*amr, acr)) or not all(amr):
        raise ValueError("amr is a list of methods, none empty; amr and acr hold no control characters.")
    if len(acr) > MAX_LENGTH:
        raise ValueError(f"acr, how the user was authenticated besides amr, has at most {MAX_LENGTH} characters.")


def _check_actor(actor: AbstractBaseUser, user: AbstractBaseUser, *, allow_superuser: bool) -> None:
    if not actor.is_active:
        raise InvalidTokenError("user_inactive")
    if user_key(actor) == user_key(user):
        raise PermissionDenied("Nobody acts as himself.")
    if getattr(user, "is_superuser", False) and not allow_superuser:
        raise PermissionDenied("Nobody acts as a superuser, unless allow_superuser says so, and without refresh token.")


def _check_presence(request: HttpRequest | None, *users: AbstractBaseUser | None) -> None:
    """Refuse those who are not there: somebody acts as them in this request.

    He would get a session that does not name him, and that does not end with his own account.
    """
    token = getattr(request, "auth", None)  # REST framework puts it on Django's request too
    if not isinstance(token, AccessToken) or not token.actor or token.issuer != conf.get_config().issuer:
        return
    if token.subject in [subject_of(user) for user in users if user is not None]:
        raise PermissionDenied("Somebody else acts as this user.")


def request_columns(request: HttpRequest | None) -> dict[str, Any]:
    """Return the columns of a session that come from a request: address and user agent."""
    address = request_info.client_address(request, num_proxies=conf.get_config().num_proxies)
    return {"ip_address": str(address) if address else None, "user_agent": request_info.user_agent(request)}
