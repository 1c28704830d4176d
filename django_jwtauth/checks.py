"""System checks: what cannot work, and with ``--deploy`` also what is risky. Each says in its hint what to do."""

import inspect
import typing
from collections.abc import Iterable, Mapping
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
from django.utils.module_loading import import_string

from . import claims, conf
from ._core.fetch import is_loopback, split_url
from .counting import counts_atomically
from .database import SUPPORTED_VENDORS, clock_difference
from .models import RefreshToken
from .service_checks import OURS, class_name, settings_problems

# Named, because importing REST framework's views reads settings.
_OUTAGE_MIDDLEWARE = "django_jwtauth.middleware.DatabaseOutageMiddleware"


def check_hooks(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: a hook cannot be imported; E003: it has the wrong parameters or return type; E004: it is async."""
    if settings_problems():
        return []
    config = conf.get_shared_config()
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
    if not may_return(hook, returns, or_none=at_sign_in):
        return checks.Error(f"{called} is annotated to return the wrong type.", hint=hint, id="jwtauth.E003")
    return None


def check_rule(**kwargs: Any) -> list[checks.CheckMessage]:
    """E010: the rule about who may go on cannot be used."""
    rule = None if settings_problems() else conf.get_shared_config().user_authentication_rule
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
    return "" if may_return(rule, bool, or_none=False) else "is annotated to return something else than a bool"


def may_return(hook: Any, expected: type, *, or_none: bool) -> bool:
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
    return issubclass(kind, expected) and (expected is str or not issubclass(kind, str))


def check_claims(**kwargs: Any) -> list[checks.CheckMessage]:
    """E009: a path in CLAIMS names an attribute that users do not have, or one that is not a value."""
    hint = "A path leads from the user through attributes to a value, like 'profile.organisation_id'."
    return [
        checks.Error(f"JWTAUTH['CLAIMS'][{claim!r}]: {problem}", hint=hint, id="jwtauth.E009")
        for claim, path in (() if settings_problems() else conf.get_shared_config().claims.items())
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
    """E005: SUBJECT_FIELD is not a field; E006: the field is not unique; E013: it is a relation."""
    name = "pk" if settings_problems() else conf.get_shared_config().subject_field
    if name == "pk":
        return []
    label = get_user_model()._meta.label
    try:
        field = get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        hint = "Use a unique field that never changes, or leave the setting out."
        return [checks.Error(f"JWTAUTH['SUBJECT_FIELD']: {label} has no field {name!r}.", hint=hint, id="jwtauth.E005")]
    if field.is_relation and name == field.name:  # its attname, such as `person_id`, is a value
        hint = "The subject would be the text of another object. Use a field with a value, or leave the setting out."
        message = f"JWTAUTH['SUBJECT_FIELD']: {label}.{name} is a relation, not a value."
        return [checks.Error(message, hint=hint, id="jwtauth.E013")]
    if not getattr(field, "unique", False):
        hint = "Two users with the same subject would be one user to every service. Make the field unique, or use 'pk'."
        return [checks.Error(f"JWTAUTH['SUBJECT_FIELD']: {label}.{name} is not unique.", hint=hint, id="jwtauth.E006")]
    return []


def check_backends(**kwargs: Any) -> list[checks.CheckMessage]:
    """E036: our class stands where Django looks for classes that check passwords."""
    found = [name for name in map(class_name, settings.AUTHENTICATION_BACKENDS) if name.startswith(OURS)]
    hint = "List it in REST_FRAMEWORK['DEFAULT_AUTHENTICATION_CLASSES'], and leave AUTHENTICATION_BACKENDS as it was."
    return [
        checks.Error(f"AUTHENTICATION_BACKENDS lists {name}, which checks no password.", hint=hint, id="jwtauth.E036")
        for name in found
    ]


def check_databases(**kwargs: Any) -> list[checks.CheckMessage]:
    """E007: users are in a different database; E008: the database is not supported."""
    messages: list[checks.CheckMessage] = []
    alias = _our_database()
    if alias is None:
        return []
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


def _our_database() -> str | None:
    """Return the alias of the database of our tables; ``None`` if each tenant has one, and no tenant is current."""
    try:
        return RefreshToken.write_alias()
    except Exception:
        if settings_problems() or conf.get_shared_config().tenant_source is None:
            raise
        return None


def check_clocks(databases: Iterable[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W020: the clocks of this machine and of the database differ."""
    alias = _our_database()
    if settings_problems() or alias is None or alias not in (databases or ()):
        return []
    vendor = connections[alias].vendor
    ahead = clock_difference(alias) if vendor in SUPPORTED_VENDORS else 0.0
    if abs(ahead) <= conf.get_shared_config().leeway.total_seconds():
        return []
    side = "ahead of" if ahead > 0 else "behind"
    message = f"The clock of this machine is {abs(ahead):.0f} seconds {side} the database's."
    hint = "Keep the clocks in step with NTP: sessions go by the database's, tokens by those of the machines."
    return [checks.Warning(message, hint=hint, id="jwtauth.W020")]


def check_proxy(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: there is a proxy, but NUM_PROXIES is 0."""
    behind = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) or getattr(settings, "USE_X_FORWARDED_HOST", False)
    if settings_problems() or not behind or conf.get_shared_config().num_proxies:
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
    if settings_problems() or not any(conf.get_shared_config().throttle_rates.values()):
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
    if settings_problems() or conf.get_shared_config().refresh_grace_period:
        return []
    hint = "Allow some seconds, unless every client refreshes strictly one at a time (RFC 9700 section 4.14.2)."
    message = "REFRESH_GRACE_PERIOD is 0: two tabs that refresh at once, or a lost response, end a session as stolen."
    return [checks.Warning(message, hint=hint, id="jwtauth.W003")]


def check_retry_period(**kwargs: Any) -> list[checks.CheckMessage]:
    """W014: a part of the retry period, or all of it, has no effect."""
    if settings_problems() or not (period := conf.get_shared_config().refresh_retry_period):
        return []
    config = conf.get_shared_config()
    lifetime = min(config.refresh_token_lifetime, config.session_lifetime)
    if period <= config.refresh_grace_period:
        problem = "is not longer than REFRESH_GRACE_PERIOD, in which a retry is accepted anyway"
    elif period > lifetime:
        problem = "is longer than a refresh token lives, and no retry is accepted after that"
    else:
        return []
    hint = "Set it to the time for which a client may be away in the middle of a refresh, such as 12 hours, or to 0."
    return [checks.Warning(f"REFRESH_RETRY_PERIOD {problem}.", hint=hint, id="jwtauth.W014")]


def check_issuer(**kwargs: Any) -> list[checks.CheckMessage]:
    """W004: other services can verify tokens, but the issuer is not an https URL (RFC 8414 section 2)."""
    if settings_problems():
        return []
    config = conf.get_shared_config()
    if config.tenant_settings is not None:
        return []  # it may return anything
    parts = split_url(config.issuer)
    is_url = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if all(key.is_symmetric for key in config.signing_keys) or is_url:
        return []
    hint = "Set JWTAUTH['ISSUER'] to the https URL of this service."
    message = f"Other services can verify the tokens, but the issuer {config.issuer!r} is not an https URL."
    return [checks.Warning(message, hint=hint, id="jwtauth.W004")]


def check_audiences(**kwargs: Any) -> list[checks.CheckMessage]:
    """W033: tokens are meant for other services, but signed with a secret."""
    if settings_problems():
        return []
    config = conf.get_shared_config()
    is_for_others = len(config.audience) > 1 or bool(config.audiences)
    if config.tenant_settings is not None or not is_for_others:
        return []
    if not all(key.is_symmetric for key in config.signing_keys):
        return []
    hint = "Sign with an asymmetric key (manage.py jwtauth_generate_key), and include django_jwtauth.urls_well_known."
    message = (
        "Tokens are meant for several audiences, but signed with a secret: every service that verifies them needs the "
    )
    message += "secret, and can then sign in as anybody."
    return [checks.Warning(message, hint=hint, id="jwtauth.W033")]


def check_outages(**kwargs: Any) -> list[checks.CheckMessage]:
    """W023: with ATOMIC_REQUESTS, a view's transaction fails where nothing makes it a 503."""
    atomic = [alias for alias in connections if connections.settings[alias].get("ATOMIC_REQUESTS")]
    if not atomic or any(map(_answers_outages, settings.MIDDLEWARE)):
        return []
    return [
        checks.Warning(
            "While the database is away, views get no further than the transaction of ATOMIC_REQUESTS "
            f"({', '.join(atomic)}), and clients get a 500 that may sign them out.",
            hint="Add 'django_jwtauth.middleware.DatabaseOutageMiddleware' at the end of MIDDLEWARE.",
            id="jwtauth.W023",
        )
    ]


def _answers_outages(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, import_string(_OUTAGE_MIDDLEWARE))


CHECKS: Iterable[Any] = (check_hooks, check_rule, check_claims, check_subject, check_backends, check_databases)
DATABASE_CHECKS: Iterable[Any] = (check_clocks,)
"""These query the database. Django runs them in ``migrate``, and in ``check --database default``."""
DEPLOY_CHECKS: Iterable[Any] = (
    check_proxy,
    check_cache,
    check_window,
    check_retry_period,
    check_issuer,
    check_audiences,
    check_outages,
)
