"""The endpoints.

To extend one, subclass it: ``serializer_class`` is what it accepts, ``get_success_data()`` what it returns. The views
run outside of ``ATOMIC_REQUESTS``: a request that is refused may still have written (reuse revokes the session), and
REST framework would roll that back.
"""

from ._base import AuthenticatedView, JWTAuthView, OAuthTokenView, send_logged_out
from ._inspect import MayIntrospect, TokenIntrospectView, TokenVerifyView
from ._oauth import BAD_REQUESTS
from ._parsers import SafeFormParser, SafeJSONParser, SafeMultiPartParser
from ._revoke import LogoutAllView, LogoutView, TokenBlacklistView, TokenRevokeView
from ._sessions import SessionDetailView, SessionListView, SessionPagination
from ._token_pair import TokenPairView, TokenRefreshView, TokenView

__all__ = [
    "BAD_REQUESTS",
    "AuthenticatedView",
    "JWTAuthView",
    "LogoutAllView",
    "LogoutView",
    "MayIntrospect",
    "OAuthTokenView",
    "SafeFormParser",
    "SafeJSONParser",
    "SafeMultiPartParser",
    "SessionDetailView",
    "SessionListView",
    "SessionPagination",
    "TokenBlacklistView",
    "TokenIntrospectView",
    "TokenPairView",
    "TokenRefreshView",
    "TokenRevokeView",
    "TokenVerifyView",
    "TokenView",
    "send_logged_out",
]
