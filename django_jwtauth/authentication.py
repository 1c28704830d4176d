"""Authentication classes for Django REST framework, and the user of a stateless request.

REST framework imports this module while it imports its own views, at times before the apps are loaded: so nothing
here imports models.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.settings import api_settings

from . import conf, revocation_cache
from .cookies import read_cookie
from .csrf import enforce_csrf
from .errors import InvalidTokenError
from .refusals import error_body
from .verifier import AccessToken, verify_any


@dataclass(frozen=True, slots=True, kw_only=True)
class StatelessUser:
    """The user of a request that was authenticated by its token alone. There may be no such user in any database.

    Claims are read as attributes where they are there: ``request.user.tenant``.
    """

    issuer: str
    """Who says so. A subject is unique per issuer only, so the identity is both."""
    pk: str
    """The token's ``sub``."""
    token: AccessToken = field(compare=False, repr=False)
    """What else is known."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def is_staff(self) -> bool:
        """Only if the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_staff") is True

    @property
    def is_superuser(self) -> bool:
        """Only if the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_superuser") is True

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that the token names; see :func:`django_jwtauth.hooks.groups`."""
        return self._names("groups")

    @property
    def id(self) -> str:
        """The same as ``pk``."""
        return self.pk

    def get_username(self) -> str:
        """Return the subject: what is known of the name."""
        return self.pk

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Return the permissions that the token names; see :func:`django_jwtauth.hooks.permissions`.

        Args:
            obj: With an object there are none, as in Django's own backend.
        """
        return set() if obj is not None else set(self._names("permissions"))

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the token names a permission, like ``"orders.add_order"``, or is a superuser's."""
        return self.is_superuser or perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Tell whether the token names all of these permissions."""
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")  # as Django's own does
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the token names any permission of an app."""
        return self.is_superuser or any(perm.partition(".")[0] == app_label for perm in self.get_all_permissions())

    def _names(self, claim: str) -> tuple[str, ...]:
        value = self.token.claims.get(claim)
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()

    def __str__(self) -> str:
        return self.pk

    def __getattr__(self, name: str) -> Any:
        # Only called for what is no attribute of its own. Not for names that copying and unpickling ask for.
        if not name.startswith("_") and name not in ("issuer", "pk", "token") and name in self.token.claims:
            return self.token.claims[name]
        raise AttributeError(f"The token has no claim {name!r}.")


class BearerAuthentication(BaseAuthentication):
    """What the two classes below share: the ``Authorization: Bearer`` header (RFC 6750 section 2.1)."""

    www_authenticate_realm = "api"

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate the request by its header.

        Returns:
            The user and the token, or ``None`` if there is no bearer token.

        Raises:
            AuthenticationFailed: with ``detail``, ``code`` and ``reason``, if the token is refused.
        """
        _refuse_unusable_settings()
        try:
            raw = self.get_raw_token(request)
            return None if raw is None else self.authenticate_token(raw)
        except InvalidTokenError as error:
            raise AuthenticationFailed(error_body(error)) from None

    def get_raw_token(self, request: Request) -> bytes | str | None:
        """Return the token in the header as it was sent, or ``None`` if the header is missing or of another scheme.

        Raises:
            InvalidTokenError: ``bad_authorization_header``, if it is not ``Bearer`` and one word.
        """
        parts = _header_parts(request)
        if parts is None:
            return None
        if len(parts) != 2:
            raise InvalidTokenError("invalid", code="bad_authorization_header")
        return parts[1]

    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, wherever it came from.

        Returns:
            The user and the token.

        Raises:
            InvalidTokenError: with the reason why it is refused.
        """
        raise NotImplementedError

    def authenticate_header(self, request: Request) -> str:
        """Return ``WWW-Authenticate``; with ``invalid_token`` only if there was one (RFC 6750 section 3.1)."""
        challenge = f'Bearer realm="{self.www_authenticate_realm}"'
        parts = _header_parts(request)
        return f'{challenge}, error="invalid_token"' if parts and len(parts) > 1 else challenge


class JWTAuthentication(BearerAuthentication):
    """Authenticates by an access token, and loads the user through its session: one query.

    Whatever ends the session, deactivates the user or changes the password acts at the next request.
    """

    @sensitive_variables()
    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token and its session. A bad signature costs no query."""
        return self.authenticate_session(conf.get_config().verifier.verify(raw))

    def authenticate_session(self, token: AccessToken) -> tuple[Any, AccessToken]:
        """Look up the session of an access token that has been verified. One query.

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
        if session.is_blacklisted:
            raise InvalidTokenError("revoked")
        if reason := session.refusal(session.database_now, ends_at=session.expires_at):
            raise InvalidTokenError(reason)
        if session.subject != token.subject:
            raise InvalidTokenError("invalid", code="user_not_found")
        return session.user, token


class CookieMixin(BearerAuthentication):
    """Reads the access cookie of the browser endpoints where there is no header, and enforces Django's CSRF check.

    A header wins: it is never sent by itself, so it needs no such check.
    """

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Authenticate by the header, else by the cookie.

        Raises:
            AuthenticationFailed: if the token is refused, or there are several cookies of that name.
            PermissionDenied: if the cookie is good, and the CSRF check of an unsafe method fails.
            ParseError: if that check cannot read the body.
        """
        _vary_on_cookie(request)
        result = super().authenticate(request)
        if result is not None and _header_parts(request) is None:
            enforce_csrf(request._request)
        return result

    @sensitive_variables()
    def get_raw_token(self, request: Request) -> bytes | str | None:
        """Return the token in the header, else that in the cookie."""
        if _header_parts(request) is not None:
            return super().get_raw_token(request)
        return read_cookie(request._request, conf.get_config().cookies.access_name) or None


class StatelessJWTAuthentication(BearerAuthentication):
    """Authenticates by an access token alone, ours or one of ``TRUSTED_ISSUERS``.

    No query, but for one per poll interval that reads our revocation list; those of other issuers are read by threads
    of their own. The user is a :class:`StatelessUser`. Revocation acts within ``REVOCATION_POLL_INTERVAL``, for tokens
    of other issuers two seconds later.
    """

    @sensitive_variables()
    def authenticate_token(self, raw: str | bytes) -> tuple[Any, AccessToken]:
        """Verify an access token, and that it is not on the revocation list."""
        config = conf.get_config()
        token = verify_any(raw, config.verifiers)
        if token.issuer == config.issuer and config.local is not None:
            revocation_cache.check(token)
        return StatelessUser(issuer=token.issuer, pk=token.subject, token=token), token


class JWTCookieAuthentication(CookieMixin, JWTAuthentication):
    """:class:`JWTAuthentication` by header, or by the access cookie of the browser endpoints."""


class StatelessJWTCookieAuthentication(CookieMixin, StatelessJWTAuthentication):
    """:class:`StatelessJWTAuthentication` by header, or by the access cookie of the browser endpoints."""


def _vary_on_cookie(request: Request) -> None:
    """Have the view say that its answer depends on the cookies; a cache would give it to the next visitor."""
    headers = getattr((request.parser_context or {}).get("view"), "headers", None)
    if headers is not None:
        headers["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Cookie"]))


def _refuse_unusable_settings() -> None:
    """Say what REST framework's own error, at each request without a token, would not."""
    if not conf.get_config().verifiers:
        raise ImproperlyConfigured(
            "Nobody's tokens are accepted: add 'django_jwtauth' to INSTALLED_APPS to issue tokens, or set "
            "JWTAUTH['TRUSTED_ISSUERS'] to accept those of others."
        )
    if not apps.is_installed("django.contrib.auth") and "UNAUTHENTICATED_USER" not in api_settings.user_settings:
        raise ImproperlyConfigured(
            "Without 'django.contrib.auth' in INSTALLED_APPS there is no AnonymousUser: set "
            "REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None."
        )


def _header_parts(request: Request) -> list[bytes] | None:
    """Split a bearer header at its spaces; ``None`` if there is none. Schemes are case-insensitive (RFC 9110)."""
    try:
        header = get_authorization_header(request)
    except UnicodeEncodeError:
        return [b"Bearer"]
    parts = [part for part in header.split(b" ") if part]
    return parts if parts and parts[0].lower() == b"bearer" else None
