"""The timeline of a session: what its row and the admin's log know, in order of time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ..models import NotBefore, RefreshToken
from .columns import local_time, revoked_text

MAX_LOG_ENTRIES = 50


def timeline_html(session: RefreshToken) -> SafeString:
    """Return the timeline of a session that was read ``with_clock()``. At most three queries."""
    events = sorted(_events(session), key=lambda event: event[0])
    return format_html(
        '<ol class="jwtauth-timeline">{}</ol>',
        format_html_join(
            "",
            '<li><time datetime="{}">{}</time> {}</li>',
            ((at.isoformat(timespec="seconds"), local_time(at), text) for at, text in events),
        ),
    )


def _events(session: RefreshToken) -> Iterator[tuple[datetime, Any]]:
    methods = ", ".join(map(str, session.amr))
    if session.actor:
        yield session.created_at, _("%s began to act as the user") % session.actor
    else:
        yield (
            session.created_at,
            _("signed in (%s)") % methods if methods else pgettext_lazy("jwtauth time", "signed in"),
        )
    if session.auth_time != session.created_at:
        yield session.auth_time, pgettext_lazy("jwtauth time", "authenticated again")
    if session.generation:
        yield session.rotated_at, _("last refresh, to generation %d") % session.generation
    if session.replays:
        yield session.rotated_at, _("replays so far: %d") % session.replays
    if session.revoked_at is not None:
        yield session.revoked_at, _with_operator(revoked_text(session), session.revoked_by, session.revoked_note)
    if session.signed_out:
        times = NotBefore.objects.select_related("revoked_by").filter(not_before__gte=session.created_at)
        for time in times.order_by("created_at")[:1]:
            text = _("everyone was signed out: %s") % time.get_reason_display()
            yield time.created_at, _with_operator(text, time.revoked_by, time.note)
    entries = LogEntry.objects.filter(
        content_type=get_content_type_for_model(session), object_id=str(session.pk)
    ).select_related("user")
    for entry in entries.order_by("-action_time")[:MAX_LOG_ENTRIES]:
        yield entry.action_time, f"{entry.user}: {entry.get_change_message()}"


def _with_operator(text: str, operator: Any, note: str) -> str:
    """Return what happened together with who did it, and with that operator's note."""
    if operator is not None:
        text = _("%(what)s, by %(who)s") % {"what": text, "who": operator}
    return _("%(what)s: %(note)s") % {"what": text, "note": note} if note else text
