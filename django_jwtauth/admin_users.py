"""What a project adds to its own admin of users: their sessions, and an end to them.

.. code-block:: python

    @admin.register(User)
    class MyUserAdmin(SessionsUserAdminMixin, UserAdmin):
        pass
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .admin_acts import may
from .admin_base import all_sessions
from .admin_pages import status_html
from .client import device_name
from .database import database_now
from .models import RefreshToken, user_key

SHOWN = 20
"""How many sessions stand on a user's page."""


class SessionsInline(admin.TabularInline):  # type: ignore[type-arg]
    """The user's newest active sessions, each with a link to its page."""

    model = RefreshToken
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshToken]:
        """Return the newest that live: a user may have very many."""
        match: Any = request.resolver_match
        rows = all_sessions()
        now = database_now(rows.db)
        try:
            key = get_user_model()._meta.pk.to_python(match.kwargs["object_id"])
            live = rows.live(now).filter(user_id=key).order_by("-created_at")
            newest = list(live.values_list("pk", flat=True)[:SHOWN])
        except Exception:
            newest = []  # no such user: the admin itself will say so
        return rows.with_clock().select_related("user").filter(pk__in=newest).order_by("-created_at")

    @admin.display(description=_("session"))
    def link(self, session: RefreshToken) -> SafeString:
        """Link to the session's page."""
        url = reverse(f"{self.admin_site.name}:django_jwtauth_refreshtoken_change", args=[session.pk])
        return format_html('<a href="{}">{}</a>', url, str(session.pk)[:8])

    @admin.display(description=_("status"))
    def status(self, session: RefreshToken) -> SafeString:
        """Say in a word whether the session lives."""
        return status_html(session)

    @admin.display(description=_("device"))
    def device(self, session: RefreshToken) -> str:
        """Summarize the user agent."""
        return device_name(session.user_agent)

    @admin.display(description=_("last seen"))
    def last_seen(self, session: RefreshToken) -> Any:
        """Show when the session was last refreshed."""
        return session.rotated_at

    @admin.display(description=_("expires"))
    def ends(self, session: RefreshToken) -> Any:
        """Show when it ends if it is not refreshed before."""
        return session.idle_at


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
            site: Any = self.admin_site  # type: ignore[attr-defined]
            name = f"{site.name}:django_jwtauth_refreshtoken_sign_out"
            context["jwtauth_sign_out_url"] = reverse(name, args=[user_key(user)])
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the user, and say how many sessions that has ended."""
        before = _count_live(obj) if change else 0
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        self._tell(request, obj, before)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change the password, and say how many sessions that has ended."""
        user = self.get_object(request, id)  # type: ignore[attr-defined]
        before = _count_live(user) if user is not None and request.method == "POST" else 0
        response: HttpResponse = super().user_change_password(request, id, form_url)  # type: ignore[misc]
        self._tell(request, user, before)
        return response

    def _tell(self, request: HttpRequest, user: Any, before: int) -> None:
        ended = before - _count_live(user) if before else 0
        if ended > 0:
            text = ngettext("%d session of the user has ended.", "%d sessions of the user have ended.", ended) % ended
            messages.add_message(request, messages.INFO, text)


def _count_live(user: Any) -> int:
    rows = all_sessions()
    return rows.live(database_now(rows.db)).filter(user_id=user_key(user)).count()
