"""Counts in Django's cache ``default``. Several processes may change one at the same time, and none gets lost.

A cache without an atomic operation for this counts correctly only among the threads of one process.
"""

import functools
import inspect
import os
import threading
from typing import Any

from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.base import BaseCache


def increment(key: str, *, timeout: int) -> int:
    """Add one to a count, and return the count.

    Args:
        key: The key of the cache.
        timeout: How many seconds the cache keeps a new count.

    Returns:
        The count. 0 if the cache does not keep it even until the next line.
    """
    cache = caches[DEFAULT_CACHE_ALIAS]
    if not counts_atomically(cache):
        return _change(cache, key, 1, timeout)
    # The entry may expire or be evicted between the two calls. Then try once more.
    for _ in range(2):
        if cache.add(key, 1, timeout=timeout):
            return 1
        try:
            return int(cache.incr(key))
        except ValueError:
            continue
    return 0


def decrement(key: str, *, timeout: int) -> None:
    """Subtract one from a count, if there still is one; arguments as for :func:`increment`."""
    cache = caches[DEFAULT_CACHE_ALIAS]
    if not counts_atomically(cache):
        _change(cache, key, -1, timeout)
        return
    try:
        cache.decr(key)
    except ValueError:
        return  # the count is gone


def counts_atomically(backend: Any) -> bool:
    """Tell whether ``incr`` of a cache is one step, so that all processes together count correctly.

    Where a cache inherits it from Django's ``BaseCache``, as the file and the database cache do, it is three steps:
    ``get``, an addition, ``set``. A method that only calls the one that it overrides, or that of another cache, is as
    good as that one.

    Args:
        backend: A cache, such as ``django.core.cache.caches["default"]``.
    """
    # A wrapper may have no method of its own, and look all of them up in the cache that it wraps.
    owner = backend if hasattr(type(backend), "incr") else getattr(getattr(backend, "incr", None), "__self__", None)
    kind: Any = type(owner)
    found = _class_counts_atomically(kind)
    if found is None:
        return all(counts_atomically(inner) for inner in vars(owner).values() if isinstance(inner, BaseCache))
    return found


@functools.cache
def _class_counts_atomically(kind: Any) -> bool | None:
    """Return the same for the caches of a class; ``None`` if that depends on caches inside of them."""
    for cls in kind.__mro__:
        if "incr" not in vars(cls):
            continue
        method: Any = inspect.unwrap(vars(cls)["incr"])
        if method is inspect.unwrap(BaseCache.incr):
            return False
        names = set(getattr(getattr(method, "__code__", None), "co_names", ()))
        if "incr" not in names:
            return True
        if not names & {"super", *(base.__name__ for base in kind.__mro__)}:
            return None
    return True


def _change(cache: BaseCache, key: str, delta: int, timeout: int) -> int:
    """Change a count in a cache that cannot do so in one step, and return the count.

    The threads of this process wait for each other, so that at least they count correctly. A check warns of several
    processes. ``BaseCache.incr`` is not used: it would keep the count for the cache's own timeout.
    """
    with _lock:
        count: int = max(cache.get(key, 0) + delta, 0)
        cache.set(key, count, timeout=timeout)
        return count


_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
    os.register_at_fork(after_in_child=_renew_lock)
