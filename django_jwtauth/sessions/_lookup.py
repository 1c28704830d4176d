"""Sessions found by a token."""

import contextlib

from django.views.decorators.debug import sensitive_variables

from .. import tokens
from ..errors import InvalidTokenError
from ..models import RefreshToken
from . import _rotation
from ._revoke import all_sessions


@sensitive_variables("raw", "claims")
def verify_refresh(raw: str | bytes) -> RefreshToken:
    """Tell whether this is the present refresh token of a living session. One statement; changes nothing.

    One that was superseded is refused, also within the grace period: whoever asks should not go on with it.

    Raises:
        InvalidTokenError: with the reason why it is refused; ``reused`` for one that was superseded.
    """
    claims = tokens.read_refresh(raw)
    session, now = _rotation.read(claims, using=RefreshToken.write_alias())
    if _rotation.judge(session, claims.generation, now) in (_rotation.Step.REPLAY, _rotation.Step.REUSE):
        raise InvalidTokenError("reused")
    return session


@sensitive_variables("raw", "claims")
def find_by_refresh_token(raw: str | bytes) -> RefreshToken:
    """Return the session of a refresh token of any generation, alive or not. One statement.

    Raises:
        InvalidTokenError: if the token is not good, has expired, or belongs to no session.
    """
    claims = tokens.read_refresh(raw)
    return _rotation.find(claims, using=RefreshToken.write_alias())


@sensitive_variables()
def find_by_any_token(raw: str) -> RefreshToken | None:
    """Return the session that an access or refresh token of ours belongs to, whatever has become of either.

    For people who look into things: a token that is found may have expired long ago, or been revoked.

    Args:
        raw: The token as text.
    """
    rows = all_sessions(RefreshToken.write_alias()).with_clock().select_related("user")
    with contextlib.suppress(InvalidTokenError):
        return rows.with_sid(tokens.read_access(raw, expired=True).sid).first()
    with contextlib.suppress(InvalidTokenError):
        return _rotation.find(tokens.read_refresh(raw, expired=True), using=RefreshToken.write_alias())
    return None
