"""Keeps Django from overwriting a password hash that has changed since it was read.

Where a better hasher is set, ``authenticate()`` stores a better hash of the password it has checked. It overwrites
whatever is stored by then: the hash of another sign-in at the same moment, whose session is bound to that one; or even
a new password.
"""

from contextvars import ContextVar
from typing import Any

from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError
from django.db.models import F, Value
from django.db.models.sql import UpdateQuery
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

_state: ContextVar[dict[str, bool] | None] = ContextVar("jwtauth_authenticating", default=None)
_KEPT = "_jwtauth_password_kept"  # on a user object whose stored hash is another than the one that was checked


@sensitive_variables()  # for the frames of backends and hashers, in Django's own reports
def authenticate(request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
    """Call :func:`django.contrib.auth.authenticate`. Where the stored hash has changed meanwhile, check that one too.

    Args:
        request: Django's request.
        **credentials: Those for the backends.
    """
    user = _authenticate(request, credentials)
    if user is not None and user.__dict__.pop(_KEPT, False):
        return _authenticate(request, credentials)
    return user


def is_authenticating() -> bool:
    """Tell whether a user who is saved now is saved by :func:`authenticate`."""
    return _state.get() is not None


def note_gone() -> None:
    """Note that the user who is about to be saved by :func:`authenticate` has been deleted. The save will fail."""
    state = _state.get()
    if state is not None:
        state["gone"] = True


def mark_kept(user: AbstractBaseUser) -> None:
    """Note that the stored hash is not the one that :func:`authenticate` has checked: it will check that one too."""
    user.__dict__[_KEPT] = True


class StoredHash(str):
    """A hash of a password that is stored already. Saving it leaves the column as it is, whatever is in it by then.

    To everybody else it is text.
    """

    __slots__ = ()

    def resolve_expression(self, query: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return what Django puts into a statement."""
        expression: Any = F("password") if isinstance(query, UpdateQuery) else Value(str(self))
        return expression.resolve_expression(query, *args, **kwargs)


@sensitive_variables()
def _authenticate(request: HttpRequest, credentials: dict[str, Any]) -> AbstractBaseUser | None:
    state = {"gone": False}
    token = _state.set(state)
    try:
        return auth.authenticate(request=request, **credentials)
    except DatabaseError:
        if state["gone"]:
            return None
        raise
    finally:
        _state.reset(token)
