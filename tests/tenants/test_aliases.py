"""What only a database for each tenant has: a router that knows no database without a tenant."""

import contextlib
import threading

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_jwtauth import checks, receivers, sessions
from tests.tools.http import bearer
from tests.tools.tenants import ACME, GLOBEX

_thread = threading.local()


def name_of_thread():
    """``TENANT`` of a project that keeps the tenant in a variable of the thread, and has a default."""
    return getattr(_thread, "tenant", ACME)


@contextlib.contextmanager
def use_in_thread(name):
    _thread.tenant = name
    try:
        yield
    finally:
        del _thread.tenant


class ThreadRouter:
    def db_for_read(self, model, **hints):
        return name_of_thread()

    db_for_write = db_for_read


class ThreadMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with use_in_thread(request.get_host().partition(".")[0]):
            return self.get_response(request)


def test_the_project_can_be_checked_without_a_tenant(world):
    call_command("check", deploy=True, databases=[ACME, GLOBEX], fail_level="CRITICAL")
    assert checks.check_databases() == []
    assert checks.check_clocks(databases=[ACME]) == []
    with world.inside(ACME):
        assert checks.check_clocks(databases=[ACME]) == []


@pytest.mark.parametrize("given", [{}, {"TENANT": 5}])
def test_without_the_setting_a_router_that_fails_is_the_project_s_fault(world, given):
    with override_settings(JWTAUTH=given), pytest.raises(LookupError):
        checks.check_databases()


def test_a_database_can_be_migrated_without_a_tenant(world):
    receivers.tables_were_created(using=ACME)
    with world.inside(ACME), CaptureQueriesContext(connections[ACME]) as found:
        receivers.tables_were_created(using=ACME)
    assert len(found) == 1  # it looks at once


def test_a_first_user_can_be_made_without_a_tenant(world, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse")
    call_command(
        "createsuperuser", database=ACME, interactive=False, username="grace", email="grace@example.com", verbosity=0
    )
    assert world.user(ACME, "grace").is_superuser


def test_a_user_who_is_saved_in_another_tenant_s_context_ends_no_session_there(world):
    """Both tenants have a user 1."""
    pair, other = world.sign_in(ACME), world.sign_in(GLOBEX)
    with world.inside(GLOBEX):
        user = get_user_model().objects.using(ACME).get()
        user.set_password("battery staple")
        user.save(using=ACME)
    assert [row["revoked_at"] for name in (ACME, GLOBEX) for row in world.rows(name)] == [None, None]
    with world.inside(GLOBEX):
        assert sessions.refresh(other.refresh)
    with world.inside(ACME), pytest.raises(Exception, match="password_changed"):
        sessions.refresh(pair.refresh)


def test_rows_of_one_tenant_are_in_its_database_only(world):
    world.sign_in(ACME)
    for name, count in ((ACME, 1), (GLOBEX, 0)):
        with connections[name].cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_jwtauth_refreshtoken")
            assert cursor.fetchone() == (count,)


@pytest.mark.parametrize("more", [{}, {"TENANT_CONTEXT": f"{__name__}.use_in_thread"}], ids=["alone", "with context"])
def test_no_thread_of_ours_takes_the_list_of_another_tenant(world, settings, more):
    settings.DATABASE_ROUTERS = [f"{__name__}.ThreadRouter"]
    settings.MIDDLEWARE = [f"{__name__}.ThreadMiddleware", *settings.MIDDLEWARE[1:]]
    settings.JWTAUTH = {"TENANT": f"{__name__}.name_of_thread"} | more
    with use_in_thread(GLOBEX):
        pair = sessions.start(get_user_model().objects.get())
    client = world.client(GLOBEX)
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    with use_in_thread(GLOBEX):
        sessions.revoke(pair.session)
    assert client.get("/stateless/", **bearer(pair.access)).json()["reason"] == "revoked"
