"""Sessions: start, refresh, look up, revoke. Only this package writes our tables.

Except for ``models.REVOKE``, which runs while Django deletes a user, and for ``jwtauth_purge``.
"""

from ._lookup import find_by_any_token, find_by_refresh_token, verify_refresh
from ._pair import TokenPair
from ._password import keep
from ._refresh import refresh
from ._revoke import blacklist, revoke, revoke_all, revoke_everyone
from ._start import start, step_up

__all__ = [
    "TokenPair",
    "blacklist",
    "find_by_any_token",
    "find_by_refresh_token",
    "keep",
    "refresh",
    "revoke",
    "revoke_all",
    "revoke_everyone",
    "start",
    "step_up",
    "verify_refresh",
]
