"""On an event loop, a thread reads the list of each tenant from the tables of that tenant."""

import asyncio
import datetime
import sys
from types import ModuleType

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path
from rest_framework.request import Request

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from tests.tools.docs import FENCE, page
from tests.tools.http import bearer
from tests.tools.issuers import PATIENCE
from tests.tools.polling import thread_of
from tests.tools.tenants import ACME, GLOBEX, WITH_SCHEMAS


async def stateless(request):
    """A view that authenticates on the loop."""
    user, token = StatelessJWTAuthentication().authenticate(Request(request))
    return JsonResponse({"user": user.pk, "sid": token.sid})


urlpatterns = [path("on-loop/", stateless)]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    threads = [thread_of(each) for _, each in revocation_cache._lists.items()]
    revocation_cache.forget()
    for thread in threads:
        if thread is not None:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def loop_world(world, settings, monkeypatch):
    """A project as the page describes it."""
    for name in ("project", "project.schemas", "project.tenants"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for block in FENCE.findall(page("docs/tenants.md")):
        for name in ("schemas", "tenants"):
            if block.startswith(f"# project/{name}.py"):
                exec(compile(block, "docs/tenants.md", "exec"), vars(sys.modules[f"project.{name}"]))
    settings.ROOT_URLCONF = __name__
    settings.USE_X_FORWARDED_HOST = True
    if WITH_SCHEMAS:
        world.settings = {**world.settings, "TENANT": "project.schemas.current_schema"}
        first, *others = settings.MIDDLEWARE
        settings.MIDDLEWARE = [first, "project.schemas.SchemaMiddleware", *others]
    else:
        world.settings = {
            "TENANT": "project.tenants.current_tenant",
            "TENANT_CONTEXT": "project.tenants.use_tenant",
        }
        world.inside = sys.modules["project.tenants"].use_tenant
        settings.DATABASE_ROUTERS = ["project.tenants.TenantRouter"]
        settings.MIDDLEWARE = ["project.tenants.TenantMiddleware"]
    settings.JWTAUTH = world.settings
    return world


def get(name, raw):
    # The client of Django sets the header "Host" itself.
    headers = {"X-Forwarded-Host": f"{name}.example.com", **bearer(raw)["headers"]}

    async def main():
        try:
            return await AsyncClient().get("/on-loop/", headers=headers)
        finally:
            await sync_to_async(connections.close_all)()  # of the thread in which middleware runs

    return asyncio.run(main())


def test_each_tenant_s_list_is_read_from_its_own_tables(loop_world):
    pairs = {name: loop_world.sign_in(name) for name in (ACME, GLOBEX)}
    for name, pair in pairs.items():
        assert get(name, pair.access).json() == {"user": "1", "sid": str(pair.session.pk)}
    loop_world.revoke_elsewhere(ACME, pairs[ACME].session)
    for name in pairs:
        loop_world.make_list_old(name, 60)
    with pytest.raises(Exception, match="revoked"):
        get(ACME, pairs[ACME].access)
    assert get(GLOBEX, pairs[GLOBEX].access).status_code == 200
    assert not revocation_cache._lists.get(GLOBEX).latest.value.sids


def test_a_token_of_another_tenant_is_refused(loop_world):
    pair = loop_world.sign_in(ACME)
    with pytest.raises(Exception, match="invalid"):
        get(GLOBEX, pair.access)


def test_the_thread_ends_soon_since_there_may_be_many(loop_world, settings, monkeypatch):
    monkeypatch.setattr(revocation_cache, "is_testing", lambda: False)
    settings.JWTAUTH = {**loop_world.settings, "REVOCATION_POLL_INTERVAL": datetime.timedelta(milliseconds=1)}
    get(ACME, loop_world.sign_in(ACME).access)
    known = revocation_cache._lists.get(ACME)
    thread = thread_of(known)
    assert thread.is_alive()
    known._used_on_loop -= revocation_cache.TENANT_LOOP_IDLE_SECONDS
    thread.join(PATIENCE)
    assert thread_of(known) is None


def test_without_a_context_for_the_thread_it_says_so(loop_world, settings):
    pair = loop_world.sign_in(ACME)
    settings.JWTAUTH = {key: value for key, value in loop_world.settings.items() if key != "TENANT_CONTEXT"}
    with pytest.raises(ImproperlyConfigured, match="set JWTAUTH\\['TENANT_CONTEXT'\\] to a function"):
        get(ACME, pair.access)


def test_a_context_of_another_tenant_is_noticed(loop_world, settings):
    settings.JWTAUTH = {**loop_world.settings, "TENANT_CONTEXT": lambda name: loop_world.inside(GLOBEX)}
    with (
        pytest.raises(ImproperlyConfigured, match="for the tenant 'acme', JWTAUTH\\['TENANT'\\] names another one"),
        conf.tenant_context(ACME),
    ):
        pass


def test_the_purge_of_the_page_goes_through_all_tenants(loop_world, capsys):
    (block,) = [each for each in FENCE.findall(page("docs/tenants.md")) if each.startswith("# project/purge.py")]
    if WITH_SCHEMAS:
        sys.modules["project.tenants"].use_tenant = loop_world.inside
    found = {}
    exec(compile(block, "docs/tenants.md", "exec"), found)
    for name in (ACME, GLOBEX):
        pair = loop_world.sign_in(name)
        with loop_world.inside(name):
            sessions.revoke(pair.session)
            type(pair.session).objects.update(revoked_at=pair.session.created_at - datetime.timedelta(days=99))
    found["purge"]([ACME, GLOBEX])
    assert [loop_world.rows(name) for name in (ACME, GLOBEX)] == [[], []]
    assert capsys.readouterr().out.count("refresh tokens (sessions): 1 deleted") == 2
