"""The second service as it is loaded before the workers are forked: with keys, list, threads, and locks that are held.

A fork copies locks but not the threads that would release them. Here that happens at each fork: another thread holds
all of ours when it comes.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from django.core.wsgi import get_wsgi_application

from django_jwtauth import conf

application = get_wsgi_application()

(verifier,) = conf.get_config().verifiers.values()
assert verifier.keys.get("unknown") is None
assert verifier.keys.latest is not None
assert verifier.revocations.current() is not None

other_thread = ThreadPoolExecutor(1)


def locks():
    """Give the locks of this process."""
    for polled in (verifier.keys, verifier.revocations):
        yield from (polled._lock, polled._changed, polled._wake._cond)


def hold():
    """Take them all."""
    for lock in locks():
        lock.acquire()


def release():
    """Give them back."""
    for lock in locks():
        lock.release()


os.register_at_fork(
    before=lambda: other_thread.submit(hold).result(timeout=30),
    after_in_parent=lambda: other_thread.submit(release).result(timeout=30),
)
