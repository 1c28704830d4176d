"""The admin's pages beside the list: find a session by a token, security events, keys."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from .. import conf, sessions
from ..models import RefreshToken, RevokedReason
from ..request_info import device_name
from .base import ReadOnlyAdmin, has_permission
from .columns import status_html, user_html, with_actors
from .filters import MANY_REPLAYS
from .forms import TokenForm

MAX_EVENTS = 100
"""How many security events of each kind are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a session and may be an attack."""

    at: datetime
    session: RefreshToken
    what: Any
    status: SafeString
    user: str | SafeString
    device: str
    is_revocable: bool


def security_events(visible: QuerySet[RefreshToken], site: Any) -> list[Event]:
    """Return the newest reuse detections and sessions with many replays, newest first. Two queries, or three.

    Args:
        visible: The sessions that the operator may see, ``with_clock()``.
        site: The admin site.
    """
    rows = visible.select_related("user")
    reused = rows.filter(revoked_reason=RevokedReason.REUSED, revoked_at__isnull=False).order_by("-revoked_at")
    replayed = rows.filter(replays__gte=MANY_REPLAYS).exclude(revoked_reason=RevokedReason.REUSED)
    found: list[tuple[Any, RefreshToken, Any]]
    found = [(session.revoked_at, session, _("refresh token reuse")) for session in reused[:MAX_EVENTS]]
    found += [
        (session.rotated_at, session, ngettext("%d replay", "%d replays", session.replays) % session.replays)
        for session in replayed.order_by("-last_seen_on", "-replays")[:MAX_EVENTS]
    ]
    with_actors(session for _at, session, _what in found)
    return sorted(
        (
            Event(
                at=at or session.created_at,
                session=session,
                what=what,
                status=status_html(session),
                user=user_html(session, site),
                device=device_name(session.user_agent),
                is_revocable=session.revoked_at is None and not session.signed_out,
            )
            for at, session, what in found
        ),
        key=lambda event: event.at,
        reverse=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The parts of a key that are not secret."""

    kid: str
    alg: str
    use: Any
    jwk: str
    """The public JWK as JSON; empty for a secret."""


def public_keys() -> list[PublicKey]:
    """Return the public parts of the keys for access tokens, the signing key first."""
    key_set = conf.get_config().signing_keys
    return [
        PublicKey(
            kid=key.kid,
            alg=key.alg,
            use=_("signs and verifies")
            if key is key_set.signing_key
            else pgettext_lazy("jwtauth label", "verifies only"),
            jwk=json.dumps(key.public_jwk(), indent=2) if key.public_jwk() else "",
        )
        for key in key_set
    ]


class SessionPages(ReadOnlyAdmin):
    """The pages beside the list of sessions. They only show; they need the permission to view sessions."""

    # The token travels in the body of a POST request, so it appears in no URL and no access log.
    @method_decorator(sensitive_post_parameters("token"))
    @sensitive_variables()  # for the frames of Django's forms, in its own reports
    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a token, and lead to its session."""
        self.require_view_permission(request)
        form = TokenForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            session = sessions.find_by_any_token(form.cleaned_data["token"])
            if session is not None and self.get_queryset(request).filter(pk=session.pk).exists():
                return HttpResponseRedirect(self.page_url("change", session.pk))
            form.add_error("token", _("No session of this project has this token."))
        context = self.page_context(request, title=_("Find the session of a token"), form=form)
        return TemplateResponse(request, "admin/django_jwtauth/find.html", context)

    def events_view(self, request: HttpRequest) -> HttpResponse:
        """Show reuse and many replays, newest first."""
        self.require_view_permission(request)
        context = self.page_context(
            request,
            title=pgettext_lazy("jwtauth heading", "Security events"),
            events=security_events(self.get_queryset(request), self.admin_site),
            can_revoke=has_permission(request, "revoke_refreshtoken"),
            can_sign_out=has_permission(request, "sign_out_user"),
        )
        return TemplateResponse(request, "admin/django_jwtauth/events.html", context)

    def keys_view(self, request: HttpRequest) -> HttpResponse:
        """Show the keys in use, never their private parts."""
        self.require_view_permission(request)
        context = self.page_context(request, title=pgettext_lazy("jwtauth heading", "Keys"), keys=public_keys())
        return TemplateResponse(request, "admin/django_jwtauth/keys.html", context)
