"""What is granted of what a client asks for: scopes (RFC 6749 section 3.3) and an audience (RFC 8707)."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from . import conf
from ._core.setting_kinds import Source, is_text
from .claims import call, copy_of, failure, load
from .errors import InvalidScopeError, InvalidTargetError
from .models import RefreshToken


def parse_scope(text: str) -> tuple[str, ...]:
    """Split a scope into its tokens, each once.

    Raises:
        InvalidScopeError: if one holds a character that RFC 6749 section 3.3 does not allow.
    """
    tokens = tuple(dict.fromkeys(text.split(" "))) if text else ()
    if not all(conf.SCOPE.fullmatch(token) for token in tokens):
        raise InvalidScopeError(
            "A scope is words of ASCII characters, without quotes and backslashes, and one space between."
        )
    return tokens


def for_clients(scope: str, resource: str) -> dict[str, str]:
    """Return what a sign-in may ask of :func:`django_jwtauth.sessions.start`: nothing that no setting speaks of.

    Args:
        scope: As it was sent.
        resource: As it was sent.

    Raises:
        InvalidTargetError: if there are no ``AUDIENCES``, and the resource is not one of our own; or if it is none
            that a token could name.
    """
    config = conf.get_config()
    if not resource.isprintable() or (resource and config.audiences is None and resource not in config.audience):
        raise _unknown_target()
    return {"scope": scope if config.scopes is not None else "", "audience": resource}


def scope(session: RefreshToken, asked: str, *, request: HttpRequest | None) -> str:
    """Return the scope of an access token.

    That is the session's, or the part of it that is asked for, less what ``SCOPES`` does not allow the user any more.

    Args:
        session: The session, with its user.
        asked: What the refresh asks for; empty for all.
        request: For ``SCOPES``, where that is a callable.

    Raises:
        InvalidScopeError: if more is asked for than the session was granted (RFC 6749 section 6).
        ClaimsHookError: if ``SCOPES`` fails.
    """
    source = conf.get_config().scopes
    granted = tuple(session.scope.split())
    if not granted and source is None:
        return ""  # nothing here speaks of scopes: what a client asks for means nothing, as at sign-in
    wanted = parse_scope(asked) or granted
    if not set(wanted) <= set(granted):
        raise InvalidScopeError("A refresh may narrow the scope of the sign-in, never widen it.")
    if not wanted:
        return ""
    allowed = _allowed("SCOPES", source, session, request)
    return " ".join(token for token in wanted if allowed is None or token in allowed)


def audience(session: RefreshToken, asked: str, *, request: HttpRequest | None) -> str:
    """Return the audience of an access token: the one that is asked for, else the session's, else our own.

    Args:
        session: The session, with its user.
        asked: The ``resource`` of the sign-in or refresh; empty for none.
        request: For ``AUDIENCES``, where that is a callable.

    Raises:
        InvalidTargetError: if it is not one of ``AUDIENCES``, or the session was signed in for another one.
        ClaimsHookError: if ``AUDIENCES`` fails.
    """
    config = conf.get_config()
    if session.audience and asked not in ("", session.audience):
        raise InvalidTargetError("The session was signed in for another resource.")
    wanted = asked or session.audience
    if not wanted or wanted in config.audience:
        return wanted or config.audience[0]
    allowed = _allowed("AUDIENCES", config.audiences, session, request)
    # Code may start a session for whom it likes, as long as no setting says otherwise; a client may not.
    is_allowed = wanted in allowed if allowed is not None else bool(session.audience)
    if not is_allowed:
        raise _unknown_target()
    return wanted


def _allowed(setting: str, source: Source, session: RefreshToken, request: HttpRequest | None) -> Iterable[str] | None:
    """Return what a user may get by a setting; ``None`` where it says nothing."""
    if source is None or isinstance(source, tuple):
        return source
    user: AbstractBaseUser | None = session.user
    name = f"JWTAUTH[{setting!r}]"

    def compute() -> Any:
        function = load(source) if isinstance(source, str) else source
        values: Any = function(user, request=request, session=copy_of(session))
        # A text would be taken for the names of its letters.
        return values if isinstance(values, str) else list(values)

    values: str | list[str] = call(name, compute)
    if isinstance(values, str) or not all(is_text(value) for value in values):
        raise failure(name, "it must return names.")
    return values


def _unknown_target() -> InvalidTargetError:
    return InvalidTargetError("This resource is unknown, or not for this user.")
