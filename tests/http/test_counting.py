"""Counts in caches that can count in one step, and in those that cannot."""

import os
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command
from django.test import override_settings

from django_jwtauth import counting
from django_jwtauth.throttling import LoginThrottle
from tests.tools import caches
from tests.tools.products import each_row
from tests.tools.throttles import attempt, rates, request

FILES, REDIS = FileBasedCache(".pytest_tmp/counts", {}), RedisCache("redis://127.0.0.1:1", {})


@pytest.fixture
def file_cache(tmp_path):
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": str(tmp_path), "TIMEOUT": 1}}):
        yield


@each_row(
    ("backend", "expected"),
    [
        (LocMemCache("x", {}), True),
        (REDIS, True),
        (BaseMemcachedCache("127.0.0.1:1", {}, SimpleNamespace(Client=None), KeyError), True),
        (FILES, False),
        (DatabaseCache("x", {}), False),
        (DummyCache("x", {}), False),
        (caches.OwnLocMemCache("x", {}), True),
        (caches.OwnCountingCache(), True),
        (caches.PrometheusFileCache(".pytest_tmp/counts", {}), False),
        (caches.TimedFileCache(".pytest_tmp/counts", {}), False),
        (caches.NamingFileCache(".pytest_tmp/counts", {}), False),
        (caches.DecoratedFileCache(".pytest_tmp/counts", {}), False),
        (caches.TimedRedisCache("redis://127.0.0.1:1", {}), True),
        (caches.Wrapper(FILES), False),
        (caches.Wrapper(caches.Wrapper(FILES)), False),
        (caches.Wrapper(REDIS), True),
        (caches.LazyWrapper(FILES), False),
        (caches.LazyWrapper(REDIS), True),
        (object(), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_which_caches_count_in_one_step_whatever_they_are_called(backend, expected):
    assert counting.counts_atomically(backend) is expected


def test_what_is_patched_into_one_cache_changes_nothing():
    """The debug toolbar and tracers replace the methods of the object."""
    backend = FileBasedCache(".pytest_tmp/counts", {})
    backend.incr = lambda *args, **kwargs: FileBasedCache.incr(backend, *args, **kwargs)
    assert not counting.counts_atomically(backend)


def of_60_at_once():
    barrier = threading.Barrier(30)

    def one(number):
        if number < 30:
            barrier.wait(timeout=60)
        return LoginThrottle().allow_request(request({"username": "ada", "password": "wrong"}), None)

    with rates(login="10/hour"), ThreadPoolExecutor(30) as pool:
        return sum(pool.map(one, range(60)))


def test_the_threads_of_one_process_count_correctly_in_files(file_cache):
    assert of_60_at_once() == 10


def test_sign_ins_are_counted_and_taken_back_in_files(client, user, file_cache):
    with rates(login="2/hour"):
        answers = [attempt(client, password=password) for password in ("wrong", "correct horse", "wrong", "wrong")]
    assert answers == [401, 200, 401, 429]


def seconds_left(key):
    with open(cache._key_to_file(key), "rb") as file:
        return pickle.load(file) - time.time()


def test_a_count_lives_as_long_as_its_window_whatever_the_timeout_of_the_cache(file_cache):
    assert counting.increment("count", timeout=3600) == 1
    assert seconds_left("count") > 3500
    counting.decrement("count", timeout=3600)
    assert cache.get("count") == 0
    assert seconds_left("count") > 3500
    counting.decrement("gone", timeout=3600)
    assert counting.increment("gone", timeout=3600) == 1


def test_sign_ins_are_counted_in_the_database(db):
    backend = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "counts"}}
    with override_settings(CACHES=backend), rates(login="2/hour"):
        call_command("createcachetable", verbosity=0)
        body = {"username": "ada", "password": "wrong"}
        assert [LoginThrottle().allow_request(request(body), None) for _ in range(3)] == [True, True, False]


def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent(file_cache):
    with counting._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads and fork
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            os._exit(counting.increment("count", timeout=60))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    # The same in this process, where it can be seen.
    former = counting._lock
    counting._renew_lock()
    assert counting._lock is not former
