"""What the bridge remembers: which old tokens have become sessions, and who has been signed out everywhere.

And the two tables of Simple JWT's blacklist app, if they are there. Their models are not managed: nothing here creates
or changes them.
"""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ...database import RevocationManager

APP_LABEL = "jwtauth_simplejwt"
"""Written down, so that the module can be imported where the app is not installed."""


class ExchangedToken(models.Model):
    """An old refresh token that has become a session, which has the same id.

    The row outlives the session. So a token whose session was purged does not become a second one.
    """

    id = models.UUIDField(_("session id"), primary_key=True, editable=False)
    expires_at = models.DateTimeField(_("old token expires"), db_index=True)
    imported_at = models.DateTimeField(pgettext_lazy("jwtauth time", "imported"), null=True, blank=True)
    exchanged_at = models.DateTimeField(
        pgettext_lazy("jwtauth time", "exchanged"), null=True, blank=True, db_index=True
    )
    last_used_at = models.DateTimeField(_("old token last seen"), null=True, blank=True, db_index=True)

    objects: ClassVar[RevocationManager["ExchangedToken"]] = RevocationManager()

    class Meta:
        app_label = APP_LABEL
        verbose_name = _("refresh token of Simple JWT")
        verbose_name_plural = _("refresh tokens of Simple JWT")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.pk)


class EndedTokens(models.Model):
    """A user was signed out everywhere: old tokens that were issued until then are refused."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    not_before = models.DateTimeField()

    objects: ClassVar[RevocationManager["EndedTokens"]] = RevocationManager()

    class Meta:
        app_label = APP_LABEL
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class OutstandingToken(models.Model):
    """A refresh token that Simple JWT has issued."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    user_id: Any
    jti = models.CharField(max_length=255, unique=True)
    token = models.TextField()
    created_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    objects: ClassVar[RevocationManager["OutstandingToken"]] = RevocationManager()

    class Meta:
        app_label = APP_LABEL
        managed = False
        db_table = "token_blacklist_outstandingtoken"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class BlacklistedToken(models.Model):
    """A refresh token that Simple JWT has revoked."""

    id = models.BigAutoField(primary_key=True)
    token = models.OneToOneField(OutstandingToken, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    blacklisted_at = models.DateTimeField()

    objects: ClassVar[RevocationManager["BlacklistedToken"]] = RevocationManager()

    class Meta:
        app_label = APP_LABEL
        managed = False
        db_table = "token_blacklist_blacklistedtoken"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)
