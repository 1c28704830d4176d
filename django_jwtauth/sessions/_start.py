"""How a session starts, and how a later authentication of its user is recorded."""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest

from .. import audit, conf, grants, signals, tokens, users
from .._core import events
from ..arguments import expect, expect_list, expect_request
from ..database import observed_now, write
from ..errors import InvalidTokenError
from ..models import RefreshToken, RevokedReason
from ..users import subject_of, user_key
from ..verifier import AccessToken
from ._insert import identity, insert, is_stored
from ._lookup import session_id
from ._pair import TokenPair, make_pair, request_columns
from ._revoke import revoke_ids

_announcement: ContextVar[Callable[[], object] | None] = ContextVar("jwtauth_announcement", default=None)

_TRANSPORTS = tuple(RefreshToken.Transport.values)
MAX_LENGTH = 255
"""How many characters ``acr`` and ``audience`` may have."""


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
    backend: str = "",
) -> TokenPair:
    """Start a session for a user who has just been authenticated, or for somebody who acts as that user.

    May run inside a transaction. Two statements, and up to two more where ``MAX_SESSIONS_PER_USER`` is set; one more if
    somebody acts as the user.

    Args:
        user: The user.
        request: For the address, the user agent and the claims hooks.
        amr: How the user was authenticated (RFC 8176), e.g. ``["pwd", "otp"]``.
        acr: The level of that authentication (OpenID Connect Core section 2).
        scope: The scopes asked for, separated by spaces (RFC 6749 section 3.3). Those that ``SCOPES`` allows are
            granted; where it is not set, all of them.
        audience: The audience of this session's access tokens; by default the first ``AUDIENCE``.
        actor: The person who acts as the user (RFC 8693 section 1.1), if there is one. Your code decides whether they
            may. The tokens name the actor (claim ``act``) and omit when the user was authenticated.
        refreshable: Whether there is a refresh token. By default there is, unless somebody acts as the user: then the
            session ends with the access token.
        allow_superuser: Allow ``actor`` to act as a superuser. It has an effect only if there is no refresh token.
        transport: How the client keeps its refresh token. The token is refused if it is sent in another way.
        auth_time: When the user was authenticated, if that was earlier: for example when Django's own session began.
        backend: The one of ``AUTHENTICATION_BACKENDS`` that decides, from now on, whether the user may go on. By
            default the one that ``authenticate()`` has noted in ``user.backend``, or else the first that would load the
            user. The actor's is found in the same way.

    Raises:
        InvalidTokenError: ``user_inactive``, if the user or the actor is inactive, or refused by the backend or by
            ``USER_AUTHENTICATION_RULE``; or if one of them has been deactivated or deleted since the object was read.
            ``password_changed``, if a stored password differs from the object's.
        PermissionDenied: if somebody would act as a superuser or as themselves; or if the request itself comes from
            somebody who acts as the user or as the actor.
        ClaimsHookError: if a claims hook fails; nothing has been written.
        InvalidScopeError: if ``scope`` is malformed.
        InvalidTargetError: if ``AUDIENCES`` does not allow the audience.
        ImproperlyConfigured: if the user or the actor has no usable ``SUBJECT_FIELD``.
        TypeError: if an argument is of a wrong type, or the user or actor is not an object of the user model, such as a
            ``StatelessUser``.
        ValueError: if ``amr``, ``acr`` or ``audience`` is not text that a token can carry; if ``backend`` is not one of
            ``AUTHENTICATION_BACKENDS``; if ``transport`` is unknown; or if ``auth_time`` has no time zone.
    """
    _check_types(user, actor, request, scope=scope, audience=audience, transport=transport, backend=backend)
    _check_methods(amr, acr)
    _check_audience(audience)
    _check_transport_and_time(transport, auth_time)
    backend = _checked_backend(user, backend)
    if refreshable is None:
        refreshable = actor is None
    actor_backend = ""
    if actor is not None:
        actor_backend = _checked_backend(actor)
        _check_actor(actor, user, allow_superuser=allow_superuser and not refreshable)
    _refuse_if_acted_for(request, user, actor)
    bound_to, acting = identity(user), None if actor is None else identity(actor)
    now = observed_now(RefreshToken.write_alias(), is_event=True)
    session = RefreshToken(
        user=cast(Any, user),  # the type is what the settings name
        created_at=now,
        rotated_at=now,
        last_seen_on=now.date(),
        auth_time=now if auth_time is None else min(auth_time, now),
        expires_at=now + _lifetime(refreshable=refreshable),
        amr=list(amr),
        acr=acr,
        scope=" ".join(grants.parse_scope(scope)),
        audience=audience,
        actor="" if actor is None else subject_of(actor),
        actor_backend=actor_backend,
        backend=backend,
        transport=transport,
        **request_columns(request),
    )
    session.bind(user)
    if actor is not None:
        session.bind_actor(actor)
    session.scope = grants.scope(session, "", request=request)
    granted = grants.audience(session, "", request=request)
    access = tokens.mint_access(session, scope=session.scope, audience=granted, now=now, request=request)
    _announce(user)  # all that may fail comes before the session is written and others end
    insert(session, bound_to, actor=acting)
    if session.actor:
        tell(events.ACTING_STARTED, session, actor=session.actor)
    else:
        tell(events.SESSION_STARTED, session)
        _end_surplus(session, user)
    signals.session_started.send_robust(RefreshToken, session=session, user=user, request=request)
    return make_pair(session, access, now=now, refreshable=refreshable)


def step_up(
    session: RefreshToken | AccessToken | uuid.UUID | str, *, amr: Sequence[str], acr: str = ""
) -> RefreshToken:
    """Record that the user has just been authenticated again, in a session that continues (RFC 9470).

    Nothing else changes ``auth_time``, ``amr`` and ``acr`` of a session. Access tokens carry the new values from the
    next refresh on, which may follow at once. One statement, and one to read the session back.

    Args:
        session: The session, a verified access token of it (``request.auth``), or its id.
        amr: How the user was authenticated this time (RFC 8176). It replaces the former value.
        acr: The level of that authentication. It replaces the former value.

    Returns:
        The session as it is stored.

    Raises:
        InvalidTokenError: ``revoked``, if the session has ended; or if the access token is not ours, or belongs to no
            session.
        PermissionDenied: if somebody acts as the user: then it was not the user who was authenticated.
        ValueError: if ``amr`` or ``acr`` is not text that a token can carry, or the id is not a UUID.
    """
    _check_methods(amr, acr)
    pk = session_id(session)
    now = RefreshToken.objects.now()
    live = RefreshToken.objects.live(now).filter(pk=pk)
    # A late retry, which may be a thief's, would get the new level too.
    changes = {"auth_time": now, "amr": list(amr), "acr": acr, "unseen_since": None}
    count = write(lambda: live.filter(actor="").update(**changes), using=RefreshToken.write_alias())
    row = live.select_related("user").first()
    if row is None:
        raise InvalidTokenError("revoked")
    if not count:
        raise PermissionDenied("Somebody else acts as the user of this session.")
    tell(events.STEPPED_UP, row)
    return row


@contextlib.contextmanager
def announcing(announce: Callable[[], object]) -> Iterator[None]:
    """Have the sign-in in this block announced exactly once: when everything is ready, but nothing has been written.

    Django's ``user_logged_in`` is sent in this way. Its receivers may fail, or refuse the sign-in by an exception; and
    then no session may remain that nobody holds, and no other one may have ended for it.

    Args:
        announce: Announces the sign-in. It is called at the end of the block if no session was started in it.
    """
    token = _announcement.set(announce)
    try:
        yield
        _announce()
    finally:
        _announcement.reset(token)


def _announce(user: AbstractBaseUser | None = None) -> None:
    announce = _announcement.get()
    if announce is None:
        return
    _announcement.set(None)
    try:
        announce()
    except DatabaseError:
        # Django's own receiver cannot store `last_login` of a user who has just been deleted.
        if user is not None and not is_stored(user):
            raise InvalidTokenError("user_inactive") from None
        raise


def tell(event: events.Event, session: RefreshToken, **more: str) -> None:
    """Tell the log how a session's user was authenticated, once that has been committed."""
    values: dict[str, Any] = {"user": session.user_id, "amr": " ".join(session.amr), "address": session.ip_address}
    audit.tell_on_commit(event, using=RefreshToken.write_alias(), session=session.pk, **(values | more))


def _lifetime(*, refreshable: bool) -> timedelta:
    config = conf.get_config()
    return config.session_lifetime if refreshable else config.access_token_lifetime


def _end_surplus(session: RefreshToken, user: AbstractBaseUser) -> None:
    """End the user's oldest sessions beyond ``MAX_SESSIONS_PER_USER``."""
    limit = conf.get_config().max_sessions_per_user
    if limit is None:
        return
    now = session.created_at
    others = RefreshToken.objects.live(now).of(user).filter(actor="").exclude(pk=session.pk)
    beyond = others.order_by("-created_at", "-pk").values_list("pk", "created_at")[limit - 1 :]
    # No session that is newer than this one: of two sign-ins at once, each would end the other's.
    surplus = [pk for pk, created_at in beyond if created_at <= now]
    revoke_ids(surplus, reason=RevokedReason.SESSION_LIMIT, now=now, user=user_key(user))


def _check_types(user: Any, actor: Any, request: Any, **texts: object) -> None:
    kinds = (get_user_model(), AnonymousUser)  # refused as a user, but passing it is not a mistake in the code
    expect(kinds, "a user", user=user)
    if user.pk is None and not user.is_anonymous:
        raise ValueError("user must be saved before a session starts.")
    if actor is not None:
        expect(kinds, "a user", actor=actor)
    expect_request(request)
    expect(str, "a str", **texts)


def _check_transport_and_time(transport: str, auth_time: Any) -> None:
    if transport not in _TRANSPORTS:
        raise ValueError(f"transport must be one of {', '.join(_TRANSPORTS)}.")
    if auth_time is None:
        return
    expect(datetime, "a datetime", auth_time=auth_time)
    if auth_time.tzinfo is None:
        raise ValueError("auth_time must have a time zone: use django.utils.timezone.now(), for example.")


def _check_methods(amr: Sequence[str], acr: str) -> None:
    if not isinstance(amr, str):
        expect_list(str, "a list of methods, such as ['pwd']", amr=amr)
    expect(str, "a str", acr=acr)
    if isinstance(amr, str) or not all(amr) or not all(text.isprintable() for text in (*amr, acr)):
        raise ValueError("amr must be a list of methods that are not empty; amr and acr hold no control characters.")
    if len(acr) > MAX_LENGTH:
        raise ValueError(f"acr has at most {MAX_LENGTH} characters.")


def _check_audience(audience: str) -> None:
    if not audience.isprintable() or len(audience) > MAX_LENGTH:
        raise ValueError(f"An audience has at most {MAX_LENGTH} characters, none of them a control character.")


def _checked_backend(user: AbstractBaseUser, chosen: str = "") -> str:
    """Return the backend that will decide whether a user may go on, if it lets the user sign in now."""
    if chosen and chosen not in settings.AUTHENTICATION_BACKENDS:
        raise ValueError(f"{chosen!r} is not one of AUTHENTICATION_BACKENDS.")
    backend = chosen or users.backend_of(user, using=RefreshToken.write_alias())
    if backend is None or not users.is_admitted(user, backend):
        raise InvalidTokenError("user_inactive")
    return backend


def _check_actor(actor: AbstractBaseUser, user: AbstractBaseUser, *, allow_superuser: bool) -> None:
    if user_key(actor) == user_key(user):
        raise PermissionDenied("A user cannot act as themselves.")
    if getattr(user, "is_superuser", False) and not allow_superuser:
        raise PermissionDenied("Nobody may act as a superuser, except with allow_superuser and without refresh token.")


def _refuse_if_acted_for(request: HttpRequest | None, *users: AbstractBaseUser | None) -> None:
    """Refuse users who are not present themselves, because somebody acts as them in this request.

    That person would get a session that does not name them, and that does not end with their own account.
    """
    token = getattr(request, "auth", None)  # REST framework sets it on Django's request too
    if not isinstance(token, AccessToken) or not token.actor or token.issuer != conf.get_config().issuer:
        return
    if token.subject in [subject_of(user) for user in users if user is not None]:
        raise PermissionDenied("Somebody else acts as this user.")
