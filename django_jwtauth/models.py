"""The tables: sessions, single access tokens that were revoked, and the times when many sessions ended at once.

No token is stored, and no hash of one.
"""

import hmac
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models, router
from django.utils.translation import gettext_lazy as _

from . import conf
from .database import DatabaseNow, database_now
from .keys import b64url_encode
from .request_info import MAX_USER_AGENT_LENGTH


def user_key(user: AbstractBaseUser) -> Any:
    """Return the key of the user model's row; a model that inherits from it may have a key of its own."""
    return getattr(user, get_user_model()._meta.pk.attname)


def subject_of(user: object) -> str:
    """Return the ``sub`` of a user.

    Raises:
        ImproperlyConfigured: if ``SUBJECT_FIELD`` gives none that a token could carry.
    """
    name = conf.get_config().subject_field
    value = getattr(user, name, None)
    subject = "" if value is None else str(value)
    if not subject or not subject.isprintable():
        raise ImproperlyConfigured(f"JWTAUTH['SUBJECT_FIELD'] = {name!r} gives no usable subject for a user.")
    return subject


def new_secret() -> bytes:
    """Return the random secret of a new session."""
    return secrets.token_bytes(32)


def today() -> date:
    """Return the day it is in UTC."""
    return datetime.now(UTC).date()


def REVOKE(collector: Any, field: Any, sub_objs: "models.QuerySet[RefreshToken]", using: str) -> None:  # noqa: N802
    """``on_delete`` of the session's user: the sessions end, and their rows stay until the purge, without the person.

    (Upper case like Django's own.) Updates are made in the order they are added here, each over the same query:
    so the ones that look for live sessions come before the one that ends them, and the user goes last.
    """
    live = sub_objs.filter(revoked_at__isnull=True)
    fields = {name: RefreshToken._meta.get_field(name) for name in ("revoked_reason", "revoked_at", *_BLANKED)}
    # The collector calls this once per batch of users, and keeps one place in that order for each (field, value):
    # with a second time, a later batch would look for its live sessions when their user is gone already.
    times = (value for changed, value in collector.field_updates if changed == fields["revoked_at"])
    now = next(times, None) or database_now(using)
    collector.add_field_update(fields["revoked_reason"], "user_deleted", live)
    collector.add_field_update(fields["revoked_at"], now, live)
    for name, value in _BLANKED.items():
        collector.add_field_update(fields[name], value, sub_objs)
    collector.add_field_update(field, None, sub_objs)


REVOKE.lazy_sub_objs = True  # type: ignore[attr-defined]
_BLANKED = {"ip_address": None, "user_agent": ""}


class RevokedReason(models.TextChoices):
    """Why a session ended."""

    LOGOUT = "logout", _("signed out")
    LOGOUT_ALL = "logout_all", _("signed out everywhere")
    USER = "user", _("ended by the user on another device")
    ADMIN = "admin", _("revoked by an administrator")
    REUSED = "reused", _("refresh token reuse")
    PASSWORD_CHANGED = "password_changed", _("password changed")
    USER_INACTIVE = "user_inactive", _("user deactivated")
    USER_DELETED = "user_deleted", _("user deleted")
    SESSION_LIMIT = "session_limit", _("too many sessions")


class RefreshTokenQuerySet(models.QuerySet["RefreshToken"]):
    """The words for sets of sessions."""

    def live(self, now: datetime) -> Self:
        """Those that can still be refreshed."""
        idle_since = now - conf.get_config().refresh_token_lifetime
        started = self.filter(revoked_at__isnull=True, expires_at__gt=now, rotated_at__gt=idle_since)
        return started.not_signed_out()

    def not_signed_out(self) -> Self:
        """Those that began after the last time everyone was signed out."""
        return self.exclude(signed_out())

    def with_sid(self, sid: str) -> Self:
        """The one of a token's ``sid``; none, without a query, unless that is a UUID exactly as we write it."""
        try:
            value = uuid.UUID(sid)
        except ValueError:
            return self.none()
        return self.filter(pk=value) if str(value) == sid else self.none()

    def with_clock(self) -> Self:
        """Read along with each row what :meth:`RefreshToken.refusal` judges by: the time, and who was signed out."""
        return self.annotate(database_now=DatabaseNow(), signed_out=signed_out())

    def purgeable(self, now: datetime) -> Self:
        """Those that serve nobody: expired, idle or long revoked, and on no revocation list any more."""
        config = conf.get_config()
        unlisted = now - config.revocation_retention
        dead = models.Q(expires_at__lte=now) | models.Q(rotated_at__lte=now - config.refresh_token_lifetime)
        long_ago = min(unlisted, now - config.purge_revoked_after)
        long_revoked = models.Q(revoked_at__lte=long_ago) | models.Q(signed_out(not_before__lte=long_ago))
        return self.filter(models.Q(revoked_at__isnull=True) & dead | long_revoked)


class RefreshToken(models.Model):
    """A session: one sign-in on one device, however often its refresh token is rotated.

    The refresh tokens themselves are computed from :attr:`secret` and :attr:`generation` and a key that is not in
    the database; so neither the database alone nor the key alone can make one.
    """

    class Transport(models.TextChoices):
        """How the client keeps its tokens."""

        BODY = "body", _("request and response bodies")
        BROWSER = "browser", _("browser cookies")

    id = models.UUIDField(_("session id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        on_delete=REVOKE,
        related_name="+",
        db_index=False,  # the first column of an index below
    )
    secret = models.BinaryField(default=new_secret, editable=False)
    generation = models.PositiveIntegerField(_("generation"), default=0)
    # Changed by each rotation, as is generation: no index on either, or PostgreSQL would have to write all indexes of
    # the table with each refresh.
    rotated_at = models.DateTimeField(_("last seen"))
    # So the day stands in for it, where sessions are sorted out by when they were last seen.
    last_seen_on = models.DateField(_("last seen on"), default=today, editable=False)
    created_at = models.DateTimeField(_("signed in"), db_index=True)
    expires_at = models.DateTimeField(_("expires at the latest"), db_index=True)
    auth_hash = models.BinaryField(editable=False)
    audience = models.CharField(_("audience"), max_length=255, blank=True)
    scope = models.TextField(_("scope"), blank=True)
    auth_time = models.DateTimeField(_("authenticated"))
    amr = models.JSONField(_("authentication methods"), default=list, blank=True)
    acr = models.CharField(_("authentication context"), max_length=255, blank=True)
    # The subject of who acts as the user; a key would be lost with that user, and the session look like the user's own.
    actor = models.CharField(_("actor"), max_length=255, blank=True)
    transport = models.CharField(
        _("transport"), max_length=10, choices=Transport.choices, default=Transport.BODY, editable=False
    )
    # Most rotations write the address that is there already, and then its index costs them nothing.
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True, db_index=True)
    user_agent = models.CharField(_("user agent"), max_length=MAX_USER_AGENT_LENGTH, blank=True)
    replays = models.PositiveIntegerField(_("replays"), default=0, db_index=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, db_index=True)
    revoked_reason = models.CharField(_("reason"), max_length=255, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("revoked by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = RefreshTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("refresh token (session)")
        verbose_name_plural = _("refresh tokens (sessions)")
        default_permissions = ("view",)
        permissions = [
            ("revoke_refreshtoken", _("Can revoke refresh tokens (sessions)")),
            ("sign_out_user", _("Can sign a user out everywhere")),
            ("sign_out_everyone", _("Can sign everyone out")),
            ("blacklist_token", _("Can blacklist access tokens")),
            ("introspect_token", _("Can introspect tokens")),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="jwtauth_user_newest"),
            models.Index(fields=["revoked_reason", "-revoked_at"], name="jwtauth_reason_newest"),
            models.Index(fields=["actor"], name="jwtauth_actor"),
            # With the key, by which the admin tells apart what was last seen on the same day.
            models.Index(fields=["-last_seen_on", "-id"], name="jwtauth_last_seen"),
        ]

    # Read along by `with_clock()`.
    database_now: datetime
    signed_out: bool

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def write_alias(cls) -> str:
        """Return the database that all reads and writes of our tables use: a replica may lag behind a revocation."""
        return router.db_for_write(cls)

    @property
    def idle_at(self) -> datetime:
        """When the session ends if it is not refreshed before."""
        return min(self.rotated_at + conf.get_config().refresh_token_lifetime, self.expires_at)

    @property
    def subject(self) -> str:
        """The ``sub`` of the session's user.

        Raises:
            ImproperlyConfigured: if ``SUBJECT_FIELD`` gives none that a token could carry.
        """
        return subject_of(self.user)

    def jti(self, generation: int) -> str:
        """Return the ``jti`` of the refresh token of a generation: 256 bits that only this row's secret gives."""
        return b64url_encode(hmac.digest(bytes(self.secret), b"jti %d" % generation, "sha256"))

    def bind(self, user: AbstractBaseUser) -> None:
        """Bind the session to the user's present password, without saving it."""
        self.auth_hash = self._auth_hash(next(_session_auth_hashes(user)))

    def is_bound_to(self, user: AbstractBaseUser) -> bool:
        """Tell whether the session is bound to the user's present password (``SECRET_KEY_FALLBACKS`` count too)."""
        stored = bytes(self.auth_hash)
        return any(hmac.compare_digest(self._auth_hash(value), stored) for value in _session_auth_hashes(user))

    def _auth_hash(self, session_auth_hash: str) -> bytes:
        return hmac.digest(bytes(self.secret), b"auth_hash " + session_auth_hash.encode(), "sha256")

    def refusal(self, now: datetime, *, ends_at: datetime) -> str:
        """Say why tokens of this session are refused, whatever they are; empty if they are not.

        The row must have been read ``with_clock()``.

        Args:
            now: The database's time.
            ends_at: The limit to judge by: ``idle_at`` for refresh tokens, ``expires_at`` for access tokens.
        """
        if self.revoked_at is not None or self.user is None or self.signed_out:
            return "revoked"
        if now >= ends_at:
            return "session_expired"
        if not self.user.is_active or (self.actor and not self._has_active_actor()):
            return "user_inactive"
        return "" if self.is_bound_to(self.user) else "password_changed"

    def _has_active_actor(self) -> bool:
        """Look up who acts as the user. One query; there are few such sessions."""
        users = get_user_model()._base_manager.using(self.write_alias())
        try:
            actor = users.filter(**{conf.get_config().subject_field: self.actor}).first()
        except (ValueError, ValidationError):
            return False  # SUBJECT_FIELD was another one
        return actor is not None and actor.is_active


def _session_auth_hashes(user: AbstractBaseUser) -> Iterator[str]:
    """Give the hashes that Django's own sessions are bound to: the present one, then those of older secret keys."""
    if not hasattr(user, "get_session_auth_hash"):
        yield ""  # a user model without passwords; django.contrib.auth.login() does the same
        return
    yield user.get_session_auth_hash()
    if hasattr(user, "get_session_auth_fallback_hash"):
        yield from user.get_session_auth_fallback_hash()


class BlacklistedTokenQuerySet(models.QuerySet["BlacklistedToken"]):
    """The words for sets of blacklisted access tokens."""

    def purgeable(self, now: datetime) -> Self:
        """Those that have expired for sure, and are on no revocation list any more."""
        unlisted = now - conf.get_config().revocation_retention
        return self.filter(expires_at__lte=unlisted, created_at__lte=unlisted)


class BlacklistedToken(models.Model):
    """A single access token that was revoked before it expired; its session goes on."""

    jti = models.CharField(_("token id"), max_length=255, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("revoked"), db_index=True)

    objects = BlacklistedTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("blacklisted access token")
        verbose_name_plural = _("blacklisted access tokens")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.jti


class NotBeforeQuerySet(models.QuerySet["NotBefore"]):
    """The words for sets of such times."""

    def purgeable(self, now: datetime) -> Self:
        """Those that no session and no access token is judged by any more.

        The last time everyone was signed out stays for ever: it is one row.
        """
        old = self.filter(not_before__lte=now - conf.get_config().revocation_retention)
        newer = NotBefore.objects.filter(subject="", not_before__gt=models.OuterRef("not_before"))
        return old.filter(~models.Q(subject="") | models.Q(models.Exists(newer)))


class NotBefore(models.Model):
    """Everyone, or a user with very many sessions, was signed out: one time in place of the ids of all sessions."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # What counts: the tokens of a user who is deleted go on being refused.
    subject = models.CharField(_("subject"), max_length=255, blank=True, help_text=_("None: everyone."))
    not_before = models.DateTimeField(
        _("not before"), help_text=_("Access tokens issued until then are refused; sessions of everyone too.")
    )
    created_at = models.DateTimeField(_("signed out"), db_index=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("revoked by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = NotBeforeQuerySet.as_manager()

    class Meta:
        verbose_name = _("time of signing out everyone")
        verbose_name_plural = _("times of signing out everyone")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.subject or '*'} {self.not_before}"


def signed_out(**conditions: Any) -> models.Exists:
    """Tell of a session whether it began before everyone was signed out."""
    times = NotBefore.objects.filter(subject="", not_before__gte=models.OuterRef("created_at"), **conditions)
    return models.Exists(times)
