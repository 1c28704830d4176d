"""How a session is bound to passwords, and to the project's ``SECRET_KEY``.

It is bound to the password of its user and, where somebody acts as the user, to that person's too.
"""

import enum
import hashlib
import hmac
from collections.abc import Iterator

from django.contrib.auth.models import AbstractBaseUser

from . import conf

UNKNOWN_KEY_HELP = (
    "it was bound under a SECRET_KEY that this process does not have, neither as SECRET_KEY nor in "
    "SECRET_KEY_FALLBACKS. If you have not replaced the key, make sure that all processes have the same one."
)
"""What an operator should know about a session whose binding is :attr:`Binding.UNKNOWN_KEY`."""

LENGTH = 72
"""How many bytes :func:`bind` returns."""

_NAME = slice(8)
_AUTH_HASH = slice(8, 40)
_PASSWORD = slice(40, LENGTH)


class Binding(enum.Enum):
    """How a session and the present password of its user belong together."""

    PRESENT = enum.auto()
    """The session is bound to this password."""
    CHANGED = enum.auto()
    """The session is bound to another password."""
    UNKNOWN_KEY = enum.auto()
    """It cannot be told here: the session was bound under a ``SECRET_KEY`` that this process does not have."""


def bind(secret: bytes, user: AbstractBaseUser) -> bytes:
    """Return what binds a session to the present password of a user.

    It has three parts: the name of the ``SECRET_KEY``; a digest of what Django's own sessions are bound to, which
    depends on that key; and a digest of the stored password, which does not.

    Args:
        secret: The secret of the session.
        user: The user.
    """
    name = _key_name(conf.get_config().refresh_keys.signing_key.kid)
    return name + _auth_hash(secret, next(_session_auth_hashes(user))) + _password(secret, user)


def binding(secret: bytes, stored: bytes, user: AbstractBaseUser) -> Binding:
    """Tell whether a session is bound to the present password of a user. ``SECRET_KEY_FALLBACKS`` count too.

    Args:
        secret: The secret of the session.
        stored: What :func:`bind` has returned.
        user: The user.
    """
    for value in _session_auth_hashes(user):
        if hmac.compare_digest(_auth_hash(secret, value), stored[_AUTH_HASH]):
            return Binding.PRESENT
    if stored[_NAME] in [_key_name(key.kid) for key in conf.get_config().refresh_keys]:
        return Binding.CHANGED
    is_same = hmac.compare_digest(_password(secret, user), stored[_PASSWORD])
    return Binding.UNKNOWN_KEY if is_same else Binding.CHANGED


def _key_name(kid: str) -> bytes:
    # The key of refresh tokens is derived from SECRET_KEY, and their headers show its `kid`. So it gives nothing away.
    return hashlib.sha256(kid.encode()).digest()[_NAME]


def _auth_hash(secret: bytes, session_auth_hash: str) -> bytes:
    return hmac.digest(secret, b"auth_hash " + session_auth_hash.encode(), "sha256")


def _password(secret: bytes, user: AbstractBaseUser) -> bytes:
    return hmac.digest(secret, b"password " + str(getattr(user, "password", "")).encode(), "sha256")


def _session_auth_hashes(user: AbstractBaseUser) -> Iterator[str]:
    """Yield the hashes that Django's own sessions are bound to: the present one, then those of fallback keys."""
    if not hasattr(user, "get_session_auth_hash"):
        yield ""  # a user model without passwords; django.contrib.auth.login() does the same
        return
    yield user.get_session_auth_hash()
    if hasattr(user, "get_session_auth_fallback_hash"):
        yield from user.get_session_auth_fallback_hash()
