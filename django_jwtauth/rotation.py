"""The rules of rotation: what a refresh token leads to, in the order they are applied. Nothing here writes."""

import enum
import hmac
from datetime import datetime, timedelta

from . import conf
from .errors import InvalidTokenError
from .models import RefreshToken
from .tokens import RefreshClaims


class Step(enum.Enum):
    """What a good refresh token leads to."""

    ROTATE = enum.auto()
    """The next generation."""
    REPEAT = enum.auto()
    """The same generation again: it is younger than the grace period."""
    REPLAY = enum.auto()
    """The present generation for the one before: a second tab, or a lost answer."""
    REUSE = enum.auto()
    """The end of the session: somebody has a token that was exchanged long ago."""


def find(claims: RefreshClaims, *, using: str) -> RefreshToken:
    """Read the session with its user and the time, and check that the token is the row's. One statement.

    Raises:
        InvalidTokenError: ``invalid``.
    """
    session = RefreshToken.objects.using(using).with_clock().select_related("user").with_sid(claims.sid).first()
    if session is None or not hmac.compare_digest(session.jti(claims.generation), claims.jti):
        raise InvalidTokenError("invalid")
    return session


def read(claims: RefreshClaims, *, using: str) -> tuple[RefreshToken, datetime]:
    """Read a session that lives, and the database's time.

    Raises:
        InvalidTokenError: with the reason why tokens of the session are refused.
    """
    session = find(claims, using=using)
    now = session.database_now
    if reason := session.refusal(now, ends_at=session.idle_at):
        raise InvalidTokenError(reason)
    return session, now


def judge(session: RefreshToken, generation: int, now: datetime) -> Step:
    """Decide what a good token of a living session leads to. All ages are on the database's clock.

    Raises:
        InvalidTokenError: ``ahead``, for a generation that is yet to come: the database was restored from a backup.
            Nothing is revoked for that, or a restore would sign everyone out for good.
    """
    if generation > session.generation:
        raise InvalidTokenError("ahead")
    window = conf.get_config().refresh_grace_period
    inside = max(now - session.rotated_at, timedelta(0)) < window
    if generation == session.generation:
        return Step.REPEAT if inside else Step.ROTATE  # nothing rotates twice in a window; sign-in counts as first
    if generation == session.generation - 1 and inside:
        return Step.REPLAY
    return Step.REUSE
