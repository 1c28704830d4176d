"""How a session is shown in a column or a field: its status, user, device and times."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import RefreshToken
from ..request_info import device_name
from .base import user_url

_STATUS_WORDS = {
    "": _("active"),
    "expired": _("expired"),
    "idle": _("idle"),
    "user_inactive": _("user inactive"),
    "password_changed": _("password changed"),
    "key_changed": _("bound to another SECRET_KEY"),
}


class SessionColumns:
    """The columns that the list of sessions and the page of a user have in common."""

    @admin.display(description=_("status"))
    def status(self, session: RefreshToken) -> SafeString:
        """Return a word that says whether the session is alive, and if not, why."""
        return status_html(session)

    @admin.display(description=_("device"))
    def device(self, session: RefreshToken) -> str:
        """Return a short name of the device, taken from the user agent."""
        return device_name(session.user_agent)

    # Sorted by the day, which has an index; the exact time has none.
    @admin.display(description=_("last seen"), ordering="last_seen_on")
    def last_seen(self, session: RefreshToken) -> str:
        """Return when the session was last refreshed."""
        return local_time(session.rotated_at)

    # Sorted by the end that no refresh puts off, which has an index.
    @admin.display(description=_("expires"), ordering="expires_at")
    def ends(self, session: RefreshToken) -> str:
        """Return when the session ends if it is not refreshed before."""
        return local_time(session.idle_at)


def status_html(session: RefreshToken) -> SafeString:
    """Return a coloured word that says whether a session is alive, and if not, why. A note follows, if there is one.

    Args:
        session: A session that was read ``with_clock()``.
    """
    now = session.database_now
    word = session.refusal(now, ends_at=session.idle_at)
    if word == "session_expired":
        word = "expired" if now >= session.expires_at else "idle"
    kind = {"": "active", "revoked": "revoked"}.get(word, "over")
    text = revoked_text(session) if word == "revoked" else _STATUS_WORDS.get(word, word)
    status = format_html('<span class="jwtauth-status jwtauth-{}">{}</span>', kind, text)
    if not session.revoked_note:
        return status
    return format_html('{} <span class="jwtauth-note">{}</span>', status, session.revoked_note)


def revoked_text(session: RefreshToken) -> str:
    """Return why a revoked session ended."""
    if session.revoked_at is None:
        return str(_("revoked: everyone was signed out"))
    return str(_("revoked: %s") % session.get_revoked_reason_display())


def user_html(session: RefreshToken, site: Any) -> str | SafeString:
    """Return the user of a session, with a link to the user's page, and the actor if somebody acts as the user."""
    if session.user is None:
        return "-"
    url = user_url(session.user, site)
    name = format_html('<a href="{}">{}</a>', url, session.user) if url else str(session.user)
    if not session.actor:
        return name
    acting = _("%s acts as this user") % session.actor
    return format_html('{} <span class="jwtauth-status jwtauth-warning">{}</span>', name, acting)


def local_time(moment: datetime) -> str:
    """Return a time in the project's format and the current time zone, as the admin shows times."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return str(localize(local))
