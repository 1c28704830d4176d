"""What the admin shows of sessions and keys."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from .. import conf, sessions
from ..models import NotBefore, RefreshToken, RevokedReason
from ..request_info import device_name
from .actions import TokenForm, may
from .base import ReadOnlyAdmin, all_sessions, user_url
from .filters import MANY_REPLAYS

EVENTS = 100
"""How many security events of a kind are shown."""
LOG_ENTRIES = 50

_WORDS = {
    "": _("active"),
    "expired": _("expired"),
    "idle": _("idle"),
    "user_inactive": _("user inactive"),
    "password_changed": _("password changed"),
}


def status_html(session: RefreshToken) -> SafeString:
    """Say in a coloured word whether a session that was read ``with_clock()`` lives, and if not, why."""
    now = session.database_now
    word = session.refusal(now, ends_at=session.idle_at)
    if word == "session_expired":
        word = "expired" if now >= session.expires_at else "idle"
    kind = {"": "active", "revoked": "revoked"}.get(word, "over")
    return format_html('<span class="jwtauth-status jwtauth-{}">{}</span>', kind, _status_text(session, word))


def _status_text(session: RefreshToken, word: str) -> str:
    if word != "revoked":
        return str(_WORDS[word])
    if session.revoked_at is None:
        return str(_("revoked: everyone was signed out"))
    labels: dict[str, Any] = dict(RevokedReason.choices)
    return str(_("revoked: %s") % labels.get(session.revoked_reason, session.revoked_reason))


def user_link(session: RefreshToken, site: Any) -> str | SafeString:
    """Show whose session it is, with a link to that page, and who acts as that user."""
    if session.user is None:
        return "-"
    url = user_url(session.user, site)
    name = format_html('<a href="{}">{}</a>', url, session.user) if url else str(session.user)
    if not session.actor:
        return name
    acting = _("%s acts") % session.actor
    return format_html('{} <span class="jwtauth-status jwtauth-warning">{}</span>', name, acting)


def timeline_html(session: RefreshToken) -> SafeString:
    """Tell in order what the row and the admin's log know of a session."""
    lines = sorted(_happenings(session), key=lambda line: line[0])
    return format_html(
        '<ol class="jwtauth-timeline">{}</ol>',
        format_html_join(
            "",
            '<li><time datetime="{}">{}</time> {}</li>',
            ((at.isoformat(timespec="seconds"), shown(at), text) for at, text in lines),
        ),
    )


def _happenings(session: RefreshToken) -> Iterator[tuple[datetime, Any]]:
    methods = ", ".join(map(str, session.amr))
    if session.actor:
        yield session.created_at, _("%s began to act as the user") % session.actor
    else:
        yield session.created_at, _("signed in (%s)") % methods if methods else _("signed in")
    if session.auth_time != session.created_at:
        yield session.auth_time, _("authenticated once more")
    if session.generation:
        yield session.rotated_at, _("refreshed last, to generation %d") % session.generation
    if session.replays:
        yield session.rotated_at, _("replays so far: %d") % session.replays
    if session.revoked_at is not None:
        by = _("by %s") % session.revoked_by if session.revoked_by else ""
        yield session.revoked_at, f"{_status_text(session, 'revoked')} {by}"
    if session.signed_out:
        times = NotBefore.objects.using(RefreshToken.write_alias()).select_related("revoked_by")
        for time in times.filter(not_before__gte=session.created_at).order_by("created_at")[:1]:
            who = {"who": time.revoked_by or "-", "why": time.reason}
            yield time.created_at, _("everyone was signed out, by %(who)s: %(why)s") % who
    entries = LogEntry.objects.filter(
        content_type=get_content_type_for_model(session), object_id=str(session.pk)
    ).select_related("user")
    for entry in entries.order_by("-action_time")[:LOG_ENTRIES]:
        yield entry.action_time, f"{entry.user}: {entry.get_change_message()}"


def shown(moment: datetime) -> str:
    """Write a time as the admin writes those of fields, by the project's format and the present time zone."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return str(localize(local))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something about a session that may be an attack."""

    at: datetime
    session: RefreshToken
    what: Any
    status: SafeString
    user: str | SafeString
    device: str
    is_live: bool


def events(site: Any) -> list[Event]:
    """Return the newest reuse detections and sessions with many replays, newest first. Two queries."""
    rows = all_sessions().with_clock().select_related("user")
    reused = rows.filter(revoked_reason=RevokedReason.REUSED, revoked_at__isnull=False).order_by("-revoked_at")
    replayed = rows.filter(replays__gte=MANY_REPLAYS).exclude(revoked_reason=RevokedReason.REUSED)
    found: list[tuple[Any, RefreshToken, Any]]
    found = [(session.revoked_at, session, _("refresh token reuse")) for session in reused[:EVENTS]]
    found += [
        (session.rotated_at, session, _("%d replays") % session.replays)
        for session in replayed.order_by("-last_seen_on", "-replays")[:EVENTS]
    ]
    return sorted(
        (
            Event(
                at=at or session.created_at,
                session=session,
                what=what,
                status=status_html(session),
                user=user_link(session, site),
                device=device_name(session.user_agent),
                is_live=session.revoked_at is None and not session.signed_out,
            )
            for at, session, what in found
        ),
        key=lambda event: event.at,
        reverse=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """What may be shown of a key."""

    kid: str
    alg: str
    use: Any
    jwk: str
    """The public JWK; empty for a secret."""


def keys() -> list[ShownKey]:
    """Return the keys of access tokens, the signing one first."""
    key_set = conf.get_config().signing_keys
    return [
        ShownKey(
            kid=key.kid,
            alg=key.alg,
            use=_("signs and verifies") if key is key_set.signing_key else _("verifies only"),
            jwk=json.dumps(key.public_jwk(), indent=2) if key.public_jwk() else "",
        )
        for key in key_set
    ]


class SessionPages(ReadOnlyAdmin):
    """The pages beside list and session."""

    @method_decorator(sensitive_post_parameters("token"))
    @method_decorator(sensitive_variables())
    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Find the session of a pasted token. The token goes in a POST body, so it stands in no address and no log."""
        self.must_view(request)
        form = TokenForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            session = sessions.find_by_any_token(form.cleaned_data["token"])
            if session is not None:
                return HttpResponseRedirect(self.page("change", session.pk))
            form.add_error("token", _("No session of this project has this token."))
        context = self.context(request, title=_("Find the session of a token"), form=form)
        return TemplateResponse(request, "admin/django_jwtauth/find.html", context)

    def events_view(self, request: HttpRequest) -> HttpResponse:
        """Show reuse and many replays, newest first."""
        self.must_view(request)
        context = self.context(
            request,
            title=_("Security events"),
            events=events(self.admin_site),
            can_revoke=may(request, "revoke_refreshtoken"),
            can_sign_out=may(request, "sign_out_user"),
        )
        return TemplateResponse(request, "admin/django_jwtauth/events.html", context)

    def keys_view(self, request: HttpRequest) -> HttpResponse:
        """Show the keys in use, never their private parts."""
        self.must_view(request)
        context = self.context(request, title=_("Keys"), keys=keys())
        return TemplateResponse(request, "admin/django_jwtauth/keys.html", context)
