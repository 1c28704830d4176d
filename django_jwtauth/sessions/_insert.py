"""Writes a new session, if its user is still stored as the sign-in knows them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_save, pre_save

from ..compiled import Insert
from ..database import write
from ..errors import InvalidTokenError
from ..models import RefreshToken
from ..users import is_active, user_key

_PREFIX = "user__"  # tells what is asked of the user from the columns of the session


def identity(user: AbstractBaseUser) -> dict[str, Any]:
    """Return what has to be stored of a user for :func:`insert`, as far as the user model has columns for it.

    Args:
        user: The user as the session is bound to them. Hooks and receivers may change the object afterwards.
    """
    identity = {"pk": user_key(user)}
    return identity | {"password": user.password} if _has_column("password") else identity


def insert(session: RefreshToken, user: dict[str, Any], *, actor: dict[str, Any] | None = None) -> None:
    """Insert the row of a session. One statement; two if somebody acts as the user.

    Between the check of a password and this, a receiver or another request may deactivate or delete the user, or give
    them another password. That ends all sessions that are stored, and this one is not. So the statement looks at the
    stored user itself, and inserts nothing if that has happened. While it runs, it shares a lock on the user's row: a
    change of the user comes either before it, or after it and then sees the session.

    Args:
        session: The session, not stored yet.
        user: What :func:`identity` returned when the session was bound to the user.
        actor: The same of the person who acts as the user.

    Raises:
        InvalidTokenError: ``user_inactive`` or ``password_changed``, if a stored user is another by now. Nothing has
            been written.
    """
    using = RefreshToken.write_alias()
    about: dict[str, Any] = {"instance": session, "raw": False, "using": using, "update_fields": None}
    pre_save.send(sender=RefreshToken, **about)
    meta: Any = get_user_model()._meta
    places = {_PREFIX + name: meta.pk if name == "pk" else meta.get_field(name) for name in user}
    given = {_PREFIX + name: value for name, value in user.items()}
    statement = Insert(RefreshToken, _unchanged, lambda: RefreshToken.objects.bulk_create([session]), **places)
    row = {field.attname: field.pre_save(session, True) for field in RefreshToken._meta.concrete_fields}

    def run() -> int:
        if actor is None:
            return int(statement.run(using, row | given))
        with transaction.atomic(using=using):
            # The actor must be unchanged too. A lock holds the row until the session is stored.
            as_given = {_PREFIX + name: value for name, value in actor.items()}
            if not _unchanged(**as_given).using(using).select_for_update():
                raise _refusal(actor, using)
            return int(statement.run(using, row | given))

    if not write(run, using=using):
        raise _refusal(user, using)
    session._state.adding = False
    session._state.db = using
    post_save.send(sender=RefreshToken, created=True, **about)


def _refusal(user: dict[str, Any], using: str) -> InvalidTokenError:
    stored = get_user_model()._base_manager.using(using).filter(pk=user["pk"]).first()
    return InvalidTokenError("user_inactive" if stored is None or not is_active(stored) else "password_changed")


def is_stored(user: AbstractBaseUser) -> bool:
    """Tell whether a user has not been deleted. One statement."""
    users = get_user_model()._base_manager.using(RefreshToken.write_alias())
    return users.filter(pk=user_key(user)).exists()


def _unchanged(**given: Any) -> QuerySet[Any]:
    # No manager: rows of what one may give, such as distinct ones or with counts, cannot be locked.
    users: QuerySet[Any] = QuerySet(get_user_model())
    for name, value in given.items():  # one by one, in this order
        users = users.filter(**{name.removeprefix(_PREFIX): value})
    if _has_column("is_active"):
        users = users.filter(is_active=True)
    return users.order_by().values("pk")


def _has_column(name: str) -> bool:
    try:
        return bool(get_user_model()._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False
