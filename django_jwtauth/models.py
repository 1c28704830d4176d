"""The tables: sessions, single access tokens that were revoked, and the times when everyone was signed out.

No token is stored, and no hash of one.
"""

import hmac
import secrets
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, router
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import audit, conf, outages, users
from ._core import events
from .binding import LENGTH, UNKNOWN_KEY_HELP, Binding, bind, binding
from .database import DatabaseNow, RevocationManager, RevocationQuerySet, database_now
from .errors import InvalidTokenError
from .fields import HiddenBytes, HiddenField
from .keys import b64url_encode
from .reasons import RevokedReason as RevokedReason
from .request_info import MAX_USER_AGENT_LENGTH
from .typed import BlacklistColumns, NotBeforeColumns, SessionColumns
from .users import subject_if_any, usable_subject, user_key

MAX_NOTE_LENGTH = 255
"""How many characters the note of a revocation may have."""


def new_secret() -> HiddenBytes:
    """Return the random secret of a new session."""
    return HiddenBytes(secrets.token_bytes(32))


def today() -> date:
    """Return the current date in UTC."""
    return datetime.now(UTC).date()


def REVOKE(collector: Any, field: Any, sub_objs: "models.QuerySet[RefreshToken]", using: str) -> None:  # noqa: N802
    """``on_delete`` of the session's user: end the sessions, and keep their rows without personal data until the purge.

    (Upper case like Django's own.) Django runs the updates in the order in which they are added here, each on the same
    query: so those that look for unrevoked sessions come before the one that revokes them, and ``user`` comes last.
    """
    fields = {name: RefreshToken._meta.get_field(name) for name in ("revoked_reason", "revoked_at", *_BLANKED)}
    # Django's collector calls this once per batch of users, and groups the updates by (field, value). With a second
    # time, a later batch would look for its unrevoked sessions after their user has been removed from them.
    times = (value for changed, value in collector.field_updates if changed == fields["revoked_at"])
    now = next(times, None) or database_now(using)
    unrevoked = sub_objs.filter(may_have_tokens(now), revoked_at__isnull=True)  # a plain QuerySet: Django built it
    collector.add_field_update(fields["revoked_reason"], "user_deleted", unrevoked)
    collector.add_field_update(fields["revoked_at"], now, unrevoked)
    for name, value in _BLANKED.items():
        collector.add_field_update(fields[name], value, sub_objs)
    collector.add_field_update(field, None, sub_objs)


REVOKE.lazy_sub_objs = True  # type: ignore[attr-defined]
_BLANKED = {"ip_address": None, "user_agent": ""}


class RefreshTokenQuerySet(RevocationQuerySet["RefreshToken"]):
    """The words for sets of sessions."""

    def of(self, user: AbstractBaseUser) -> Self:
        """The sessions of a user, also those in which somebody else acts as the user."""
        return self.filter(user_id=user_key(user))

    def bound_to(self, user: AbstractBaseUser) -> Self:
        """The sessions that are bound to a user's password: their own, and those in which they act as somebody else."""
        subject = subject_if_any(user)  # a user without a subject has never acted as anybody
        return self.filter(models.Q(user_id=user_key(user)) | (models.Q(actor=subject) if subject else models.Q()))

    def unrevoked(self) -> Self:
        """Sessions without a revocation of their own. They may have expired, or everyone may have been signed out."""
        return self.filter(revoked_at__isnull=True)

    def live(self, now: datetime | None = None) -> Self:
        """Sessions that are neither revoked nor expired nor idle. The state of their user is not looked at.

        Args:
            now: The database's time; asked for if it is not given.
        """
        now = self.now() if now is None else now
        idle_since = now - conf.get_config().refresh_token_lifetime
        return self.unrevoked().filter(expires_at__gt=now, rotated_at__gt=idle_since).not_signed_out()

    def not_signed_out(self) -> Self:
        """Sessions that began after the last time everyone was signed out."""
        return self.exclude(signed_out())

    def with_sid(self, sid: str) -> Self:
        """The session of a token's ``sid``. Empty, without a query, if ``sid`` is not a UUID written as we write it."""
        try:
            value = uuid.UUID(sid)
        except ValueError:
            return self.none()
        return self.filter(pk=value) if str(value) == sid else self.none()

    def with_clock(self) -> Self:
        """Annotate what :meth:`RefreshToken.refusal` needs: the database's time, and if everyone was signed out."""
        return self.annotate(database_now=DatabaseNow(), signed_out=signed_out())

    def purgeable(self, now: datetime) -> Self:
        """Sessions that nobody needs any more: expired, idle or revoked long ago, and on no revocation list."""
        config = conf.get_config()
        unlisted = now - config.revocation_retention
        dead = models.Q(expires_at__lte=now) | models.Q(rotated_at__lte=now - config.refresh_token_lifetime)
        long_ago = min(unlisted, now - config.purge_revoked_after)
        long_revoked = models.Q(revoked_at__lte=long_ago) | models.Q(signed_out(not_before__lte=long_ago))
        return self.filter(models.Q(revoked_at__isnull=True) & dead | long_revoked)


class BlacklistedTokenQuerySet(RevocationQuerySet["BlacklistedToken"]):
    """The words for sets of blacklisted access tokens."""

    def purgeable(self, now: datetime) -> Self:
        """Tokens that have certainly expired, and are on no revocation list any more."""
        unlisted = now - conf.get_config().revocation_retention
        return self.filter(expires_at__lte=unlisted, created_at__lte=unlisted)


class NotBeforeQuerySet(RevocationQuerySet["NotBefore"]):
    """The words for sets of the times at which everyone was signed out."""

    def purgeable(self, now: datetime) -> Self:
        """Times that decide about no session and no access token any more. The latest one stays for ever."""
        later = NotBefore.objects.filter(not_before__gt=models.OuterRef("not_before"))
        unlisted = now - conf.get_config().revocation_retention
        return self.filter(models.Exists(later), not_before__lte=unlisted)


if TYPE_CHECKING:  # what from_queryset() makes, for type checkers without a plugin for Django

    class RefreshTokenManager(RefreshTokenQuerySet, RevocationManager["RefreshToken"]): ...  # type: ignore[misc]

    class BlacklistedTokenManager(BlacklistedTokenQuerySet, RevocationManager["BlacklistedToken"]): ...  # type: ignore[misc]

    class NotBeforeManager(NotBeforeQuerySet, RevocationManager["NotBefore"]): ...  # type: ignore[misc]
else:
    RefreshTokenManager = RevocationManager.from_queryset(RefreshTokenQuerySet)
    BlacklistedTokenManager = RevocationManager.from_queryset(BlacklistedTokenQuerySet)
    NotBeforeManager = RevocationManager.from_queryset(NotBeforeQuerySet)


class RefreshToken(SessionColumns, models.Model):
    """A session: one sign-in on one device, however often its refresh token is rotated.

    The refresh tokens themselves are computed from :attr:`secret`, :attr:`generation` and a key that is not in the
    database, so neither the database alone nor the key alone is enough to make one.
    """

    class Transport(models.TextChoices):
        """How the client keeps its tokens."""

        BODY = "body", _("request and response bodies")
        BROWSER = "browser", _("browser cookies")

    id = models.UUIDField(_("session id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=pgettext_lazy("jwtauth label", "user"),
        null=True,
        on_delete=REVOKE,
        related_name="+",
        db_index=False,  # the first column of an index below
    )
    secret = HiddenField(default=new_secret, editable=False)
    generation = models.PositiveIntegerField(pgettext_lazy("jwtauth label", "generation"), default=0)
    # Each rotation changes this and generation. Neither has an index, or PostgreSQL would write all of them each time.
    rotated_at = models.DateTimeField(pgettext_lazy("jwtauth time", "last seen"))
    # The indexed stand-in for it, where sessions are filtered or sorted by when they were last seen.
    last_seen_on = models.DateField(pgettext_lazy("jwtauth time", "last seen on"), default=today, editable=False)
    unseen_since = models.DateTimeField(null=True, editable=False)  # see `sessions._seen`
    retried_generation = models.PositiveIntegerField(null=True, editable=False)  # the last one that was got by a retry
    created_at = models.DateTimeField(pgettext_lazy("jwtauth time", "signed in"), db_index=True)
    expires_at = models.DateTimeField(_("expires at the latest"), db_index=True)
    auth_hash = HiddenField(editable=False)  # see `binding`
    # Of Django's backends, the one that signed the user in. It decides whether the user may go on.
    backend = models.CharField(_("authentication backend"), max_length=255, blank=True, editable=False)
    audience = models.CharField(pgettext_lazy("jwtauth label", "audience"), max_length=255, blank=True)
    scope = models.TextField(pgettext_lazy("jwtauth label", "scope"), blank=True)
    auth_time = models.DateTimeField(pgettext_lazy("jwtauth time", "authenticated"))
    amr = models.JSONField(_("authentication methods"), default=list, blank=True)
    acr = models.CharField(_("authentication context"), max_length=255, blank=True)
    # The subject of the person who acts as the user. A foreign key would be emptied when that person is deleted, and
    # the session would then look like the user's own.
    actor = models.CharField(pgettext_lazy("jwtauth label", "actor"), max_length=255, blank=True)
    actor_backend = models.CharField(
        _("authentication backend of the actor"), max_length=255, blank=True, editable=False
    )
    transport = models.CharField(
        pgettext_lazy("jwtauth label", "transport"),
        max_length=10,
        choices=Transport.choices,
        default=Transport.BODY,
        editable=False,
    )
    # Most rotations write the same address again, and then the index costs them nothing.
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True, db_index=True)
    user_agent = models.CharField(_("user agent"), max_length=MAX_USER_AGENT_LENGTH, blank=True)
    replays = models.PositiveIntegerField(pgettext_lazy("jwtauth label", "replays"), default=0, db_index=True)
    revoked_at = models.DateTimeField(pgettext_lazy("jwtauth time", "revoked"), null=True, blank=True, db_index=True)
    revoked_reason = models.CharField(
        pgettext_lazy("jwtauth label", "reason"), max_length=20, choices=RevokedReason.choices, blank=True
    )
    revoked_note = models.CharField(pgettext_lazy("jwtauth label", "note"), max_length=MAX_NOTE_LENGTH, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=pgettext_lazy("jwtauth label", "revoked by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects: ClassVar[RefreshTokenManager] = RefreshTokenManager()

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
            # With the primary key, by which the admin orders sessions that were last seen on the same day.
            models.Index(fields=["-last_seen_on", "-id"], name="jwtauth_last_seen"),
        ]

    # Annotated by `with_clock()`.
    database_now: datetime
    signed_out: bool

    password_holder: AbstractBaseUser
    """The object of the user whose password counts. Set by :meth:`load_user`."""
    acting_row: AbstractBaseUser | None
    """The row of the person who acts as the user, if it has been read already."""
    acting_password_holder: AbstractBaseUser
    """The same of the person who acts as the user, if there is one. Set by :meth:`refusal`."""

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def write_alias(cls) -> str:
        """Return the database of our tables: for transactions, and for reading users from the same database."""
        return router.db_for_write(cls)

    @property
    def idle_at(self) -> datetime:
        """When the session ends unless it is refreshed before."""
        return min(self.rotated_at + conf.get_config().refresh_token_lifetime, self.expires_at)

    @property
    def subject(self) -> str:
        """The ``sub`` of the session's user. Errors as for :func:`django_jwtauth.users.subject_of`."""
        name = conf.get_config().subject_field
        value = self.user_id if name == "pk" else getattr(self.user, name, None)
        return usable_subject("" if value is None else str(value))

    def jti(self, generation: int) -> str:
        """Return the ``jti`` of the refresh token of a generation: 256 bits that only this row's secret yields."""
        return b64url_encode(hmac.digest(bytes(self.secret), b"jti %d" % generation, "sha256"))

    def bind(self, user: AbstractBaseUser) -> None:
        """Bind the session to the user's present password. Does not save."""
        of_actor = bytes(self.auth_hash)[LENGTH:] if self.actor else b""
        self.auth_hash = HiddenBytes(bind(bytes(self.secret), user) + of_actor)

    def bind_actor(self, actor: AbstractBaseUser) -> None:
        """Bind the session to the present password of the person who acts as the user, too. Does not save."""
        self.auth_hash = HiddenBytes(bytes(self.auth_hash)[:LENGTH] + bind(bytes(self.secret), actor))

    def binding_to(self, user: AbstractBaseUser) -> Binding:
        """Tell whether the session is bound to the user's present password (``SECRET_KEY_FALLBACKS`` count too)."""
        return binding(bytes(self.secret), bytes(self.auth_hash), user)

    def binding_to_actor(self, actor: AbstractBaseUser) -> Binding:
        """Do the same as :meth:`binding_to` for the person who acts as the user."""
        return binding(bytes(self.secret), bytes(self.auth_hash)[LENGTH:], actor)

    def is_bound_to(self, user: AbstractBaseUser) -> bool:
        """Tell whether the session is certainly bound to the user's present password."""
        return self.binding_to(user) is Binding.PRESENT

    def raise_for_refusal(self, now: datetime, *, ends_at: datetime) -> None:
        """Refuse every token of this session, unless :meth:`refusal` finds no reason. Arguments as there.

        Raises:
            InvalidTokenError: with the reason.
        """
        reason = self.refusal(now, ends_at=ends_at)
        if reason == "key_changed" and outages.is_news("secret key"):
            detail = f"refused: {UNKNOWN_KEY_HELP}"
            audit.tell(events.SECRET_KEY_UNKNOWN, session=self.pk, user=self.user_id, count=1, detail=detail)
        if reason:
            raise InvalidTokenError(reason, code=self._cause() if reason == "revoked" else "")

    def _cause(self) -> str:
        """Return the code for the reason why the session has ended, if clients of Simple JWT know one."""
        is_over = self.revoked_reason == RevokedReason.USER_INACTIVE and users.is_active(self.user)
        return "" if is_over else _CAUSES.get(self.revoked_reason, "")

    def refusal(self, now: datetime, *, ends_at: datetime) -> str:
        """Return the reason why every token of this session is refused; empty if they are accepted.

        The row must have been read ``with_clock()`` and with its user. Afterwards :attr:`user` is the object that
        Django would load. This takes a statement more where managers or backends are the project's own, and one or two
        more if somebody acts as the user.

        Args:
            now: The database's time.
            ends_at: When the session ends: ``idle_at`` for refresh tokens, ``expires_at`` for access tokens.
        """
        if self.revoked_at is not None or self.user is None or self.signed_out:
            return "revoked"
        if now >= ends_at:
            return "session_expired"
        if not self.load_user():
            return "user_inactive"
        reason = _REFUSALS[self.binding_to(self.password_holder)]
        return self._refusal_of_actor() if self.actor and not reason else reason

    def load_user(self) -> bool:
        """Let :attr:`user` be the object that Django would load, and tell whether the user may go on.

        If not, :attr:`user` stays as it is.
        """
        row: Any = self.user
        user = None if row is None else users.load(row, self.backend, using=self.write_alias())
        if user is None:
            return False
        # The row, if the class has no more to say: a backend may have read a replica, which may lag behind.
        self.password_holder = row if type(user) is type(row) else user
        # Not by assignment, which refuses an object of another database, such as a replica.
        cast(Any, self._meta.get_field("user")).set_cached_value(self, user)
        return True

    def _refusal_of_actor(self) -> str:
        """Return the same for the person who acts as the user. One or two queries; there are few such sessions."""
        using = self.write_alias()
        has_row = "acting_row" in vars(self)
        actor = self.acting_row if has_row else users.by_subjects([self.actor], using=using).get(self.actor)
        loaded = None if actor is None else users.load(actor, self.actor_backend, using=using)
        if loaded is None:
            return "user_inactive"
        self.acting_password_holder = actor if type(loaded) is type(actor) else loaded
        return _REFUSALS[self.binding_to_actor(self.acting_password_holder)]


_CAUSES = {"user_inactive": "user_inactive", "user_deleted": "user_not_found", "password_changed": "password_changed"}
_REFUSALS = {Binding.PRESENT: "", Binding.CHANGED: "password_changed", Binding.UNKNOWN_KEY: "key_changed"}


class BlacklistedToken(BlacklistColumns, models.Model):
    """A single access token that was revoked before it expired. Its session continues."""

    jti = models.CharField(_("token id"), max_length=255, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=pgettext_lazy("jwtauth label", "user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    expires_at = models.DateTimeField(pgettext_lazy("jwtauth time", "expires"), db_index=True)
    reason = models.CharField(
        pgettext_lazy("jwtauth label", "reason"), max_length=20, choices=RevokedReason.choices, blank=True
    )
    note = models.CharField(pgettext_lazy("jwtauth label", "note"), max_length=MAX_NOTE_LENGTH, blank=True)
    created_at = models.DateTimeField(pgettext_lazy("jwtauth time", "revoked"), db_index=True)

    objects: ClassVar[BlacklistedTokenManager] = BlacklistedTokenManager()

    class Meta:
        verbose_name = _("blacklisted access token")
        verbose_name_plural = _("blacklisted access tokens")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.jti


class NotBefore(NotBeforeColumns, models.Model):
    """Everyone was signed out: a single timestamp instead of the ids of all sessions."""

    not_before = models.DateTimeField(
        pgettext_lazy("jwtauth time", "not before"),
        help_text=_("Sessions that began, and access tokens that were issued, at or before this time are refused."),
    )
    created_at = models.DateTimeField(pgettext_lazy("jwtauth time", "signed out"), db_index=True)
    reason = models.CharField(
        pgettext_lazy("jwtauth label", "reason"), max_length=20, choices=RevokedReason.choices, blank=True
    )
    note = models.CharField(pgettext_lazy("jwtauth label", "note"), max_length=MAX_NOTE_LENGTH, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=pgettext_lazy("jwtauth label", "revoked by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects: ClassVar[NotBeforeManager] = NotBeforeManager()

    class Meta:
        verbose_name = _("sign-out of everyone")
        verbose_name_plural = _("sign-outs of everyone")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.not_before)


def may_have_tokens(now: datetime) -> models.Q:
    """Return the condition that a token of a session has not expired for everyone, servers with slow clocks included.

    Args:
        now: The database's time.
    """
    config = conf.get_config()
    # No access token was issued later than that after the last rotation: a cookie waits for a second window.
    last_issued = 2 * config.refresh_grace_period
    lasts = max(config.refresh_token_lifetime, last_issued + config.revocation_retention)
    return models.Q(expires_at__gt=now - config.clock_allowance, rotated_at__gt=now - lasts)


def signed_out(**conditions: Any) -> models.Exists:
    """Return the condition that everyone has been signed out since a session began.

    Args:
        conditions: Which of these times count; by default all.
    """
    return models.Exists(NotBefore.objects.filter(not_before__gte=models.OuterRef("created_at"), **conditions))
