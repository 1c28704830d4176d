"""System checks: what cannot work, and with ``--deploy`` also what is risky. Each says in its hint what to do."""

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, NoneType, UnionType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.urls import get_resolver
from django.utils.module_loading import import_string

from . import claims, conf, sign_in
from ._core.fetch import is_loopback, split_url
from .counting import counts_atomically
from .database import SUPPORTED_VENDORS, clock_difference
from .models import RefreshToken

_OURS = "django_jwtauth.authentication."


def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: a setting is invalid."""
    return [
        checks.Error(problem, hint='See the page "Settings" of the documentation.', id="jwtauth.E001")
        for problem in _problems()
    ]


def check_hooks(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: a hook cannot be imported; E003: it has the wrong parameters or return type; E004: it is async."""
    if _problems():
        return []
    config = conf.get_config()
    messages = [_hook_problem("The claims hook", path, Mapping) for path in config.claims_hooks]
    for name, source in (("SCOPES", config.scopes), ("AUDIENCES", config.audiences)):
        if isinstance(source, str) or callable(source):
            messages.append(_hook_problem(f"JWTAUTH[{name!r}]", source, Iterable))
    if config.sign_in_challenge is not None:
        source = config.sign_in_challenge
        messages.append(_hook_problem("JWTAUTH['SIGN_IN_CHALLENGE']", source, Mapping, at_sign_in=True))
    return [message for message in messages if message is not None]


def _hook_problem(what: str, hook: Any, returns: type, *, at_sign_in: bool = False) -> checks.CheckMessage | None:
    called = f"{what} {hook if isinstance(hook, str) else getattr(hook, '__qualname__', hook)!r}"
    if isinstance(hook, str):
        try:
            hook = claims.load(hook)
        except Exception as error:
            hint = "Set it to the dotted path of a function, like 'project.auth.add_tenant'."
            return checks.Error(f"{called} cannot be imported: {error}", hint=hint, id="jwtauth.E002")
    result = "a mapping" if returns is Mapping else "an iterable of names"
    arguments = {"request": None} if at_sign_in else {"request": None, "session": None}
    hint = f"Write it as def hook(user, *, {', '.join(arguments)}), and return {result}{' or None' * at_sign_in}."
    try:
        inspect.signature(hook).bind(None, **arguments)
    except (TypeError, ValueError):
        return checks.Error(f"{called} cannot be called as a hook.", hint=hint, id="jwtauth.E003")
    if inspect.iscoroutinefunction(hook):
        hint = "Make it a plain function: hooks run while the response is made."
        return checks.Error(f"{called} is async.", hint=hint, id="jwtauth.E004")
    if not _may_return(hook, returns, or_none=at_sign_in):
        return checks.Error(f"{called} is annotated to return the wrong type.", hint=hint, id="jwtauth.E003")
    return None


def check_rule(**kwargs: Any) -> list[checks.CheckMessage]:
    """E010: the rule about who may go on cannot be used."""
    rule = None if _problems() else conf.get_config().user_authentication_rule
    problem = "" if rule is None else _rule_problem(rule)
    hint = "Set it to a function, or the dotted path of one: def rule(user), which returns True or False."
    name = f"JWTAUTH['USER_AUTHENTICATION_RULE'] {rule!r}"
    return [checks.Error(f"{name} {problem}.", hint=hint, id="jwtauth.E010")] if problem else []


def _rule_problem(rule: Any) -> str:
    if isinstance(rule, str):
        try:
            rule = import_string(rule)
        except Exception as error:
            return f"cannot be imported: {error}"
    try:
        inspect.signature(rule).bind(None)
    except (TypeError, ValueError):
        return "cannot be called with a user"
    if inspect.iscoroutinefunction(rule):
        return "is async"
    return "" if _may_return(rule, bool, or_none=False) else "is annotated to return something else than a bool"


def _may_return(hook: Any, expected: type, *, or_none: bool) -> bool:
    """Tell whether a function's return annotation fits, or cannot be judged."""
    try:
        annotation = typing.get_type_hints(hook).get("return", Any)
    except Exception:
        return True  # the annotation uses names that only type checkers see
    if annotation is Any or (or_none and annotation is NoneType):
        return True
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type) or kind is UnionType or typing.is_typeddict(kind):
        return True  # unions and the like are not judged; typed dicts are dicts
    # A str is iterable too, but not a list of names.
    return issubclass(kind, expected) and not issubclass(kind, str)


def check_claims(**kwargs: Any) -> list[checks.CheckMessage]:
    """E009: a path in CLAIMS names an attribute that users do not have, or one that is not a value."""
    hint = "A path leads from the user through attributes to a value, like 'profile.organisation_id'."
    return [
        checks.Error(f"JWTAUTH['CLAIMS'][{claim!r}]: {problem}", hint=hint, id="jwtauth.E009")
        for claim, path in (() if _problems() else conf.get_config().claims.items())
        if (problem := _path_problem(path))
    ]


def _path_problem(path: tuple[str, ...]) -> str:
    """Return what is wrong with a path of attributes, as far as the models show; empty if nothing is."""
    model: Any = get_user_model()
    for name in path:
        attribute = f"{model._meta.label}.{name}"
        if not hasattr(model, name):
            return f"there is no attribute {attribute}."
        if isinstance(inspect.getattr_static(model, name), FunctionType | classmethod | staticmethod):
            return f"{attribute} is a method."
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return ""  # a property, whose value is not known yet
        # `organisation_id` also finds the field `organisation`, but is a value. A generic relation may lead anywhere.
        if name != field.name or field.related_model is None:
            return ""
        if field.one_to_many or field.many_to_many:
            break
        model = field.related_model
    return f"{attribute} is a relation, not a value."


def check_subject(**kwargs: Any) -> list[checks.CheckMessage]:
    """E005: SUBJECT_FIELD is not a field; E006: the field is not unique."""
    name = "pk" if _problems() else conf.get_config().subject_field
    if name == "pk":
        return []
    label = get_user_model()._meta.label
    try:
        field = get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        hint = "Use a unique field that never changes, or leave the setting out."
        return [checks.Error(f"JWTAUTH['SUBJECT_FIELD']: {label} has no field {name!r}.", hint=hint, id="jwtauth.E005")]
    if not getattr(field, "unique", False):
        hint = "Two users with the same subject would be one user to every service. Make the field unique, or use 'pk'."
        return [checks.Error(f"JWTAUTH['SUBJECT_FIELD']: {label}.{name} is not unique.", hint=hint, id="jwtauth.E006")]
    return []


def check_databases(**kwargs: Any) -> list[checks.CheckMessage]:
    """E007: users are in a different database; E008: the database is not supported."""
    messages: list[checks.CheckMessage] = []
    alias = RefreshToken.write_alias()
    users = router.db_for_write(get_user_model())
    if users != alias:
        hint = "Route the app 'django_jwtauth' and the user model to the same database."
        messages.append(
            checks.Error(
                f"Users are written to {users!r}, their sessions to {alias!r}, so one query cannot join them.",
                hint=hint,
                id="jwtauth.E007",
            )
        )
    vendor = connections[alias].vendor
    if vendor not in SUPPORTED_VENDORS:
        hint = "Use SQLite, PostgreSQL, MariaDB or MySQL."
        messages.append(checks.Error(f"The database {vendor} is not supported.", hint=hint, id="jwtauth.E008"))
    return messages


def check_clocks(databases: Iterable[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W020: the clocks of this machine and of the database differ."""
    alias = RefreshToken.write_alias()
    if _problems() or alias not in (databases or ()) or connections[alias].vendor not in SUPPORTED_VENDORS:
        return []
    ahead = clock_difference(alias)
    if abs(ahead) <= conf.get_config().leeway.total_seconds():
        return []
    side = "ahead of" if ahead > 0 else "behind"
    message = f"The clock of this machine is {abs(ahead):.0f} seconds {side} the database's."
    hint = "Keep the clocks in step with NTP: sessions go by the database's, tokens by those of the machines."
    return [checks.Warning(message, hint=hint, id="jwtauth.W020")]


def check_proxy(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: there is a proxy, but NUM_PROXIES is 0."""
    behind = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) or getattr(settings, "USE_X_FORWARDED_HOST", False)
    if _problems() or not behind or conf.get_config().num_proxies:
        return []
    hint = "Set JWTAUTH['NUM_PROXIES'] to the number of proxies that add to X-Forwarded-For or Forwarded."
    return [
        checks.Warning(
            "Django's settings imply a proxy, but NUM_PROXIES is 0: sign-ins cannot be throttled by address, and "
            "sessions show the address of the proxy.",
            hint=hint,
            id="jwtauth.W001",
        )
    ]


def check_cache(**kwargs: Any) -> list[checks.CheckMessage]:
    """W002: the throttles cannot count across processes in this cache."""
    if _problems() or not any(conf.get_config().throttle_rates.values()):
        return []
    try:
        backend = caches[DEFAULT_CACHE_ALIAS]
    except Exception:  # each cache backend raises its own errors
        return []  # a cache that cannot be used is reported where it is used
    name = f"The cache 'default' ({type(backend).__name__})"
    if isinstance(backend, LocMemCache | DummyCache):
        message = f"{name} belongs to one process: the throttles allow their rates once per process."
    elif not counts_atomically(backend):
        message = (
            f"{name} counts by get, add and set: processes that count at once lose attempts, and let guesses pass."
        )
    else:
        return []
    hint = "Use a cache that all processes share and that counts in one step, such as Redis or Memcached; or set all "
    hint += "rates to None, if a proxy throttles."
    return [checks.Warning(message, hint=hint, id="jwtauth.W002")]


def check_window(**kwargs: Any) -> list[checks.CheckMessage]:
    """W003: there is no grace period."""
    if _problems() or conf.get_config().refresh_grace_period:
        return []
    hint = "Allow some seconds, unless every client refreshes strictly one at a time (RFC 9700 section 4.14.2)."
    message = "REFRESH_GRACE_PERIOD is 0: two tabs that refresh at once, or a lost response, end a session as stolen."
    return [checks.Warning(message, hint=hint, id="jwtauth.W003")]


def check_issuer(**kwargs: Any) -> list[checks.CheckMessage]:
    """W004: other services can verify tokens, but the issuer is not an https URL (RFC 8414 section 2)."""
    if _problems():
        return []
    config = conf.get_config()
    parts = split_url(config.issuer)
    is_url = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if all(key.is_symmetric for key in config.signing_keys) or is_url:
        return []
    hint = "Set JWTAUTH['ISSUER'] to the https URL of this service."
    message = f"Other services can verify the tokens, but the issuer {config.issuer!r} is not an https URL."
    return [checks.Warning(message, hint=hint, id="jwtauth.W004")]


def check_fail_open(**kwargs: Any) -> list[checks.CheckMessage]:
    """W005: revoked tokens are accepted while the revocation list cannot be read."""
    if _problems() or not conf.get_config().revocation_fail_open:
        return []
    hint = "Leave JWTAUTH['REVOCATION_FAIL_OPEN'] out, unless availability is more important than revocation."
    message = "REVOCATION_FAIL_OPEN is on: while the revocation list cannot be read, revoked tokens are accepted."
    return [checks.Warning(message, hint=hint, id="jwtauth.W005")]


def check_authentication_classes(**kwargs: Any) -> list[checks.CheckMessage]:
    """W006: another class is listed before ours, and decides what a refusal looks like."""
    rest = getattr(settings, "REST_FRAMEWORK", {})
    names = [_name(item) for item in rest.get("DEFAULT_AUTHENTICATION_CLASSES", ())]
    ours = next((index for index, name in enumerate(names) if name.startswith(_OURS)), len(names))
    first = next((name for name in names[:ours] if name.endswith(("SessionAuthentication", "BasicAuthentication"))), "")
    if not first or ours == len(names):
        return []
    hint = "List the class of django_jwtauth first."
    message = f"{first} comes before our class: API clients get its 403 or its challenge instead of a 401 for tokens."
    return [checks.Warning(message, hint=hint, id="jwtauth.W006")]


def check_trusted_issuers(**kwargs: Any) -> list[checks.CheckMessage]:
    """W007: the keys of another issuer may be fetched over http."""
    given = {} if _problems() else getattr(settings, "JWTAUTH", {}).get("TRUSTED_ISSUERS", {})
    hint = "Use https, unless nobody else can reach the network between the two."
    return [
        checks.Warning(
            f"The keys of {issuer!r} may be fetched over http: whoever can answer in its place can sign in as anybody.",
            hint=hint,
            id="jwtauth.W007",
        )
        for issuer, entry in given.items()
        if entry.get("allow_http")
    ]


def check_cookies(**kwargs: Any) -> list[checks.CheckMessage]:
    """W008: tokens in cookies are sent over http; W009: all hosts of a domain get them; W010: requests from other sites
    carry them, but not the CSRF cookie."""
    if _problems():
        return []
    cookies = conf.get_config().cookies
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


def check_sign_in(**kwargs: Any) -> list[checks.CheckMessage]:
    """W011: another package demands more than a password, and our sign-in by password cannot ask for it."""
    if _problems() or conf.get_config().sign_in_challenge is not None or not getattr(settings, "ROOT_URLCONF", None):
        return []
    guards = [guard.name for guard in sign_in.installed_guards()]
    routes = list(_undecided_sign_ins(get_resolver().url_patterns)) if guards else []
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


def _undecided_sign_ins(patterns: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """Yield the routes of the sign-in views, ours and their subclasses, that do not decide for themselves."""
    token_view: Any = import_string("django_jwtauth.views.TokenView")
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        view: Any = getattr(getattr(pattern, "callback", None), "cls", None)
        is_ours = isinstance(view, type) and issubclass(view, token_view)
        if is_ours and getattr(view, "get_challenge", None) is token_view.get_challenge:
            yield route
        yield from _undecided_sign_ins(getattr(pattern, "url_patterns", ()), route)


def _problems() -> list[str]:
    try:
        conf.get_config()
    except conf.InvalidSettingsError as error:
        return error.problems
    return []


def _name(item: object) -> str:
    """Return the dotted path of a class that is given as a path or as itself. A subclass of ours counts as ours."""
    try:
        cls: Any = import_string(item) if isinstance(item, str) else item
    except ImportError:
        return str(item)
    for base in cls.__mro__:
        if base.__module__ == "django_jwtauth.authentication":
            return f"{_OURS}{base.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


CHECKS: Iterable[Any] = (check_settings, check_hooks, check_rule, check_claims, check_subject, check_databases)
DATABASE_CHECKS: Iterable[Any] = (check_clocks,)
"""These query the database. Django runs them in ``migrate``, and in ``check --database default``."""
DEPLOY_CHECKS: Iterable[Any] = (
    check_proxy,
    check_cache,
    check_window,
    check_issuer,
    check_fail_open,
    check_authentication_classes,
    check_trusted_issuers,
    check_cookies,
    check_sign_in,
)
