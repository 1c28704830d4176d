"""The admin: sessions and blacklisted tokens, to look at and to revoke. No token, secret or hash is shown."""

import uuid
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from . import sessions
from .client import device_name
from .models import BlacklistedToken, RefreshToken, RefreshTokenQuerySet, RevokedReason

_STATUS = {
    "": _("active"),
    "session_expired": _("expired"),
    "user_inactive": _("user inactive"),
    "password_changed": _("password changed"),
}


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows are written by the library only. Users stay deletable: their sessions are not deleted with them."""

    list_select_related = ("user",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody; ``jwtauth_purge`` deletes."""
        return False

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search by the user's name."""
        return [f"user__{get_user_model().USERNAME_FIELD}"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read from the database that is written."""
        return super().get_queryset(request).using(RefreshToken.write_alias())


@admin.register(RefreshToken)
class RefreshTokenAdmin(ReadOnlyAdmin):
    """Sessions: who is signed in where, and an end to it."""

    list_display = ("id", "user", "status", "device", "ip_address", "created_at", "rotated_at", "expires_at")
    list_filter = ("revoked_reason", "created_at")
    ordering = ("-created_at",)
    actions = ("revoke_selected",)
    fields = (
        ("id", "user"),
        "status",
        ("created_at", "auth_time"),
        ("rotated_at", "generation", "replays"),
        "expires_at",
        ("device", "ip_address"),
        "user_agent",
        ("amr", "acr"),
        ("scope", "audience", "actor"),
        ("revoked_at", "revoked_reason", "revoked_by"),
    )
    readonly_fields = ("id", "status", "device")
    change_form_template = "admin/django_jwtauth/refreshtoken/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshToken]:
        """Read the database's time along with the rows: ``status`` goes by it."""
        rows: Any = super().get_queryset(request)
        return cast(RefreshTokenQuerySet, rows).with_clock()

    @admin.display(description=_("status"))
    def status(self, session: RefreshToken) -> str:
        """Say in words whether the session lives, and if not, why."""
        reason = session.refusal(session.database_now, ends_at=session.idle_at)
        if reason == "revoked":
            labels: dict[str, Any] = dict(RevokedReason.choices)
            return str(_("revoked: %s") % labels.get(session.revoked_reason, session.revoked_reason))
        return str(_STATUS[reason])

    @admin.display(description=_("device"))
    def device(self, session: RefreshToken) -> str:
        """Summarize the user agent."""
        return device_name(session.user_agent)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RefreshToken], search_term: str
    ) -> tuple[QuerySet[RefreshToken], bool]:
        """Search by session id too."""
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        try:
            # User names may be UUIDs too.
            return found | queryset.filter(pk=uuid.UUID(search_term.strip())), may_have_duplicates
        except ValueError:
            return found, may_have_duplicates

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Who may revoke: permission ``django_jwtauth.revoke_refreshtoken``."""
        return bool(request.user.has_perm("django_jwtauth.revoke_refreshtoken"))

    @admin.action(description=_("Revoke selected sessions"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> None:
        """End each selected session that still lives."""
        self._revoke(request, list(queryset.filter(revoked_at__isnull=True)))

    def get_urls(self) -> list[URLPattern]:
        """Add the target of the button."""
        view = self.admin_site.admin_view(require_POST(self.revoke_view))
        return [path("<uuid:pk>/revoke/", view, name="django_jwtauth_refreshtoken_revoke"), *super().get_urls()]

    def revoke_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """End one session, by the button on its page."""
        session = self.get_object(request, str(pk))
        if not self.has_revoke_permission(request) or not self.has_view_permission(request, session):
            raise PermissionDenied
        self._revoke(request, [session] if session and session.revoked_at is None else [])
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:django_jwtauth_refreshtoken_change", args=[pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer the button to whom it will obey."""
        session = kwargs.get("obj")
        context["can_revoke"] = session and session.revoked_at is None and self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def _revoke(self, request: HttpRequest, chosen: list[RefreshToken]) -> None:
        keys = [session.pk for session in chosen]
        operator: Any = request.user
        count = sessions.revoke(RefreshToken.objects.filter(pk__in=keys), reason=RevokedReason.ADMIN, by=operator)
        for session in chosen:
            self.log_change(request, session, [{"changed": {"fields": [str(_("revoked"))]}}])
        text = ngettext("%d session was revoked.", "%d sessions were revoked.", count) % count
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(ReadOnlyAdmin):
    """Single access tokens that were revoked."""

    list_display = ("jti", "user", "reason", "created_at", "expires_at")
    ordering = ("-created_at",)
    fields = ("jti", "user", "reason", "created_at", "expires_at")
