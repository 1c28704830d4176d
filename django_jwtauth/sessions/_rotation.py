"""The rules of rotation: what a refresh token leads to, in the order in which they apply. Nothing here writes."""

import enum
from datetime import timedelta

from .. import conf
from ..errors import InvalidTokenError
from ..models import RefreshToken


class Step(enum.Enum):
    """What a valid refresh token leads to."""

    ROTATE = enum.auto()
    """The next generation."""
    REPEAT = enum.auto()
    """The same generation again: it is younger than the grace period."""
    REPLAY = enum.auto()
    """The present generation in exchange for the one before: a second tab, or a lost response."""
    REUSE = enum.auto()
    """The end of the session: somebody holds a token that was exchanged long ago."""


def judge(session: RefreshToken, generation: int, *, transport: str) -> Step:
    """Decide what a refresh token of a session leads to. Every obstacle to a refresh token is found here.

    All ages are measured on the database's clock.

    Args:
        session: The session of the token, from :func:`django_jwtauth.sessions._lookup.session_of`.
        generation: The token's generation.
        transport: How the token was sent.

    Raises:
        InvalidTokenError: with the reason why the token is refused. ``invalid`` if it was sent in another way than the
            session is for, so that a script that got hold of a cookie's token cannot use it. ``ahead`` for a generation
            that is yet to come, since the database was restored from a backup; nothing is revoked for that, or a
            restore would sign everyone out for good.
    """
    if session.transport != transport:
        raise InvalidTokenError("invalid")
    now = session.database_now
    session.raise_for_refusal(now, ends_at=session.idle_at)
    if session.actor and getattr(session.user, "is_superuser", False):
        raise InvalidTokenError("revoked")  # the user was promoted after somebody had begun to act as them
    if generation > session.generation:
        raise InvalidTokenError("ahead")
    window = conf.get_config().refresh_grace_period
    age = max(now - session.rotated_at, timedelta(0))
    if generation == session.generation:
        # Nothing rotates twice in a window, and sign-in counts as the first rotation. A browser's cookie waits for a
        # second window: a response to a replay that is still under way when the first window ends must not overwrite
        # the cookie of a later generation.
        minimum = 2 * window if session.transport == RefreshToken.Transport.BROWSER else window
        return Step.REPEAT if age < minimum else Step.ROTATE
    if generation == session.generation - 1 and age < window:
        return Step.REPLAY
    return Step.REUSE
