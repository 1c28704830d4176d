"""System checks of the views that a project has routed, like those in :mod:`django_jwtauth.checks`."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.urls import get_resolver
from django.utils.module_loading import import_string

from . import conf, sign_in
from ._core.fetch import split_url
from .service_checks import all_routes, settings_problems

# Named, because importing REST framework's views reads settings.
_SIGN_IN_VIEW = "django_jwtauth.views.TokenView"
_REFRESH_VIEW = "django_jwtauth.views.TokenRefreshView"
_JWKS = "django_jwtauth.well_known.jwks"
_BROWSER_REFRESH_VIEW = "django_jwtauth.browser_views.BrowserRefreshView"


def check_sign_in(**kwargs: Any) -> list[checks.CheckMessage]:
    """W011: another package demands more than a password, and our sign-in by password cannot ask for it."""
    if (
        settings_problems()
        or conf.get_shared_config().sign_in_challenge is not None
        or not getattr(settings, "ROOT_URLCONF", None)
    ):
        return []
    guards = [guard.name for guard in sign_in.installed_guards()]
    routes = [route for route, view in _views(_SIGN_IN_VIEW) if _is_undecided(view)] if guards else []
    if not routes:
        return []
    hint = (
        "Include django_jwtauth.urls_without_sign_in in place of django_jwtauth.urls; or set "
        "JWTAUTH['SIGN_IN_CHALLENGE'] to the function that decides when a password is enough."
    )
    message = (
        f"This project uses {', '.join(guards)}, and signs users in by password at {', '.join(routes)}. Users who need "
        "more than a password are refused there, and cannot finish signing in."
    )
    return [checks.Warning(message, hint=hint, id="jwtauth.W011")]


def _is_undecided(view: Any) -> bool:
    stock: Any = import_string(_SIGN_IN_VIEW)
    return getattr(view.cls, "get_challenge", None) is stock.get_challenge


def check_refresh_views(**kwargs: Any) -> list[checks.CheckMessage]:
    """W012: the rules of a project's refresh view do not hold for refreshes at the sign-in endpoint."""
    if settings_problems() or not getattr(settings, "ROOT_URLCONF", None):
        return []
    own = [
        view.cls
        for _, view in _views(_REFRESH_VIEW)
        if view.cls is not import_string(_REFRESH_VIEW)
        and not issubclass(view.cls, import_string(_BROWSER_REFRESH_VIEW))
    ]
    routes = [route for route, view in _views(_SIGN_IN_VIEW) if own and not _refreshes_by(view, own)]
    if not routes:
        return []
    names = ", ".join(sorted({cls.__qualname__ for cls in own}))
    message = f"Refresh tokens are taken at {', '.join(routes)} too, and the rules of {names} do not hold there."
    hint = "Set refresh_view_class of the sign-in view to your refresh view, or leave 'refresh_token' out of its "
    hint += "oauth_grants."
    return [checks.Warning(message, hint=hint, id="jwtauth.W012")]


def check_documents(**kwargs: Any) -> list[checks.CheckMessage]:
    """W032: other services can verify the tokens, but do not find the keys."""
    if settings_problems() or not getattr(settings, "ROOT_URLCONF", None):
        return []
    config = conf.get_shared_config()
    if config.tenant_settings is not None or all(key.is_symmetric for key in config.signing_keys):
        return []
    name = ".well-known/jwks.json"
    base = split_url(config.issuer).path.strip("/")
    jwks: Any = import_string(_JWKS)
    found = [route for route, view in all_routes(get_resolver().url_patterns) if view is jwks]
    if {name, f"{base}/{name}"} & set(found):
        return []
    wrong = f": they are at {', '.join(repr(f'/{route}') for route in found)}" if found else ""
    message = f"Other services look for the keys at {f'/{base}'.rstrip('/')}/{name}, where there are none{wrong}."
    hint = "Add path('', include('django_jwtauth.urls_well_known')) to the root URLs, outside any other include()."
    return [checks.Warning(message, hint=hint, id="jwtauth.W032")]


def _refreshes_by(view: Any, own: list[type]) -> bool:
    """Tell whether a sign-in view takes no refresh tokens, or passes them on to one of these views."""
    given = {
        "oauth_grants": view.cls.oauth_grants,
        "refresh_view_class": view.cls.refresh_view_class,
        **view.initkwargs,
    }
    return "refresh_token" not in given["oauth_grants"] or issubclass(given["refresh_view_class"], tuple(own))


def check_sign_out(**kwargs: Any) -> list[checks.CheckMessage]:
    """W013: dj-rest-auth's view says that the user is signed out, but our session continues."""
    theirs = getattr(settings, "REST_AUTH", {})
    if (
        not getattr(settings, "ROOT_URLCONF", None)
        or theirs.get("TOKEN_MODEL", "") is not None
        or theirs.get("USE_JWT")
    ):
        return []  # it has tokens of its own to end
    classes = [(route, getattr(view, "cls", None)) for route, view in _answering()]
    routes = [route for route, cls in classes if f"{cls}" == "<class 'dj_rest_auth.views.LogoutView'>"]
    message = f"dj-rest-auth signs users out at {', '.join(routes)}: it reports success, but does not end our sessions."
    hint = "Route django_jwtauth.views.LogoutView at the same path, before dj-rest-auth's URLs."
    return [checks.Warning(message, hint=hint, id="jwtauth.W013")] if routes else []


def _views(path: str) -> Iterator[tuple[str, Any]]:
    """Yield the routes of a view of ours and of its subclasses, with the view functions that ``as_view()`` made."""
    base: Any = import_string(path)
    for route, view in _answering():
        cls = getattr(view, "cls", None)
        if isinstance(cls, type) and issubclass(cls, base):
            yield route, view


def _answering() -> Iterable[tuple[str, Any]]:
    """Return each route with the view that answers it: the first one."""
    seen: dict[str, Any] = {}
    for route, view in all_routes(get_resolver().url_patterns):
        if view is not None:
            seen.setdefault(plain_route(route), view)
    return seen.items()


def plain_route(route: str) -> str:
    """Return a route without what regular expressions put around it, so that two of them can be compared."""
    return route.replace("^", "").replace("$", "").replace("/?", "/").replace("\\Z", "")


DEPLOY_CHECKS: Iterable[Any] = (check_sign_in, check_refresh_views, check_sign_out, check_documents)
