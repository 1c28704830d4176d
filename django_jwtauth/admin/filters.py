"""The filters of the admin's list of sessions, in queries that stay quick with a million rows."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .. import conf
from ..models import NotBefore, RefreshToken, RevokedReason

MANY_REPLAYS = 5
"""So many replays are worth a look: the client does not store its new token, or two clients share one."""
MAX_COUNTED = 10_000
"""How many rows are counted at most: nobody turns that many pages, and counting a million rows takes long."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the first rows only, counted up to a limit."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or the limit if there are more."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MAX_COUNTED].count())


class IndexedChangeList(ChangeList):
    """Sorts only by columns that an index can sort, whatever the URL says."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices are known without asking the database. A value that is not a choice filters nothing."""

    options: tuple[tuple[str, Any], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return self.options

    def queryset(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> QuerySet[RefreshToken]:
        value = self.value()
        return self.rows(queryset, value) if value in dict(self.options) else queryset

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the rows of a choice."""
        raise NotImplementedError


class StatusFilter(ChoiceFilter):
    """By the word in the column "status", as far as the row alone tells."""

    title = pgettext_lazy("jwtauth label", "status")
    parameter_name = "status"
    options = (
        ("active", pgettext_lazy("jwtauth status", "active")),
        ("idle", pgettext_lazy("jwtauth status", "idle")),
        ("expired", pgettext_lazy("jwtauth status", "expired")),
        ("revoked", pgettext_lazy("jwtauth status", "revoked")),
    )

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the sessions of a status."""
        now = RefreshToken.objects.now()
        idle_since = now - conf.get_config().refresh_token_lifetime
        # Read first, so that the condition compares with a value and an index can be used. A subquery would be run for
        # each session that has ended.
        everyone = NotBefore.objects.aggregate(last=Max("not_before"))["last"]
        signed_out = Q() if everyone is None else Q(created_at__lte=everyone)
        if value == "revoked":
            return queryset.filter(Q(revoked_at__isnull=False) | signed_out)
        unrevoked = queryset.filter(~signed_out, revoked_at__isnull=True)
        if value == "expired":
            return unrevoked.filter(expires_at__lte=now)
        if value == "idle":
            # The day narrows the rows down by an index; the exact time has no index.
            last_day = (idle_since + timedelta(days=1)).date()
            return unrevoked.filter(expires_at__gt=now, last_seen_on__lte=last_day, rotated_at__lte=idle_since)
        return unrevoked.filter(expires_at__gt=now, rotated_at__gt=idle_since)


class ReasonFilter(ChoiceFilter):
    """By the reason why sessions were revoked."""

    title = pgettext_lazy("jwtauth label", "reason")
    parameter_name = "reason"
    options = tuple(RevokedReason.choices)

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the sessions that were revoked for a reason."""
        return queryset.filter(revoked_reason=value)


class ReplaysFilter(ChoiceFilter):
    """By how often the previous refresh token was used again within the grace period."""

    title = pgettext_lazy("jwtauth label", "replays")
    parameter_name = "replays"
    options = (("any", pgettext_lazy("jwtauth label", "has replays")), ("many", _("has many replays")))

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the sessions with any replays, or with many."""
        return queryset.filter(replays__gte=1 if value == "any" else MANY_REPLAYS)


class StaffFilter(ChoiceFilter):
    """By whether the user may use the admin. It is left out if the user model has no ``is_staff``."""

    title = pgettext_lazy("jwtauth label", "staff users")
    parameter_name = "staff"
    options = (("1", _("Yes")), ("0", _("No")))

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return self.options if "is_staff" in {field.name for field in get_user_model()._meta.get_fields()} else ()

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the sessions of staff users, or those of all others."""
        return queryset.filter(user__is_staff=value == "1")
