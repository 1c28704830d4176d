"""The admin's lists: sessions, blacklisted access tokens, sign-outs of everyone.

They show no token, no secret and no hash.
"""

import contextlib
import ipaddress
import uuid
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from .. import sessions, usernames
from ..errors import InvalidTokenError
from ..models import BlacklistedToken, NotBefore, RefreshToken, RevokedReason
from ..request_info import device_name
from .actions import Confirmation, SessionActions, confirm, log_action, report_revocation, revocation_effects
from .base import ReadOnlyAdmin, has_permission, url_if_any
from .columns import SessionColumns, status_html, user_html, with_actors
from .filters import MANY_REPLAYS, IndexedChangeList, ReasonFilter, ReplaysFilter, StaffFilter, StatusFilter
from .forms import BlacklistForm
from .pages import SessionPages
from .timeline import timeline_html

MAX_FOUND_USERS = 200
"""How many users a search looks at."""
MAX_TERM_LENGTH = 320
"""No user name and no e-mail address is longer. SQLite refuses to search for very long texts."""
MAX_OTHER_SESSIONS = 10
"""How many other sessions of the user are shown on the page of a session."""
_VISIBLE = "_jwtauth_visible"
"""The attribute of a session that holds the query of all sessions that the operator may see."""
_ORDERING_OF_FILTERS = {
    (StatusFilter.parameter_name, "expired"): ("-expires_at",),
    (StatusFilter.parameter_name, "idle"): ("-last_seen_on",),
    **dict.fromkeys(((ReasonFilter.parameter_name, reason) for reason in RevokedReason.values), ("-revoked_at",)),
    (ReplaysFilter.parameter_name, "any"): ("-replays",),
    (ReplaysFilter.parameter_name, "many"): ("-replays",),
}
_get_or_post = require_http_methods(["GET", "HEAD", "POST"])  # pages that ask on GET, and act on POST


class SessionChangeList(IndexedChangeList):
    """Reads the actors of a page's sessions at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_actors(self.result_list)


@admin.register(RefreshToken)
class RefreshTokenAdmin(SessionColumns, SessionActions, SessionPages):
    """The list of sessions, and the page of each."""

    list_display = (
        "id_and_status",
        "user_link",
        "device_and_address",
        "signed_in",
        "last_seen",
        "ends",
        "replays_marked",
    )
    list_select_related = ("user",)
    list_filter = (StatusFilter, ReasonFilter, ReplaysFilter, StaffFilter, "created_at", "last_seen_on")
    list_per_page = 50
    sortable_by = ("id_and_status", "user_link", "signed_in", "last_seen", "ends")  # what an index sorts at once
    ordering = ("-created_at",)
    actions = ("revoke_selected", "sign_out_users")
    search_fields = ("id",)  # so that there is a search box; see get_search_results()
    search_help_text = _("Username, email address, IP address or session id. (For a token, use “Find by token”.)")
    fieldsets = (
        (None, {"fields": ("status", "user_link", "device", "address", "user_agent")}),
        (pgettext_lazy("jwtauth heading", "Timeline"), {"fields": ("timeline", "other_sessions")}),
        (
            pgettext_lazy("jwtauth heading", "Times"),
            {"fields": ("created_at", "auth_time", "last_seen", "ends", "expires_at")},
        ),
        (
            pgettext_lazy("jwtauth heading", "Tokens"),
            {"fields": ("id", "generation", "replays_marked", "transport", "scope", "audience", "amr", "acr", "actor")},
        ),
        (
            _("How it ended"),
            {"fields": ("revoked_at", "revoked_reason", "revoked_note", "revoked_by", "effects")},
        ),
    )
    readonly_fields = (
        "id",
        "status",
        "user_link",
        "device",
        "address",
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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return SessionChangeList

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> RefreshToken | None:
        session = super().get_object(request, *args, **kwargs)
        if session is not None:
            session.__dict__[_VISIBLE] = self.get_queryset(request)  # for a column, which does not get the request
        return session

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # By what the filter has an index for. Sorted by sign-in, all other sessions would have to be read first.
        if request.GET.get(ORDER_VAR):
            return ()  # nothing after the column that was chosen: no index has both
        filtered = (
            ordering for (name, value), ordering in _ORDERING_OF_FILTERS.items() if request.GET.get(name) == value
        )
        return next(filtered, self.ordering)

    # Columns and fields

    @admin.display(description=pgettext_lazy("jwtauth label", "session"), ordering="pk")
    def id_and_status(self, session: RefreshToken) -> SafeString:
        """Return the beginning of the id, which is enough to tell sessions apart, and below it the status."""
        return format_html('{} <span class="jwtauth-below">{}</span>', str(session.pk)[:8], status_html(session))

    @admin.display(description=pgettext_lazy("jwtauth label", "user"), ordering="user_id")
    def user_link(self, session: RefreshToken) -> str | SafeString:
        """Return the user with a link to the user's page, if there is one."""
        return user_html(session, self.admin_site)

    @admin.display(description=pgettext_lazy("jwtauth label", "replays"))
    def replays_marked(self, session: RefreshToken) -> int | SafeString:
        """Return the number of replays, marked if there are many."""
        if session.replays < MANY_REPLAYS:
            return session.replays
        return format_html('<strong class="jwtauth-status jwtauth-warning">{}</strong>', session.replays)

    @admin.display(description=pgettext_lazy("jwtauth label", "timeline"))
    def timeline(self, session: RefreshToken) -> SafeString:
        """Return what happened in the session, in order of time."""
        return timeline_html(session)

    @admin.display(description=_("other sessions of the user"))
    def other_sessions(self, session: RefreshToken) -> SafeString:
        """Return the newest other sessions of the user."""
        if session.user_id is None:
            return SafeString("-")
        visible = vars(session).get(_VISIBLE, RefreshToken.objects.none())
        rows = visible.select_related("user").filter(user_id=session.user_id)
        others = rows.exclude(pk=session.pk).order_by("-created_at")[:MAX_OTHER_SESSIONS]
        lines = format_html_join(
            "",
            '<div><a href="{}">{}</a> {} {}</div>',
            (
                (self.page_url("change", row.pk), str(row.pk)[:8], status_html(row), device_name(row.user_agent))
                for row in with_actors(others)
            ),
        )
        return lines or SafeString("-")

    @admin.display(description=_("what revoking does"))
    def effects(self, session: RefreshToken) -> SafeString:
        """Return when a revocation would take effect, and where."""
        return format_html_join("", "<div>{}</div>", ((line,) for line in revocation_effects()))

    # Search

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RefreshToken], search_term: str
    ) -> tuple[QuerySet[RefreshToken], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if len(term) > MAX_TERM_LENGTH:
            return queryset.none(), False
        condition = self._has_user_named(term, request)
        with contextlib.suppress(ValueError):
            condition |= Q(pk=uuid.UUID(term))  # not instead of the user name, which may look like a UUID
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(term.partition("%")[0])
            condition |= Q(ip_address=str(getattr(address, "ipv4_mapped", None) or address))
        return queryset.filter(condition), False

    def _has_user_named(self, term: str, request: HttpRequest) -> Q:
        """Return the condition that a part of the user's name or e-mail address is the term."""
        model = get_user_model()
        fields = {field.name for field in model._meta.get_fields()}  # EMAIL_FIELD may name a field that is missing
        matches = Q()
        for name in {usernames.lookup(), *({getattr(model, "EMAIL_FIELD", "")} & fields)}:
            matches |= Q(**{f"{name}__icontains": term})
        users = model._default_manager.using(RefreshToken.write_alias()).order_by("pk").values_list("pk", flat=True)
        found = list(users.filter(matches)[: MAX_FOUND_USERS + 1])
        if len(found) > MAX_FOUND_USERS:
            text = gettext(
                "More than %d users match, and the sessions of some are missing here. Enter more of the name."
            )
            messages.warning(request, text % MAX_FOUND_USERS)
            # The user with exactly this name is added, or a short name could be lost among the many names that it is a
            # part of. Spellings are looked up one by one, since exact comparisons can use an index.
            spellings = filter(usernames.is_value, {term, term.lower(), term.upper(), term.capitalize()})
            found = [*users.filter(**{f"{model.USERNAME_FIELD}__in": spellings}), *found[:MAX_FOUND_USERS]]
        return Q(user_id__in=found)

    # Pages

    def own_urls(self) -> list[URLPattern]:
        return [
            self.page_route("<uuid:pk>/revoke/", _get_or_post(self.revoke_view), "revoke"),
            self.page_route("user/<path:pk>/", _get_or_post(self.sign_out_view), "sign_out"),
            self.page_route("everyone/", _get_or_post(self.everyone_view), "everyone"),
            self.page_route("find/", _get_or_post(self.find_view), "find"),
            self.page_route("events/", require_safe(self.events_view), "events"),
            self.page_route("keys/", require_safe(self.keys_view), "keys"),
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        session = kwargs.get("obj")
        is_revocable = session and session.revoked_at is None and not session.signed_out
        context["can_revoke"] = is_revocable and self.has_revoke_permission(request)
        context["can_sign_out"] = session and session.user_id and self.has_sign_out_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        links = {
            "can_sign_out_everyone": has_permission(request, "sign_out_everyone"),
            "blacklist_url": _blacklist_url(request, self.admin_site),
        }
        return super().changelist_view(request, {**links, **(extra_context or {})})


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(ReadOnlyAdmin):
    """The list of access tokens that were revoked one by one."""

    list_display = ("jti", "user", "reason", "note", "created_at", "expires_at")
    sortable_by = ("jti", "created_at", "expires_at")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("jti", "user", "reason", "note", "created_at", "expires_at")
    search_help_text = _("Username or token id")
    change_list_template = "admin/django_jwtauth/blacklistedtoken/change_list.html"

    def own_urls(self) -> list[URLPattern]:
        return [self.page_route("blacklist/", _get_or_post(self.blacklist_view), "blacklist")]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [f"user__{usernames.lookup()}", "jti__exact"]

    @method_decorator(sensitive_post_parameters("token"))
    @sensitive_variables()  # for the frames of Django's forms, in its own reports
    def blacklist_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for an access token, then blacklist it."""
        self.require_view_permission(request)
        confirmation = Confirmation(
            title=_("Blacklist an access token"),
            question=_("Only this access token will be refused; its session continues."),
            button=pgettext_lazy("jwtauth button", "Blacklist"),
            permission="blacklist_token",
            form_class=BlacklistForm,
        )
        answer = confirm(request, confirmation, self.page_context(request), posted=request.method == "POST")
        if isinstance(answer, HttpResponse):
            return answer
        try:
            token = sessions.blacklist(answer.cleaned_data["token"], note=answer.cleaned_data["note"])
        except InvalidTokenError:
            messages.warning(request, _("This is not a valid access token of this project, or it has expired."))
            return HttpResponseRedirect(self.page_url("blacklist"))
        rows = BlacklistedToken.objects.filter(jti=token.jti)
        log_action(request, rows, pgettext_lazy("jwtauth log entry", "Blacklisted"), answer.cleaned_data["note"])
        report_revocation(request, gettext("The access token was blacklisted."))
        return HttpResponseRedirect(self.page_url("changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        links = {"blacklist_url": _blacklist_url(request, self.admin_site)}
        return super().changelist_view(request, {**links, **(extra_context or {})})


def _blacklist_url(request: HttpRequest, site: Any) -> str:
    """Return the URL of the page that blacklists a token, or "" if the operator may not use it."""
    is_allowed = has_permission(request, "blacklist_token") and has_permission(request, "view_blacklistedtoken")
    return url_if_any(site, "django_jwtauth_blacklistedtoken_blacklist") if is_allowed else ""


@admin.register(NotBefore)
class NotBeforeAdmin(ReadOnlyAdmin):
    """The list of times when everyone was signed out."""

    list_display = ("created_at", "reason", "note", "revoked_by")
    ordering = ("-created_at",)
    fields = ("created_at", "not_before", "reason", "note", "revoked_by")
    list_select_related = ("revoked_by",)
