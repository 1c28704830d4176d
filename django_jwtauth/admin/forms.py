"""The forms of the admin's actions and pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ..models import MAX_NOTE_LENGTH
from ..secret import RevealedText, Secret


class NoteForm(forms.Form):
    """Takes a note that says why something is revoked. It may be left empty."""

    note = forms.CharField(
        label=pgettext_lazy("jwtauth label", "Note"),
        required=False,
        max_length=MAX_NOTE_LENGTH,
        strip=True,
        help_text=_("Why, in your own words. Shown in the list of sessions and in the log."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )


class EveryoneForm(NoteForm):
    """Asks for a word to be typed, so that nobody signs everyone out by accident."""

    WORD = "everyone"

    confirmation = forms.CharField(
        label=_("Type “everyone” to confirm"),
        max_length=20,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "autocapitalize": "none"}),
    )
    field_order = ("confirmation", "note")

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

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return RevealedText(value) if isinstance(value, str) else value


class TokenForm(forms.Form):
    """Takes a pasted token, which is never shown again."""

    token = forms.CharField(
        label=pgettext_lazy("jwtauth label", "Token"),
        max_length=100_000,
        widget=WriteOnlyTextarea(
            attrs={"class": "vLargeTextField", "rows": 5, "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("An access or refresh token. It is neither stored nor logged."),
    )

    def clean_token(self) -> Secret:
        """Remove white space and ``Bearer``, which people paste along with a token."""
        return Secret(self.cleaned_data["token"].strip().removeprefix("Bearer ").strip())


class BlacklistForm(TokenForm, NoteForm):
    """Takes a pasted token, and a note that says why it is revoked."""

    field_order = ("token", "note")
