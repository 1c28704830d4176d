"""The clock that judges the issuer's own tokens: this process's, unless it is known to be ahead of the database's.

An access token is issued at the earlier of the two times. A process whose clock is ahead would find that it expires too
early, or that it has expired before it was sent. So such a process judges by the database's time, as far as it can be
told from the last time it was read.
"""

import time
from dataclasses import dataclass

JUMP_SECONDS = 1.0
"""If the clock of the machine has been set, or has slept, by more than this, what was observed before is worthless."""
MAX_AGE_SECONDS = 3600.0
"""How long an observation counts. Each sign-in, each refresh and each look at a session's row makes a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    ahead: float
    at: float
    monotonic: float


class IssuerClock:
    """Call it for the time in seconds since 1970."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again without any observation."""
        self._latest: _Observation | None = None
        self._was_off = False

    def observe(self, there: float, *, leeway: float) -> tuple[float, bool]:
        """Compare the clock of this process with the database's.

        Args:
            there: The database's time, which has just been read.
            leeway: By how many seconds they may differ.

        Returns:
            By how many seconds this process is ahead, negative if it is behind, and 0 within the leeway. And whether
            this is news: the clocks agreed before.
        """
        here = time.time()
        ahead = here - there
        is_off = abs(ahead) > leeway
        is_news = is_off and not self._was_off
        self._was_off = is_off
        # A process that is behind judges by its own clock, by which it also issues.
        self._latest = _Observation(ahead=ahead, at=here, monotonic=time.monotonic()) if is_off and ahead > 0 else None
        return (ahead if is_off else 0.0), is_news

    def ahead(self) -> float:
        """Return by how many seconds the clock of this process is to be corrected; 0 if nothing is known."""
        seen = self._latest
        if seen is None:
            return 0.0
        passed = time.monotonic() - seen.monotonic
        has_jumped = abs(time.time() - seen.at - passed) > JUMP_SECONDS
        return 0.0 if has_jumped or passed > MAX_AGE_SECONDS else seen.ahead

    def __call__(self) -> float:
        return time.time() - self.ahead()


issuer_clock = IssuerClock()
