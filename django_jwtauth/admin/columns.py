"""How a session is shown in a column or a field: its status, user, device and times."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format, localize, time_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .. import users
from ..models import RefreshToken
from ..request_info import device_name
from .base import user_url

_STATUS_WORDS = {
    "": pgettext_lazy("jwtauth status", "active"),
    "expired": pgettext_lazy("jwtauth status", "expired"),
    "idle": pgettext_lazy("jwtauth status", "idle"),
    "user_inactive": pgettext_lazy("jwtauth status", "user inactive"),
    "password_changed": pgettext_lazy("jwtauth status", "password changed"),
    "key_changed": _("bound to another SECRET_KEY"),
}


class SessionColumns:
    """The columns that the list of sessions and the page of a user have in common."""

    @admin.display(description=pgettext_lazy("jwtauth label", "status"))
    def status(self, session: RefreshToken) -> SafeString:
        """Return a word that says whether the session is alive, and if not, why."""
        return status_html(session)

    @admin.display(description=pgettext_lazy("jwtauth label", "device"))
    def device(self, session: RefreshToken) -> str:
        """Return a short name of the device, taken from the user agent."""
        return device_name(session.user_agent)

    @admin.display(description=pgettext_lazy("jwtauth label", "device"))
    def device_and_address(self, session: RefreshToken) -> SafeString:
        """Return a short name of the device, and below it the address of its last refresh."""
        name, address = device_name(session.user_agent), session.ip_address
        return format_html('{} <span class="jwtauth-below"><bdi>{}</bdi></span>', name, address or "")

    # An IPv6 address would be reordered between words that are written from right to left.
    @admin.display(description=_("IP address"))
    def address(self, session: RefreshToken) -> SafeString:
        """Return the address of the last refresh."""
        return format_html("<bdi>{}</bdi>", session.ip_address or "-")

    @admin.display(description=pgettext_lazy("jwtauth time", "signed in"), ordering="created_at")
    def signed_in(self, session: RefreshToken) -> SafeString:
        """Return when the session began."""
        return time_html(session.created_at)

    # Sorted by the day, which has an index; the exact time has none.
    @admin.display(description=pgettext_lazy("jwtauth time", "last seen"), ordering="last_seen_on")
    def last_seen(self, session: RefreshToken) -> SafeString:
        """Return when the session was last refreshed."""
        return time_html(session.rotated_at)

    # Sorted by the end that no refresh puts off, which has an index.
    @admin.display(description=pgettext_lazy("jwtauth time", "expires"), ordering="expires_at")
    def ends(self, session: RefreshToken) -> SafeString:
        """Return when the session ends if it is not refreshed before."""
        return time_html(session.idle_at)


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
    # A note may be in another language than the words after it.
    return format_html('{} <bdi class="jwtauth-note">{}</bdi>', status, session.revoked_note)


def with_actors(sessions: Iterable[RefreshToken]) -> list[RefreshToken]:
    """Return sessions with their actors, read at once. Otherwise the status of each session would query its own."""
    rows = list(sessions)
    acting = [session for session in rows if session.actor]
    found = users.by_subjects({session.actor for session in acting}, using=RefreshToken.write_alias())
    for session in acting:
        session.acting_row = found.get(session.actor)
    return rows


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
    return str(localize(_local(moment)))


def time_html(moment: datetime) -> SafeString:
    """Return a time in the project's short format, in which a line breaks only between date and time."""
    local = _local(moment)
    return format_html(
        '<time class="jwtauth-time" datetime="{}" title="{}"><span>{}</span> <span>{}</span></time>',
        local.isoformat(timespec="seconds"),
        localize(local),
        date_format(local, "SHORT_DATE_FORMAT"),
        time_format(local, "TIME_FORMAT"),
    )


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
