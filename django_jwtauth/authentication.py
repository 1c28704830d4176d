"""Authentication classes for Django REST framework, and the user of a stateless request.

REST framework imports this module while it imports its own views, which may be before the apps are loaded. So nothing
here imports models.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework.settings import api_settings

from . import conf, revocation_cache
from ._core.jws import is_foreign
from .cookies import read_cookie
from .csrf import SAFE_METHODS, enforce_csrf
from .database import observe_clock
from .errors import InvalidTokenError
from .refusals import Unavailable
from .verifier import AccessToken, verify_any

DEAD = frozenset({"expired", "revoked", "session_expired", "user_inactive", "password_changed", "key_changed"})
"""Why a token that was good once is refused. Other reasons mean a mistake or an attack, and are never passed over."""


class GroupName(str):
    """The name of a group. It stands for the group where code asks a group for its ``name``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The same."""
        return str(self)


class GroupNames(tuple[GroupName, ...]):
    """The names of the groups in a token, with those methods of Django's ``user.groups`` that names can answer."""

    __slots__ = ()

    def all(self) -> Self:
        """Return all of them."""
        return self

    def filter(self, **lookups: Any) -> Self:
        """Return those that match.

        Args:
            lookups: ``name`` or ``name__in``.

        Raises:
            TypeError: for any other lookup: the token has nothing but names.
        """
        if not lookups.keys() <= {"name", "name__in"}:
            raise TypeError("A token has only the names of groups: filter them by name or name__in.")
        wanted = [{lookups["name"]}] if "name" in lookups else []
        wanted += [set(lookups["name__in"])] if "name__in" in lookups else []
        return type(self)(name for name in self if all(name in names for names in wanted))

    def exists(self) -> bool:
        """Tell whether there are any."""
        return bool(self)

    def values_list(self, *names: str, flat: bool = False) -> Any:
        """Return the names; as tuples of one unless they are to be ``flat``.

        Raises:
            TypeError: if anything but ``name`` is asked for.
        """
        if names != ("name",):
            raise TypeError("A token has only the names of groups: ask for the values of 'name'.")
        return list(self) if flat else [(name,) for name in self]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"A token has only the names of groups. They have no {name!r}: use all(), filter(name=…).")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatelessUser:
    """The user of a request that was authenticated by its token alone. The user need not exist in any database.

    The token's claims can be read as attributes: ``request.user.tenant``.
    """

    issuer: str
    """The token's ``iss``. A subject is unique per issuer only, so issuer and ``pk`` together identify the user."""
    pk: str
    """The token's ``sub``."""
    token: AccessToken = field(compare=False, repr=False)
    """The verified token, with all its claims."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def is_staff(self) -> bool:
        """Whether the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_staff") is True

    @property
    def is_superuser(self) -> bool:
        """Whether the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_superuser") is True

    @property
    def groups(self) -> GroupNames:
        """The names of the groups in the token; see :func:`django_jwtauth.hooks.groups`.

        A tuple of names, which also answers ``filter(name=…)``, ``exists()``, ``all()`` and ``values_list("name")``.
        """
        return GroupNames(map(GroupName, self._names("groups")))

    @property
    def id(self) -> str:
        """The same as ``pk``."""
        return self.pk

    def get_username(self) -> str:
        """Return the subject. Tokens need not contain a user name."""
        return self.pk

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Return the permissions in the token; see :func:`django_jwtauth.hooks.permissions`.

        Args:
            obj: For an object the result is empty, as in Django's own backend.
        """
        return set() if obj is not None else set(self._names("permissions"))

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the token contains a permission, like ``"orders.add_order"``, or belongs to a superuser."""
        return self.is_superuser or perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Tell whether :meth:`has_perm` is true for all of these permissions."""
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")  # as Django's does
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the token contains any permission of an app, or belongs to a superuser."""
        return self.is_superuser or any(perm.partition(".")[0] == app_label for perm in self.get_all_permissions())

    def _names(self, claim: str) -> tuple[str, ...]:
        value = self.token.claims.get(claim)
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()

    def __str__(self) -> str:
        return self.pk

    def __getattr__(self, name: str) -> Any:
        # Called only if there is no such attribute. Copying and unpickling ask for names that must not be looked up.
        if not name.startswith("_") and name not in ("issuer", "pk", "token") and name in self.token.claims:
            return self.token.claims[name]
        raise AttributeError(f"The token has no claim {name!r}.")


class BearerAuthentication(BaseAuthentication):
    """The base of all classes below. Reads the header ``Authorization: Bearer`` (RFC 6750 section 2.1).

    A subclass says in :meth:`authenticate_token` how a token is verified.
    """

    www_authenticate_realm = "api"

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate the request by its bearer token.

        Args:
            request: REST framework's request, or Django's own.

        Returns:
            The user and the token, or ``None`` if the request has no bearer token.

        Raises:
            InvalidTokenError: if the token is refused. It is an ``AuthenticationFailed`` too, with ``detail``, ``code``
                and ``reason``.
            Unavailable: if the token cannot be checked at the moment.
        """
        _refuse_unusable_settings()
        try:
            raw = self.get_raw_token(request)
            return None if raw is None else self.authenticate_token(raw)
        except InvalidTokenError as error:
            if error.reason == "stale":
                raise Unavailable(error) from None
            error.challenge = self.authenticate_header(request)  # type: ignore[attr-defined]
            raise

    def get_raw_token(self, request: Request) -> bytes | str | None:
        """Return the token in the header as it was sent, or ``None`` if the header is missing or has another scheme.

        With ``IGNORE_FOREIGN_TOKENS``, also ``None`` if the token is visibly not ours.

        Raises:
            InvalidTokenError: with the code ``bad_authorization_header``, if it is not ``Bearer`` and one word.
        """
        parts = _header_parts(request)
        if parts is None:
            return None
        if len(parts) != 2:
            raise InvalidTokenError("invalid", code="bad_authorization_header")
        config = conf.get_config()
        if config.ignore_foreign_tokens and is_foreign(parts[1], max_length=config.max_token_length):
            return None
        return parts[1]

    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, whether it came in the header or in a cookie.

        Args:
            raw: The token as it was sent.

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
        challenge = f'Bearer realm="{self.www_authenticate_realm}"'
        parts = _header_parts(request)
        return f'{challenge}, error="invalid_token"' if parts and len(parts) > 1 else challenge


class JWTAuthentication(BearerAuthentication):
    """Authenticates by an access token, and loads the user through the token's session with one query.

    Ending the session, deactivating the user and changing the password take effect at the next request. So does
    whatever else keeps Django from loading the user: the default manager, or the backend that signed the user in.
    """

    @sensitive_variables()
    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, then look up its session. A token with a bad signature costs no query."""
        return self.authenticate_session(conf.get_config().verifier.verify(raw))

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
        sessions = apps.get_model("django_jwtauth", "RefreshToken")
        blacklist = apps.get_model("django_jwtauth", "BlacklistedToken").objects.filter(jti=token.jti)
        rows = sessions.objects.with_sid(token.sid).with_clock().select_related("user")
        session: Any = rows.annotate(is_blacklisted=Exists(blacklist)).first()
        if session is None:
            raise InvalidTokenError("invalid")
        observe_clock(session.database_now, leeway=conf.get_config().leeway)
        if session.is_blacklisted:
            raise InvalidTokenError("revoked")
        session.raise_for_refusal(session.database_now, ends_at=session.expires_at)
        if session.subject != token.subject:
            raise InvalidTokenError("invalid", code="user_not_found")
        if session.backend and not hasattr(session.user, "backend"):
            # As authenticate() notes it: a session that the user starts from here is judged by the same backend.
            session.user.backend = session.backend
        return session.user, token


class CookieMixin(BearerAuthentication):
    """Reads the access cookie of the browser endpoints if there is no bearer header, and enforces Django's CSRF check.

    The header takes precedence. It needs no CSRF check, since a browser never sends it by itself.
    """

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate the request by the header, or by the cookie if there is no bearer header.

        A request of a safe method whose cookie holds a token that was good once, but is no longer, is anonymous for
        now. So pages that need no user can be read. A view that does need one answers with the refusal.

        Args:
            request: REST framework's request, or Django's own. With Django's own request, a refusal is always raised,
                and the caller makes the response vary on cookies.

        Raises:
            InvalidTokenError: if the token is refused, or there are several cookies of that name.
            Unavailable: if the token cannot be checked at the moment.
            PermissionDenied: if the token in the cookie is accepted, but the CSRF check of an unsafe method fails.
            ParseError: if that check cannot read the body.
        """
        view = (getattr(request, "parser_context", None) or {}).get("view")
        _vary_on_cookie(view)
        if _header_parts(request) is not None:
            return super().authenticate(request)
        try:
            result = super().authenticate(request)
        except InvalidTokenError as error:
            # Not for unsafe methods: what a user sends must not be taken as an anonymous visitor's.
            if error.reason not in DEAD or request.method not in SAFE_METHODS or view is None:
                raise
            _refuse_later(view, error)
            return None
        if result is not None:
            enforce_csrf(_django_request(request))
        return result

    @sensitive_variables()
    def get_raw_token(self, request: Request) -> bytes | str | None:
        """Return the token in the header, or the one in the cookie if there is no bearer header."""
        if _header_parts(request) is not None:
            return super().get_raw_token(request)
        return read_cookie(_django_request(request), conf.get_config().cookies.access_name) or None


class StatelessJWTAuthentication(BearerAuthentication):
    """Authenticates by an access token alone, ours or that of one of ``TRUSTED_ISSUERS``.

    It needs no query, except one per poll interval that reads our revocation list; background threads fetch the lists
    of other issuers. The user is a :class:`StatelessUser`. Revocation takes effect within ``REVOCATION_POLL_INTERVAL``,
    for tokens of other issuers up to two seconds later.
    """

    @sensitive_variables()
    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, and check the revocation list."""
        config = conf.get_config()
        token = verify_any(raw, config.verifiers)
        if token.issuer == config.issuer and config.local is not None:
            revocation_cache.check(token)
        return StatelessUser(issuer=token.issuer, pk=token.subject, token=token), token


class JWTCookieAuthentication(CookieMixin, JWTAuthentication):
    """:class:`JWTAuthentication` by the header, or by the access cookie of the browser endpoints."""


class StatelessJWTCookieAuthentication(CookieMixin, StatelessJWTAuthentication):
    """:class:`StatelessJWTAuthentication` by the header, or by the access cookie of the browser endpoints."""


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


def _refuse_unusable_settings() -> None:
    """Name the setting to change. REST framework's own errors, one per request, would not."""
    if not conf.get_config().verifiers:
        raise ImproperlyConfigured(
            "No tokens are accepted: add 'django_jwtauth' to INSTALLED_APPS to issue tokens, or set "
            "JWTAUTH['TRUSTED_ISSUERS'] to accept the tokens of other issuers."
        )
    if not apps.is_installed("django.contrib.auth") and "UNAUTHENTICATED_USER" not in api_settings.user_settings:
        raise ImproperlyConfigured(
            "Without 'django.contrib.auth' in INSTALLED_APPS there is no AnonymousUser: set "
            "REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None."
        )


def _header_parts(request: Request) -> list[bytes] | None:
    """Split a bearer header at its spaces; ``None`` without one. Schemes are case-insensitive (RFC 9110)."""
    try:
        header = get_authorization_header(request)
    except UnicodeEncodeError:
        return [b"Bearer"]
    parts = [part for part in header.split(b" ") if part]
    return parts if parts and parts[0].lower() == b"bearer" else None
