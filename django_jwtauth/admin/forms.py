"""The forms of the admin's actions and pages."""

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ..models import MAX_NOTE_LENGTH, RevokedReason


def _letters(text: str) -> str:
    """Return what makes texts equal to a database at most: neither case nor accents, nor what is between letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _own_words() -> set[str]:
    """Return the words, and what they are shown as."""
    choices = [choice for choice in RevokedReason.choices if choice[0] != RevokedReason.ADMIN]
    return {_letters(str(text)) for choice in choices for text in choice}


class ReasonForm(forms.Form):
    """Why something is revoked."""

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
    """Asks for a word to be typed, so that nobody signs everyone out by accident."""

    WORD = "everyone"

    confirmation = forms.CharField(
        label=_("Type “everyone” to confirm"),
        max_length=20,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "autocapitalize": "none"}),
    )
    field_order = ("confirmation", "reason")

    def clean_confirmation(self) -> str:
        """Compare the text with the word, which is the same in every language."""
        given: str = self.cleaned_data["confirmation"]
        if given.strip() != self.WORD:
            raise forms.ValidationError(_("This is not the word “everyone”."), code="confirmation")
        return given


class WriteOnlyTextarea(forms.Textarea):
    """A text area whose content is never sent back to the browser."""

    def format_value(self, value: Any) -> str | None:
        return None


class TokenForm(forms.Form):
    """Takes a pasted token, which is never shown again."""

    token = forms.CharField(
        label=_("Token"),
        max_length=100_000,
        widget=WriteOnlyTextarea(
            attrs={"class": "vLargeTextField", "rows": 5, "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("An access or refresh token. It is neither stored nor logged."),
    )

    def clean_token(self) -> str:
        """Remove white space and ``Bearer``, which people paste along with a token."""
        given: str = self.cleaned_data["token"]
        return given.strip().removeprefix("Bearer ").strip()


class BlacklistForm(TokenForm, ReasonForm):
    """Takes a pasted token, and why it is revoked."""

    field_order = ("token", "reason")
