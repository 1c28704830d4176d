"""Which scopes (RFC 6749 section 3.3) and which audience (RFC 8707) an access token gets."""

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
            "A scope is a list of words separated by single spaces, in ASCII, without double quotes and backslashes."
        )
    return tokens


def for_clients(scope: str, resource: str) -> dict[str, str]:
    """Return the arguments for :func:`django_jwtauth.sessions.start` that a client may choose at sign-in.

    Without the setting ``SCOPES``, a scope that a client asks for means nothing.

    Args:
        scope: As it was sent.
        resource: As it was sent.

    Raises:
        InvalidTargetError: if the resource holds control characters; or if there is no setting ``AUDIENCES``, and the
            resource is not one of our own audiences.
    """
    config = conf.get_config()
    if not resource.isprintable() or (resource and config.audiences is None and resource not in config.audience):
        raise _unknown_target()
    return {"scope": scope if config.scopes is not None else "", "audience": resource}


def scope(session: RefreshToken, asked: str, *, request: HttpRequest | None) -> str:
    """Return the scope of an access token.

    It is the session's scope, or the part of it that is asked for, without what ``SCOPES`` no longer allows the user.

    Args:
        session: The session, with its user.
        asked: The scope that the refresh asks for; empty for all of the session's.
        request: For ``SCOPES``, if that is a callable.

    Raises:
        InvalidScopeError: if more is asked for than the session was granted (RFC 6749 section 6).
        ClaimsHookError: if ``SCOPES`` fails.
    """
    source = conf.get_config().scopes
    granted = tuple(session.scope.split())
    if not granted and source is None:
        return ""  # this project uses no scopes: what a client asks for means nothing, as at sign-in
    wanted = parse_scope(asked) or granted
    if not set(wanted) <= set(granted):
        raise InvalidScopeError("A refresh may narrow the scope of the sign-in, but not widen it.")
    if not wanted:
        return ""
    allowed = _allowed("SCOPES", source, session, request)
    return " ".join(token for token in wanted if allowed is None or token in allowed)


def audience(session: RefreshToken, asked: str, *, request: HttpRequest | None) -> str:
    """Return the audience of an access token: the one that is asked for, else the session's, else our first.

    Args:
        session: The session, with its user.
        asked: The ``resource`` of the sign-in or refresh; empty if it names none.
        request: For ``AUDIENCES``, if that is a callable.

    Raises:
        InvalidTargetError: if ``AUDIENCES`` does not allow it, or the session was started for another audience.
        ClaimsHookError: if ``AUDIENCES`` fails.
    """
    config = conf.get_config()
    if session.audience and asked not in ("", session.audience):
        raise InvalidTargetError("The session was started for another resource.")
    wanted = asked or session.audience
    if not wanted or wanted in config.audience:
        return wanted or config.audience[0]
    allowed = _allowed("AUDIENCES", config.audiences, session, request)
    # Without the setting, the project's code may start a session for any audience, but a client may not ask for any.
    is_allowed = wanted in allowed if allowed is not None else bool(session.audience)
    if not is_allowed:
        raise _unknown_target()
    return wanted


def _allowed(setting: str, source: Source, session: RefreshToken, request: HttpRequest | None) -> Iterable[str] | None:
    """Return the names that a setting allows a user; ``None`` without the setting."""
    if source is None or isinstance(source, tuple):
        return source
    user: AbstractBaseUser | None = session.user
    name = f"JWTAUTH[{setting!r}]"

    def compute() -> Any:
        function = load(source) if isinstance(source, str) else source
        values: Any = function(user, request=request, session=copy_of(session))
        # Iterating a str would take each of its letters for a name.
        return values if isinstance(values, str) else list(values)

    values: str | list[str] = call(name, compute)
    if isinstance(values, str) or not all(is_text(value) for value in values):
        raise failure(name, "it must return a list of names.")
    return values


def _unknown_target() -> InvalidTargetError:
    return InvalidTargetError("This resource is unknown, or this user may not have tokens for it.")
