"""Middleware for what REST framework does not see: the users of plain Django views, and a database that is away."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string
from rest_framework.views import APIView

from .csrf import SAFE_METHODS
from .plain import RequestUser, answer, make_authentication, vary
from .refusals import Unavailable, unavailable

_DJANGOS = "django.contrib.auth.middleware.AuthenticationMiddleware"
_ATTRIBUTES = ("user", "auth", "auser", "_dont_enforce_csrf_checks")
"""What the middleware sets on a request."""


class JWTMiddleware:
    """Sets ``request.user``, ``request.auth`` and ``request.auser()`` by the access token of the request.

    The class in the setting ``AUTHENTICATION_CLASS`` authenticates the request when one of them is first needed. With
    an unsafe method, this usually happens before the view is called.

    A token in the header comes first, then the user of Django's own session, then the token in the cookie. The response
    to a refused token is 401 with the challenge, as in REST framework's views. But if the token in a cookie was valid
    once, a request with a safe method is anonymous.

    The views of REST framework, and those with :func:`~django_jwtauth.decorators.jwt_required`, authenticate by
    themselves. The middleware leaves them alone.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        _require_order(type(self))
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        # Django calls a coroutine function without changing to another thread.
        self.process_view: Any = self._ajudge if self._is_async else self._judge
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._acall(request) if self._is_async else self._end(request, self.get_response(_begin(request)))

    async def _acall(self, request: HttpRequest) -> Any:
        return self._end(request, await self.get_response(_begin(request)))

    def _judge(self, request: Any, view: Any, args: Any, kwargs: Any) -> Any:
        who = _prepare(request, view)
        if who is None:
            return None
        who.find()
        return who.refusal and answer(who.refusal)

    async def _ajudge(self, request: Any, view: Any, args: Any, kwargs: Any) -> Any:
        who = _prepare(request, view)
        if who is None:
            return None
        await who.afind()
        return who.refusal and answer(who.refusal)

    def _end(self, request: Any, response: Any) -> Any:
        who: RequestUser = request._jwtauth_user
        if not who.was_asked:
            return response
        if who.refusal is not None and response.status_code < 500:
            # The view saw an anonymous user. Its response for such a visitor must not be sent.
            refused = answer(who.refusal)
            refused._resource_closers += response._resource_closers  # type: ignore[attr-defined]
            response = refused
        vary(response)
        return response


class DatabaseOutageMiddleware(MiddlewareMixin):
    """Makes the response 503 with ``Retry-After``, not 500, if a view fails because the database is away.

    The endpoints and the authentication classes do this for their own queries. This class does it for the queries of a
    project's own views, and for the transaction that ``ATOMIC_REQUESTS`` begins before and commits after a view.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response, or ``None`` if the exception has another cause."""
        answer = unavailable(exception)
        if answer is None:
            return None
        response = JsonResponse(answer.detail, status=answer.status_code)
        response["Retry-After"] = str(Unavailable.wait)
        response["Cache-Control"] = "no-store"
        return response


def _require_order(ours: type) -> None:
    """Refuse to start where Django's middleware would replace our user and leave our token: those of two people.

    Raises:
        ImproperlyConfigured: if it comes later.
    """
    names = list(settings.MIDDLEWARE)
    own = f"{ours.__module__}.{ours.__qualname__}"
    for name in names[names.index(own) + 1 :] if own in names else ():
        bases = getattr(import_string(name), "__mro__", ())
        if _DJANGOS in [f"{base.__module__}.{base.__qualname__}" for base in bases]:
            raise ImproperlyConfigured(f"MIDDLEWARE: {ours.__name__} comes before {name}. Put it after that.")


def _begin(request: Any) -> Any:
    who = RequestUser(request, make_authentication())
    request._jwtauth_user = who
    request._jwtauth_before = {name: vars(request)[name] for name in _ATTRIBUTES if name in vars(request)}
    request._jwtauth_set = placed = {
        "user": SimpleLazyObject(lambda: who.find()[0]),
        "auth": SimpleLazyObject(lambda: who.find()[1]),
        "auser": who.auser,
    }
    # The test client may have set this to skip the check.
    if who.by_header and not getattr(request, "_dont_enforce_csrf_checks", False):
        placed["_dont_enforce_csrf_checks"] = SimpleLazyObject(lambda: who.needs_no_csrf_check)
    vars(request).update(placed)
    return request


def _prepare(request: Any, view: Any) -> RequestUser | None:
    """Return the user if it must be determined before the view is called, and ``None`` otherwise."""
    who: RequestUser = request._jwtauth_user
    if _authenticates_by_itself(view):
        _take_back(request)
        who.stand_aside()
        return None
    who.is_needed = getattr(view, "login_required", True)  # the mark of Django's login_not_required()
    is_judged = request.method not in SAFE_METHODS and (who.by_header or who.is_needed)
    return who if is_judged else None


def _take_back(request: Any) -> None:
    """Leave a request as it was before, except for what a later middleware has made of it."""
    attributes = vars(request)
    for name, placed in request._jwtauth_set.items():
        if attributes.get(name) is not placed:
            continue  # a later middleware may have put in somebody with fewer rights
        del attributes[name]
        if name in request._jwtauth_before:
            attributes[name] = request._jwtauth_before[name]


def _authenticates_by_itself(view: Any) -> bool:
    cls = getattr(view, "cls", None)
    return getattr(view, "jwt_required", False) or (isinstance(cls, type) and issubclass(cls, APIView))
