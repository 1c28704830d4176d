"""The bodies of requests and answers. Replace one by subclassing the view that uses it."""

from typing import Any

from django.contrib.auth import get_user_model
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from .models import RefreshToken
from .request_info import device_name

MAX_USERNAME_LENGTH = 256  # unless the model's field is longer; the throttles look no further


class TokenField(serializers.CharField):
    """A token: taken as it is, never trimmed, never echoed."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("write_only", True)
        super().__init__(trim_whitespace=False, **kwargs)


class ScopeField(serializers.CharField):
    """The scopes asked for, separated by spaces (RFC 6749 section 3.3)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, default="", write_only=True, max_length=4096, **kwargs)


class ResourceField(serializers.CharField):
    """The audience that the access token is to be for (RFC 8707 section 2): one, or the token would be good at two."""

    default_error_messages = {"several": _("Ask for one resource.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, default="", write_only=True, max_length=255, **kwargs)

    def get_value(self, dictionary: Any) -> Any:
        """Return what was sent; of a form that names several, all."""
        given = dictionary.getlist(str(self.field_name)) if isinstance(dictionary, QueryDict) else ()
        return given if len(given) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> str:
        """Refuse several."""
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
        """Put the user name, whatever it is called, before the password."""
        # Trimming it would be the user model's affair: its manager may know names with spaces around.
        user = get_user_model()
        field: Any = user._meta.get_field(user.USERNAME_FIELD)
        longest = max(field.max_length or 0, MAX_USERNAME_LENGTH)
        username = serializers.CharField(write_only=True, trim_whitespace=False, max_length=longest)
        return {user.USERNAME_FIELD: username, **super().get_fields()}


class RefreshSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A refresh token."""

    refresh = TokenField()


class AskedSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What the access token is to be good for."""

    scope = ScopeField()
    resource = ResourceField()


class TokenRefreshSerializer(RefreshSerializer, AskedSerializer):
    """A refresh token, and what the access token is to be good for."""


class VerifySerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A token of either kind."""

    token = TokenField()


class OAuthTokenSerializer(VerifySerializer):
    """A token, and perhaps what kind of token its sender thinks it is (RFC 7009 section 2.1, RFC 7662 section 2.1)."""

    token_type_hint = serializers.CharField(required=False, allow_blank=True)


class EmptySerializer(serializers.Serializer):  # type: ignore[type-arg]
    """No body. REST framework's answer to OPTIONS, and schema generators, ask every view for a serializer."""


class SessionSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A session, as its user may see it."""

    current = serializers.SerializerMethodField(help_text="Whether it is the session of this request.")
    last_used_at = serializers.DateTimeField(source="rotated_at", read_only=True)
    expires_at = serializers.DateTimeField(source="idle_at", read_only=True, help_text="If it is not used before.")
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
        """Compare with the session of the request."""
        return bool(str(session.pk) == self.context["request"].auth.sid)

    def get_device(self, session: RefreshToken) -> str:
        """Summarize the user agent."""
        return device_name(session.user_agent)
