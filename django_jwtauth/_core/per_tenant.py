"""What a process keeps for each tenant, for a limited number of them."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_TENANTS = 1000
"""For how many tenants a process keeps anything. The one that has not been used for the longest time is forgotten."""


class PerTenant(Generic[T]):
    """One object for each tenant, made when it is first needed.

    It has no lock: each operation of an ``OrderedDict`` is atomic, and a fork cannot leave a lock locked for ever.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        """Prepare; nothing is made yet.

        Args:
            make: Makes the object from the name of the tenant. Two threads may call it for the same one; both then get
                the same object.
        """
        self._make = make
        self._made: OrderedDict[str, T] = OrderedDict()

    def get(self, tenant: str) -> T:
        """Return the object of a tenant."""
        found = self._made.get(tenant)
        if found is None:
            found = self._made.setdefault(tenant, self._make(tenant))
            while len(self._made) > MAX_TENANTS:
                with contextlib.suppress(KeyError):
                    self._made.popitem(last=False)
        else:
            with contextlib.suppress(KeyError):  # another thread may have evicted it between these lines
                self._made.move_to_end(tenant)
        return found

    def items(self) -> list[tuple[str, T]]:
        """Return the tenants and their objects, as they are now."""
        return list(self._made.items())

    def forget(self) -> None:
        """Start again with no objects."""
        self._made.clear()
