"""The admin: lists of sessions, blacklisted tokens and sign-outs of everyone, and what a project adds to its own.

Importing this registers the lists with Django's default admin site, as Django's autodiscovery expects.
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
