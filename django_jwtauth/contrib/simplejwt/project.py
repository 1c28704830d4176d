"""What a project uses of Simple JWT and of us: its apps, URLs and classes. Simple JWT need not be installed."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError
from django.urls import get_resolver
from django.utils.module_loading import import_string
from rest_framework.views import APIView

from ...route_checks import plain_route
from ...service_checks import all_routes
from . import sources, tables
from .translation import PACKAGE, SERIALIZERS

OURS = "django_jwtauth"
BRIDGE = f"{OURS}.contrib.simplejwt"
BLACKLIST = f"{PACKAGE}.token_blacklist"
_DEAD_NAMES = ("get_header", "get_validated_token", "get_user", "get_token")
_STATELESS = ("JWTStatelessUserAuthentication", "JWTTokenUserAuthentication")


def authentication_classes() -> list[str]:
    """Return the default authentication classes of REST framework, as the project names them."""
    given = getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ())
    return [each if isinstance(each, str) else name_of(each) for each in given]


def translated_classes() -> list[str]:
    """Return the default authentication classes with ours in the place of Simple JWT's."""
    found = []
    for name in authentication_classes():
        cls = import_string(name)
        is_stateless = any(parent.__name__ in _STATELESS for parent in cls.__mro__)
        ours = f"{OURS}.authentication.{'Stateless' * is_stateless}JWTAuthentication"
        found.append(ours if comes_from(cls, PACKAGE) else name)
    return found


def warnings(old: Mapping[str, Any]) -> list[str]:
    """Return warnings about steps that are half done, and about what would not work.

    Args:
        old: ``SIMPLE_JWT``.
    """
    views = list(_views())
    classes = [import_string(name) for name in authentication_classes()]
    issuers = _issuers(views)
    takers = [package for cls in classes for package in (OURS, PACKAGE) if comes_from(cls, package)]
    return [
        *_half_installed(issuers, takers),
        *_without_the_bridge(old, issuers, takers),
        *_never_called([*classes, *(cls for _, cls, arguments in views for cls in _parts(cls, arguments))]),
        *_hidden(views),
    ]


def uses_theirs() -> bool:
    """Tell whether the project still has Simple JWT's apps, views or authentication classes, or the bridge."""
    classes = [import_string(name) for name in authentication_classes()]
    has_app = any(f"{app.name}.".startswith((f"{PACKAGE}.", f"{BRIDGE}.")) for app in apps.get_app_configs())
    return has_app or PACKAGE in _issuers(_views()) or any(comes_from(cls, PACKAGE) for cls in classes)


def own_code(old: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each class and file of the project's own that uses Simple JWT's.

    Args:
        old: ``SIMPLE_JWT``.
    """
    found: dict[str, Any] = {name: import_string(name) for name in authentication_classes()}
    found |= {name_of(part): part for _, cls, arguments in _views() for part in _parts(cls, arguments)}
    if PACKAGE in _issuers(_views()):  # otherwise nothing reads these settings any more
        found |= {name_of(cls): cls for cls in _named_serializers(old)}
    return [*_names_theirs(), *_based_on_theirs(found), *sources.findings()]


def _issuers(views: Iterable[tuple[str, Any, Mapping[str, Any]]]) -> set[str]:
    """Return whose views are routed. The pages of our admin are functions, and issue nothing."""
    classes = [cls for _, cls, _ in views if isinstance(cls, type)]
    return {package for package in (OURS, PACKAGE) if any(comes_from(cls, package) for cls in classes)}


def _named_serializers(old: Mapping[str, Any]) -> Iterator[Any]:
    for value in filter(None, map(old.get, SERIALIZERS)):
        # One that cannot be imported is named with the setting.
        with contextlib.suppress(ImportError):
            yield import_string(value) if isinstance(value, str) else value


def _based_on_theirs(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} is based on Simple JWT's {_parent(cls)}, and has its own {', '.join(_members(cls)) or 'name'}. "
        f"{_COUNTERPARTS[_kind(cls)]}"
        for name, cls in sorted(found.items())
        if isinstance(cls, type) and comes_from(cls, PACKAGE) and not cls.__module__.startswith(PACKAGE)
    ]


def _names_theirs() -> list[str]:
    views = {
        name_of(cls): each.__name__
        for _, cls, arguments in _views()
        for each in arguments.get("authentication_classes", getattr(cls, "authentication_classes", ()))
        # A view that sets nothing has REST framework's defaults, which are looked at elsewhere.
        if each.__module__.startswith(PACKAGE) and each not in APIView.authentication_classes
    }
    return [
        f"{name} has Simple JWT's {each} in its authentication_classes: put ours in its place."
        for name, each in sorted(views.items())
        if not name.startswith(PACKAGE)
    ]


_COUNTERPARTS = {
    "serializer": "get_token() becomes CLAIMS or a hook; for other fields of the request or the response, set "
    "serializer_class of a subclass of our view.",
    "authentication": "Base it on our class: override get_raw_token() in place of get_header(), and "
    "authenticate_token() in place of get_validated_token() and get_user().",
    "view": "Base it on the view of ours with the same task.",
}


def _kind(cls: type) -> str:
    parents = {parent.__name__ for parent in cls.__mro__}
    if "BaseAuthentication" in parents:
        return "authentication"
    return "view" if "View" in parents else "serializer"


def _half_installed(issuers: set[str], takers: list[str]) -> Iterator[str]:
    if takers and takers[0] == PACKAGE and OURS in takers:
        yield "DEFAULT_AUTHENTICATION_CLASSES: Simple JWT's class comes first, and refuses our tokens. Put ours first."
    if OURS in issuers and PACKAGE in takers and OURS not in takers:
        yield (
            "Our views issue tokens, and DEFAULT_AUTHENTICATION_CLASSES has Simple JWT's class, which refuses them. "
            "Put ours in its place."
        )
    if PACKAGE in issuers and OURS in takers and PACKAGE not in takers and not apps.is_installed(BRIDGE):
        yield (
            f"Simple JWT's views issue tokens, and our class refuses them: add {BRIDGE} to INSTALLED_APPS, or route "
            "our views."
        )


def _without_the_bridge(old: Mapping[str, Any], issuers: set[str], takers: list[str]) -> Iterator[str]:
    has_package = PACKAGE in issuers or PACKAGE in takers or apps.is_installed(BLACKLIST)
    if old and not has_package and not apps.is_installed(BRIDGE):
        yield (
            f"SIMPLE_JWT is ignored: neither Simple JWT nor {BRIDGE} is in use. Remove it, or add the bridge if users "
            "still have old tokens."
        )
    try:
        is_left = tables.are_there() and not apps.is_installed(BLACKLIST) and not apps.is_installed(BRIDGE)
    except DatabaseError:
        is_left = False  # without a database, this cannot be known
    if is_left:
        yield (
            "The tables of Simple JWT's blacklist app are there, and no app that knows them: users with rows in them "
            f"cannot be deleted. Add {BRIDGE}, and drop them with jwtauth_drop_simplejwt."
        )


def _never_called(parts: Iterable[Any]) -> Iterator[str]:
    """Find methods of Simple JWT's classes in classes based on ours: a check in one of them would never be made."""
    for part in dict.fromkeys(parts):
        names = [name for name in _DEAD_NAMES if callable(getattr(part, name, None))]
        if names and comes_from(part, OURS):
            yield f"{name_of(part)} is based on our class, which never calls its {', '.join(names)}()."


def _parts(cls: Any, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a view's class, its serializer and its authentication classes."""
    yield cls
    yield arguments.get("serializer_class", getattr(cls, "serializer_class", None))
    yield from arguments.get("authentication_classes", getattr(cls, "authentication_classes", ()))


def _hidden(views: list[tuple[str, type, Mapping[str, Any]]]) -> Iterator[str]:
    """Find paths of the project that a view of ours answers, and paths of ours that the project answers."""
    first: dict[str, tuple[str, str]] = {}
    for route, cls, _ in views:
        route, owner, name = plain_route(route), OURS if cls.__module__.startswith(f"{OURS}.") else "", name_of(cls)
        seen_owner, seen = first.setdefault(route, (owner, name))
        if seen_owner != owner:
            yield f"/{route} is answered by {seen}, which hides {name}: change the prefix or the order of one."


def _views() -> Iterator[tuple[str, type, Mapping[str, Any]]]:
    """Yield the route, the class and the arguments of ``as_view()`` of each view; functions as their own class."""
    for route, view in all_routes(get_resolver().url_patterns):
        if view is not None:
            cls = getattr(view, "cls", None) or getattr(view, "view_class", None) or view
            yield route, cls, getattr(view, "initkwargs", None) or getattr(view, "view_initkwargs", {})


def comes_from(cls: Any, package: str) -> bool:
    """Tell whether something is a class of a package, or based on one."""
    modules = [parent.__module__ for parent in getattr(cls, "__mro__", [cls])]
    return any(f"{module}.".startswith(f"{package}.") for module in modules)


def name_of(thing: Callable[..., Any] | None) -> str:
    """Return the dotted path of a class or function."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}"


def _parent(cls: type) -> str:
    return next(parent.__name__ for parent in cls.__mro__ if parent.__module__.startswith(PACKAGE))


def _members(cls: type) -> list[str]:
    """Return the methods and attributes that the project has added to Simple JWT's class."""
    own = itertools.takewhile(lambda parent: not parent.__module__.startswith(PACKAGE), cls.__mro__)
    return sorted({name for parent in own for name in vars(parent) if not name.startswith("_")})
