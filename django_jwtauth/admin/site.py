"""The admin: sessions and blacklisted tokens, to look at and to end. No token, secret or hash is shown."""

import contextlib
import ipaddress
import uuid
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from .. import conf, sessions
from ..errors import InvalidTokenError
from ..models import BlacklistedToken, NotBefore, RefreshToken, RefreshTokenQuerySet, RevokedReason
from ..request_info import device_name
from . import actions as acts
from . import pages as pages
from .actions import SessionActs
from .base import ReadOnlyAdmin, all_sessions
from .filters import MANY_REPLAYS, ReasonFilter, ReplaysFilter, StaffFilter, StatusFilter
from .pages import SessionPages

FOUND_USERS = 200
"""How many users a search looks at."""
MAX_TERM_LENGTH = 320
"""No name and no e-mail address is longer; SQLite refuses to look for very long texts."""
_ORDERS = {
    (StatusFilter.parameter_name, "expired"): ("-expires_at",),
    (StatusFilter.parameter_name, "idle"): ("-last_seen_on",),
    **dict.fromkeys(((ReasonFilter.parameter_name, reason) for reason in RevokedReason.values), ("-revoked_at",)),
    (ReplaysFilter.parameter_name, "any"): ("-replays",),
    (ReplaysFilter.parameter_name, "many"): ("-replays",),
}
OTHERS = 10
"""How many other sessions of the user stand on a session's page."""
asking = require_http_methods(["GET", "HEAD", "POST"])
"""For pages that ask when they are opened, and act when their form is sent."""


@admin.register(RefreshToken)
class RefreshTokenAdmin(SessionActs, SessionPages):
    """Sessions: who is signed in where, and an end to it."""

    list_display = (
        "short_id",
        "status",
        "user_link",
        "device",
        "ip_address",
        "created_at",
        "last_seen",
        "ends",
        "generation",
        "replays_marked",
    )
    list_filter = (StatusFilter, ReasonFilter, ReplaysFilter, StaffFilter, "created_at", "last_seen_on")
    list_per_page = 50
    sortable_by = ("short_id", "user_link", "created_at", "last_seen", "ends")  # what an index sorts at once
    ordering = ("-created_at",)
    actions = ("revoke_selected", "sign_out_users")
    search_help_text = _("User name, e-mail, IP address or session id. (A token goes into “Find by token”.)")
    fieldsets = (
        (None, {"fields": ("status", "user_link", "device", "ip_address", "user_agent")}),
        (_("Course"), {"fields": ("timeline", "other_sessions")}),
        (_("Times"), {"fields": ("created_at", "auth_time", "last_seen", "ends", "expires_at")}),
        (
            _("Tokens"),
            {"fields": ("id", "generation", "replays_marked", "transport", "scope", "audience", "amr", "acr", "actor")},
        ),
        (_("End"), {"fields": ("revoked_at", "revoked_reason", "revoked_by", "effects")}),
    )
    readonly_fields = (
        "id",
        "status",
        "user_link",
        "device",
        "timeline",
        "other_sessions",
        "last_seen",
        "ends",
        "replays_marked",
        "transport",
        "effects",
    )
    change_form_template = "admin/django_jwtauth/refreshtoken/change_form.html"
    change_list_template = "admin/django_jwtauth/refreshtoken/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshToken]:
        """Read the database's time along with the rows: ``status`` goes by it."""
        rows: Any = super().get_queryset(request)
        return cast(RefreshTokenQuerySet, rows).with_clock()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Sort by what the filter has an index for; sorted by sign-in, all other sessions would have to be read."""
        if request.GET.get(ORDER_VAR):
            return ()  # nothing after the column that was chosen: together they have no index
        return next((order for key, order in _ORDERS.items() if request.GET.get(key[0]) == key[1]), self.ordering)

    # What is shown of a session

    @admin.display(description=_("session"), ordering="pk")
    def short_id(self, session: RefreshToken) -> str:
        """Show the beginning of the id, which is enough to tell sessions apart."""
        return str(session.pk)[:8]

    @admin.display(description=_("status"))
    def status(self, session: RefreshToken) -> SafeString:
        """Say in a word whether the session lives, and if not, why."""
        return pages.status_html(session)

    @admin.display(description=_("user"), ordering="user")
    def user_link(self, session: RefreshToken) -> str | SafeString:
        """Link to the user's page, where there is one."""
        return pages.user_link(session, self.admin_site)

    @admin.display(description=_("device"))
    def device(self, session: RefreshToken) -> str:
        """Summarize the user agent."""
        return device_name(session.user_agent)

    @admin.display(description=_("last seen"), ordering="last_seen_on")
    def last_seen(self, session: RefreshToken) -> str:
        """Show when the session was last refreshed; sorted by the day, which has an index."""
        return pages.shown(session.rotated_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def ends(self, session: RefreshToken) -> str:
        """Show when it ends if it is not refreshed before."""
        return pages.shown(session.idle_at)

    @admin.display(description=_("replays"))
    def replays_marked(self, session: RefreshToken) -> int | SafeString:
        """Mark the number when it piles up."""
        if session.replays < MANY_REPLAYS:
            return session.replays
        return format_html('<strong class="jwtauth-status jwtauth-warning">{}</strong>', session.replays)

    @admin.display(description=_("course"))
    def timeline(self, session: RefreshToken) -> SafeString:
        """Tell what the row and the admin's log know, in order."""
        return pages.timeline_html(session)

    @admin.display(description=_("other sessions of the user"))
    def other_sessions(self, session: RefreshToken) -> SafeString:
        """List the newest of them."""
        if session.user_id is None:
            return SafeString("-")
        rows = all_sessions().with_clock().select_related("user").filter(user_id=session.user_id)
        others = rows.exclude(pk=session.pk).order_by("-created_at")[:OTHERS]
        lines = format_html_join(
            "",
            '<div><a href="{}">{}</a> {} {}</div>',
            (
                (self.page("change", row.pk), str(row.pk)[:8], pages.status_html(row), device_name(row.user_agent))
                for row in others
            ),
        )
        return lines or SafeString("-")

    @admin.display(description=_("what revoking does"))
    def effects(self, session: RefreshToken) -> SafeString:
        """Say from when it holds where."""
        return format_html_join("", "<div>{}</div>", ((line,) for line in acts.effects()))

    # Search

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RefreshToken], search_term: str
    ) -> tuple[QuerySet[RefreshToken], bool]:
        """Search by session id or address if it looks like one, else by parts of user name and e-mail."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if len(term) > MAX_TERM_LENGTH:
            return queryset.none(), False
        condition = self._users_named(term, request)
        with contextlib.suppress(ValueError):
            condition |= Q(pk=uuid.UUID(term))  # user names may be UUIDs too
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(term.partition("%")[0])
            condition |= Q(ip_address=str(getattr(address, "ipv4_mapped", None) or address))
        return queryset.filter(condition), False

    def _users_named(self, term: str, request: HttpRequest) -> Q:
        users = get_user_model()
        fields = {field.name for field in users._meta.get_fields()}  # EMAIL_FIELD may name one that is not there
        part = Q()
        for name in {users.USERNAME_FIELD, getattr(users, "EMAIL_FIELD", "")} & fields:
            part |= Q(**{f"{name}__icontains": term})
        rows = users._default_manager.using(RefreshToken.write_alias()).order_by("pk").values_list("pk", flat=True)
        found = list(rows.filter(part)[: FOUND_USERS + 1])
        if len(found) > FOUND_USERS:
            text = _("More than %d users are found, and the sessions of some are missing here. Give more of the name.")
            acts.tell(request, str(text % FOUND_USERS), done=False)
            # By itself, or a short name could be lost among the many that it is a part of. (These have an index.)
            spellings = {term, term.lower(), term.upper(), term.capitalize()}
            found = [*rows.filter(**{f"{users.USERNAME_FIELD}__in": spellings}), *found[:FOUND_USERS]]
        return Q(user_id__in=found)

    # Pages

    def get_urls(self) -> list[URLPattern]:
        """Add our pages."""
        ours = [
            self.route("<uuid:pk>/revoke/", asking(self.revoke_view), "revoke"),
            self.route("user/<path:pk>/", asking(self.sign_out_view), "sign_out"),
            self.route("everyone/", asking(self.everyone_view), "everyone"),
            self.route("find/", asking(self.find_view), "find"),
            self.route("events/", require_safe(self.events_view), "events"),
            self.route("keys/", require_safe(self.keys_view), "keys"),
        ]
        return [*ours, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer what the operator may do."""
        session = kwargs.get("obj")
        lives = session and session.revoked_at is None and not session.signed_out
        context["can_revoke"] = lives and self.has_revoke_permission(request)
        context["can_sign_out"] = session and session.user_id and self.has_sign_out_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the pages."""
        offered = {
            "can_sign_out_everyone": acts.may(request, "sign_out_everyone"),
            "blacklist_url": acts.blacklist_url(request, self.admin_site),
        }
        return super().changelist_view(request, {**offered, **(extra_context or {})})


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(ReadOnlyAdmin):
    """Single access tokens that were revoked."""

    list_display = ("jti", "user", "reason", "created_at", "expires_at")
    ordering = ("-created_at",)
    fields = ("jti", "user", "reason", "created_at", "expires_at")
    search_help_text = _("User name or token id")
    change_list_template = "admin/django_jwtauth/blacklistedtoken/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add our page."""
        return [self.route("blacklist/", asking(self.blacklist_view), "blacklist"), *super().get_urls()]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search by a whole token id, too."""
        return [*super().get_search_fields(request), "jti__exact"]

    @method_decorator(sensitive_post_parameters("token"))
    @method_decorator(sensitive_variables())
    def blacklist_view(self, request: HttpRequest) -> HttpResponse:
        """Blacklist one pasted access token."""
        self.must_view(request)
        act = acts.Act(
            title=_("Blacklist an access token"),
            question=_("This one access token will be refused; its session goes on."),
            button=_("Blacklist"),
            permission="blacklist_token",
            form=acts.BlacklistForm,
        )
        form = acts.ask(request, act, self.context(request), posted=request.method == "POST")
        if isinstance(form, HttpResponse):
            return form
        try:
            token = conf.get_config().verifier.verify(form.cleaned_data["token"])
        except InvalidTokenError:
            acts.tell(request, str(_("This is no access token of ours, or it has expired.")), done=False)
            return HttpResponseRedirect(self.page("blacklist"))
        sessions.blacklist(token, note=form.chosen())
        rows = BlacklistedToken.objects.using(RefreshToken.write_alias()).filter(jti=token.jti)
        acts.log(request, rows, _("Blacklisted: %s"), form.chosen())
        acts.tell(request, str(_("The access token was blacklisted.")))
        return HttpResponseRedirect(self.page("changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the page."""
        offered = {"blacklist_url": acts.blacklist_url(request, self.admin_site)}
        return super().changelist_view(request, {**offered, **(extra_context or {})})


@admin.register(NotBefore)
class NotBeforeAdmin(ReadOnlyAdmin):
    """When everyone was signed out."""

    list_display = ("created_at", "reason", "note", "revoked_by")
    ordering = ("-created_at",)
    fields = ("created_at", "not_before", "reason", "note", "revoked_by")
    list_select_related = ("revoked_by",)
