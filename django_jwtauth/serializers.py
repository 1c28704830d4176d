"""The bodies of requests and responses. To replace one, subclass the view that uses it."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeGuard

from django.contrib.auth import get_user_model
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from . import usernames
from .models import RefreshToken
from .request_info import device_name
from .secret import RevealedText, Secret

MAX_PASSWORD_LENGTH = 4096
"""How many characters a password may have."""


class _NoSurrogates(ProhibitSurrogateCharactersValidator):
    """The same as REST framework's, which looks at each character of a token."""

    def __call__(self, value: Any) -> None:
        if not str(value).isascii():
            super().__call__(value)


class TextField(serializers.CharField):
    """A ``CharField`` of which a serializer can quickly make a copy, as it does of each of its fields each time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = [
            _NoSurrogates() if type(check) is ProhibitSurrogateCharactersValidator else check
            for check in self.validators
        ]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self.parent is not None:
            return super().__deepcopy__(memo)
        copied = copy.copy(self)
        copied.validators = list(self.validators)
        copied.error_messages = dict(self.error_messages)
        return copied


class UsernameField(TextField):
    """A user name, read as Django's forms do: without spaces around it, and in Unicode's form NFKC.

    It is text, whatever kind of field ``USERNAME_FIELD`` is: what is no value of that field is the name of nobody.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(write_only=True, max_length=usernames.max_length(), **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return usernames.normalize(super().to_internal_value(data))


class PasswordField(TextField):
    """A password, or another text that no error report may show. It is taken as it was sent, and never shown again.

    Its value is text, a :class:`~django_jwtauth.secret.RevealedText`.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("write_only", True)
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return RevealedText(super().to_internal_value(data))


class TokenField(PasswordField):
    """A token. Its value is a :class:`~django_jwtauth.secret.Secret`, which the functions of ``sessions`` take."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return Secret(value) if isinstance(value, str) else value


_OPTIONAL: dict[str, Any] = {
    "required": False,
    "allow_blank": True,
    "default": "",
    "write_only": True,
    "trim_whitespace": False,
}


class ScopeField(TextField):
    """The requested scopes, separated by spaces (RFC 6749 section 3.3)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=4096, **_OPTIONAL, **kwargs)


class ResourceField(TextField):
    """The audience that the access token is requested for (RFC 8707 section 2).

    Only one is accepted: with two, either service could use the token at the other.
    """

    default_error_messages = {"several": _("Ask for only one resource.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=255, **_OPTIONAL, **kwargs)

    def get_value(self, dictionary: Any) -> Any:
        # The usual value of a form is only the last of several.
        given = dictionary.getlist(str(self.field_name)) if isinstance(dictionary, QueryDict) else ()
        return given if len(given) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, list):
            self.fail("several")
        return super().to_internal_value(data)


class TokenSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Credentials: the user model's ``USERNAME_FIELD``, and ``password``."""

    password = PasswordField(max_length=MAX_PASSWORD_LENGTH, style={"input_type": "password"})
    scope = ScopeField()
    resource = ResourceField()

    def get_fields(self) -> dict[str, Any]:
        return {get_user_model().USERNAME_FIELD: UsernameField(), **super().get_fields()}


class RefreshSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A refresh token."""

    refresh = TokenField()


class ScopeAndResourceSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The scopes and the audience that are requested for the access token."""

    scope = ScopeField()
    resource = ResourceField()


class TokenRefreshSerializer(RefreshSerializer, ScopeAndResourceSerializer):
    """A refresh token, and the scopes and the audience that are requested for the access token."""


class VerifySerializer(serializers.Serializer):  # type: ignore[type-arg]
    """An access token or a refresh token."""

    token = TokenField()


class OAuthTokenSerializer(VerifySerializer):
    """A token, and optionally the kind of token it is (RFC 7009 section 2.1, RFC 7662 section 2.1)."""

    token_type_hint = TextField(required=False, allow_blank=True)


def read_directly(kind: type, data: Any) -> dict[str, Any] | None:
    """Return what a serializer of ours would make of a body, if the body is of the usual form.

    Nearly all are: a JSON object whose required fields are printable ASCII, without scope and resource. A serializer of
    REST framework would take ten times as long, since it copies its fields first. It decides about all other bodies, so
    each rule, and each error, is stated once.

    Args:
        kind: The class of the serializer. One of the project's own is never replaced, not even if it adds nothing.
        data: The parsed body.

    Returns:
        The validated data; ``None`` if only the serializer can tell.
    """
    read = _DIRECTLY.get(kind)
    return None if read is None or type(data) is not dict else read(data)


def _is_usual(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and bool(text) and text.isascii() and text.isprintable()


def _read_token(data: dict[str, Any], name: str, absent: dict[str, str]) -> dict[str, Any] | None:
    raw = data.get(name)
    return {name: Secret(raw), **absent} if _is_usual(raw) and data.keys().isdisjoint(absent) else None


def _read_credentials(data: dict[str, Any]) -> dict[str, Any] | None:
    name = get_user_model().USERNAME_FIELD
    sent, password = data.get(name), data.get("password")
    if not (_is_usual(sent) and _is_usual(password) and data.keys().isdisjoint(_NOTHING_ASKED)):
        return None
    username = usernames.normalize(sent)
    if not username or len(sent) > usernames.MAX_LENGTH or len(password) > MAX_PASSWORD_LENGTH:
        return None
    return {name: username, "password": RevealedText(password), **_NOTHING_ASKED}


_NOTHING_ASKED = {"scope": "", "resource": ""}
_DIRECTLY: dict[type, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    TokenSerializer: _read_credentials,
    RefreshSerializer: partial(_read_token, name="refresh", absent={}),
    TokenRefreshSerializer: partial(_read_token, name="refresh", absent=_NOTHING_ASKED),
    VerifySerializer: partial(_read_token, name="token", absent={}),
}


class EmptySerializer(serializers.Serializer):  # type: ignore[type-arg]
    """No body. REST framework's response to OPTIONS, and schema generators, need a serializer for every view."""


class SessionSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A session, as shown to its user."""

    current = serializers.SerializerMethodField(help_text="Whether this is the session that makes the request.")
    last_used_at = serializers.DateTimeField(source="rotated_at", read_only=True)
    expires_at = serializers.DateTimeField(
        source="idle_at", read_only=True, help_text="When the session ends unless it is refreshed before."
    )
    device = serializers.SerializerMethodField(help_text="A summary of the user agent.")

    class Meta:
        model = RefreshToken
        fields = (
            "id",
            "current",
            "created_at",
            "last_used_at",
            "expires_at",
            "ip_address",
            "user_agent",
            "device",
            "actor",
        )
        read_only_fields = fields

    def get_current(self, session: RefreshToken) -> bool:
        """Tell whether this is the session that makes the request."""
        return bool(str(session.pk) == getattr(self.context["request"].auth, "sid", None))

    def get_device(self, session: RefreshToken) -> str:
        """Return a summary of the user agent."""
        return device_name(session.user_agent)
