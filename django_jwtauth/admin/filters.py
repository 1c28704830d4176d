"""How the admin's list of sessions is sorted out, in queries that stay quick with a million rows."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..database import database_now
from ..models import NotBefore, RefreshToken, RevokedReason

MANY_REPLAYS = 5
"""So many replays of one session are worth a look: a client that does not keep its new token, or two that share it."""
COUNTED = 10_000
"""How many rows are counted; nobody turns so many pages, and counting a million takes long."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of what is counted up to a limit."""

    @cached_property
    def count(self) -> int:
        """Count, but not further than the limit."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:COUNTED].count())


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices are known without asking the database."""

    options: tuple[tuple[str, Any], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the choices."""
        return self.options

    def queryset(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> QuerySet[RefreshToken]:
        """Return the rows of the choice; all without one, or with one that somebody made up."""
        value = self.value()
        return self.rows(queryset, value) if value in dict(self.options) else queryset

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the rows of a choice."""
        raise NotImplementedError


class StatusFilter(ChoiceFilter):
    """By the word in the column "status", as far as the row alone tells."""

    title = _("status")
    parameter_name = "status"
    options = (
        ("active", _("active")),
        ("idle", _("idle")),
        ("expired", _("expired")),
        ("revoked", _("revoked")),
    )

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the rows of a status."""
        using = RefreshToken.write_alias()
        now = database_now(using)
        idle_since = now - conf.get_config().refresh_token_lifetime
        # As a value, which an index can be asked for. As a subquery it would be asked for each session that has ended.
        everyone = NotBefore.objects.aggregate(last=Max("not_before"))["last"]
        signed_out = Q() if everyone is None else Q(created_at__lte=everyone)
        if value == "revoked":
            return queryset.filter(Q(revoked_at__isnull=False) | signed_out)
        alive = queryset.filter(~signed_out, revoked_at__isnull=True)
        if value == "expired":
            return alive.filter(expires_at__lte=now)
        if value == "idle":
            # The day first: it has an index, and the time has none.
            last = (idle_since + timedelta(days=1)).date()
            return alive.filter(expires_at__gt=now, last_seen_on__lte=last, rotated_at__lte=idle_since)
        return alive.filter(expires_at__gt=now, rotated_at__gt=idle_since)


class ReasonFilter(ChoiceFilter):
    """By the reason why sessions ended."""

    title = _("reason")
    parameter_name = "reason"
    options = tuple(RevokedReason.choices)

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the rows of a reason."""
        return queryset.filter(revoked_reason=value)


class ReplaysFilter(ChoiceFilter):
    """By whether the refresh token before the present one was seen again."""

    title = _("replays")
    parameter_name = "replays"
    options = (("any", _("has replays")), ("many", _("has many replays")))

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the rows with some, or many."""
        return queryset.filter(replays__gte=1 if value == "any" else MANY_REPLAYS)


class StaffFilter(ChoiceFilter):
    """By whether the user may use the admin."""

    title = _("staff users")
    parameter_name = "staff"
    options = (("1", _("Yes")), ("0", _("No")))

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the choices, unless users know no staff."""
        return self.options if "is_staff" in {field.name for field in get_user_model()._meta.get_fields()} else ()

    def rows(self, queryset: QuerySet[RefreshToken], value: str) -> QuerySet[RefreshToken]:
        """Return the sessions of staff, or of the others."""
        return queryset.filter(user__is_staff=value == "1")
