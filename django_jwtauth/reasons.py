"""Why sessions end."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class RevokedReason(models.TextChoices):
    """Why a session ended."""

    LOGOUT = "logout", pgettext_lazy("jwtauth reason", "signed out")
    LOGOUT_ALL = "logout_all", _("signed out everywhere")
    USER = "user", _("ended by the user on another device")
    ADMIN = "admin", pgettext_lazy("jwtauth reason", "administrator")
    REUSED = "reused", _("refresh token reuse")
    PASSWORD_CHANGED = "password_changed", pgettext_lazy("jwtauth reason", "password changed")
    USER_INACTIVE = "user_inactive", pgettext_lazy("jwtauth reason", "user deactivated")
    USER_DELETED = "user_deleted", pgettext_lazy("jwtauth reason", "user deleted")
    SESSION_LIMIT = "session_limit", _("too many sessions")
