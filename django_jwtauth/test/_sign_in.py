"""Signs in test clients, request factories and single requests, without a request to the sign-in endpoint."""

from dataclasses import dataclass, field
from typing import Any, Unpack

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.cookie import SimpleCookie
from django.test import AsyncRequestFactory, RequestFactory
from rest_framework.request import Request
from rest_framework.test import APIClient
from rest_framework.test import force_authenticate as force_request

from .. import conf
from ..authentication import StatelessUser
from ..verifier import AccessToken
from ._issuer import Issuer
from ._tokens import Made, Options, claims_of, make, stateless_user


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a sign-in by :func:`sign_in` yields."""

    access: str = field(repr=False)
    """The access token."""
    refresh: str = field(repr=False)
    """The refresh token; empty if there is none."""
    token: AccessToken
    """What the access token says, as ``request.auth`` will."""
    session: Any = None
    """The session, a ``RefreshToken``; ``None`` for a subject, which has none."""


def sign_in(
    target: Any, user: Any, *, cookies: bool = False, issuer: Issuer | None = None, **options: Unpack[Options]
) -> SignedIn:
    """Sign a test client in: all its requests carry the access token of a new session from now on.

    Args:
        target: A client or request factory, of Django or of REST framework, or a request that one of them has made.
        user: The user, for whom a session is started. Or a subject, as text, without a session or database:
            :class:`~django_jwtauth.authentication.StatelessJWTAuthentication` accepts such a token.
        cookies: Whether the tokens are in the cookies of the browser endpoints; by default, the access token is in the
            header ``Authorization``.
        issuer: Who signs the token of a subject; by default this project.
        scopes: The scopes, as a list or separated by spaces. They must be allowed by ``SCOPES``, if that is set.
        claims: Claims besides those of the project's hooks, in this access token: a refresh does not repeat them.
        auth_time: When the user was authenticated; by default now.
        amr: How the user was authenticated, e.g. ``["pwd", "otp"]``.
        acr: The level of that authentication.
        audience: For whom the access token is; by default for this project.
        actor: Who acts as the user: a user, or for a subject another subject.

    Raises:
        ValueError: if a scope is not allowed, or a claim is registered or not JSON.
        TypeError: if the target or the user cannot be signed in, or if there is no such argument.
        InvalidTokenError: as :func:`django_jwtauth.sessions.start`, if the user may not sign in.
    """
    if isinstance(user, StatelessUser):
        raise TypeError("A stateless user cannot be signed in: pass its subject, as text, and the arguments.")
    if issuer is not None:
        made = Made(access=issuer.make_token(user, **options))
    else:
        made = make(user, transport="browser" if cookies else "body", **options)
    sign_out(target)
    if cookies:
        names = conf.get_config().cookies
        _set_cookies(target, {names.access_name: made.access, names.refresh_name: made.refresh})
    else:
        _set_header(target, f"Bearer {made.access}")
    token = AccessToken.from_claims(claims_of(made.access))
    return SignedIn(access=made.access, refresh=made.refresh, token=token, session=made.session)


async def asign_in(target: Any, user: Any, **options: Any) -> SignedIn:
    """Do the same as :func:`sign_in`, in a test that is a coroutine."""
    return await sync_to_async(sign_in)(target, user, **options)


def sign_out(target: Any) -> None:
    """Remove the tokens that :func:`sign_in` has set. The session continues: ``sessions.revoke()`` ends it.

    Args:
        target: As for :func:`sign_in`.
    """
    _set_header(target, "")
    names = conf.get_config().cookies
    _set_cookies(target, {names.access_name: "", names.refresh_name: ""})


def force_authenticate(target: Any, user: Any, **options: Unpack[Options]) -> AccessToken | None:
    """Authenticate requests by force, as REST framework's function of that name does, with a real ``request.auth``.

    The authentication classes of the view are bypassed.

    Args:
        target: REST framework's ``APIClient``, or a request of its ``APIRequestFactory``.
        user: The user, for whom a session is started. Or a subject, as text, or the result of
            :func:`stateless_user`, for a :class:`~django_jwtauth.authentication.StatelessUser`. ``None`` ends it.
        options: As for :func:`sign_in`.

    Returns:
        The token that views find as ``request.auth``.

    Raises:
        TypeError: if there is no such argument, or if a stateless user is given any.
    """
    if isinstance(user, StatelessUser) and options:
        raise TypeError("A stateless user already has its token: give the arguments to stateless_user().")
    if isinstance(user, str):
        user = stateless_user(user, **options)
    if isinstance(user, StatelessUser):
        token: Any = user.token  # REST framework's types know only its own token
    else:
        token = None if user is None else AccessToken.from_claims(claims_of(make(user, **options).access))
    if isinstance(target, APIClient):
        APIClient.force_authenticate(target, user=user, token=token)  # not that of a subclass, which may be ours
    else:
        force_request(target, user=user, token=token)
    return token  # type: ignore[no-any-return]


def _set_header(target: Any, value: str) -> None:
    """Have an ``Authorization`` header sent; none if it is empty."""
    if isinstance(target, APIClient):
        given: dict[str, str] = vars(target)["_credentials"]
        others = {name: other for name, other in given.items() if name != "HTTP_AUTHORIZATION"}
        target.credentials(**others, **({"HTTP_AUTHORIZATION": value} if value else {}))
        return
    target = target._request if isinstance(target, Request) else target
    if isinstance(target, RequestFactory):
        name, headers = "HTTP_AUTHORIZATION", target.defaults
        if isinstance(target, AsyncRequestFactory):
            name = "authorization"  # Django makes a header of each name as it is
    elif isinstance(target, HttpRequest):
        name, headers = "HTTP_AUTHORIZATION", target.META
        vars(target).pop("headers", None)  # computed once, of META
    else:
        raise TypeError(f"Only a test client, a request factory or a request can be signed in, not {target!r}.")
    headers.pop(name, None)
    if value:
        headers[name] = value


def _set_cookies(target: Any, values: dict[str, str]) -> None:
    """Have cookies sent, except empty ones."""
    target = target._request if isinstance(target, Request) else target
    is_request = isinstance(target, HttpRequest)
    cookies: Any = SimpleCookie(target.META.get("HTTP_COOKIE", "")) if is_request else target.cookies
    for name, value in values.items():
        cookies.pop(name, None)
        if value:
            cookies[name] = value
    if is_request:
        target.META["HTTP_COOKIE"] = "; ".join(f"{name}={morsel.coded_value}" for name, morsel in cookies.items())
        vars(target).pop("COOKIES", None)  # read once, from META
