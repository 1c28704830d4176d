"""Authentication classes for Django REST framework.

REST framework imports this module while it imports its own views, which may be before the apps are loaded. So nothing
here imports models.
"""

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.settings import api_settings

from . import audit, conf, revocation_cache
from ._core import events
from ._core.jws import claimed_issuer, is_foreign
from .asynchronous import asynchronous
from .bridges import bridge_for
from .cookies import read_cookie
from .csrf import SAFE_METHODS, enforce_csrf
from .database import was_clock_off
from .errors import InvalidTokenError
from .reading import session_of_access_token
from .refusals import Unavailable, bearer_challenge, raise_if_unavailable
from .secret import Secret, hide
from .stateless_user import StatelessUser, stateless_user
from .verifier import AccessToken, Verifier, verify_any

__all__ = [
    "BearerAuthentication",
    "JWTAuthentication",
    "JWTCookieAuthentication",
    "StatelessJWTAuthentication",
    "StatelessJWTCookieAuthentication",
    "StatelessUser",
]

DEAD = frozenset({"expired", "revoked", "session_expired", "user_inactive", "password_changed", "key_changed"})
"""Why a token that was good once is refused. Other reasons mean a mistake or an attack, and are never passed over."""


class BearerAuthentication(BaseAuthentication):
    """The base of all classes below. Reads the header ``Authorization: Bearer`` (RFC 6750 section 2.1).

    A subclass says in :meth:`authenticate_token` how a token is verified.
    """

    www_authenticate_realm = "api"
    _checks_csrf = False
    """Whether the class makes the CSRF check itself."""
    _may_read_cookies = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._may_read_cookies = cls.get_raw_token is not BearerAuthentication.get_raw_token and not cls._checks_csrf
        # A subclass that finds or verifies tokens in its own way gets no shortcut: its methods are called each time.
        owner: Any = next(base for base in cls.__mro__ if "_recall" in vars(base))
        if owner is not cls and not (
            cls.get_raw_token is BearerAuthentication.get_raw_token
            and cls.authenticate_token is owner.authenticate_token
        ):
            cls._recall = BearerAuthentication._recall  # type: ignore[method-assign]

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate the request by its bearer token.

        Args:
            request: REST framework's request, or Django's own.

        Returns:
            The user and the token, or ``None`` if the request has no bearer token.

        Raises:
            InvalidTokenError: if the token is refused. It is an ``AuthenticationFailed`` too, with ``detail``, ``code``
                and ``reason``.
            Unavailable: if the token cannot be checked at the moment, or the database is away.
            PermissionDenied: if a subclass has found the token in a cookie or a session, and the CSRF check of an
                unsafe method fails.
        """
        try:
            if (found := self._recall(request)) is not None:
                return found
            _require_an_issuer()
            raw = self.get_raw_token(request)
            if raw is not None:
                raw = hide(raw)
                found = self.authenticate_token(raw)
                if self._may_read_cookies and _may_be_forged(request, raw):
                    enforce_csrf(_django_request(request))
                return found
        except InvalidTokenError as error:
            _require_an_anonymous_user()
            audit.tell(events.ACCESS_REFUSED, request=_django_request(request), reason=error.reason)
            if error.reason == "stale":
                raise Unavailable(error) from None
            error.challenge = self.authenticate_header(request)  # type: ignore[attr-defined]
            raise
        except Exception as error:
            raise_if_unavailable(error)
            raise
        _require_an_anonymous_user()
        return None

    async def aauthenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Do the same as ``authenticate()``, for coroutines. What needs the database runs off the event loop.

        The classes that need no query for a request authenticate it on the loop itself.
        """
        return await asynchronous(self.authenticate)(request)

    def get_raw_token(self, request: Request) -> Secret | str | bytes | None:
        """Return the token in the header as it was sent, or ``None`` if the header is missing or has another scheme.

        It is hidden from error reports: its ``reveal()`` gives the text. A subclass may return text. If it returns what
        it has found in a cookie or a session, ``authenticate()`` makes Django's CSRF check.

        With ``IGNORE_FOREIGN_TOKENS``, also ``None`` if the token is visibly not ours.

        Raises:
            InvalidTokenError: with the code ``bad_authorization_header``, if it is not ``Bearer`` and one word.
        """
        words = _bearer_words(request)
        if words is None:
            return None
        if len(words) != 1:
            raise InvalidTokenError("invalid", code="bad_authorization_header")
        config = conf.get_config()
        if config.ignore_foreign_tokens and is_foreign(words[0], max_length=config.max_token_length):
            return None if bridge_for(hide(words[0])) is None else words[0]
        return words[0]

    def _recall(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Return the user and the token if this process has verified the token in the header before; else ``None``.

        The checks are those of :meth:`authenticate_token`. Tokens that are refused for any reason but their revocation
        are left to that method.
        """
        return None

    def authenticate_token(self, raw: Secret | str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, whether it came in the header or in a cookie.

        Args:
            raw: The token as it was sent. That of a request is hidden from error reports: its ``reveal()`` gives the
                text.

        Returns:
            The user and the token.

        Raises:
            InvalidTokenError: with the reason why it is refused.
        """
        raise NotImplementedError

    def authenticate_header(self, request: Request) -> str:
        """Return the value of ``WWW-Authenticate`` for a response with status 401 (RFC 6750 section 3).

        It says ``error="invalid_token"`` only if the header of the request held a token.
        """
        error = {"error": "invalid_token"} if _bearer_words(request) else {}
        return bearer_challenge(self.www_authenticate_realm, **error)


class JWTAuthentication(BearerAuthentication):
    """Authenticates by an access token, and loads the user through the token's session with one query.

    Ending the session, deactivating the user and changing the password take effect at the next request. So does
    whatever else keeps Django from loading the user: the default manager, or the backend that signed the user in.
    """

    def authenticate_token(self, raw: Secret | str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, then look up its session. A token with a bad signature costs no query."""
        raw = hide(raw)
        if (bridge := bridge_for(raw)) is not None:
            return bridge.authenticate(raw)
        config = conf.get_config()
        return self.authenticate_session(_verify(raw, {config.issuer: config.verifier}))

    def _recall(self, request: Request) -> tuple[Any, AccessToken] | None:
        config = conf.get_config()
        if config.local is None or (digest := _digest(request, config.max_token_length)) is None:
            return None
        token = config.local.verifier.recall(digest, now=config.clock())
        return None if token is None else self.authenticate_session(token)

    def authenticate_session(self, token: AccessToken) -> tuple[Any, AccessToken]:
        """Look up the session of a verified access token with one query.

        The user is the object that Django would load for a session of its own. Where the project's manager or backends
        have a say in that, this takes one more query.

        Args:
            token: The token.

        Returns:
            The user and the token.

        Raises:
            InvalidTokenError: with the reason why it is refused.
        """
        session = session_of_access_token(token.sid, token.jti)
        if session is None:
            raise InvalidTokenError("invalid")
        if session.is_blacklisted:
            raise InvalidTokenError("revoked")
        session.raise_for_refusal(session.database_now, ends_at=session.expires_at)
        if session.subject != token.subject:
            raise InvalidTokenError("invalid", code="user_not_found")
        if session.unseen_since is not None:
            _note_seen(session, token)
        if session.backend and not hasattr(session.user, "backend"):
            # As authenticate() notes it: a session that the user starts from here is judged by the same backend.
            session.user.backend = session.backend
        return session.user, token


class CookieMixin(BearerAuthentication):
    """Reads the access cookie of the browser endpoints if there is no bearer header, and enforces Django's CSRF check.

    The header takes precedence. It needs no CSRF check, since a browser never sends it by itself.
    """

    _checks_csrf = True

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate the request by the header, or by the cookie if there is no bearer header.

        If the token in the cookie was valid once but is no longer, a request with a safe method is anonymous for now.
        So pages that need no user can be read. A view that does need one answers with the refusal.

        Args:
            request: REST framework's request, or Django's own. With Django's own request, a refusal is always raised,
                and the caller makes the response vary on cookies.

        Raises:
            InvalidTokenError: if the token is refused, or there are several cookies of that name.
            Unavailable: if the token cannot be checked at the moment, or the database is away.
            PermissionDenied: if the token in the cookie is accepted, but the CSRF check of an unsafe method fails.
            ParseError: if that check cannot read the body.
        """
        view = (getattr(request, "parser_context", None) or {}).get("view")
        _vary_on_cookie(view)
        if _bearer_words(request) is not None:
            return super().authenticate(request)
        try:
            result = super().authenticate(request)
        except InvalidTokenError as error:
            if view is None or not is_passed_over(request, error):
                raise
            _refuse_later(view, error)
            return None
        if result is not None:
            try:
                enforce_csrf(_django_request(request))
            except Exception as error:  # CSRF_USE_SESSIONS keeps the token in the database
                raise_if_unavailable(error)
                raise
        return result

    async def aauthenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        if request.method in SAFE_METHODS:
            return await super().aauthenticate(request)
        return await asynchronous(self.authenticate)(request)  # the CSRF check reads the body

    def get_raw_token(self, request: Request) -> Secret | str | bytes | None:
        """Return the token in the header, or the one in the cookie if there is no bearer header."""
        if _bearer_words(request) is not None:
            return super().get_raw_token(request)
        return read_cookie(_django_request(request), conf.get_config().cookies.access_name)


class StatelessJWTAuthentication(BearerAuthentication):
    """Authenticates by an access token alone, ours or that of one of ``TRUSTED_ISSUERS``.

    It needs no query, except one per poll interval that reads our revocation list; background threads fetch the lists
    of other issuers. The user is a :class:`StatelessUser`. Revocation takes effect within ``REVOCATION_POLL_INTERVAL``,
    for tokens of other issuers up to two seconds later.
    """

    async def aauthenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        try:
            return self.authenticate(request)
        except SynchronousOnlyOperation:  # a subclass, a bridge or a process without threads does need a query
            return await super().aauthenticate(request)

    def authenticate_token(self, raw: Secret | str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, and check the revocation list."""
        raw = hide(raw)
        config = conf.get_config()
        if (bridge := bridge_for(raw)) is not None:
            token = bridge.verify(raw)
            return stateless_user(token), token
        token = _verify(raw, config.verifiers)
        if token.issuer == config.issuer and config.local is not None:
            revocation_cache.check(token, config)
        return stateless_user(token), token

    def _recall(self, request: Request) -> tuple[Any, AccessToken] | None:
        config = conf.get_config()
        if (digest := _digest(request, config.max_token_length)) is None:
            return None
        own, now = None if config.local is None else config.local.verifier, config.clock()
        # A verifier remembers the tokens of its own issuer alone.
        if own is not None and (token := own.recall(digest, now=now)) is not None:
            revocation_cache.check(token, config, now)
            return stateless_user(token), token
        for verifier in config.verifiers.values():
            if verifier is not own and (token := verifier.recall(digest, now=time.time())) is not None:
                return stateless_user(token), token
        return None


class JWTCookieAuthentication(CookieMixin, JWTAuthentication):
    """:class:`JWTAuthentication` by the header, or by the access cookie of the browser endpoints."""


class StatelessJWTCookieAuthentication(CookieMixin, StatelessJWTAuthentication):
    """:class:`StatelessJWTAuthentication` by the header, or by the access cookie of the browser endpoints."""


def _note_seen(session: Any, token: AccessToken) -> None:
    """Note that a client has a token of its session, for ``REFRESH_RETRY_PERIOD``. At most one UPDATE per rotation."""
    import_string(_NOTE_SEEN)(session, token)


# Named, because importing it loads the models.
_NOTE_SEEN = "django_jwtauth.sessions._seen.note_token"


def _verify(raw: Secret, verifiers: Mapping[str, Verifier]) -> AccessToken:
    """Verify an access token, once more if our clock turns out to be wrong. Arguments as for ``verify_any()``."""
    try:
        return verify_any(raw, verifiers)
    except InvalidTokenError as error:
        config = conf.get_config()
        if config.local is None or error.reason != "not_yet_valid":
            raise
        # A token of another issuer says nothing about our clock, and must not cause a statement.
        is_ours = claimed_issuer(raw, max_length=config.max_token_length) == config.issuer
        if not is_ours or not was_clock_off(error):
            raise
    return verify_any(raw, verifiers)


def is_passed_over(request: Request | HttpRequest, error: InvalidTokenError, *, needs_user: bool = True) -> bool:
    """Tell whether a request is anonymous for now, although the token in its cookie was refused.

    Not for unsafe methods, unless the view needs no user: what a user sends must not seem to come from a visitor.
    """
    return error.reason in DEAD and (request.method in SAFE_METHODS or not needs_user)


def has_bearer_header(request: Request | HttpRequest) -> bool:
    """Tell whether the request has a header ``Authorization: Bearer``. A browser never sends it by itself."""
    return _bearer_words(request) is not None


def _django_request(request: Request | HttpRequest) -> HttpRequest:
    """Return Django's own request: middleware, GraphQL and the like have no other."""
    return request._request if isinstance(request, Request) else request


def _refuse_later(view: Any, error: InvalidTokenError) -> None:
    """Make a view that needs a user say why the token was refused, and not that none was sent."""
    permission_denied = view.permission_denied

    def deny(request: Request, *args: Any, **kwargs: Any) -> None:
        if not request.successful_authenticator:  # another class may have authenticated the request
            raise error
        permission_denied(request, *args, **kwargs)

    view.permission_denied = deny  # of this view object, which serves this request only


def _vary_on_cookie(view: Any) -> None:
    """Make the view's response vary on cookies. Otherwise a cache could give it to other visitors."""
    headers = getattr(view, "headers", None)
    if headers is not None:
        headers["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Cookie"]))


def _require_an_issuer() -> None:
    """Name the setting to change. The reason of each token's refusal would not."""
    if not conf.get_config().verifiers:
        raise ImproperlyConfigured(
            "No tokens are accepted: add 'django_jwtauth' to INSTALLED_APPS to issue tokens, or set "
            "JWTAUTH['TRUSTED_ISSUERS'] to accept the tokens of other issuers."
        )


def _require_an_anonymous_user() -> None:
    """Name the setting to change. REST framework's own error, one per request, would not."""
    if not apps.is_installed("django.contrib.auth") and "UNAUTHENTICATED_USER" not in api_settings.user_settings:
        raise ImproperlyConfigured(
            "Without 'django.contrib.auth' in INSTALLED_APPS there is no AnonymousUser: set "
            "REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None."
        )


def _digest(request: Request | HttpRequest, max_length: int) -> bytes | None:
    """Return the digest of the token in a header as clients usually write it; ``None`` for any other header.

    It raises nothing, because the variables of its frame show the token.

    Args:
        request: The request.
        max_length: In bytes; a longer token is not read.
    """
    django_request = request._request if isinstance(request, Request) else request
    header = django_request.META.get("HTTP_AUTHORIZATION", "")
    raw = header.removeprefix("Bearer ")
    if not len(raw) < len(header) <= max_length + 7:
        return None
    return sha256(raw.encode("ascii", "replace")).digest()


def _may_be_forged(request: Request | HttpRequest, raw: Secret) -> bool:
    """Tell whether a browser may have sent by itself what led to a token: a cookie, or a session that a cookie names.

    Its signature is looked for. The rest may be elsewhere, and the characters between them may be encoded.
    """
    meta = _django_request(request).META
    signature = Secret((raw.reveal_bytes().rpartition(b".")[2] or raw.reveal_bytes()).decode("latin-1"))
    return bool(meta.get("HTTP_COOKIE")) and not any(
        signature.reveal() in meta[name]
        for name in list(meta)
        if name == "QUERY_STRING" or (name.startswith("HTTP_") and name not in ("HTTP_COOKIE", "HTTP_REFERER"))
    )


def _bearer_words(request: Request | HttpRequest) -> list[Secret] | None:
    """Return the words after ``Bearer`` in the header; ``None`` without such a header.

    There should be one, the token. Schemes are case-insensitive (RFC 9110 section 11.1).
    """
    header = _django_request(request).META.get("HTTP_AUTHORIZATION")
    if not header:
        return None
    if not header.isascii() and max(header) > "\xff":
        return []  # no server passes on such a header, but a test client may
    words = header.split(" ")
    if "" in words:
        words = [word for word in words if word]
    return list(map(Secret, words[1:])) if words and words[0].lower() == "bearer" else None
