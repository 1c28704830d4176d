"""Sessions: start, refresh, look up, revoke. Only this package writes our tables.

Except for ``models.REVOKE``, which runs while Django deletes a user, and for ``jwtauth_purge``.
"""

from ..asynchronous import asynchronous
from ._lookup import find_by_any_token, find_by_refresh_token, verify_refresh
from ._pair import TokenPair
from ._password import keep, save_password
from ._refresh import refresh
from ._revoke import blacklist, revoke, revoke_all, revoke_everyone
from ._start import start, step_up

# For coroutines. Each does the same as the function without the first letter. keep() has no twin: it belongs into a
# transaction, which coroutines cannot open.
ablacklist = asynchronous(blacklist)
afind_by_any_token = asynchronous(find_by_any_token)
afind_by_refresh_token = asynchronous(find_by_refresh_token)
arefresh = asynchronous(refresh)
arevoke = asynchronous(revoke)
arevoke_all = asynchronous(revoke_all)
arevoke_everyone = asynchronous(revoke_everyone)
asave_password = asynchronous(save_password)
astart = asynchronous(start)
astep_up = asynchronous(step_up)
averify_refresh = asynchronous(verify_refresh)

__all__ = [
    "TokenPair",
    "ablacklist",
    "afind_by_any_token",
    "afind_by_refresh_token",
    "arefresh",
    "arevoke",
    "arevoke_all",
    "arevoke_everyone",
    "asave_password",
    "astart",
    "astep_up",
    "averify_refresh",
    "blacklist",
    "find_by_any_token",
    "find_by_refresh_token",
    "keep",
    "refresh",
    "revoke",
    "revoke_all",
    "revoke_everyone",
    "save_password",
    "start",
    "step_up",
    "verify_refresh",
]
