"""A decorator for plain Django views that require an access token."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from rest_framework.exceptions import APIException

from .asynchronous import asynchronous
from .authentication import BearerAuthentication, has_bearer_header, is_passed_over
from .csrf import enforce_csrf
from .errors import InvalidTokenError
from .plain import aauthenticate, anonymous, answer, authenticate, make_authentication, vary

View = TypeVar("View", bound=Callable[..., Any])


@overload
def jwt_required(view: View) -> View: ...


@overload
def jwt_required(
    *, optional: bool = False, authentication_class: type[BearerAuthentication] | None = None
) -> Callable[[View], View]: ...


def jwt_required(
    view: Callable[..., Any] | None = None,
    *,
    optional: bool = False,
    authentication_class: type[BearerAuthentication] | None = None,
) -> Any:
    """Decorate a view, so that it is called only with a valid access token.

    The view may be a function or a coroutine function. For class-based views, use Django's ``method_decorator``. The
    decorator sets ``request.user``, ``request.auth`` and ``request.auser()``. It needs no middleware.

    Without a valid token, the response is 401 with the challenge, as in REST framework's views. Django's CSRF check is
    made, except for a token in the header.

    Args:
        view: The view.
        optional: Whether the view is called without a token too. ``request.user`` is then what it was before, and
            ``request.auth`` is ``None``. A token that is sent must be valid. But if the token in a cookie was valid
            once, a request with a safe method is treated as one without a token.
        authentication_class: By default the class in the setting ``AUTHENTICATION_CLASS``.
    """
    if view is None:
        return functools.partial(jwt_required, optional=optional, authentication_class=authentication_class)
    admission = _Admission(optional=optional, authentication_class=authentication_class)

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            admission.admit(request)
        except APIException as error:
            return _varied(answer(error))
        return _varied(view(request, *args, **kwargs))

    @functools.wraps(view)
    async def awrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            await admission.aadmit(request)
        except APIException as error:
            return _varied(answer(error))
        return _varied(await view(request, *args, **kwargs))

    decorated: Any = awrapped if _returns_coroutine(view) else wrapped
    decorated.csrf_exempt = True  # the check is made above
    decorated.login_required = False  # Django's LoginRequiredMiddleware would look before there is a user
    decorated.jwt_required = True
    return decorated


def _returns_coroutine(view: Callable[..., Any]) -> bool:
    # dispatch() of a class based view is no coroutine function. method_decorator() passes it on as a partial.
    owner = getattr(getattr(view, "func", None), "__self__", None)
    return iscoroutinefunction(view) or getattr(owner, "view_is_async", False)


class _Admission:
    def __init__(self, *, optional: bool, authentication_class: type[BearerAuthentication] | None) -> None:
        self._optional = optional
        self._class = authentication_class

    def admit(self, request: HttpRequest) -> None:
        """Authenticate a request, or raise why it is refused."""
        authentication = make_authentication(self._class)
        found = None
        try:
            found = authenticate(authentication, request)
        except InvalidTokenError as error:
            self._pass_over(request, error)
        if found is None:
            self._admit_without_token(request, authentication)
        _set_user(request, found)

    async def aadmit(self, request: HttpRequest) -> None:
        """Do the same for coroutines."""
        authentication = make_authentication(self._class)
        found = None
        try:
            found = await aauthenticate(authentication, request)
        except InvalidTokenError as error:
            self._pass_over(request, error)
        if found is None:
            await asynchronous(self._admit_without_token)(request, authentication)
        _set_user(request, found)

    def _pass_over(self, request: HttpRequest, error: InvalidTokenError) -> None:
        if not self._optional or has_bearer_header(request) or not is_passed_over(request, error):
            raise error

    def _admit_without_token(self, request: HttpRequest, authentication: BearerAuthentication) -> None:
        if self._optional:
            enforce_csrf(request)
            return
        error: Any = InvalidTokenError("not_authenticated", code="not_authenticated")
        error.challenge = authentication.authenticate_header(cast(Any, request))
        raise error


def _set_user(request: Any, found: tuple[Any, Any] | None) -> None:
    request.auth = found and found[1]
    if found is None and hasattr(request, "user"):
        return
    request.user = user = anonymous() if found is None else found[0]

    async def auser() -> Any:
        return user

    request.auser = auser


def _varied(response: Any) -> Any:
    vary(response)
    return response
