"""Coroutines that are cancelled, because the client has hung up: what they do is not begun, or done whole."""

import asyncio
import contextlib
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncRequestFactory

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.views import TokenRefreshView

from .crowd import age_all, users

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 30


def run(main):
    """Run a coroutine, and close the connection of the thread in which its queries ran."""

    async def all_of_it():
        try:
            return await main()
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(all_of_it())


class Gate:
    """Holds who comes to it, until it is opened."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, *args, **kwargs):
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        return {}

    async def wait_until_reached(self):
        async with asyncio.timeout(PATIENCE):
            while not self.reached.is_set():
                await asyncio.sleep(0.001)


async def cancelled(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


async def settle():
    """Wait until the thread has done what it was given."""
    await sync_to_async(lambda: None)()


@pytest.fixture
def pair():
    (owner,) = users(1)
    pair = sessions.start(owner)
    age_all()
    return pair


def assert_whole_or_not_made(pair, made):
    session = RefreshToken.objects.get(pk=pair.session.pk)
    assert (session.generation, session.revoked_at) == (1 if made else 0, None)
    again = sessions.refresh(pair.refresh)  # the client has no answer, so it asks again
    assert again.session.generation == 1
    assert sessions.verify_refresh(again.refresh).pk == pair.session.pk


def test_a_refresh_that_has_begun_is_made_whole(pair, settings, between):
    settings.JWTAUTH = {**settings.JWTAUTH, "CLAIMS_HOOKS": ["tests.races.hooks.interrupt"]}
    gate = Gate()
    between.append(gate)

    async def main():
        task = asyncio.create_task(sessions.arefresh(pair.refresh))
        await gate.wait_until_reached()
        was_cancelled = cancelled(task)
        gate.opened.set()
        assert await was_cancelled
        await settle()

    run(main)
    between.clear()
    assert_whole_or_not_made(pair, made=True)


def test_a_refresh_that_has_not_begun_is_not_made(pair):
    gate = Gate()

    async def main():
        before = asyncio.create_task(sync_to_async(gate)())
        await gate.wait_until_reached()
        task = asyncio.create_task(sessions.arefresh(pair.refresh))
        await asyncio.sleep(0.01)
        assert await cancelled(task)
        gate.opened.set()
        await before
        await settle()

    run(main)
    assert_whole_or_not_made(pair, made=False)


@pytest.mark.parametrize("number", range(12))
def test_at_whatever_moment_it_is_cancelled(pair, number):
    async def main():
        task = asyncio.create_task(sessions.arefresh(pair.refresh))
        await asyncio.sleep(0.0005 * number)
        await cancelled(task)
        await settle()

    run(main)
    made = RefreshToken.objects.get(pk=pair.session.pk).generation == 1
    assert_whole_or_not_made(pair, made=made)


def test_a_request_whose_client_hangs_up(pair, settings, between):
    """Our view in an ASGI server: it is synchronous, so Django calls it in the thread, too."""
    settings.JWTAUTH = {**settings.JWTAUTH, "CLAIMS_HOOKS": ["tests.races.hooks.interrupt"]}
    gate = Gate()
    between.append(gate)
    request = AsyncRequestFactory().post("/", {"refresh": pair.refresh})

    async def main():
        task = asyncio.create_task(sync_to_async(TokenRefreshView.as_view())(request))
        await gate.wait_until_reached()
        was_cancelled = cancelled(task)
        gate.opened.set()
        await was_cancelled
        await settle()

    run(main)
    between.clear()
    assert_whole_or_not_made(pair, made=True)


def test_a_sign_in_and_a_revocation_that_are_cancelled(pair):
    gate = Gate()

    async def main():
        before = asyncio.create_task(sync_to_async(gate)())
        await gate.wait_until_reached()
        tasks = [
            asyncio.create_task(action)
            for action in (sessions.astart(pair.session.user), sessions.arevoke(pair.session.pk))
        ]
        await asyncio.sleep(0.01)
        assert [await cancelled(task) for task in tasks] == [True, True]
        gate.opened.set()
        await before
        await settle()

    run(main)
    (session,) = RefreshToken.objects.all()
    assert session.revoked_at is None
