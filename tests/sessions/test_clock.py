"""The clock of a session is the database's, whatever the application servers' clocks and time zones say."""

import datetime
import time
import types

import pytest
from django.db import NotSupportedError, connection

from django_jwtauth import conf, sessions
from django_jwtauth.database import DatabaseNow, database_now, epoch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.clocks import server
from tests.tools.processes import run_script

HOUR = datetime.timedelta(hours=1)

EAST = {"mysql": ["SET time_zone = '+05:00'", "SET time_zone = DEFAULT"], "postgresql": ["SET TIME ZONE '+05'"]}


def read_now(how, pair):
    if how == "alone":
        return database_now("default")
    return RefreshToken.objects.with_clock().get().database_now


@pytest.mark.parametrize("how", ["alone", "with a row"])
def test_the_databases_clock_tells_the_right_time(pair, how):
    now = read_now(how, pair)
    assert abs(epoch(now) - time.time()) < 30
    assert now.utcoffset() == datetime.timedelta(0)


@pytest.mark.parametrize("how", ["alone", "with a row"])
def test_the_time_zone_of_the_connection_does_not_matter(pair, how):
    statements = EAST.get(connection.vendor, [])
    with connection.cursor() as cursor:
        for statement in statements[:1]:
            cursor.execute(statement)
        assert abs(epoch(read_now(how, pair)) - time.time()) < 30
        for statement in statements[1:]:  # elsewhere the end of the transaction takes it back
            cursor.execute(statement)


def test_an_unknown_database_is_an_error_that_names_it():
    with pytest.raises(NotSupportedError, match="oracle"):
        DatabaseNow().as_sql(None, types.SimpleNamespace(vendor="oracle"))


@pytest.mark.parametrize("minutes", [-5, 5], ids=["behind", "ahead"])
def test_two_servers_five_minutes_apart_agree_on_every_session(user, age, minutes):
    """Rotation, window and reuse are the same on both, and neither refuses the other's refresh tokens."""
    here, elsewhere = time.time, server(minutes)
    with elsewhere:
        pair = sessions.start(user)
        assert abs(epoch(pair.session.rotated_at) - here()) < 2
        assert abs(epoch(pair.session.expires_at) - here() - 90 * 86400) < 2
    assert sessions.refresh(pair.refresh).refresh == pair.refresh
    with elsewhere:
        assert sessions.refresh(pair.refresh).refresh == pair.refresh  # still in the window: nothing rotates

    age(pair.session, HOUR)
    second = sessions.refresh(pair.refresh).refresh
    with elsewhere:
        assert sessions.refresh(pair.refresh).refresh == second  # a replay
        assert sessions.refresh(second).refresh == second
    pair.session.refresh_from_db()
    age(pair.session, HOUR)
    with elsewhere:
        third = sessions.refresh(second).refresh
    assert sessions.refresh(second).refresh == third

    session = RefreshToken.objects.get()
    assert (session.generation, session.replays, session.revoked_at) == (2, 2, None)
    assert abs(epoch(session.rotated_at) - here()) < 5
    with elsewhere, pytest.raises(InvalidTokenError, match="reused"):
        sessions.refresh(pair.refresh)
    session.refresh_from_db()
    assert abs(epoch(session.revoked_at) - here()) < 5


def test_no_access_token_comes_from_the_future(user):
    """A server that is ahead takes the database's time, or every other service would refuse its tokens."""
    with server(5):
        pair = sessions.start(user)
    assert conf.get_config().verifier.verify(pair.access).subject == str(user.pk)


def test_projects_without_time_zones_work():
    """``USE_TZ = False``, in a zone that is not UTC, and with another one activated as a middleware may do."""
    script = """
        import os, time
        from datetime import datetime, timedelta

        os.environ["TZ"] = "America/New_York"  # as a settings module does; settings.configure() does not
        time.tzset()
        import django
        from django.conf import settings
        from tests import settings as base

        names = [name for name in dir(base) if name.isupper()]
        settings.configure(**{name: getattr(base, name) for name in names} | {
            "USE_TZ": False,
            "TIME_ZONE": "America/New_York",
            "DATABASES": {"default": base.DATABASES["default"] | {"TEST": {"MIGRATE": False, "NAME": None if
                "sqlite" in base.DATABASES["default"]["ENGINE"] else "test_jwtauth_without_zones"}}},
        })
        django.setup()
        from django.contrib.auth import get_user_model
        from django.test.utils import setup_databases, setup_test_environment, teardown_databases
        from django.utils import timezone
        from rest_framework.test import APIClient
        from django_jwtauth import revocation_cache, sessions
        from django_jwtauth.errors import InvalidTokenError
        from django_jwtauth.database import database_now, epoch
        from django_jwtauth.models import RefreshToken

        setup_test_environment()
        databases = setup_databases(0, False)
        try:
            user = get_user_model().objects.create_user("ada", password="correct horse")
            for zone in ("America/New_York", "Asia/Tokyo"):
                with timezone.override(zone):
                    now = database_now("default")
                    assert now.tzinfo is None
                    assert abs((now - datetime.now()).total_seconds()) < 30, now
                    assert abs(epoch(now) - time.time()) < 30, now
                    client = APIClient()
                    pair = sessions.start(user)
                    assert pair.expires_in in (299, 300), pair
                    headers = {"Authorization": f"Bearer {pair.access}"}
                    for path in ("/whoami/", "/stateless/", "/auth/sessions/"):
                        assert client.get(path, headers=headers).status_code == 200, path
                    again = sessions.refresh(pair.refresh)
                    assert again.refresh == pair.refresh
                    sessions.blacklist(again.access)
                    for path in ("/whoami/", "/stateless/"):
                        answer = client.get(path, headers={"Authorization": f"Bearer {again.access}"})
                        assert answer.json()["reason"] == "revoked", path
                    row = RefreshToken.objects.filter(pk=pair.session.pk)
                    row.update(rotated_at=now - timedelta(hours=1))
                    assert sessions.refresh(pair.refresh).session.generation == 1
                    assert sessions.refresh(pair.refresh).session.generation == 1
                    row.update(rotated_at=now - timedelta(hours=1))
                    try:
                        sessions.refresh(pair.refresh)
                    except InvalidTokenError as error:
                        assert error.reason == "reused"
                    else:
                        raise AssertionError("reuse was not seen")
                    for path in ("/whoami/", "/stateless/"):
                        assert client.get(path, headers=headers).json()["reason"] == "revoked", path
        finally:
            teardown_databases(databases, 0)
    """
    run_script(script)
