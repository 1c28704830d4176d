"""The functions for coroutines: they do what their twins do, and no query runs on the event loop."""

import asyncio
import inspect
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from django_jwtauth import authentication, conf, sessions
from django_jwtauth.asynchronous import asynchronous
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken

pytestmark = pytest.mark.django_db(transaction=True)
FUNCTIONS = {name for name in sessions.__all__ if inspect.isfunction(getattr(sessions, name))}
TWINS = {name for name in FUNCTIONS if inspect.iscoroutinefunction(getattr(sessions, name))}
CLASSES = [
    authentication.JWTAuthentication,
    authentication.JWTCookieAuthentication,
    authentication.StatelessJWTAuthentication,
    authentication.StatelessJWTCookieAuthentication,
]


def test_each_function_has_a_twin_with_its_arguments():
    plain = FUNCTIONS - TWINS - {"keep"}  # it belongs into a transaction, which coroutines cannot open
    assert {f"a{name}" for name in plain} == TWINS
    for name in plain:
        twin = getattr(sessions, f"a{name}")
        assert inspect.signature(twin) == inspect.signature(getattr(sessions, name))
        assert twin.__name__ == f"a{name}"
        assert f":func:`{name}`" in twin.__doc__


@async_to_sync
async def a_life(user):
    pair = await sessions.astart(user, amr=["pwd"])
    assert (await sessions.averify_refresh(pair.refresh)).pk == pair.session.pk
    again = await sessions.arefresh(pair.refresh)
    assert (await sessions.afind_by_refresh_token(again.refresh)).pk == pair.session.pk
    assert (await sessions.afind_by_any_token(again.access)).pk == pair.session.pk
    await sessions.astep_up(pair.session, amr=["otp"])
    other = await sessions.astart(user)
    user.set_password("battery staple")
    await sessions.asave_password(user, keep=pair.session)
    with pytest.raises(InvalidTokenError):
        await sessions.arefresh(other.refresh)
    await sessions.ablacklist((await sessions.arefresh(pair.refresh)).access)
    assert await sessions.arevoke(pair.session.pk) == 1
    assert await sessions.arevoke_all(user) == 0
    assert (await sessions.arevoke_everyone()).pk
    return pair.session.pk


def test_a_session_from_its_start_to_its_end(user):
    session = RefreshToken.objects.get(pk=a_life(user))
    assert (session.amr, session.revoked_reason != "") == (["otp"], True)


def test_they_run_where_djangos_queries_run(user):
    @async_to_sync
    async def main():
        found = await asynchronous(threading.get_ident)()
        assert found == await sync_to_async(threading.get_ident)()
        with pytest.raises(SynchronousOnlyOperation):
            sessions.start(user)
        assert not await RefreshToken.objects.aexists()

    main()


def request(raw):
    return Request(APIRequestFactory().get("/", headers={"Authorization": f"Bearer {raw}"}))


@pytest.mark.parametrize("cls", CLASSES)
def test_authentication(user, pair, cls):
    authentication.StatelessJWTAuthentication().authenticate_token(pair.access)  # no thread needs to read the list

    @async_to_sync
    async def main():
        found, token = await cls().aauthenticate(request(pair.access))
        assert (str(found.pk), token.sid) == (str(user.pk), str(pair.session.pk))
        with pytest.raises(InvalidTokenError, match="wrong_type"):
            await cls().aauthenticate(request(pair.refresh))

    main()


def test_the_stateless_class_needs_no_thread(pair):
    authentication.StatelessJWTAuthentication().authenticate_token(pair.access)
    threads = set()

    class Watched(authentication.StatelessJWTAuthentication):
        def authenticate_token(self, raw):
            threads.add(threading.get_ident())
            return super().authenticate_token(raw)

    asyncio.run(Watched().aauthenticate(request(pair.access)))
    assert threads == {threading.get_ident()}


def test_a_stateless_class_of_a_project_that_does_query(user, pair):
    class Loading(authentication.StatelessJWTAuthentication):
        def authenticate_token(self, raw):
            _, token = super().authenticate_token(raw)
            return type(user).objects.get(pk=token.subject), token

    authentication.StatelessJWTAuthentication().authenticate_token(pair.access)

    @async_to_sync
    async def main():
        return await Loading().aauthenticate(request(pair.access))

    assert main()[0] == user


def test_the_check_of_cookies_is_not_made_on_the_loop(pair, settings):
    """It reads the body, and perhaps Django's session."""
    settings.CSRF_USE_SESSIONS = True
    name = conf.get_config().cookies.access_name
    authentication.StatelessJWTAuthentication().authenticate_token(pair.access)
    threads = set()

    class Watched(authentication.StatelessJWTCookieAuthentication):
        def authenticate(self, request):
            threads.add(threading.get_ident())
            return None

    given = APIRequestFactory().post("/", headers={"Cookie": f"{name}={pair.access}"})
    loop_thread = asyncio.run(both(Watched().aauthenticate(Request(given))))
    assert threads
    assert loop_thread not in threads
    assert connection.connection is not None


async def both(coroutine):
    await coroutine
    return threading.get_ident()
