"""The admin's list of old refresh tokens: which ones are still used, and whether the bridge can be removed."""

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from ...admin.base import ReadOnlyAdmin, url_if_any
from . import moving
from .models import ExchangedToken
from .settings import get_settings


@admin.register(ExchangedToken)
class ExchangedTokenAdmin(ReadOnlyAdmin):
    """The old refresh tokens that have become sessions. The one that was used last comes first."""

    list_display = ("session", "last_used_at", "exchanged_at", "imported_at", "expires_at")
    list_display_links = None
    list_filter = (("exchanged_at", admin.EmptyFieldListFilter),)
    # PostgreSQL would put those first that have never been used.
    ordering = (F("last_used_at").desc(nulls_last=True), "pk")

    @admin.display(description=pgettext_lazy("jwtauth label", "session"))
    def session(self, row: ExchangedToken) -> str:
        """Return a link to the session, which may have been purged."""
        url = url_if_any(self.admin_site, "django_jwtauth_refreshtoken_change", row.pk)
        return format_html('<a href="{}">{}</a>', url, row.pk) if url else str(row.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Lazily, because the view checks the permission first.
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": SimpleLazyObject(_summary)})


def _summary() -> str:
    remains = moving.remains(exact=False)
    last = (
        pgettext("jwtauth time", "never")
        if remains.last_used_at is None
        else date_format(localtime(remains.last_used_at), "DATETIME_FORMAT")
    )
    parts = [
        _("Exchanged: %(exchanged)s.") % {"exchanged": remains.exchanged},
        _("Imported and waiting for their client: %(waiting)s.") % {"waiting": remains.waiting},
        _("Issued by Simple JWT, still valid, and in no session yet: %(left)s.")
        % {"left": pgettext("jwtauth label", "unknown") if remains.outstanding is None else remains.outstanding},
        _("Last used: %(last)s.") % {"last": last.removesuffix(".")},  # as in "1:54 p.m."
        _("From %(until)s on, none is accepted.") % {"until": date_format(get_settings().until, "DATE_FORMAT")},
    ]
    if remains.is_nothing:
        parts.append(_("Nothing is left: the bridge can be removed."))
    return " ".join(parts)
