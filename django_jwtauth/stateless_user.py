"""The user of a request that was authenticated by its token alone. All data comes from the token, not a database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from .verifier import AccessToken


class GroupName(str):
    """The name of a group. Like a group of Django, it has the attribute ``name``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The same."""
        return str(self)


class GroupNames(tuple[GroupName, ...]):
    """The names of the groups in a token, with the methods of Django's ``user.groups`` that need nothing but names."""

    __slots__ = ()

    def all(self) -> Self:
        """Return all of them."""
        return self

    def filter(self, **lookups: Any) -> Self:
        """Return those that match.

        Args:
            lookups: ``name`` or ``name__in``.

        Raises:
            TypeError: for any other lookup, because the token contains only names.
        """
        if not lookups.keys() <= {"name", "name__in"}:
            raise TypeError("A token has only the names of groups: filter them by name or name__in.")
        wanted = [{lookups["name"]}] if "name" in lookups else []
        wanted += [set(lookups["name__in"])] if "name__in" in lookups else []
        return type(self)(name for name in self if all(name in names for names in wanted))

    def exists(self) -> bool:
        """Tell whether there are any."""
        return bool(self)

    def values_list(self, *names: str, flat: bool = False) -> Any:
        """Return the names: as text if ``flat``, otherwise in tuples of one.

        Raises:
            TypeError: for any field but ``name``.
        """
        if names != ("name",):
            raise TypeError("A token has only the names of groups: ask for the values of 'name'.")
        return list(self) if flat else [(name,) for name in self]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"A token has only the names of groups. They have no {name!r}: use all(), filter(name=…).")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """The identity of a stateless user."""

    issuer: str
    """The token's ``iss``. A subject is unique per issuer only, so issuer and ``pk`` together identify the user."""
    pk: str
    """The token's ``sub``."""
    token: AccessToken = field(compare=False, repr=False)
    """The verified token, with all its claims."""


class StatelessUser(_Identity):
    """The user of a request that was authenticated by its token alone. The user need not exist in any database.

    The token's claims can be read as attributes: ``request.user.tenant``.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def is_staff(self) -> bool:
        """Whether the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_staff") is True

    @property
    def is_superuser(self) -> bool:
        """Whether the token says so; see :func:`django_jwtauth.hooks.staff`."""
        return self.token.claims.get("is_superuser") is True

    @property
    def groups(self) -> GroupNames:
        """The names of the groups in the token; see :func:`django_jwtauth.hooks.groups`.

        A tuple of names, which also answers ``filter(name=…)``, ``exists()``, ``all()`` and ``values_list("name")``.
        """
        return GroupNames(map(GroupName, self._names("groups")))

    @property
    def id(self) -> str:
        """The same as ``pk``."""
        return self.pk

    def get_username(self) -> str:
        """Return the subject. Tokens need not contain a user name."""
        return self.pk

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Return the permissions in the token; see :func:`django_jwtauth.hooks.permissions`.

        Args:
            obj: For an object the result is empty, as in Django's own backend.
        """
        return set() if obj is not None else set(self._names("permissions"))

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the token contains a permission, like ``"orders.add_order"``, or belongs to a superuser."""
        return self.is_superuser or perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Tell whether :meth:`has_perm` is true for all of these permissions."""
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")  # as Django's does
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the token contains any permission of an app, or belongs to a superuser."""
        return self.is_superuser or any(perm.partition(".")[0] == app_label for perm in self.get_all_permissions())

    def _names(self, claim: str) -> tuple[str, ...]:
        value = self.token.claims.get(claim)
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()

    # Django's decorators for async views call these.

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        """Return the same as :meth:`get_all_permissions`."""
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """Return the same as :meth:`has_perm`."""
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Return the same as :meth:`has_perms`."""
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        """Return the same as :meth:`has_module_perms`."""
        return self.has_module_perms(app_label)

    def __str__(self) -> str:
        return self.pk

    def __getattr__(self, name: str) -> Any:
        # Called only if there is no such attribute. Copying and unpickling ask for names that must not be looked up.
        if not name.startswith("_") and name not in ("issuer", "pk", "token") and name in self.token.claims:
            return self.token.claims[name]
        raise AttributeError(f"The token has no claim {name!r}.")

    def __setattr__(self, name: str, value: Any) -> None:
        # Other packages cache values on the user, under private names: `rules` does so with groups.
        if not name.startswith("_"):
            raise AttributeError(f"A stateless user is read-only: {name!r} cannot be set.")
        object.__setattr__(self, name, value)


# What calling the class, and object.__setattr__() of a frozen dataclass, find each time: every request makes a user.
_new = object.__new__
_set_issuer, _set_pk, _set_token = (vars(_Identity)[name].__set__ for name in ("issuer", "pk", "token"))


def stateless_user(token: AccessToken) -> StatelessUser:
    """Return the user of a verified token."""
    user, said = _new(StatelessUser), token._statement
    _set_issuer(user, said.issuer)
    _set_pk(user, said.subject)
    _set_token(user, token)
    return user
