"""The rules of rotation: what a refresh token leads to, in the order in which they apply. Nothing here writes."""

import enum
from collections.abc import Callable
from datetime import datetime, timedelta

from .. import conf
from ..bridges import keep_first_token
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
    RETRY = enum.auto()
    """The same long after the grace period: nothing of the present generation was seen, so its response was lost."""
    REUSE = enum.auto()
    """The end of the session: somebody holds a token that was exchanged long ago."""


MAX_WAIT = timedelta(seconds=60)
"""How much waiting counts at most. After that time, no client still waits for the response."""


def arrived_in(
    window: timedelta, age: timedelta, waited: Callable[[], timedelta], *, was_present: bool = False
) -> bool:
    """Tell whether an exchanged token arrived within the window after its exchange.

    Args:
        window: The window. With a window of 0, no such token is accepted.
        age: How long ago the token was exchanged.
        waited: Returns how long the request has waited. Called only if that matters.
        was_present: Whether the token was the present one when this request looked before.
    """
    return bool(window) and (was_present or age < window or age - min(waited(), MAX_WAIT) < window)


def unseen_from(session: RefreshToken, now: datetime) -> datetime | None:
    """Return :attr:`RefreshToken.unseen_since` for a generation that is made now.

    Args:
        session: The session. Where somebody acts as the user, a late retry is never accepted: that person can begin
            again, and a theft would weigh more.
        now: The database's time.
    """
    return now if conf.get_config().refresh_retry_period and not session.actor else None


def may_retry(session: RefreshToken, generation: int, waited: Callable[[], timedelta] = timedelta) -> bool:
    """Tell whether the generation before the present one is accepted after the window (``REFRESH_RETRY_PERIOD``).

    Of two generations in a row only one may be exchanged in this way. Otherwise a client and a thief that take turns,
    and use their access tokens where no session is looked up, would never be told apart.

    Args:
        session: The session.
        generation: The token's generation.
        waited: Returns how long the request has waited.
    """
    if session.unseen_since is None or session.retried_generation == generation:
        return False
    age = max(session.database_now - session.unseen_since, timedelta(0))
    return arrived_in(conf.get_config().refresh_retry_period, age, waited)


def judge(
    session: RefreshToken,
    generation: int,
    *,
    transport: str,
    waited: Callable[[], timedelta] = timedelta,
    was_present: bool = False,
) -> Step:
    """Decide what a refresh token of a session leads to. Every obstacle to a refresh token is found here.

    All ages are measured on the database's clock. A token is reused if it *arrived* after the window: a request that
    has waited for a connection or a lock was sent by a client that could not know of the rotation.

    Args:
        session: The session of the token, from :func:`django_jwtauth.sessions._lookup.session_of`.
        generation: The token's generation.
        transport: How the token was sent.
        waited: Returns how long the request has waited. Called only if that matters.
        was_present: Whether the token was the present one when this request looked before.

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
    if generation == session.generation - 1 and arrived_in(window, age, waited, was_present=was_present):
        return Step.REPLAY
    if generation == 0 and session.generation == 1 and keep_first_token(now):
        return Step.REPLAY  # the token that should have replaced it has never been exchanged
    if generation == session.generation - 1 and may_retry(session, generation, waited):
        return Step.RETRY
    return Step.REUSE
