"""What only a schema for each tenant has: the public schema, commands, schemas without our tables."""

import asyncio
import datetime
import json

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_jwtauth import conf, database, patience, sessions, tenant_checks, tenants
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.tenants import ACME, GLOBEX


def test_the_public_schema_is_a_tenant_of_its_own(world):
    with world.inside("public"):
        assert conf.get_config().tenant == "public"
        user = get_user_model().objects.create_user("ada", "ada@example.com", "correct horse", id=1)
        pair = sessions.start(user)
        assert conf.get_config().verifier.verify(pair.access).subject == "1"
    try:
        assert world.client(ACME).get("/stateless/", **bearer(pair.access)).status_code == 401
    finally:
        with world.inside("public"):
            user.delete()
            RefreshToken.objects.all()._raw_delete("default")


def test_on_an_event_loop_the_connection_s_schema_does_not_count(world):
    async def name():
        return tenants.schema_name()

    async def config():
        return conf.get_config()

    with world.inside(ACME):
        with pytest.raises(RuntimeError, match="does not know the schema of the request"):
            asyncio.run(name())
        with pytest.raises(ImproperlyConfigured, match="does not name the current tenant"):
            asyncio.run(config())


def test_the_purge_runs_in_all_schemas(world, capsys):
    for name in (ACME, GLOBEX):
        pair = world.sign_in(name)
        with world.inside(name):
            sessions.revoke(pair.session)
            RefreshToken.objects.update(revoked_at=pair.session.created_at - datetime.timedelta(days=99))
    call_command("all_tenants_command", "jwtauth_purge")
    assert [world.rows(name) for name in (ACME, GLOBEX)] == [[], []]
    assert capsys.readouterr().out.count("refresh tokens (sessions): 1 deleted") == 2


def test_tokens_are_issued_in_one_schema(world, capsys):
    call_command("tenant_command", "jwtauth_issue", "ada", schema_name=ACME)
    issued = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert world.client(ACME).get("/whoami/", **bearer(issued["access"])).status_code == 200
    assert world.client(GLOBEX).get("/stateless/", **bearer(issued["access"])).status_code == 401
    assert world.rows(GLOBEX) == []


def statements(found):
    """Count what the library runs. django-tenants itself sets the search path now and then."""
    return sum("search_path" not in query["sql"] for query in found)


def test_a_table_that_is_in_one_schema_may_be_missing_in_another(world):
    """A migration that saves users may run in a schema that has no sessions yet."""
    database.forget_tables("default")
    for name in (ACME, GLOBEX):
        for queries in (1, 0):
            with world.inside(name), CaptureQueriesContext(connection) as found:
                assert database.has_table("default", RefreshToken._meta.db_table)
            assert statements(found) == queries


def test_authentication_takes_as_many_statements_as_without_tenants(world):
    pair = world.sign_in(ACME)
    client = world.client(ACME)
    counts = []
    for url, headers in (("/stateless/", bearer(pair.access)), ("/stateless/", {}), ("/whoami/", bearer(pair.access))):
        client.get(url, **headers)
        with CaptureQueriesContext(connection) as found:
            client.get(url, **headers)
        counts.append(statements(found))
    stateless, anonymous, by_session = counts
    assert (stateless - anonymous, by_session - anonymous) == (0, 1)


def test_the_check_is_content(world):
    call_command("check", deploy=False)
    assert tenant_checks.check_schemas() == []


def test_the_check_reports_schemas_that_are_not_told_apart(world, settings):
    settings.JWTAUTH = {}
    (found,) = tenant_checks.check_schemas()
    assert found.id == "jwtauth.W022"


def test_a_connection_is_never_left_behind_since_the_next_one_would_have_the_public_schema(world):
    with world.inside(ACME):
        assert patience._connection_to_lend() is None
