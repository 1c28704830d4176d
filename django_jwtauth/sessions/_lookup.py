"""Sessions found by a token. The functions differ in which tokens they accept; none of them writes."""

import contextlib
import hmac

from django.views.decorators.debug import sensitive_variables

from .. import tokens
from ..errors import InvalidTokenError
from ..models import RefreshToken
from ..tokens import RefreshClaims
from ._rotation import Step, judge


@sensitive_variables("raw", "claims")
def verify_refresh(raw: str | bytes) -> RefreshToken:
    """Return the session if this is its present refresh token and would be accepted. One statement.

    A superseded token is refused even within the grace period: whoever asks should not continue with it.

    Args:
        raw: The refresh token as it was sent.

    Raises:
        InvalidTokenError: with the reason why it is refused; ``reused`` for a superseded token.
    """
    claims = tokens.read_refresh(raw)
    session = session_of(claims)
    if judge(session, claims.generation, transport=RefreshToken.Transport.BODY) in (Step.REPLAY, Step.REUSE):
        raise InvalidTokenError("reused")
    return session


@sensitive_variables("raw")
def find_by_refresh_token(raw: str | bytes) -> RefreshToken:
    """Return the session of a refresh token of any generation, whether the session is alive or not. One statement.

    Its ``user`` is the object that Django would load, if it would, which may take another statement.

    Args:
        raw: The refresh token as it was sent.

    Raises:
        InvalidTokenError: if the token is invalid, has expired, or belongs to no session.
    """
    session = session_of(tokens.read_refresh(raw))
    session.load_user()
    return session


@sensitive_variables()
def find_by_any_token(raw: str) -> RefreshToken | None:
    """Return the session of an access or refresh token, even if the token has expired or been revoked.

    For people who investigate. It tells nothing about whether the token would be accepted.

    Args:
        raw: The token as text.

    Returns:
        The session, or ``None`` if the token is not ours or its session has been purged.
    """
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
    session = RefreshToken.objects.with_clock().select_related("user").with_sid(claims.sid).first()
    if session is None or not hmac.compare_digest(session.jti(claims.generation), claims.jti):
        raise InvalidTokenError("invalid")
    return session
