"""The exchange of Simple JWT's tokens for sessions, and the acceptance of its access tokens.

An old refresh token is treated as the generation before a session's first one. The id of that session is computed from
the token, so it is the primary key that decides that one old token becomes one session.
"""

import functools
import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest

from ... import audit, conf, grants, revocation_cache, signals, tokens, users
from ..._core import events
from ..._core.clock import stopwatch
from ...database import database_now, epoch, has_table, refuse_transaction, storable, write
from ...errors import InvalidTokenError, RefreshConflictError
from ...models import BlacklistedToken, NotBefore, RefreshToken
from ...secret import Secret
from ...sessions._adopt import adopted, touch
from ...sessions._insert import identity, insert
from ...sessions._pair import TokenPair, make_pair
from ...sessions._refresh import count_replay, end_reused, time_waited
from ...sessions._rotation import arrived_in, may_retry, unseen_from
from ...sessions._start import tell
from ...users import user_key
from ...verifier import AccessToken
from . import tables
from .models import EndedTokens, ExchangedToken
from .reading import OldToken, looks_old, read
from .settings import get_settings

MAX_TRIES = 5


class SimpleJWTBridge:
    """See :class:`django_jwtauth.bridges.Bridge`."""

    def recognizes(self, raw: Secret) -> bool:
        """Tell whether a token has the header of Simple JWT's."""
        return looks_old(raw)

    def authenticate(self, raw: Secret) -> tuple[Any, AccessToken]:
        """Load the user of an old access token. One statement, as for one of ours; up to six for a sliding one."""
        old = read(raw, "access")
        _refuse_exchanged(old)
        blacklisted = BlacklistedToken.objects.filter(jti=old.jti)
        user = _load_user(old, is_blacklisted=models.Exists(blacklisted))
        if user.is_blacklisted:
            raise InvalidTokenError("revoked")
        return _admitted(old, user), _access_token(old)

    def verify(self, raw: Secret) -> AccessToken:
        """Verify an old access token. Our revocation list is asked, as for one of ours.

        A sliding token takes up to five statements: whether it was exchanged or signed out is in no list.
        """
        old = read(raw, "access")
        _refuse_exchanged(old)
        token = _access_token(old)
        revocation_cache.check(token)
        return token

    def refresh(self, raw: Secret, *, request: HttpRequest | None, scope: str, audience: str) -> TokenPair:
        """Exchange an old refresh token. The same token gives the same session, however often it is sent."""
        refuse_transaction(RefreshToken.write_alias(), "sessions.refresh()")
        arrived = stopwatch.seconds()
        old = read(raw, "refresh")
        old.require_exchangeable()
        is_new = False
        for _ in range(MAX_TRIES):
            session = _session_of(old)
            if session is None:
                is_new = _adopt(old, request=request, exchanged=True)
                continue
            now = session.database_now
            waited = functools.partial(time_waited, request, arrived)
            is_first, is_reuse = _judge(old, session, _row_of(old), now, waited)
            is_retry = is_reuse and _may_retry(session, waited)
            if is_reuse and not is_retry:
                end_reused(session, now=now, request=request)
                raise InvalidTokenError("reused")
            if is_first:  # imported: what its claims say has not been looked at yet
                _admitted(old, _load_user(old))
            granted = grants.scope(session, scope, request=request)
            target = grants.audience(session, audience, request=request)
            access = tokens.mint_access(session, scope=granted, audience=target, now=now, request=request)
            in_window = now - session.rotated_at < conf.get_config().refresh_grace_period
            # Only now: the times of a refresh token come from the database, and must be the same in every process.
            changes: dict[str, Any] = {"unseen_since": unseen_from(session, now)} if is_first else {}
            if is_retry:
                changes["retried_generation"] = session.generation
            if not in_window and not touch(session, now=now, request=request, **changes):
                continue
            _note_use(old, now, first=is_first)
            is_replay = not is_first and not is_new
            if is_replay:
                count_replay(session)
            told = events.REFRESH_REPLAYED if is_replay else events.SESSION_REFRESHED
            told = events.REFRESH_RETRIED if is_retry else told
            audit.tell(told, request=request, session=session.pk, user=session.user_id)
            signals.session_refreshed.send_robust(RefreshToken, session=session, user=session.user, request=request)
            return make_pair(session, access, now=now)
        raise RefreshConflictError

    def find(self, raw: Secret) -> RefreshToken:
        """Return the session of an old refresh token. If there is none yet, the token becomes one, and is never good
        for another."""
        old = read(raw, "refresh")
        for _ in range(MAX_TRIES):
            session = _session_of(old)
            if session is not None:
                session.load_user()
                return session
            _adopt(old, request=None, exchanged=False)
        raise RefreshConflictError

    def check(self, raw: Secret) -> RefreshToken | None:
        """Refuse an old refresh token that could not be exchanged. Writes nothing."""
        old = read(raw, "refresh")
        old.require_exchangeable()
        session = _session_of(old)
        row = _row_of(old)
        if session is None:
            _refuse(old, row)
            _admitted(old, _load_user(old))
        elif _judge(old, session, row, session.database_now)[1] and not _may_retry(session):
            raise InvalidTokenError("reused")
        return session

    def session_id(self, raw: Secret) -> str:
        """Return the id of the session that an old refresh token becomes. No statement."""
        return str(read(raw, "refresh").session_id)

    def end_for(self, users: Iterable[Any]) -> None:
        """Refuse all old tokens that these users have got so far."""
        alias = RefreshToken.write_alias()
        if not has_table(alias, EndedTokens._meta.db_table):
            return  # before `migrate`, no token has been exchanged either
        now = database_now(alias)
        # A user who has been deleted has no key.
        for key in [user_key(user) for user in users if user_key(user) is not None]:
            EndedTokens.objects.update_or_create(pk=key, defaults={"not_before": now})

    def keeps_first_token(self, now: datetime) -> bool:
        """Tell whether ``KEEP_FIRST_TOKEN_UNTIL`` is yet to come."""
        until = get_settings().keep_first_token_until
        return until is not None and epoch(now) < until.timestamp()


def _judge(
    old: OldToken,
    session: RefreshToken,
    row: ExchangedToken | None,
    now: datetime,
    waited: Callable[[], timedelta] = timedelta,
) -> tuple[bool, bool]:
    """Decide what an old refresh token leads to, whose session exists. Raises if the session has ended.

    Args:
        old: The token.
        session: The session.
        row: What is known of the exchange of the token.
        now: The database's time.
        waited: Returns how long the request has waited.

    Returns:
        Whether the token has not been exchanged before, and whether this is reuse.
    """
    if session.transport != RefreshToken.Transport.BODY:
        raise InvalidTokenError("invalid")
    session.raise_for_refusal(now, ends_at=session.idle_at)
    if row is not None and _is_first(old, row):
        return True, False
    if session.generation > 0:
        return False, True  # the client has used what it got for the old token
    since = max(session.rotated_at, (row and row.exchanged_at) or session.rotated_at)
    age = max(now - since, timedelta(0))
    keep = SimpleJWTBridge().keeps_first_token(now)
    return False, not keep and not arrived_in(conf.get_config().refresh_grace_period, age, waited)


def _may_retry(session: RefreshToken, waited: Callable[[], timedelta] = timedelta) -> bool:
    """Tell whether the session's old refresh token is accepted although it was exchanged long ago."""
    return session.generation == 0 and may_retry(session, -1, waited)


def _is_first(old: OldToken, row: ExchangedToken) -> bool:
    """Tell whether a token has not been exchanged, and refuse it if Simple JWT has revoked it after it was imported."""
    if row.exchanged_at is not None:
        return False
    if row.imported_at is None or not tables.is_blacklisted(old.jti):
        return True
    # Another request may have exchanged the token since the row was read, and blacklisted it.
    if ExchangedToken.objects.filter(pk=row.pk, exchanged_at__isnull=True).exists():
        raise InvalidTokenError("revoked")
    return False


def _adopt(old: OldToken, *, request: HttpRequest | None, exchanged: bool) -> bool:
    """Make an old refresh token a session, unless another request has just done so: then nothing is written.

    Returns:
        Whether this request did it.
    """
    _refuse(old, _row_of(old))
    user = _admitted(old, _load_user(old))
    alias = RefreshToken.write_alias()
    now = database_now(alias)
    signed_in_at = storable(datetime.fromtimestamp(old.issued_at, UTC)) if old.issued_at else now
    session = adopted(
        user, session_id=old.session_id, signed_in_at=signed_in_at, last_seen_at=now, now=now, request=request
    )
    if exchanged:
        session.unseen_since = unseen_from(session, now)
    bound_to = identity(user)

    def store() -> int:
        with transaction.atomic(using=alias):
            ExchangedToken(
                pk=old.session_id,
                expires_at=storable(datetime.fromtimestamp(old.good_until, UTC)),
                exchanged_at=now if exchanged else None,
                last_used_at=now,
            ).save(using=alias, force_insert=True)
            insert(session, bound_to)
            tables.blacklist(old.jti, now)
        return 1

    try:
        write(store, using=alias)
    except IntegrityError:
        return False  # the primary key: another request was faster
    tell(events.SESSION_STARTED, session)
    signals.session_started.send_robust(RefreshToken, session=session, user=user, request=request)
    return True


def _refuse(old: OldToken, row: ExchangedToken | None) -> None:
    """Refuse an old refresh token that has no session, if it had one that was purged, or if Simple JWT revoked it."""
    was_used = row is not None or tables.is_blacklisted(old.jti)
    # Between reading the session and this, another request may have exchanged the token, and blacklisted it.
    if was_used and _session_of(old) is None:
        raise InvalidTokenError("revoked")


def _refuse_exchanged(old: OldToken) -> None:
    """Refuse a sliding token as an access token, once it has been signed out, or exchanged and its window is over."""
    if not old.is_sliding:
        return
    session, row = _session_of(old), _row_of(old)
    if session is None:
        _refuse(old, row)
    elif _judge(old, session, row, session.database_now)[1]:
        raise InvalidTokenError("revoked")


def _session_of(old: OldToken) -> RefreshToken | None:
    return RefreshToken.objects.with_clock().select_related("user").filter(pk=old.session_id).first()


def _row_of(old: OldToken) -> ExchangedToken | None:
    return ExchangedToken.objects.filter(pk=old.session_id).first()


def _note_use(old: OldToken, now: datetime, *, first: bool) -> None:
    rows = ExchangedToken.objects.filter(pk=old.session_id)
    alias = RefreshToken.write_alias()
    if first:
        write(lambda: rows.filter(exchanged_at__isnull=True).update(exchanged_at=now), using=alias)
        tables.blacklist(old.jti, now)
    write(lambda: rows.update(last_used_at=now), using=alias)


def _load_user(old: OldToken, **annotations: Any) -> Any:
    """Read the user that an old token names, and whether everything until its ``iat`` was revoked. One statement."""
    config = get_settings()
    issued = storable(datetime.fromtimestamp(old.issued_at, UTC))
    ended = EndedTokens.objects.filter(user_id=models.OuterRef("pk"), not_before__gte=issued)
    rows = (
        get_user_model()
        ._base_manager.using(RefreshToken.write_alias())
        .annotate(
            is_ended=models.Exists(ended),
            is_everyone_ended=models.Exists(NotBefore.objects.filter(not_before__gte=issued)),
            **annotations,
        )
    )
    try:
        user = rows.filter(**{config.user_id_field: old.user_id}).first()
    except (ValueError, ValidationError, OverflowError):
        user = None
    if user is None:
        raise InvalidTokenError("invalid", code="user_not_found")
    return user


def _admitted(old: OldToken, user: Any) -> Any:
    """Return the user as Django would load them.

    Raises:
        InvalidTokenError: if the user may not go on, or has been signed out everywhere, or has another password.
    """
    config = get_settings()
    if user.is_ended or user.is_everyone_ended:
        raise InvalidTokenError("revoked")
    alias = RefreshToken.write_alias()
    backend = users.backend_of(user, using=alias)
    loaded = None if backend is None else users.load(user, backend, using=alias)
    if loaded is None or (config.rule is not None and not config.rule(loaded)):
        raise InvalidTokenError("user_inactive")
    if config.revoke_claim is not None:
        said = old.claims.get(config.revoke_claim)
        digest = hashlib.md5(str(user.password).encode(), usedforsecurity=False).hexdigest().upper()
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), digest.encode()):
            raise InvalidTokenError("password_changed")
    return loaded


def _access_token(old: OldToken) -> AccessToken:
    """Return what ``request.auth`` is for an old access token: it belongs to no session."""
    config = conf.get_config()
    ours = {
        "iss": config.issuer,
        "sub": old.user_id,
        "aud": list(config.audience),
        "client_id": config.client_id,
        "jti": old.jti,
        "sid": "",
        "scope": "",
        "iat": old.issued_at,
        "exp": old.expires_at,
    }
    return AccessToken.from_claims({**old.claims, **ours})
