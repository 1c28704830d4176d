"""How requests to plain Django views are authenticated: by the same classes as those of REST framework."""

import math
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string
from rest_framework.exceptions import APIException
from rest_framework.settings import api_settings

from . import conf
from .asynchronous import asynchronous
from .authentication import BearerAuthentication, has_bearer_header, is_passed_over
from .csrf import SAFE_METHODS, enforce_csrf
from .errors import InvalidTokenError
from .refusals import unavailable
from .verifier import AccessToken


def make_authentication(chosen: type[BearerAuthentication] | None = None) -> BearerAuthentication:
    """Return an object of the given class, or else of the class in the setting ``AUTHENTICATION_CLASS``."""
    source: Any = chosen or conf.get_config().authentication_class
    return cast(BearerAuthentication, (import_string(source) if isinstance(source, str) else source)())


def authenticate(authentication: BearerAuthentication, request: HttpRequest) -> tuple[Any, AccessToken] | None:
    """Authenticate a request. A project's own ``authenticate()``, which may read a cookie, gets the CSRF check too.

    Args:
        authentication: The object that does it.
        request: The request.

    Raises:
        APIException: why it is refused.
    """
    found = authentication.authenticate(cast(Any, request))
    if found is not None and _may_be_forged(authentication, request):
        enforce_csrf(request)
    return found


async def aauthenticate(authentication: BearerAuthentication, request: HttpRequest) -> tuple[Any, AccessToken] | None:
    """Do the same as :func:`authenticate`, for coroutines."""
    found = await authentication.aauthenticate(cast(Any, request))
    if found is not None and request.method not in SAFE_METHODS and _may_be_forged(authentication, request):
        await asynchronous(enforce_csrf)(request)
    return found


def _may_be_forged(authentication: BearerAuthentication, request: HttpRequest) -> bool:
    """Tell whether a browser may have sent by itself what was accepted by code that is not ours."""
    cls = type(authentication)
    if all(method.__module__.startswith(_OURS) for method in (cls.authenticate, cls.aauthenticate)):
        return False  # it has made the check itself
    return request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower() in _SENT_BY_BROWSERS


_OURS = f"{__package__}."
_SENT_BY_BROWSERS = ("", "basic", "digest", "negotiate", "ntlm")


def answer(error: APIException) -> HttpResponse:
    """Return the response to a request that was refused, as the views of REST framework would."""
    detail: Any = error.detail
    response = JsonResponse(detail if isinstance(detail, dict) else {"detail": detail}, status=error.status_code)
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(math.ceil(wait))
    response["Cache-Control"] = "no-store"
    vary(response)
    return response


def vary(response: Any) -> None:
    """Say that a response depends on who asks, so that no cache gives it to somebody else."""
    patch_vary_headers(response, ("Authorization", "Cookie"))


class RequestUser:
    """The user who makes a request. It is determined once, when it is first needed.

    A token in the header comes first, because it was sent on purpose. The user of Django's own session comes second,
    and the token in the cookie last. Browsers send both of these by themselves, and a cookie of ours must not replace a
    user who is signed in.
    """

    def __init__(self, request: HttpRequest, authentication: BearerAuthentication) -> None:
        self._request = request
        self._authentication = authentication
        self._before = {name: getattr(request, name) for name in ("user", "auser") if hasattr(request, name)}
        self._found: tuple[Any, AccessToken | None] | None = None
        self._error: APIException | None = None
        self.was_asked = False
        """Whether anybody wanted to know."""
        self.is_needed = True
        """Whether the view needs a user, as far as it is known."""

    @property
    def by_header(self) -> bool:
        """Whether the request has a token in the header."""
        return has_bearer_header(self._request)

    @property
    def needs_no_csrf_check(self) -> bool:
        """Whether the token in the header decides whether the request is accepted."""
        if self.was_asked and self._found is None:
            return False  # a class that has found the token in a cookie makes the check while it authenticates
        return self.by_header and (self.find()[1] is not None or self._error is not None)

    @property
    def refusal(self) -> APIException | None:
        """The error for a request that is to be refused. A cookie that was valid once may be passed over."""
        error = self._error
        if isinstance(error, InvalidTokenError) and not self.by_header:
            return None if is_passed_over(self._request, error, needs_user=self.is_needed) else error
        return error

    def stand_aside(self) -> None:
        """Know only Django's user from now on, and refuse nothing: the view authenticates by itself.

        A middleware may have kept our user, to ask later.
        """
        self._error = None
        self._found = self._otherwise(self._before.get("user")), None

    def find(self) -> tuple[Any, AccessToken | None]:
        """Return the user and the token, which is ``None`` for users of Django's session and for anonymous ones."""
        if self._found is None:
            self.was_asked = True
            user, found = self._before.get("user"), None
            try:
                if self.by_header or user is None or not user.is_authenticated:
                    found = authenticate(self._authentication, self._request)
            except Exception as error:
                self._error = _refusal(error)
            self._found = found or (self._otherwise(user), None)
        return self._found

    async def afind(self) -> tuple[Any, AccessToken | None]:
        """Do the same as :meth:`find`, for coroutines."""
        if "user" in self._before and "auser" not in self._before:
            return await asynchronous(self.find)()  # finding such a user may need a query
        if self._found is None:
            self.was_asked = True
            user, found = None, None
            try:
                user = await self._before["auser"]() if "auser" in self._before else None
                if self.by_header or user is None or not user.is_authenticated:
                    found = await aauthenticate(self._authentication, self._request)
            except Exception as error:
                self._error = _refusal(error)
            self._found = found or (self._otherwise(user), None)
        return self._found

    async def auser(self) -> Any:
        """Return the user, as Django's ``request.auser()`` does."""
        return (await self.afind())[0]

    def _otherwise(self, user: Any) -> Any:
        return anonymous() if user is None or self._error is not None else user


def _refusal(error: Exception) -> APIException:
    """Return what the request is refused with. Django's own session needs the database too, which may be away.

    Raises:
        Exception: the error, if it is no refusal.
    """
    refusal = error if isinstance(error, APIException) else unavailable(error)
    if refusal is None:
        raise error
    return refusal


def anonymous() -> Any:
    """Return what REST framework takes for the user of an anonymous request."""
    make: Any = api_settings.UNAUTHENTICATED_USER
    return make and make()
