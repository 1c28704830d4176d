"""What a project adds to its own admin of users: their sessions, and a button that revokes them.

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
from django.utils.translation import ngettext, pgettext_lazy

from ..models import RefreshToken, RefreshTokenQuerySet
from ..sessions._password import attribute_to
from ..users import user_key
from .base import has_permission, url_if_any
from .columns import SessionColumns, with_actors

MAX_SHOWN = 20
"""How many sessions are shown on the page of a user."""
_SESSIONS = "django_jwtauth_refreshtoken"


class NewestSessionsFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The newest active sessions only: a user may have very many."""

    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_newest"):
            # The inline's get_queryset(), which a subclass may limit.
            rows = cast(RefreshTokenQuerySet, self.queryset).live().with_clock().select_related("user")
            self._newest = rows.order_by("-created_at")[:MAX_SHOWN]
            with_actors(self._newest)
        return self._newest


class SessionsInline(SessionColumns, admin.TabularInline):  # type: ignore[type-arg]
    """The user's newest active sessions, each with a link to its page."""

    model = RefreshToken
    formset = NewestSessionsFormSet
    fk_name = "user"
    extra = 0
    can_delete = False
    verbose_name = pgettext_lazy("jwtauth label", "active session")
    verbose_name_plural = _(
        "active sessions (deactivating the user or changing the password ends them all; the newest are shown)"
    )
    fields = ("link", "status", "device", "ip_address", "created_at", "last_seen", "ends")
    readonly_fields = ("link", "status", "device", "last_seen", "ends")

    class Media:
        """The style of the status words."""

        css = {"all": ["django_jwtauth/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_permission(request, "view_refreshtoken")

    @admin.display(description=pgettext_lazy("jwtauth label", "session"))
    def link(self, session: RefreshToken) -> str | SafeString:
        """Return the beginning of the id, with a link to the session's page if this site has one."""
        url, short_id = url_if_any(self.admin_site, f"{_SESSIONS}_change", session.pk), str(session.pk)[:8]
        return format_html('<a href="{}">{}</a>', url, short_id) if url else short_id


class SessionsUserAdminMixin:
    """Shows the sessions of a user on the user's page, with a button that revokes them all.

    Put it before your own admin class of users. It also reports how many sessions ended when an operator deactivates
    the user or changes the password, and records in these sessions who did it.
    """

    change_form_template = "admin/django_jwtauth/user_change_form.html"

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        inlines: Any = super().get_inlines(request, obj)  # type: ignore[misc]
        return [*inlines, SessionsInline] if obj is not None else list(inlines)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        user = kwargs.get("obj")
        is_allowed = has_permission(request, "sign_out_user") and has_permission(request, "view_refreshtoken")
        if user is not None and is_allowed:
            site = self.admin_site  # type: ignore[attr-defined]
            context["jwtauth_sign_out_url"] = url_if_any(site, f"{_SESSIONS}_sign_out", user_key(user))
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        since = RefreshToken.objects.now()
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        _report_ended_sessions(request, obj, since)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change the password as Django does, and report how many sessions that has ended."""
        since = RefreshToken.objects.now()
        response: HttpResponse = super().user_change_password(request, id, form_url)  # type: ignore[misc]
        if request.method == "POST":
            user = self.get_object(request, unquote(id))  # type: ignore[attr-defined]
            _report_ended_sessions(request, user, since)
        return response


def _report_ended_sessions(request: HttpRequest, user: Any, since: datetime) -> None:
    """Record who ended the sessions that saving the user has ended since then, and show how many they are."""
    ended = attribute_to(user, cast(Any, request.user), since=since)
    if ended:
        text = ngettext("%d session of the user has ended.", "%d sessions of the user have ended.", ended) % ended
        messages.info(request, text)
