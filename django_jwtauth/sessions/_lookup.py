"""Sessions found by a token. The functions differ in which tokens they accept; none of them changes anything.

But whoever sends the present refresh token has got it, which is noted for ``REFRESH_RETRY_PERIOD``.
"""

import contextlib
import hmac
import uuid

from .. import conf, reading, tokens
from ..arguments import expect
from ..bridges import bridge_for
from ..database import epoch
from ..errors import InvalidTokenError
from ..models import RefreshToken
from ..secret import Secret, hide
from ..tokens import RefreshClaims
from ..verifier import AccessToken
from ._rotation import Step, judge
from ._seen import note


def verify_refresh(raw: str | bytes | Secret) -> RefreshToken:
    """Return the session if this is its present refresh token and would be accepted. One statement.

    With ``REFRESH_RETRY_PERIOD`` another one may note that the token has been seen.

    A superseded token is refused even where a refresh would accept it, because the caller should not continue with it.

    Args:
        raw: The refresh token as it was sent.

    Raises:
        InvalidTokenError: with the reason why it is refused; ``reused`` for a superseded token.
    """
    raw = hide(raw)
    claims = tokens.read_refresh(raw)
    session = session_of(claims)
    step = judge(session, claims.generation, transport=RefreshToken.Transport.BODY)
    if step in (Step.REPLAY, Step.RETRY, Step.REUSE):
        raise InvalidTokenError("reused")
    note(session)
    return session


def find_by_refresh_token(raw: str | bytes | Secret) -> RefreshToken:
    """Return the session of a refresh token of any generation, whether the session is alive or not. One statement.

    The database's clock decides whether the token has expired. Otherwise a server whose own clock is wrong could
    refuse to end a session, while other servers still accept the token.

    Its ``user`` is the object that Django would load, if it would, which may take another statement.

    Args:
        raw: The refresh token as it was sent.

    Raises:
        InvalidTokenError: if the token is invalid, has expired, or belongs to no session.
    """
    raw = hide(raw)
    if (bridge := bridge_for(raw)) is not None:
        adopted: RefreshToken = bridge.find(raw)
        return adopted
    claims = tokens.read_refresh(raw, expired=True)
    session = session_of(claims)
    if epoch(session.database_now) >= claims.expires_at + conf.get_config().leeway.total_seconds():
        raise InvalidTokenError("expired")
    session.load_user()
    return session


def find_by_any_token(raw: str | bytes | Secret) -> RefreshToken | None:
    """Return the session of an access or refresh token, even if the token has expired or been revoked.

    For people who investigate. It tells nothing about whether the token would be accepted.

    Args:
        raw: The token as it was sent.

    Returns:
        The session, or ``None`` if the token is not ours or its session has been purged.
    """
    raw = hide(raw)
    with contextlib.suppress(InvalidTokenError):
        rows = RefreshToken.objects.with_clock().select_related("user")
        return rows.with_sid(tokens.read_access(raw, expired=True).sid).first()
    with contextlib.suppress(InvalidTokenError):
        return session_of(tokens.read_refresh(raw, expired=True))
    return None


def session_of(claims: RefreshClaims) -> RefreshToken:
    """Return the session that the claims of a refresh token name, with its user and the database's time. One statement.

    Raises:
        InvalidTokenError: ``invalid``, if there is no such row, or the token's ``jti`` is not the row's.
    """
    session: RefreshToken | None = reading.session_of(claims.sid)
    if session is None or not hmac.compare_digest(session.jti(claims.generation), claims.jti):
        raise InvalidTokenError("invalid")
    return session


def session_id(session: RefreshToken | AccessToken | uuid.UUID | str) -> uuid.UUID:
    """Return the id of a session that is given as a row, by a verified access token or by its id. No statement.

    Raises:
        InvalidTokenError: as for :func:`refuse_foreign`; ``no_token``, if the token belongs to no session; ``invalid``,
            if its session has an id that ours never have.
        ValueError: if the text is not a UUID.
        TypeError: if it is something else.
    """
    if isinstance(session, RefreshToken):
        return session.pk
    if isinstance(session, uuid.UUID):
        return session
    if isinstance(session, str):
        return _uuid(session)
    expect(AccessToken, "a session, a verified access token of it, or its id", session=session)
    refuse_foreign(session)
    if not session.sid:  # an access token of Simple JWT belongs to no session
        raise InvalidTokenError("no_token", code="not_authenticated")
    if not reading.is_id(session.sid):
        raise InvalidTokenError("invalid")
    return uuid.UUID(session.sid)


def _uuid(text: str) -> uuid.UUID:
    with contextlib.suppress(ValueError):
        return uuid.UUID(text)
    # The text is not shown: it may be a token.
    raise ValueError("A session is named by its id, a UUID. Its tokens are passed after they were verified.")


def refuse_foreign(token: AccessToken) -> None:
    """Refuse a verified access token that we have not issued. Its session or subject may have the id of one of ours.

    Raises:
        InvalidTokenError: ``wrong_issuer``.
    """
    if token.issuer != conf.get_config().issuer:
        raise InvalidTokenError("wrong_issuer")
