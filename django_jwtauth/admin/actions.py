"""What an operator can do in the admin. Each act asks first, wants its own permission, and is logged.

An act is a page: GET says what will happen, POST does it. Nothing is ever un-revoked.
"""

import unicodedata
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import conf, sessions
from ..models import MAX_NOTE_LENGTH, RefreshToken, RefreshTokenQuerySet, RevokedReason, user_key
from ..request_info import device_name
from .base import ReadOnlyAdmin, all_sessions, page_url, user_url
from .filters import COUNTED

PUBLISHED_SECONDS = 2
"""How much later than here, at most, other services know of a revocation."""
TEMPLATE = "admin/django_jwtauth/confirm.html"


def _letters(text: str) -> str:
    """Return what makes texts equal to a database at most: neither case nor accents, nor what is between letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _own_words() -> set[str]:
    """Return the words, and what they are shown as."""
    choices = [choice for choice in RevokedReason.choices if choice[0] != RevokedReason.ADMIN]
    return {_letters(str(text)) for choice in choices for text in choice}


class ReasonForm(forms.Form):
    """Why; it stands in the list of sessions and in the log."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=MAX_NOTE_LENGTH,
        strip=True,
        help_text=_("Shown in the list of sessions and in the log."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )

    def clean_reason(self) -> str:
        """Refuse the words by which the library says itself why a session ended: ``reused`` is an alarm."""
        given: str = self.cleaned_data["reason"]
        if _letters(given) in _own_words():
            error = _("“%(reason)s” is what the library itself says of a session. Give another reason.")
            raise forms.ValidationError(error, code="reserved", params={"reason": given})
        return given

    def chosen(self) -> str:
        """Return the reason, or that it was an administrator."""
        return str(self.cleaned_data["reason"])


class EveryoneForm(ReasonForm):
    """Something to type, so that nobody does it by a slip of the finger."""

    WORD = "everyone"

    confirmation = forms.CharField(
        label=_("Type “everyone” to confirm"),
        max_length=20,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "autocapitalize": "none"}),
    )
    field_order = ("confirmation", "reason")

    def clean_confirmation(self) -> str:
        """Compare it with the word, which is the same in every language."""
        given: str = self.cleaned_data["confirmation"]
        if given.strip() != self.WORD:
            raise forms.ValidationError(_("This is not the word “everyone”."), code="confirmation")
        return given


class Unseen(forms.Textarea):
    """A text that is never sent back to the browser."""

    def format_value(self, value: Any) -> str | None:
        """Return nothing."""
        return None


class TokenForm(forms.Form):
    """A token that somebody has pasted. It is never shown again."""

    token = forms.CharField(
        label=_("Token"),
        max_length=100_000,
        widget=Unseen(attrs={"class": "vLargeTextField", "rows": 5, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("An access or refresh token. It is neither stored nor logged."),
    )

    def clean_token(self) -> str:
        """Take off what people paste along with it."""
        given: str = self.cleaned_data["token"]
        return given.strip().removeprefix("Bearer ").strip()


class BlacklistForm(TokenForm, ReasonForm):
    """A token, and why it is revoked."""

    field_order = ("token", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an operator is about to do."""

    title: Any
    question: Any
    """What will happen, in a sentence."""
    button: Any
    permission: str
    """Its code name."""
    form: type[forms.Form] = ReasonForm
    warnings: tuple[Any, ...] = ()
    hidden: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Form fields that say what was chosen."""
    chosen: tuple[Any, ...] = ()
    """What was chosen, to look at."""


def may(request: HttpRequest, permission: str) -> bool:
    """Tell whether somebody has a permission of ours."""
    user: Any = request.user
    return bool(user.has_perm(f"django_jwtauth.{permission}"))


def blacklist_url(request: HttpRequest, site: Any) -> str:
    """Return the address of the page that blacklists a token, for whom it obeys; else nothing."""
    allowed = may(request, "blacklist_token") and may(request, "view_blacklistedtoken")
    return page_url(site, "django_jwtauth_blacklistedtoken_blacklist") if allowed else ""


def ask(request: HttpRequest, act: Act, context: dict[str, Any], *, posted: bool) -> Any:
    """Return the valid form once the operator has confirmed; until then, the response that asks.

    Args:
        request: The request.
        act: What it is about.
        context: That of every admin page, with ``opts``.
        posted: Whether the form was sent.

    Raises:
        PermissionDenied: if the operator may not.
    """
    if not may(request, act.permission):
        raise PermissionDenied
    form = act.form(request.POST if posted else None)
    if posted and form.is_valid():
        return form
    context = {**context, "title": act.title, "act": act, "form": form, "effects": effects()}
    return TemplateResponse(request, TEMPLATE, context)


def effects() -> list[str]:
    """Say from when a revocation holds where."""
    interval = conf.get_config().revocation_poll_interval.total_seconds()
    return [
        now_("Refresh tokens: at once."),
        now_("Access tokens, here: at the next request; without a query per request within %(seconds)g seconds.")
        % {"seconds": interval},
        now_("Access tokens, in other services: within %(seconds)g seconds.")
        % {"seconds": interval + PUBLISHED_SECONDS},
    ]


def holds_from() -> str:
    """Say from when what is revoked now is refused everywhere, by the clock on the wall."""
    bound: datetime = timezone.now() + conf.get_config().revocation_poll_interval + timedelta(seconds=PUBLISHED_SECONDS)
    local = timezone.localtime(bound) if timezone.is_aware(bound) else bound
    return local.strftime("%H:%M:%S")


def tell(request: HttpRequest, text: str, *, done: bool = True) -> None:
    """Show the operator what came of it, and from when it holds."""
    if done:
        text = now_("%(text)s Here at once; in other services by %(time)s.") % {"text": text, "time": holds_from()}
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, text)


def log(request: HttpRequest, rows: Any, message: Any, reason: str) -> None:
    """Write an entry into the admin's log for each row, in a constant number of statements.

    Args:
        request: The request.
        rows: What was acted on.
        message: What was done, to be translated. All read the same log, so it is not in the operator's own language.
        reason: Why.
    """
    user: Any = request.user
    chosen = list(rows)
    if chosen:
        with translation.override(settings.LANGUAGE_CODE):
            text = str(message) % reason
        LogEntry.objects.log_actions(user.pk, chosen, CHANGE, text)


def is_own(request: HttpRequest, rows: QuerySet[RefreshToken]) -> tuple[str, ...]:
    """Warn the operator who is about to sign himself out."""
    user: Any = request.user
    if rows.filter(user_id=user_key(user), revoked_at__isnull=True).exists():
        return (now_("Among them are sessions of your own. (The admin itself does not sign you out.)"),)
    return ()


def sessions_revoked(count: int) -> str:
    """Say how many."""
    return ngettext("%d session was revoked.", "%d sessions were revoked.", count) % count


class SessionActs(ReadOnlyAdmin):
    """The acts on sessions."""

    # Who may do what

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Who may revoke: permission ``django_jwtauth.revoke_refreshtoken``."""
        return may(request, "revoke_refreshtoken")

    def has_sign_out_permission(self, request: HttpRequest) -> bool:
        """Who may sign users out everywhere: permission ``django_jwtauth.sign_out_user``."""
        return may(request, "sign_out_user")

    # Acts on what was selected

    @admin.action(description=_("Revoke selected sessions"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> HttpResponse | None:
        """Ask, and end each selected session that still lives."""
        chosen = self._chosen(request, queryset)
        if chosen is None:
            return None
        live = chosen.filter(revoked_at__isnull=True).not_signed_out()
        count = live.count()
        question = ngettext(
            "%(count)d selected session that has not been revoked yet will be revoked.",
            "%(count)d selected sessions that have not been revoked yet will be revoked.",
            count,
        )
        act = Act(
            title=_("Revoke sessions"),
            question=question % {"count": count},
            button=_("Revoke"),
            permission="revoke_refreshtoken",
            warnings=is_own(request, live),
            hidden=_selection(request, "revoke_selected"),
        )
        form = ask(request, act, self.context(request), posted="confirmed" in request.POST)
        if isinstance(form, HttpResponse):
            return form
        self._revoke(request, live, form.chosen())
        return None

    @admin.action(description=_("Sign the users of selected sessions out everywhere"), permissions=["sign_out"])
    def sign_out_users(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> HttpResponse | None:
        """Ask, and end all sessions of the users of the selected ones."""
        chosen = self._chosen(request, queryset)
        if chosen is None:
            return None
        ids = chosen.filter(user__isnull=False).order_by().values_list("user_id", flat=True).distinct()
        users = list(get_user_model()._default_manager.using(RefreshToken.write_alias()).filter(pk__in=list(ids)))
        rows = all_sessions().filter(user_id__in=[user.pk for user in users])
        act = Act(
            title=_("Sign users out everywhere"),
            question=ngettext(
                "All sessions of %(count)d user will be revoked.",
                "All sessions of %(count)d users will be revoked.",
                len(users),
            )
            % {"count": len(users)},
            button=_("Sign out"),
            permission="sign_out_user",
            warnings=is_own(request, rows),
            hidden=_selection(request, "sign_out_users"),
            chosen=tuple(users[:20]),
        )
        form = ask(request, act, self.context(request), posted="confirmed" in request.POST)
        if isinstance(form, HttpResponse):
            return form
        self.sign_out(request, users, form.chosen())
        return None

    def _chosen(self, request: HttpRequest, queryset: QuerySet[RefreshToken]) -> RefreshTokenQuerySet | None:
        """Return a plain query of the selected rows: the list's own has joins, which an UPDATE cannot have.

        None, and a message, if there are more than the list counts: it would have said less than what is done.
        """
        ids = list(queryset.order_by().values_list("pk", flat=True)[: COUNTED + 1])
        if len(ids) > COUNTED:
            text = now_("More than %d sessions are selected. Select fewer, or sign everyone out.") % COUNTED
            tell(request, text, done=False)
            return None
        return all_sessions().filter(pk__in=ids)

    def _revoke(self, request: HttpRequest, live: QuerySet[RefreshToken], reason: str) -> None:
        chosen = list(live.only("pk"))
        keys = [session.pk for session in chosen]
        count = sessions.revoke(RefreshToken.objects.filter(pk__in=keys), note=reason, by=cast(Any, request.user))
        log(request, chosen, _("Revoked: %s"), reason)
        tell(request, sessions_revoked(count), done=bool(count))

    def sign_out(self, request: HttpRequest, users: list[Any], reason: str) -> None:
        """Sign users out everywhere, and log and tell it."""
        by = cast(Any, request.user)
        count = sessions.revoke_all(users, reason=RevokedReason.ADMIN, note=reason, by=by)
        log(request, users, _("Signed out everywhere: %s"), reason)
        tell(request, sessions_revoked(count), done=bool(count))

    def revoke_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask, and end one session."""
        self.must_view(request)
        session: Any = self.get_object(request, str(pk))
        if session is None:
            raise Http404
        rows = all_sessions().filter(pk=session.pk)
        act = Act(
            title=_("Revoke this session"),
            question=_("The session %(session)s of %(user)s will be revoked.")
            % {"session": str(session.pk)[:8], "user": session.user or "-"},
            button=_("Revoke"),
            permission="revoke_refreshtoken",
            warnings=is_own(request, rows),
            chosen=(device_name(session.user_agent),),
        )
        form = ask(request, act, self.context(request), posted=request.method == "POST")
        if isinstance(form, HttpResponse):
            return form
        self._revoke(request, rows.filter(revoked_at__isnull=True).not_signed_out(), form.chosen())
        return HttpResponseRedirect(self.page("change", session.pk))

    def sign_out_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Ask, and end all sessions of one user."""
        self.must_view(request)
        users = get_user_model()
        try:
            user = users._default_manager.using(RefreshToken.write_alias()).get(pk=users._meta.pk.to_python(pk))
        except (users.DoesNotExist, ValidationError, ValueError, OverflowError):
            raise Http404 from None
        rows = all_sessions().filter(user_id=user_key(user))
        act = Act(
            title=_("Sign out everywhere"),
            question=_("All sessions of %(user)s will be revoked.") % {"user": user},
            button=_("Sign out"),
            permission="sign_out_user",
            warnings=is_own(request, rows),
        )
        form = ask(request, act, self.context(request), posted=request.method == "POST")
        if isinstance(form, HttpResponse):
            return form
        self.sign_out(request, [user], form.chosen())
        return HttpResponseRedirect(self._page_of(user, request) or self.page("changelist"))

    def _page_of(self, user: Any, request: HttpRequest) -> str:
        """Return the address of a user's page, if there is one and the operator may see it."""
        url = user_url(user, self.admin_site)
        may_see = url and self.admin_site.get_model_admin(get_user_model()).has_view_permission(request, user)
        return url if may_see else ""

    def everyone_view(self, request: HttpRequest) -> HttpResponse:
        """Ask twice, and sign everyone out."""
        self.must_view(request)
        act = Act(
            title=_("Sign everyone out"),
            question=_("All sessions of all users will be revoked. Everybody has to sign in again."),
            button=_("Sign everyone out"),
            permission="sign_out_everyone",
            form=EveryoneForm,
            warnings=(_("Your own sessions are among them. (The admin itself does not sign you out.)"),),
        )
        form = ask(request, act, self.context(request), posted=request.method == "POST")
        if isinstance(form, HttpResponse):
            return form
        entry = sessions.revoke_everyone(note=form.chosen(), by=cast(Any, request.user))
        log(request, [entry], _("Signed everyone out: %s"), form.chosen())
        tell(request, str(_("Everyone was signed out.")))
        return HttpResponseRedirect(self.page("changelist"))


def _selection(request: HttpRequest, action: str) -> tuple[tuple[str, str], ...]:
    """Return the form fields that say what was selected in the list, to send them once more."""
    ids = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    across = request.POST.get("select_across", "0")
    return (
        ("action", action),
        ("select_across", across),
        ("index", "0"),
        ("confirmed", "yes"),
        *((helpers.ACTION_CHECKBOX_NAME, chosen) for chosen in ids),
    )
