"""The bodies of requests and responses. To replace one, subclass the view that uses it."""

from typing import Any

from django.contrib.auth import get_user_model
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from . import usernames
from .models import RefreshToken
from .request_info import device_name


class UsernameField(serializers.CharField):
    """A user name, read as Django's forms do: without spaces around it, and in Unicode's form NFKC.

    It is text, whatever kind of field ``USERNAME_FIELD`` is: what is no value of that field is the name of nobody.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(write_only=True, max_length=usernames.max_length(), **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return usernames.normalize(super().to_internal_value(data))


class TokenField(serializers.CharField):
    """A token. It is taken as it was sent, never trimmed, and never part of a response."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("write_only", True)
        super().__init__(trim_whitespace=False, **kwargs)


class ScopeField(serializers.CharField):
    """The requested scopes, separated by spaces (RFC 6749 section 3.3)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, default="", write_only=True, max_length=4096, **kwargs)


class ResourceField(serializers.CharField):
    """The audience that the access token is requested for (RFC 8707 section 2).

    Only one is accepted: with two, either service could use the token at the other.
    """

    default_error_messages = {"several": _("Ask for one resource.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, default="", write_only=True, max_length=255, **kwargs)

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

    password = serializers.CharField(
        write_only=True, trim_whitespace=False, max_length=4096, style={"input_type": "password"}
    )
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

    token_type_hint = serializers.CharField(required=False, allow_blank=True)


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
