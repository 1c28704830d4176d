"""A cache of files that counts correctly, so that the example needs no cache server."""

import os

from django.core.cache.backends.filebased import FileBasedCache
from django.core.files import locks


class CountingFileCache(FileBasedCache):
    """Django's file cache, whose counts the processes of one machine change one after the other.

    Django's own reads a count, adds to it and writes it, so that simultaneous requests could exceed a limit.
    """

    def incr(self, key, delta=1, version=None):
        self._createdir()
        with open(os.path.join(self._dir, "counting.lock"), "w") as file:
            locks.lock(file, locks.LOCK_EX)  # until the file is closed
            count = self.get(key, version=version)
            if count is None:
                raise ValueError(f"There is no count {key!r}.")
            count += delta
            self.set(key, count, version=version)
            return count
