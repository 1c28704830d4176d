"""The admin: its lists of sessions, blacklisted tokens and sign-outs of everyone, and a mixin for an admin of users.

Importing this package registers the lists with Django's default admin site, as Django's autodiscovery expects.
"""

from .site import BlacklistedTokenAdmin, NotBeforeAdmin, RefreshTokenAdmin
from .users import SessionsInline, SessionsUserAdminMixin

__all__ = [
    "BlacklistedTokenAdmin",
    "NotBeforeAdmin",
    "RefreshTokenAdmin",
    "SessionsInline",
    "SessionsUserAdminMixin",
]
