"""What an operator can do in the admin. Each action asks first, needs a permission of its own, and is logged.

GET shows a page that says what will happen; POST does it. Nothing that was revoked can be restored.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from .. import conf, sessions
from ..database import write
from ..models import RefreshToken, RefreshTokenQuerySet, RevokedReason
from ..request_info import device_name
from ..users import user_key
from .base import ReadOnlyAdmin, has_permission, require_permission, user_url
from .filters import MAX_COUNTED
from .forms import EveryoneForm, NoteForm

MAX_ITEMS = 20
"""How many of the selected users a confirmation page names."""
PUBLISHED_SECONDS = 2
"""How much later than this project, at most, other services learn of a revocation."""
_OWN_SESSIONS = _("Your own sessions are among them. (You stay signed in to the admin.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What an operator is asked to confirm before it is done."""

    title: Any
    question: Any
    """What will happen, in a sentence."""
    button: Any
    permission: str
    """The code name of the permission that the action needs."""
    form_class: type[NoteForm] = NoteForm
    warnings: tuple[Any, ...] = ()
    hidden: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Hidden form fields: name and value of each, to send the selection again."""
    items: tuple[Any, ...] = ()
    """What the action is about, to be listed on the page."""


def confirm(
    request: HttpRequest, confirmation: Confirmation, context: dict[str, Any], *, posted: bool
) -> NoteForm | HttpResponse:
    """Ask the operator to confirm an action.

    Args:
        request: The request.
        confirmation: What is asked.
        context: The context of the admin's pages, see :meth:`ReadOnlyAdmin.page_context`.
        posted: Whether the form was sent.

    Returns:
        The valid form if the operator has confirmed, otherwise the response that asks.

    Raises:
        PermissionDenied: if the operator lacks the permission.
    """
    require_permission(request, confirmation.permission)
    form = confirmation.form_class(request.POST if posted else None)
    if posted and form.is_valid():
        return form
    context = {
        **context,
        "title": confirmation.title,
        "confirmation": confirmation,
        "form": form,
        "effects": revocation_effects(),
    }
    return TemplateResponse(request, "admin/django_jwtauth/confirm.html", context)


def revocation_effects() -> list[str]:
    """Return sentences that say when a revocation takes effect, and where."""
    interval = conf.get_config().revocation_poll_interval.total_seconds()
    return [
        gettext("Refresh tokens: at once."),
        gettext(
            "Access tokens, in this project: at the next request, or within %(seconds)g seconds if the database is not "
            "asked at each request."
        )
        % {"seconds": interval},
        gettext("Access tokens, in other services: within %(seconds)g seconds.")
        % {"seconds": interval + PUBLISHED_SECONDS},
    ]


def report_revocation(request: HttpRequest, text: str) -> None:
    """Show the operator a message that something was revoked, with the time from which it is refused everywhere."""
    everywhere = timezone.now() + conf.get_config().revocation_poll_interval + timedelta(seconds=PUBLISHED_SECONDS)
    text = gettext("%(text)s It takes effect everywhere by %(time)s.") % {
        "text": text,
        "time": _time_of_day(everywhere),
    }
    messages.success(request, text)


def _time_of_day(moment: datetime) -> str:
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return local.strftime("%H:%M:%S")


def _report_count(request: HttpRequest, count: int) -> None:
    text = ngettext("%d session was revoked.", "%d sessions were revoked.", count) % count
    if count:
        report_revocation(request, text)
    else:
        messages.warning(request, text)


def log_action(request: HttpRequest, objects: Iterable[Any], message: Any, note: str) -> None:
    """Write an entry into the admin's log for each object, in a constant number of statements.

    Args:
        request: The request.
        objects: The objects of the action: sessions, users, or rows of ours. There may be none.
        message: What was done, not translated yet: all operators read the same log, so it is written in the language
            of ``LANGUAGE_CODE``.
        note: The operator's note; may be empty.
    """
    rows: Any = list(objects)
    if rows:
        with translation.override(settings.LANGUAGE_CODE):
            text = gettext("%(what)s: %(note)s") % {"what": message, "note": note} if note else str(message)
        key = user_key(cast(Any, request.user))

        def log() -> int:
            LogEntry.objects.log_actions(key, rows, CHANGE, text)
            return len(rows)

        write(log, using=router.db_for_write(LogEntry))


def own_session_warnings(request: HttpRequest, rows: RefreshTokenQuerySet) -> tuple[Any, ...]:
    """Return a warning if some of the sessions are the operator's own."""
    has_own = rows.of(cast(Any, request.user)).unrevoked().exists()
    return (_OWN_SESSIONS,) if has_own else ()


class SessionActions(ReadOnlyAdmin):
    """The actions on sessions."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshToken]:
        """Return the sessions that the operator may see. A subclass may limit them, and every page respects that."""
        rows: Any = super().get_queryset(request)
        return cast(RefreshTokenQuerySet, rows).with_clock()

    # Permissions, by the names that `admin.action(permissions=...)` gives

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether the operator may revoke sessions: permission ``django_jwtauth.revoke_refreshtoken``."""
        return has_permission(request, "revoke_refreshtoken")

    def has_sign_out_permission(self, request: HttpRequest) -> bool:
        """Tell whether the operator may sign users out everywhere: permission ``django_jwtauth.sign_out_user``."""
        return has_permission(request, "sign_out_user")

    # Actions on the selected sessions

    @admin.action(description=_("Revoke selected sessions"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> HttpResponse | None:
        """Ask, then revoke the selected sessions that have not been revoked yet."""
        selected = self._selected_sessions(request, queryset)
        if selected is None:
            return None
        revocable = selected.unrevoked().not_signed_out()
        count = revocable.count()
        question = ngettext(
            "%(count)d selected session that has not been revoked yet will be revoked.",
            "%(count)d selected sessions that have not been revoked yet will be revoked.",
            count,
        )
        confirmation = Confirmation(
            title=pgettext_lazy("jwtauth heading", "Revoke sessions"),
            question=question % {"count": count},
            button=pgettext_lazy("jwtauth button", "Revoke"),
            permission="revoke_refreshtoken",
            warnings=own_session_warnings(request, revocable),
            hidden=_selection_fields(request, "revoke_selected"),
        )
        answer = confirm(request, confirmation, self.page_context(request), posted="confirmed" in request.POST)
        if isinstance(answer, HttpResponse):
            return answer
        self._revoke(request, revocable, answer.cleaned_data["note"])
        return None

    @admin.action(description=_("Sign the users of selected sessions out everywhere"), permissions=["sign_out"])
    def sign_out_users(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> HttpResponse | None:
        """Ask, then revoke all sessions of the users of the selected sessions."""
        selected = self._selected_sessions(request, queryset)
        if selected is None:
            return None
        ids = selected.filter(user__isnull=False).order_by().values_list("user_id", flat=True).distinct()
        users = list(get_user_model()._default_manager.using(RefreshToken.write_alias()).filter(pk__in=list(ids)))
        question = ngettext(
            "All sessions of %(count)d user will be revoked.",
            "All sessions of %(count)d users will be revoked.",
            len(users),
        )
        if self._is_beyond_limits(request, users):
            raise PermissionDenied
        rows = RefreshToken.objects.filter(user_id__in=[user_key(user) for user in users])
        left = len(users) - MAX_ITEMS
        more = (ngettext("and %d more", "and %d more", left) % left,) if left > 0 else ()
        confirmation = Confirmation(
            title=_("Sign users out everywhere"),
            question=question % {"count": len(users)},
            button=pgettext_lazy("jwtauth button", "Sign out"),
            permission="sign_out_user",
            warnings=own_session_warnings(request, rows),
            hidden=_selection_fields(request, "sign_out_users"),
            items=(*users[:MAX_ITEMS], *more),
        )
        answer = confirm(request, confirmation, self.page_context(request), posted="confirmed" in request.POST)
        if isinstance(answer, HttpResponse):
            return answer
        self._sign_out(request, users, answer.cleaned_data["note"])
        return None

    def _is_beyond_limits(self, request: HttpRequest, users: list[Any]) -> bool:
        """Tell whether a subclass's ``get_queryset()`` hides sessions that signing these users out would end.

        If a user has no sessions, nothing shows whether the operator may know of the user. So it counts as hidden.
        """
        rows = RefreshToken.objects.filter(user_id__in=[user_key(user) for user in users])
        seen = self.get_queryset(request).order_by().values("pk")
        is_limited = type(self).get_queryset is not SessionActions.get_queryset
        return is_limited and (rows.exclude(pk__in=seen).exists() or not rows.exists())

    def _selected_sessions(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> RefreshTokenQuerySet | None:
        """Return a query of the selected rows without the list's joins, which an UPDATE cannot have.

        None, with a message, if more are selected than the list counts: the page would announce fewer than are revoked.
        """
        ids = list(queryset.order_by().values_list("pk", flat=True)[: MAX_COUNTED + 1])
        if len(ids) > MAX_COUNTED:
            text = gettext("More than %d sessions are selected. Select fewer, or sign everyone out.") % MAX_COUNTED
            messages.warning(request, text)
            return None
        return RefreshToken.objects.filter(pk__in=ids)

    # Actions on one session, one user, everyone

    def revoke_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask, then revoke one session."""
        self.require_view_permission(request)
        require_permission(request, "revoke_refreshtoken")
        session: Any = self.get_object(request, str(pk))
        if session is None:
            raise Http404
        rows = RefreshToken.objects.filter(pk=session.pk)
        confirmation = Confirmation(
            title=_("Revoke this session"),
            question=_("The session %(session)s of %(user)s will be revoked.")
            % {"session": str(session.pk)[:8], "user": session.user or "-"},
            button=pgettext_lazy("jwtauth button", "Revoke"),
            permission="revoke_refreshtoken",
            warnings=own_session_warnings(request, rows),
            items=(device_name(session.user_agent),),
        )
        answer = confirm(request, confirmation, self.page_context(request), posted=request.method == "POST")
        if isinstance(answer, HttpResponse):
            return answer
        self._revoke(request, rows.unrevoked().not_signed_out(), answer.cleaned_data["note"])
        return HttpResponseRedirect(self.page_url("change", session.pk))

    def sign_out_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Ask, then revoke all sessions of one user."""
        self.require_view_permission(request)
        require_permission(request, "sign_out_user")
        users = get_user_model()
        try:
            user = users._default_manager.using(RefreshToken.write_alias()).get(pk=users._meta.pk.to_python(pk))
        except (users.DoesNotExist, ValidationError, ValueError, OverflowError):
            raise Http404 from None
        if self._is_beyond_limits(request, [user]):
            raise Http404
        confirmation = Confirmation(
            title=_("Sign out everywhere"),
            question=_("All sessions of %(user)s will be revoked.") % {"user": user},
            button=pgettext_lazy("jwtauth button", "Sign out"),
            permission="sign_out_user",
            warnings=own_session_warnings(request, RefreshToken.objects.of(user)),
        )
        answer = confirm(request, confirmation, self.page_context(request), posted=request.method == "POST")
        if isinstance(answer, HttpResponse):
            return answer
        self._sign_out(request, [user], answer.cleaned_data["note"])
        return HttpResponseRedirect(self._user_url_if_visible(user, request) or self.page_url("changelist"))

    def _user_url_if_visible(self, user: Any, request: HttpRequest) -> str:
        """Return the URL of a user's page, or "" if there is no such page or the operator may not view it."""
        url = user_url(user, self.admin_site)
        is_visible = url and self.admin_site.get_model_admin(get_user_model()).has_view_permission(request, user)
        return url if is_visible else ""

    def everyone_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a word to be typed, then sign everyone out."""
        self.require_view_permission(request)
        confirmation = Confirmation(
            title=_("Sign everyone out"),
            question=_("All sessions of all users will be revoked. Everyone has to sign in again."),
            button=_("Sign everyone out"),
            permission="sign_out_everyone",
            form_class=EveryoneForm,
            warnings=(_OWN_SESSIONS,),
        )
        answer = confirm(request, confirmation, self.page_context(request), posted=request.method == "POST")
        if isinstance(answer, HttpResponse):
            return answer
        entry = sessions.revoke_everyone(note=answer.cleaned_data["note"], by=cast(Any, request.user))
        log_action(request, [entry], _("Signed everyone out"), answer.cleaned_data["note"])
        report_revocation(request, gettext("Everyone was signed out."))
        return HttpResponseRedirect(self.page_url("changelist"))

    # What is done once it is confirmed

    def _revoke(self, request: HttpRequest, revocable: QuerySet[RefreshToken], note: str) -> None:
        chosen = list(revocable.only("pk"))  # read before they are revoked: afterwards the query would not find them
        keys = [session.pk for session in chosen]
        count = sessions.revoke(RefreshToken.objects.filter(pk__in=keys), note=note, by=cast(Any, request.user))
        log_action(request, chosen, pgettext_lazy("jwtauth log entry", "Revoked"), note)
        _report_count(request, count)

    def _sign_out(self, request: HttpRequest, users: list[Any], note: str) -> None:
        by = cast(Any, request.user)
        count = sessions.revoke_all(users, reason=RevokedReason.ADMIN, note=note, by=by)
        log_action(request, users, _("Signed out everywhere"), note)
        _report_count(request, count)


def _selection_fields(request: HttpRequest, action: str) -> tuple[tuple[str, str], ...]:
    """Return the form fields that say what was selected in the list, to send them again."""
    ids = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    across = request.POST.get("select_across", "0")
    return (
        ("action", action),
        ("select_across", across),
        ("index", "0"),
        ("confirmed", "yes"),
        *((helpers.ACTION_CHECKBOX_NAME, chosen) for chosen in ids),
    )
