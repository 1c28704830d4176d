"""What a project adds to its own admin of users: their sessions, and an end to them.

.. code-block:: python

    @admin.register(User)
    class MyUserAdmin(SessionsUserAdminMixin, UserAdmin):
        pass
"""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..database import database_now
from ..models import RefreshToken, RevokedReason, user_key
from ..request_info import device_name
from .actions import may
from .base import all_sessions, page_url
from .pages import shown, status_html

SHOWN = 20
"""How many sessions stand on a user's page."""
SESSIONS = "django_jwtauth_refreshtoken"


class NewestFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The newest sessions that live: a user may have very many."""

    def get_queryset(self) -> QuerySet[Any]:
        """Return them, in one query."""
        if not hasattr(self, "_newest"):
            rows = all_sessions().with_clock().select_related("user").filter(user_id=user_key(self.instance))
            self._newest = rows.live(database_now(rows.db)).order_by("-created_at")[:SHOWN]
        return self._newest


class SessionsInline(admin.TabularInline):  # type: ignore[type-arg]
    """The user's newest active sessions, each with a link to its page."""

    model = RefreshToken
    formset = NewestFormSet
    fk_name = "user"
    extra = 0
    can_delete = False
    verbose_name = _("active session")
    verbose_name_plural = _(
        "active sessions (deactivating the user or changing the password ends them all; the newest are shown)"
    )
    fields = ("link", "status", "device", "ip_address", "created_at", "last_seen", "ends")
    readonly_fields = ("link", "status", "device", "last_seen", "ends")

    class Media:
        """The colours of the status words."""

        css = {"all": ["django_jwtauth/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see sessions."""
        return may(request, "view_refreshtoken")

    @admin.display(description=_("session"))
    def link(self, session: RefreshToken) -> str | SafeString:
        """Link to the session's page, where there is one."""
        url, short = page_url(self.admin_site, f"{SESSIONS}_change", session.pk), str(session.pk)[:8]
        return format_html('<a href="{}">{}</a>', url, short) if url else short

    @admin.display(description=_("status"))
    def status(self, session: RefreshToken) -> SafeString:
        """Say in a word whether the session lives."""
        return status_html(session)

    @admin.display(description=_("device"))
    def device(self, session: RefreshToken) -> str:
        """Summarize the user agent."""
        return device_name(session.user_agent)

    @admin.display(description=_("last seen"))
    def last_seen(self, session: RefreshToken) -> str:
        """Show when the session was last refreshed."""
        return shown(session.rotated_at)

    @admin.display(description=_("expires"))
    def ends(self, session: RefreshToken) -> str:
        """Show when it ends if it is not refreshed before."""
        return shown(session.idle_at)


class SessionsUserAdminMixin:
    """Put this before the project's own admin of users."""

    change_form_template = "admin/django_jwtauth/user_change_form.html"

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Add the sessions to the page of a user."""
        inlines: Any = super().get_inlines(request, obj)  # type: ignore[misc]
        return [*inlines, SessionsInline] if obj is not None else list(inlines)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer to sign the user out, to whom it will obey."""
        user = kwargs.get("obj")
        if user is not None and may(request, "sign_out_user") and may(request, "view_refreshtoken"):
            site = self.admin_site  # type: ignore[attr-defined]
            context["jwtauth_sign_out_url"] = page_url(site, f"{SESSIONS}_sign_out", user_key(user))
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the user, and say how many sessions that has ended, and who did it."""
        since = database_now(RefreshToken.write_alias())
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        _tell(request, obj, since)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change the password, and say the same."""
        since = database_now(RefreshToken.write_alias())
        response: HttpResponse = super().user_change_password(request, id, form_url)  # type: ignore[misc]
        if request.method == "POST":
            _tell(request, self.get_object(request, unquote(id)), since)  # type: ignore[attr-defined]
        return response


def _tell(request: HttpRequest, user: Any, since: datetime) -> None:
    """Put down who ended the sessions that saving a user has ended since then, and say how many they are."""
    reasons = (RevokedReason.USER_INACTIVE, RevokedReason.PASSWORD_CHANGED)
    rows = all_sessions().filter(user_id=user_key(user), revoked_at__gte=since, revoked_reason__in=reasons)
    ended = rows.filter(revoked_by__isnull=True).update(revoked_by=cast(Any, request.user))
    if ended:
        text = ngettext("%d session of the user has ended.", "%d sessions of the user have ended.", ended) % ended
        messages.add_message(request, messages.INFO, text)
