"""The rules of rotation: what a refresh token leads to, in the order they are applied. Nothing here writes."""

import enum
import hmac
from datetime import datetime, timedelta

from .. import conf
from ..errors import InvalidTokenError
from ..models import RefreshToken
from ..tokens import RefreshClaims


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


def read(
    claims: RefreshClaims, *, using: str, transport: str = RefreshToken.Transport.BODY
) -> tuple[RefreshToken, datetime]:
    """Read a session that lives, and the database's time.

    Args:
        claims: What its refresh token says.
        using: The database.
        transport: How the token was sent.

    Raises:
        InvalidTokenError: with the reason why tokens of the session are refused; ``invalid`` if it was sent in another
            way than the session is for. A script that got hold of a cookie's token could not use it.
    """
    session = find(claims, using=using)
    if session.transport != transport:
        raise InvalidTokenError("invalid")
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
    age = max(now - session.rotated_at, timedelta(0))
    if generation == session.generation:
        # Nothing rotates twice in a window; sign-in counts as first. A browser's cookie waits for another window: an
        # answer to a replay that is under way when the first ends must not overwrite a later generation's cookie.
        calm = 2 * window if session.transport == RefreshToken.Transport.BROWSER else window
        return Step.REPEAT if age < calm else Step.ROTATE
    if generation == session.generation - 1 and age < window:
        return Step.REPLAY
    return Step.REUSE
