"""User names: how they are read, compared and shown, whatever kind of field ``USERNAME_FIELD`` is."""

import inspect
import unicodedata
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.db import DataError, connections, router
from django.db.models import Model
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .hash_upgrades import authenticate

MAX_LENGTH = 256
"""How long a user name may be, unless the field of the user model is longer. The throttles look no further."""

NOT_A_VALUE = (ArithmeticError, DataError, TypeError, ValidationError, ValueError)
"""What a field, or a query, raises for a text that is no value of the field."""


def max_length() -> int:
    """Return how many characters a user name may have."""
    return max(_field().max_length or 0, MAX_LENGTH)


def is_too_long(text: str) -> bool:
    """Tell whether a text has more characters than a user name may have."""
    return len(text) > MAX_LENGTH and len(text) > max_length()


def normalize(text: str) -> str:
    """Return a user name as Django's forms read it: without spaces around it, and in Unicode's form NFKC.

    A name that is too long is not normalized, because that may take long.
    """
    text = text.strip()
    return text if is_too_long(text) else unicodedata.normalize("NFKC", text)


def stored_form(text: str) -> str:
    """Return the one text for all those that mean the same value of the field, such as ``7``, ``07`` and ``+7``.

    Raises:
        ArithmeticError, DataError, TypeError, ValidationError, ValueError: if the text is no value of the field.
    """
    field = _field()
    alias = router.db_for_write(get_user_model())
    value = field.get_db_prep_value(field.to_python(text), connections[alias])
    return str(value.normalize() if isinstance(value, Decimal) else value)


def is_value(text: str) -> bool:
    """Tell whether a text can be the name of a user, as far as the field knows."""
    try:
        stored_form(text)
        # Some fields leave it to their validators, and then to the database. A foreign key has those of its target.
        field = _field().target_field if _field().is_relation else _field()
        field.run_validators(field.to_python(text))
    except NOT_A_VALUE:
        return False
    return True


def find(text: str) -> AbstractBaseUser | None:
    """Return the user of a name, found as Django's own backend finds it. One statement."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(normalize(text))
    except (model.DoesNotExist, model.MultipleObjectsReturned, *NOT_A_VALUE):
        return None


def lookup() -> str:
    """Return the path of the text that a search for names looks into. A foreign key itself cannot be searched."""
    field = _field()
    return f"{field.name}__{field.target_field.name}" if field.is_relation else str(field.name)


def shown(user: AbstractBaseUser) -> str:
    """Return the name of a user as text. Where the field is a foreign key, that is the key."""
    name: Any = user.get_username()
    return str(_field().value_from_object(user) if isinstance(name, Model) else name)


@sensitive_variables()  # for the frames of backends and hashers, in Django's own reports
def authenticate_by_name(request: HttpRequest, credentials: dict[str, Any]) -> AbstractBaseUser | None:
    """Call :func:`django.contrib.auth.authenticate` in such a way that each backend gets the name as it takes it.

    A text that is no value of ``USERNAME_FIELD`` is the name of nobody: backends that fail with it refuse it.

    Args:
        request: Django's request.
        credentials: Those that were sent. The name has the name of the user model's ``USERNAME_FIELD``.
    """
    field_name = get_user_model().USERNAME_FIELD
    if field_name not in credentials:
        return authenticate(request, **credentials)
    name = credentials[field_name]
    others = {key: value for key, value in credentials.items() if key != field_name}
    for parameters in _calls(field_name):
        given = dict.fromkeys(parameters, name)
        try:
            user = authenticate(request, **given, **others)
        except NOT_A_VALUE:
            if is_value(name):
                raise
            # As authenticate() does after a refusal.
            cleaned = given | dict.fromkeys(others, "********************")
            user_login_failed.send(sender="django.contrib.auth", credentials=cleaned, request=request)
        else:
            if user is not None:
                return user
    return None


def _calls(field_name: str) -> list[list[str]]:
    """Return how to call ``authenticate()``: for each call, under which parameters the backends get the name.

    Many backends take it as ``username``, because Django's forms pass it so, whatever ``USERNAME_FIELD`` is. Others
    take it under the name of the field. Django's own takes either. There is one call, unless some backends take only
    the one and others only the other: a second call asks some backends again, and reports a failure again.
    """
    if field_name == "username":
        return [[field_name]]
    both = {field_name, "username"}
    needed: set[str] = set()
    can_take_both = True
    for backend in get_backends():
        parameters = inspect.signature(backend.authenticate).parameters
        is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        named = both & parameters.keys()
        can_take_both &= is_open or named == both
        if field_name in named or (is_open and not named):
            needed.add(field_name)
        elif named and not _is_djangos(backend):
            needed.add("username")
    if needed == both and not can_take_both:
        return [[field_name], ["username"]]
    return [sorted(needed) or [field_name]]


def _is_djangos(backend: Any) -> bool:
    return getattr(backend.authenticate, "__func__", None) is ModelBackend.authenticate


def _field() -> Any:
    model = get_user_model()
    return model._meta.get_field(model.USERNAME_FIELD)
