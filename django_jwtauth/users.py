"""Which users may go on. Django decides it for its own sessions, and so it does for ours.

Django loads the user of a session by ``get_user()`` of the backend that signed the user in, which asks the model's
default manager. Where backend and manager are Django's own, the row that was read together with the session says the
same, and nothing more is read.
"""

import contextlib
import functools
import itertools
from collections.abc import Iterable
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, ValidationError
from django.db import models
from django.utils.module_loading import import_string

from . import conf

_RULE = "JWTAUTH['USER_AUTHENTICATION_RULE']"
# Not imported: while our models are loaded, the user model may not be there yet, and these need it.
_BASE_BACKEND = "django.contrib.auth.backends.BaseBackend"
_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def user_key(user: AbstractBaseUser) -> Any:
    """Return the primary key of the user model's row. A model that inherits from it may have another key of its own.

    Raises:
        TypeError: if it is not a user of that model. A user of another issuer may have the key of one of ours.
    """
    model = get_user_model()
    if not isinstance(user, model):
        raise TypeError(f"{type(user).__name__} is not {model.__name__}: sessions belong to users of AUTH_USER_MODEL.")
    return getattr(user, model._meta.pk.attname)


def subject_of(user: AbstractBaseUser) -> str:
    """Return the ``sub`` of a user.

    Raises:
        ImproperlyConfigured: if the user's ``SUBJECT_FIELD`` is empty or holds control characters.
    """
    return usable_subject(subject_if_any(user))


def subject_if_any(user: AbstractBaseUser) -> str:
    """Return the value of a user's ``SUBJECT_FIELD`` as text; empty if there is none."""
    name = conf.get_config().subject_field
    # The key of the user model's row: a model that inherits from it may have another key, perhaps another user's.
    value = user_key(user) if name == "pk" else getattr(user, name, None)
    return "" if value is None else str(value)


def by_subjects(subjects: Iterable[str], *, using: str) -> dict[str, AbstractBaseUser]:
    """Return the rows of users by their subjects, past managers and backends. One statement; none without subjects.

    Args:
        subjects: The subjects. Some may not be valid values of ``SUBJECT_FIELD``, if that was another field before.
        using: The database of the users.
    """
    name = conf.get_config().subject_field
    rows = get_user_model()._base_manager.using(using)
    wanted = models.Q()
    for subject in subjects:
        with contextlib.suppress(ValueError, ValidationError):
            rows.filter(**{name: subject})  # fails if it is not a valid value
            wanted |= models.Q(**{name: subject})
    return {subject_if_any(user): user for user in rows.filter(wanted)} if wanted else {}


def usable_subject(subject: str) -> str:
    """Return a subject if a token can carry it. Errors as for :func:`subject_of`."""
    if not subject or not subject.isprintable():
        name = conf.get_config().subject_field
        raise ImproperlyConfigured(f"JWTAUTH['SUBJECT_FIELD'] = {name!r} gives no usable subject for a user.")
    return subject


def is_active(user: object) -> bool:
    """Tell whether a user is active. A user model without ``is_active`` has active users only, as in Django."""
    return bool(getattr(user, "is_active", True))


def is_admitted(user: AbstractBaseUser, backend: str) -> bool:
    """Tell whether a user may sign in and go on, as far as the object itself shows. No statement.

    Args:
        user: The user.
        backend: The dotted path of the backend that signs the user in; empty if there is none.

    Raises:
        TypeError: if the project's ``USER_AUTHENTICATION_RULE`` does not return a bool.
    """
    return _is_admitted(user, _backend(backend))


def backend_of(user: AbstractBaseUser, *, using: str) -> str | None:
    """Return the dotted path of the backend that signs a user in, by which the user is judged from then on.

    It is the one that ``authenticate()`` has noted on the user, or else the only one. Where there are several, and the
    project has loaded the user in a way of its own, it is the first one that would load the user too. Where none can
    load users, it is the first.

    Args:
        user: The user.
        using: The database of the users.

    Returns:
        The path, which is empty if the project has no backends; ``None`` if no backend would load the user.
    """
    paths = list(settings.AUTHENTICATION_BACKENDS)
    noted = getattr(user, "backend", None)  # might also be a field of the project's
    if noted in paths:
        return str(noted)
    able = [path for path in paths if _can_load(_backend(path))] or paths[:1]
    if len(able) < 2:
        return "".join(able)
    return next((path for path in able if load(user, path, using=using) is not None), None)


def load(user: AbstractBaseUser, backend: str, *, using: str) -> AbstractBaseUser | None:
    """Return a user as Django would load them for a session of its own, or ``None`` if they may not go on.

    One statement, or as many as the backend needs; none where backend and manager are Django's own.

    Args:
        user: The row of the user model, read past managers and backends.
        backend: The dotted path of the backend that signed the user in; empty if there was none.
        using: The database of the users.

    Returns:
        The object that backend or manager give, which may be of another class, or the row itself.

    Raises:
        TypeError: if the project's ``USER_AUTHENTICATION_RULE`` does not return a bool.
    """
    is_configured = not backend or backend in settings.AUTHENTICATION_BACKENDS
    if not is_active(user) or not is_configured:
        return None
    loaded = _backend(backend)
    try:
        given = _given(user, loaded, using)
    except ObjectDoesNotExist:
        return None
    return given if given is not None and _is_admitted(given, loaded) else None


def _is_admitted(user: AbstractBaseUser, backend: Any) -> bool:
    if not is_active(user):
        return False
    can_authenticate = getattr(backend, "user_can_authenticate", None)
    return (can_authenticate is None or bool(can_authenticate(user))) and follows_rule(user)


def _given(user: AbstractBaseUser, backend: Any, using: str) -> AbstractBaseUser | None:
    """Return what the backend gives for a user, or the default manager where the backend leaves it to that."""
    if _can_load(backend) and type(backend).get_user is not _class(_MODEL_BACKEND).get_user:
        return cast(AbstractBaseUser | None, backend.get_user(user_key(user)))
    manager: Any = get_user_model()._default_manager
    kind: Any = type(manager)
    if _is_plain(kind, manager._queryset_class):
        return user
    # From the database that is written, as the session.
    return cast(AbstractBaseUser, manager.db_manager(using).get(pk=user_key(user)))


def _can_load(backend: Any) -> bool:
    """Tell whether a backend can load users. Some only authenticate, or only grant permissions."""
    get_user = getattr(type(backend), "get_user", None)
    return get_user is not None and get_user is not _class(_BASE_BACKEND).get_user


@functools.cache
def _is_plain(manager: type[Any], queryset: type[Any]) -> bool:
    """Tell whether a manager finds every row, and gives it as it is: nothing that Django's own does is overridden."""
    if manager.get_queryset is not models.Manager.get_queryset or manager.get is not models.Manager.get:
        return False
    own = itertools.takewhile(lambda base: base is not models.QuerySet, queryset.__mro__)
    # Only what can run counts: each class has names of its own that say where it stands in the source.
    return not any(
        name in vars(models.QuerySet) and (callable(value) or hasattr(value, "__get__"))
        for base in own
        for name, value in vars(base).items()
    )


@functools.cache
def _class(path: str) -> Any:
    return import_string(path)


def _backend(path: str) -> Any:
    return _class(path)() if path else None


def follows_rule(user: AbstractBaseUser) -> bool:
    """Tell whether the project's ``USER_AUTHENTICATION_RULE``, if there is one, accepts a user.

    Raises:
        TypeError: if it does not return a bool.
    """
    source = conf.get_config().user_authentication_rule
    if source is None:
        return True
    rule = import_string(source) if isinstance(source, str) else source
    result = rule(user)
    if not isinstance(result, bool):  # a coroutine would count as true
        raise TypeError(f"{_RULE} must return a bool, not {type(result).__name__}.")
    return result
