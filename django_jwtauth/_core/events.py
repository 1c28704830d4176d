"""The audit log: which events there are, and how each becomes one record of the logger ``django_jwtauth.security``.

Programs read the attributes of a record, whose names begin with ``jwtauth_``: flat, and texts or numbers, because some
exporters drop everything else. People read the message, which has the same values. No value can look like the end of a
line or like another field, whatever a client has sent.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .clock import stopwatch

logger = logging.getLogger("django_jwtauth.security")

PREFIX = "jwtauth_"
"""What the names of the attributes begin with, so that they are neither another package's nor one of the record's."""
NUMBERS = frozenset({"count"})
"""The fields that are integers. All others are texts, and empty if nothing is known."""
MAX_LENGTH = 500
"""How many characters of a value are written at most, with those that its escapes add."""
SECONDS_BETWEEN = 60.0
"""The least time between two records that anybody could cause with a single made-up token."""

_PLAIN = re.compile(r"[\w.:@/+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that an audit log must tell."""

    name: str
    """Its stable name, in ``jwtauth_event``."""
    level: int
    text: str
    """What has happened, for people."""
    fields: tuple[str, ...]
    """What its records say besides ``event`` and ``tenant``. Each record has all of them."""

    def is_heard(self) -> bool:
        """Tell whether a record of this event would be written. Ask first where finding the values takes a while."""
        return logger.isEnabledFor(self.level)

    def write(self, *, tenant: str = "", exc_info: Any = None, **values: object) -> None:
        """Write one record.

        Args:
            tenant: The name of the tenant.
            exc_info: The error to write with it, as for :meth:`logging.Logger.log`.
            values: The fields. What is not given is not known.
        """
        if not self.is_heard():
            return
        if unknown := values.keys() - self.fields:
            raise TypeError(f"{self.name} has no field {min(unknown)!r}.")
        found: dict[str, str | int] = {"event": self.name}
        for name in (*self.fields, "tenant"):
            value = tenant if name == "tenant" else values.get(name)
            found[name] = int(str(value or 0)) if name in NUMBERS else _clean("" if value is None else str(value))
        told = [name for name, value in found.items() if value != ""]
        logger.log(
            self.level,
            f"{self.text}: {' '.join(f'{name}=%({name})s' for name in told)}",
            {name: _quoted(str(found[name])) for name in told},
            exc_info=exc_info,
            extra={PREFIX + name: value for name, value in found.items()},
        )


def _clean(text: str) -> str:
    """Return a text without line breaks and other characters that are not printed, and not too long."""
    kept = text[: MAX_LENGTH + 1]
    if not kept.isprintable():
        kept = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in kept)
    return kept if len(kept) <= MAX_LENGTH else f"{kept[: MAX_LENGTH - 1]}…"


def _quoted(text: str) -> str:
    """Return a text that cannot be taken for more than one value."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_told: dict[str, float] = {}  # when, by issuer: there are only as many as the settings name


def tell_unknown_key(issuer: str, kid: object) -> None:
    """Tell that a token names a key that its issuer does not have: at most once a minute, issuer and process.

    Args:
        issuer: The issuer whose keys were asked, from the settings.
        kid: What the token names. It may be anything.
    """
    now = stopwatch.seconds()
    if UNKNOWN_KEY.is_heard() and now - _told.get(issuer, float("-inf")) >= SECONDS_BETWEEN:
        _told[issuer] = now
        UNKNOWN_KEY.write(issuer=issuer, kid=kid)


def forget() -> None:
    """Forget what has been told, as if this process had just been started."""
    _told.clear()


# Sign-in

SESSION_STARTED = Event(
    name="session_started",
    level=logging.INFO,
    text="A session has started",
    fields=("session", "user", "amr", "address"),
)
ACTING_STARTED = Event(
    name="acting_started",
    level=logging.WARNING,
    text="Somebody acts as a user",
    fields=("session", "user", "actor", "amr", "address"),
)
SESSIONS_IMPORTED = Event(
    name="sessions_imported",
    level=logging.INFO,
    text="Sessions of another library were imported",
    fields=("count",),
)
SIGN_IN_REFUSED = Event(
    name="sign_in_refused",
    level=logging.WARNING,
    text="A sign-in was refused",
    fields=("user", "reason", "address"),
)
SIGN_IN_CHALLENGED = Event(
    name="sign_in_challenged",
    level=logging.INFO,
    text="A password was right, and more is needed",
    fields=("user", "reason", "address"),
)
STEPPED_UP = Event(
    name="stepped_up",
    level=logging.INFO,
    text="A user was authenticated again",
    fields=("session", "user", "amr", "address"),
)

# Refresh

SESSION_REFRESHED = Event(
    name="session_refreshed",
    level=logging.DEBUG,
    text="A session was refreshed",
    fields=("session", "user", "address"),
)
REFRESH_REPLAYED = Event(
    name="refresh_replayed",
    level=logging.INFO,
    text="A refresh token came again within the grace period",
    fields=("session", "user", "address"),
)
REFRESH_RETRIED = Event(
    name="refresh_retried",
    level=logging.INFO,
    text="The previous refresh token was accepted late, since nothing of the present one was seen",
    fields=("session", "user", "address"),
)
REFRESH_REFUSED = Event(
    name="refresh_refused",
    level=logging.INFO,
    text="A refresh was refused",
    fields=("session", "user", "reason", "address"),
)
REFRESH_TOKEN_REUSED = Event(
    name="refresh_token_reused",
    level=logging.WARNING,
    text="Refresh token reuse: the session was revoked",
    fields=("session", "user", "address"),
)

# Revocation

SESSION_REVOKED = Event(
    name="session_revoked",
    level=logging.INFO,
    text="Sessions were revoked",
    fields=("session", "user", "by", "reason", "count"),
)
SESSION_KEPT = Event(
    name="session_kept",
    level=logging.INFO,
    text="A session outlives the old password",
    fields=("session", "user"),
)
TOKEN_BLACKLISTED = Event(
    name="token_blacklisted",
    level=logging.INFO,
    text="An access token was blacklisted",
    fields=("session", "user", "reason"),
)
EVERYONE_SIGNED_OUT = Event(
    name="everyone_signed_out",
    level=logging.WARNING,
    text="Everyone was signed out",
    fields=("by", "reason"),
)

# Requests that were refused for other reasons

ACCESS_REFUSED = Event(
    name="access_refused",
    level=logging.DEBUG,
    text="An access token was refused",
    fields=("reason", "address"),
)
THROTTLED = Event(
    name="throttled",
    level=logging.WARNING,
    text="A request was throttled",
    fields=("reason", "address"),
)
CSRF_FAILED = Event(
    name="csrf_failed",
    level=logging.WARNING,
    text="CSRF check failed",
    fields=("reason", "address"),
)

# Keys, lists and outages

UNKNOWN_KEY = Event(
    name="unknown_key",
    level=logging.WARNING,
    text="A token names a key that its issuer does not have",
    fields=("issuer", "kid"),
)
KEYS_UNAVAILABLE = Event(
    name="keys_unavailable",
    level=logging.WARNING,
    text="The keys of an issuer cannot be fetched",
    fields=("issuer", "reason", "url", "detail"),
)
REVOCATIONS_UNAVAILABLE = Event(
    name="revocations_unavailable",
    level=logging.WARNING,
    text="The revocation list of an issuer cannot be fetched",
    fields=("issuer", "reason", "url", "detail"),
)
REVOCATIONS_UNREADABLE = Event(
    name="revocations_unreadable",
    level=logging.ERROR,
    text="The revocation list cannot be read",
    fields=("reason",),
)
SECRET_KEY_UNKNOWN = Event(
    name="secret_key_unknown",
    level=logging.ERROR,
    text="Sessions belong to another SECRET_KEY than this process has",
    fields=("session", "user", "count", "detail"),
)
DATABASE_UNAVAILABLE = Event(
    name="database_unavailable",
    level=logging.ERROR,
    text="The database is not available, and requests that need it are answered with 503",
    fields=("reason", "detail"),
)
CACHE_UNAVAILABLE = Event(
    name="cache_unavailable",
    level=logging.WARNING,
    text="The cache is not available",
    fields=("detail",),
)

EVENTS: Mapping[str, Event] = {event.name: event for event in list(globals().values()) if isinstance(event, Event)}
"""All of them, by name."""
