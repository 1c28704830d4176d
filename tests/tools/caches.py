"""Caches of other people's projects: what counts in one step, and what only looks so."""

import functools

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache


def timed(method):
    @functools.wraps(method)
    def wrapper(*args, **kwargs):
        return method(*args, **kwargs)

    return wrapper


class OwnLocMemCache(LocMemCache):
    """A project's class with a name of its own."""


class PrometheusFileCache(FileBasedCache):
    """Overrides something else."""

    def get(self, *args, **kwargs):
        return super().get(*args, **kwargs)


class TimedFileCache(FileBasedCache):
    """Overrides the method, to call it."""

    def incr(self, key, delta=1, version=None):
        return super().incr(key, delta, version=version)


class NamingFileCache(FileBasedCache):
    """The same, in the way of long ago."""

    def incr(self, key, delta=1, version=None):
        return FileBasedCache.incr(self, key, delta, version=version)


class DecoratedFileCache(FileBasedCache):
    """The method with a decorator around it, as tracers leave it."""

    incr = timed(FileBasedCache.incr)


class TimedRedisCache(RedisCache):
    def incr(self, key, delta=1, version=None):
        return super().incr(key, delta, version=version)


class OwnCountingCache(BaseCache):
    """A project's cache, which counts in a way of its own."""

    def __init__(self, location="", params=None):
        super().__init__(params or {})

    def incr(self, key, delta=1, version=None):
        return 1


class Wrapper(OwnCountingCache):
    """Passes calls on to another cache."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def incr(self, key, delta=1, version=None):
        return self.inner.incr(key, delta, version=version)


class LazyWrapper:
    """Looks up everything in another cache."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)
