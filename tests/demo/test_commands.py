"""What the example's commands refuse, and its settings, checks and accounts."""

import itertools
import logging
import socket
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from django_jwtauth import sessions
from example_project.demo import accounts
from example_project.demo.management.commands.demo import _is_worth_a_line
from tests.tools.demo import OPTIONS, broken, free_port, manage, manage_each


@pytest.mark.parametrize(
    ("level", "request_line", "shown"),
    [
        (logging.INFO, "GET /.well-known/jwt-revocations HTTP/1.1", False),
        (logging.INFO, "GET /.well-known/jwt-revocations/changes HTTP/1.1", False),
        (logging.ERROR, "GET /.well-known/jwt-revocations HTTP/1.1", True),
        (logging.INFO, "GET /.well-known/jwks.json HTTP/1.1", True),
        (logging.INFO, "POST /api/auth/logout/ HTTP/1.1", True),
    ],
)
def test_polls_of_the_stock_service_are_not_worth_a_line(level, request_line, shown):
    record = logging.LogRecord("django.server", level, "", 0, '"%s" %s %s', (request_line, "200", "1"), None)
    assert _is_worth_a_line(record) is shown


@pytest.mark.long
def test_demo_refuses_ports_that_are_taken_or_cannot_be_used_and_does_nothing(environment, tmp_path):
    one, two = str(free_port()), str(free_port())
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        wrong = {
            **{
                tuple(taken if name == option else str(free_port()) for name in OPTIONS): (
                    f"Port {taken} is in use by another program. Choose another: manage.py demo {option} NUMBER"
                )
                for option in OPTIONS
            },
            (one, one, two): "The servers need three ports",
            (one, two, one): "The servers need three ports",
            ("0", one, two): "Port 0 cannot be used",
            (one, "65536", two): "Port 65536 cannot be used",
            (one, two, "65536"): "Port 65536 cannot be used",
        }
        calls = [["demo", *itertools.chain(*zip(OPTIONS, ports, strict=True))] for ports in wrong]
        results = manage_each(environment, *calls)
    for arguments, message, (status, errors) in zip(calls, wrong.values(), results, strict=True):
        assert status == 1, arguments
        assert message in errors, arguments
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--check"]], ids=" ".join)
def test_demo_does_not_run_in_production(production, arguments):
    done = manage(production, *arguments)
    assert done.returncode == 1
    assert "only with DEBUG = True" in done.stderr
    assert not Path(production["DEMO_DATABASE"]).exists()


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DEMO_ISSUER", "DEMO_SIGNING_KEY_FILE"])
def test_what_is_the_demo_s_is_refused_in_production(production, name):
    done = manage({key: value for key, value in production.items() if key != name}, "check")
    assert done.returncode == 1
    assert f"ImproperlyConfigured: Without DEBUG, set {name} to " in done.stderr


@pytest.mark.parametrize("given", [{}, {"DEMO_ISSUER": ""}], ids=["unset", "empty"])
def test_stock_service_must_be_told_its_issuer_in_production(environment, given):
    done = manage(
        {**environment, "DJANGO_DEBUG": "0", **given}, "check", "--settings", "example_project.stock.settings"
    )
    assert done.returncode == 1
    assert "ImproperlyConfigured: Without DEBUG, set DEMO_ISSUER to " in done.stderr


def test_accounts_are_made_once_and_their_sessions_go_on(db):
    accounts.ensure(accounts.ADA)
    session = sessions.start(User.objects.get(username="ada")).session
    accounts.ensure(accounts.ADA)
    session.refresh_from_db()
    assert session.revoked_at is None
    assert User.objects.get().check_password(accounts.ADA.password)


def test_accounts_have_the_printed_password_again(db):
    accounts.ensure(accounts.ADMIN)
    admin = User.objects.get()
    admin.set_password("another")
    admin.is_active = False
    admin.save()
    accounts.ensure(accounts.ADMIN)
    admin.refresh_from_db()
    assert admin.check_password(accounts.ADMIN.password)
    assert admin.is_active
    assert admin.is_superuser


@pytest.mark.parametrize("settings", [f"example_project.{name}settings" for name in ("", "stock.", "page.")])
def test_checks_find_nothing(environment, settings):
    done = manage(environment, "check", "--fail-level", "DEBUG", "--settings", settings)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_deploy_checks_find_nothing_of_ours(environment, production, tmp_path):
    for mode in (environment, production):
        done = manage(mode, "check", "--deploy")
        assert done.returncode == 0, done.stderr
        assert "(jwtauth." not in done.stderr
    locmem = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}"
    assert "(jwtauth.W002)" in manage(broken(environment, tmp_path, locmem), "check", "--deploy").stderr


def test_no_migration_is_missing(environment):
    done = manage(environment, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout
