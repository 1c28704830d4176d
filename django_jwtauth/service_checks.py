"""System checks for every project that accepts our tokens, whether or not it issues any. They need no models."""

import sys
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.urls import get_resolver
from django.utils.module_loading import import_string

from . import conf
from .csrf import trusts_origin

OURS = "django_jwtauth.authentication."
_MIDDLEWARE = "django_jwtauth.middleware.JWTMiddleware"
# Named, because importing REST framework's views reads settings.
_API_VIEW = "rest_framework.views.APIView"
_STATEFUL = ("JWTAuthentication", "JWTCookieAuthentication")
_COOKIES = ("JWTCookieAuthentication", "StatelessJWTCookieAuthentication")


def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: a setting is invalid."""
    return [
        checks.Error(problem, hint='See the page "Settings" of the documentation.', id="jwtauth.E001")
        for problem in settings_problems()
    ]


def check_fail_open(**kwargs: Any) -> list[checks.CheckMessage]:
    """W005: revoked tokens are accepted while the revocation list cannot be read."""
    if settings_problems() or not conf.get_shared_config().revocation_fail_open:
        return []
    hint = "Leave JWTAUTH['REVOCATION_FAIL_OPEN'] out, unless availability is more important than revocation."
    message = "REVOCATION_FAIL_OPEN is on: while the revocation list cannot be read, revoked tokens are accepted."
    return [checks.Warning(message, hint=hint, id="jwtauth.W005")]


def check_authentication_classes(**kwargs: Any) -> list[checks.CheckMessage]:
    """W006: another class is listed before ours, and decides what a refusal looks like."""
    rest = getattr(settings, "REST_FRAMEWORK", {})
    given = rest.get("DEFAULT_AUTHENTICATION_CLASSES", ())
    names = [] if isinstance(given, str) else [class_name(item) for item in given]
    ours = next((index for index, name in enumerate(names) if name.startswith(OURS)), len(names))
    first = next((name for name in names[:ours] if name.endswith(("SessionAuthentication", "BasicAuthentication"))), "")
    if not first or ours == len(names):
        return []
    hint = "List the class of django_jwtauth first."
    message = f"{first} comes before our class: API clients get its 403 or its challenge instead of a 401 for tokens."
    return [checks.Warning(message, hint=hint, id="jwtauth.W006")]


def check_trusted_issuers(**kwargs: Any) -> list[checks.CheckMessage]:
    """W007: the keys of another issuer may be fetched over http."""
    given = {} if settings_problems() else getattr(settings, "JWTAUTH", {}).get("TRUSTED_ISSUERS", {})
    hint = "Use https, unless nobody else can reach the network between the two."
    return [
        checks.Warning(
            f"The keys of {issuer!r} may be fetched over http: an attacker who can act as it can sign in as anybody.",
            hint=hint,
            id="jwtauth.W007",
        )
        for issuer, entry in given.items()
        if entry.get("allow_http")
    ]


def check_cookies(**kwargs: Any) -> list[checks.CheckMessage]:
    """W008: tokens in cookies are sent over http; W009: all hosts of a domain get them; W010: requests from other sites
    carry them, but not the CSRF cookie."""
    if settings_problems():
        return []
    cookies = conf.get_shared_config().cookies
    messages: list[checks.CheckMessage] = []
    if not cookies.secure and not settings.DEBUG:  # Django itself warns about DEBUG
        message = "JWTAUTH['COOKIES']['secure'] is off: tokens in cookies are sent over http, for everybody to read."
        messages.append(checks.Warning(message, hint="Switch it off for development only.", id="jwtauth.W008"))
    if cookies.domain:
        message = f"JWTAUTH['COOKIES']['domain']: every host of {cookies.domain} gets the tokens, and can replace them."
        hint = "Leave it out. Pages on other hosts can call this host, and the browser sends its cookies along."
        messages.append(checks.Warning(message, hint=hint, id="jwtauth.W009"))
    if cookies.samesite == "None" and settings.CSRF_COOKIE_SAMESITE not in ("None", False):
        message = "Requests from other sites carry the tokens' cookies, but not the CSRF cookie: all unsafe ones fail."
        hint = "Set CSRF_COOKIE_SAMESITE to 'None', and CSRF_COOKIE_SECURE to True."
        messages.append(checks.Warning(message, hint=hint, id="jwtauth.W010"))
    return messages


def check_authentication_class(**kwargs: Any) -> list[checks.CheckMessage]:
    """E031: the class for plain Django views cannot be used."""
    if settings_problems():
        return []
    source = conf.get_shared_config().authentication_class
    try:
        cls = import_string(source) if isinstance(source, str) else source
        problem = "" if hasattr(cls, "aauthenticate") else "is not one of our authentication classes"
    except ImportError as error:
        problem = f"cannot be imported: {error}"
    hint = "Set it to one of the classes in django_jwtauth.authentication, or to a subclass."
    message = f"JWTAUTH['AUTHENTICATION_CLASS'] {source!r} {problem}."
    return [checks.Error(message, hint=hint, id="jwtauth.E031")] if problem else []


def check_middleware(**kwargs: Any) -> list[checks.CheckMessage]:
    """E034: Django's middleware replaces the user that ours has set."""
    names = list(settings.MIDDLEWARE)
    later = "django.contrib.auth.middleware.AuthenticationMiddleware"
    if _MIDDLEWARE not in names or later not in names[names.index(_MIDDLEWARE) :]:
        return []
    hint = "Put JWTMiddleware below AuthenticationMiddleware."
    message = "AuthenticationMiddleware comes after JWTMiddleware, and replaces the user of the token."
    return [checks.Error(message, hint=hint, id="jwtauth.E034")]


def check_use(**kwargs: Any) -> list[checks.CheckMessage]:
    """W030: no view takes our tokens."""
    # Views without authentication classes are meant to be open, or sign users in.
    found = [(route, view) for route, view in _api_views() if authentication_names(view)]
    is_used = _MIDDLEWARE in settings.MIDDLEWARE or any(hasattr(view, "jwt_required") for _, view in _project_routes())
    if not found or is_used or any(_is_ours(name) for _, view in found for name in authentication_names(view)):
        return []
    hint = (
        "Set REST_FRAMEWORK['DEFAULT_AUTHENTICATION_CLASSES'] to ['django_jwtauth.authentication.JWTAuthentication'], "
        "or name a class of ours in authentication_classes of the views."
    )
    message = f"No view takes access tokens: {_names(found)} use{'s' * (len(found) == 1)} other authentication classes."
    return [checks.Warning(message, hint=hint, id="jwtauth.W030")]


def check_permissions(**kwargs: Any) -> list[checks.CheckMessage]:
    """W031: views that accept our tokens are open to everybody, because no permission is set."""
    if "DEFAULT_PERMISSION_CLASSES" in getattr(settings, "REST_FRAMEWORK", {}):
        return []
    found = [(route, view) for route, view in _api_views() if _is_open_by_default(view)]
    if not found:
        return []
    hint = (
        "Set REST_FRAMEWORK['DEFAULT_PERMISSION_CLASSES'] to ['rest_framework.permissions.IsAuthenticated'], and "
        "permission_classes = [AllowAny] where a view is meant to be open."
    )
    message = f"Everybody may call {_names(found)}, without a token too: REST framework allows it by default."
    return [checks.Warning(message, hint=hint, id="jwtauth.W031")]


def check_unread_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """W034: there are settings that nothing reads: those for Simple JWT, or ours under another name."""
    messages: list[checks.CheckMessage] = []
    is_read = "rest_framework_simplejwt" in sys.modules or apps.is_installed("django_jwtauth.contrib.simplejwt")
    if hasattr(settings, "SIMPLE_JWT") and not is_read:
        hint = 'See the page "Migrating from Simple JWT" of the documentation for the settings of JWTAUTH.'
        messages.append(checks.Warning("Nothing reads the setting SIMPLE_JWT.", hint=hint, id="jwtauth.W034"))
    keys = {setting.key for setting in conf.SETTINGS}
    for name in dir(settings):
        # JWT_AUTH may also be that of another package, whose keys are not ours.
        if name != "JWTAUTH" and name.replace("_", "").removeprefix("DJANGO") == "JWTAUTH":
            given = getattr(settings, name)
            if isinstance(given, dict) and keys & given.keys():
                message = f"Nothing reads the setting {name}."
                messages.append(checks.Warning(message, hint="Name it JWTAUTH.", id="jwtauth.W034"))
    return messages


def check_view_classes(**kwargs: Any) -> list[checks.CheckMessage]:
    """E035: REST framework cannot use the authentication or permission classes of a view."""
    messages: list[checks.CheckMessage] = []
    for attribute in ("authentication_classes", "permission_classes"):
        found: dict[str, list[tuple[str, Any]]] = {}
        for route, view in _api_views():
            if problem := _classes_problem(_classes(view, attribute)):
                found.setdefault(problem, []).append((route, view))
        hint = "Write a list of classes, like [IsAuthenticated, HasScope('orders:read')]."
        messages += [
            checks.Error(f"{attribute} of {_names(views)}: {problem}.", hint=hint, id="jwtauth.E035")
            for problem, views in found.items()
        ]
    return messages


def _classes_problem(given: Any) -> str:
    """Return what is wrong with the classes of a view; empty if nothing is, as far as this can be told."""
    if isinstance(given, type | str):
        return f"{_short(given)} is not in a list"
    for item in given if isinstance(given, list | tuple) else ():
        if isinstance(item, str):
            return f"{item!r} is a text, and not a class"
        if isinstance(item, FunctionType) and item.__module__ == "django_jwtauth.permissions":
            return f"{item.__name__} must be called"
        if not callable(item):
            return f"{_short(type(item))}() is an object, and not a class"
    return ""


def _short(given: Any) -> str:
    return given.__name__ if isinstance(given, type) else repr(given)


def check_cors(**kwargs: Any) -> list[checks.CheckMessage]:
    """W035: pages of other origins may call the views that take cookies, but cannot send the cookies."""
    takes_cookies = any(
        name.removeprefix(OURS) in _COOKIES for _, view in _api_views() for name in authentication_names(view)
    )
    if not takes_cookies or not apps.is_installed("corsheaders"):
        return []
    origins = list(getattr(settings, "CORS_ALLOWED_ORIGINS", ()))
    messages: list[checks.CheckMessage] = []
    if origins and not getattr(settings, "CORS_ALLOW_CREDENTIALS", False):
        message = "Views take the tokens in cookies, but browsers hide the responses from pages of other origins."
        hint = "Set CORS_ALLOW_CREDENTIALS to True. If only this origin has pages, leave CORS_ALLOWED_ORIGINS empty."
        messages.append(checks.Warning(message, hint=hint, id="jwtauth.W035"))
    if strangers := [origin for origin in origins if not trusts_origin(origin)]:
        message = f"Views take the tokens in cookies, but the CSRF check refuses {', '.join(strangers)}."
        hint = "Add the origins of CORS_ALLOWED_ORIGINS whose pages use cookies to CSRF_TRUSTED_ORIGINS."
        messages.append(checks.Warning(message, hint=hint, id="jwtauth.W035"))
    return messages


def check_service(**kwargs: Any) -> list[checks.CheckMessage]:
    """E030: a view needs our tables, which are not there; E032: no issuer is trusted; E033: no ``AnonymousUser``."""
    if settings_problems() or apps.is_installed("django_jwtauth"):
        return []
    messages: list[checks.CheckMessage] = []
    stateful = [
        (route, view)
        for route, view in _api_views()
        if any(name.removeprefix(OURS) in _STATEFUL for name in authentication_names(view))
    ]
    if stateful:
        hint = "Use StatelessJWTAuthentication in a service. To issue tokens here, install 'django_jwtauth'."
        message = f"This project has no sessions, but {_names(stateful)} would look for them."
        messages.append(checks.Error(message, hint=hint, id="jwtauth.E030"))
    if not conf.get_shared_config().trusted_issuers:
        hint = "Set JWTAUTH['TRUSTED_ISSUERS'] to {'https://auth.example.com': {}}, with the issuer's own URL."
        messages.append(checks.Error("This service trusts no issuer.", hint=hint, id="jwtauth.E032"))
    rest = getattr(settings, "REST_FRAMEWORK", {})
    if not apps.is_installed("django.contrib.auth") and "UNAUTHENTICATED_USER" not in rest:
        hint = "Set REST_FRAMEWORK['UNAUTHENTICATED_USER'] to None."
        message = "Without 'django.contrib.auth' there is no AnonymousUser, which REST framework needs by default."
        messages.append(checks.Error(message, hint=hint, id="jwtauth.E033"))
    return messages


def settings_problems() -> list[str]:
    """Return what :func:`check_settings` reports. Other checks say nothing then."""
    try:
        conf.get_shared_config()
    except conf.InvalidSettingsError as error:
        return error.problems
    return []


def class_name(item: object) -> str:
    """Return the dotted path of a class that is given as a path or as itself. A subclass of ours counts as ours."""
    try:
        cls: Any = import_string(item) if isinstance(item, str) else item
    except ImportError:
        return str(item)
    for base in getattr(cls, "__mro__", ()):
        if base.__module__ == "django_jwtauth.authentication":
            return f"{OURS}{base.__name__}"
    return f"{cls.__module__}.{getattr(cls, '__qualname__', cls)}"


def authentication_names(view: Any) -> list[str]:
    """Return the names of the classes that authenticate the requests of a view of REST framework."""
    classes = _classes(view, "authentication_classes")
    return [class_name(cls) for cls in classes] if isinstance(classes, list | tuple) else []


def _classes(view: Any, attribute: str) -> Any:
    """Return what a view has as its classes, which may be anything."""
    return initkwargs(view).get(attribute, getattr(view.cls, attribute))


def initkwargs(view: Any) -> Any:
    """Return what ``as_view()`` was given."""
    return getattr(view, "initkwargs", {})


def all_routes(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each route below some patterns, with its view; with ``None`` where others are included."""
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        yield route, getattr(pattern, "callback", None)
        yield from all_routes(getattr(pattern, "url_patterns", ()), route)


def _project_routes() -> Iterator[tuple[str, Any]]:
    if getattr(settings, "ROOT_URLCONF", None):
        yield from all_routes(get_resolver().url_patterns)


def _api_views() -> Iterator[tuple[str, Any]]:
    """Yield the views of the project that are REST framework's, and neither ours nor its own."""
    for route, view in _project_routes():
        cls = getattr(view, "cls", None)
        if not isinstance(cls, type) or not issubclass(cls, import_string(_API_VIEW)):
            continue
        if cls.__module__.partition(".")[0] not in ("django_jwtauth", "rest_framework"):
            yield route, view


def _is_open_by_default(view: Any) -> bool:
    """Tell whether a view accepts our tokens, and nobody has said who may call it."""
    base: Any = import_string(_API_VIEW)
    return (
        any(map(_is_ours, authentication_names(view)))
        and "permission_classes" not in initkwargs(view)
        and all(getattr(view.cls, name) is getattr(base, name) for name in ("permission_classes", "get_permissions"))
    )


def _is_ours(name: str) -> bool:
    return name.startswith(OURS)


def _names(found: list[tuple[str, Any]]) -> str:
    """Name some of the routes."""
    shown = ", ".join(repr(f"/{route}") for route, _ in found[:3])
    return f"{shown} and {len(found) - 3} more" if len(found) > 3 else shown


CHECKS: Iterable[Any] = (
    check_settings,
    check_authentication_class,
    check_middleware,
    check_use,
    check_permissions,
    check_view_classes,
    check_cors,
    check_unread_settings,
    check_service,
)
DEPLOY_CHECKS: Iterable[Any] = (check_fail_open, check_authentication_classes, check_trusted_issuers, check_cookies)
