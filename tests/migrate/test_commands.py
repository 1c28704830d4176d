"""Import, status, and the end of the old tables."""

import contextlib
import re
import signal
import tracemalloc
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.urls import reverse
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import SlidingToken

from django_jwtauth import sessions
from django_jwtauth.contrib.simplejwt import tables
from django_jwtauth.contrib.simplejwt.admin import ExchangedTokenAdmin
from django_jwtauth.contrib.simplejwt.checks import check_settings
from django_jwtauth.contrib.simplejwt.exchange import _is_first
from django_jwtauth.contrib.simplejwt.models import ExchangedToken
from django_jwtauth.contrib.simplejwt.models import OutstandingToken as OurOutstandingToken
from django_jwtauth.contrib.simplejwt.reading import read, session_id_of
from django_jwtauth.models import RefreshToken
from django_jwtauth.secret import Secret
from tests.races.crowd import users
from tests.tools.admin import browser, html, superuser
from tests.tools.audit import told
from tests.tools.simplejwt import reason, refresh, sign_in

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    def isatty(self):
        return True


def run(name, *arguments, stdout=None):
    stdout = stdout or StringIO()
    call_command(name, *arguments, stdout=stdout)
    return stdout.getvalue()


def do_import(*arguments, **kwargs):
    return run("jwtauth_import_simplejwt", *arguments, **kwargs)


def test_outstanding_tokens_become_sessions(client, caplog):
    people = users(5)
    tokens = [sign_in(person) for person in people]
    tokens[1].blacklist()
    OutstandingToken.objects.filter(jti=tokens[2]["jti"]).update(expires_at=timezone.now())
    get_user_model().objects.filter(pk=people[3].pk).update(is_active=False)
    caplog.set_level("INFO", "django_jwtauth.security")
    assert "3 tokens are good; 2 sessions would be imported" in do_import("--dry-run")
    assert not told(caplog)
    assert not RefreshToken.objects.exists()
    assert "\r1 tokens, 1 sessions" in do_import("--batch-size=1", stdout=Terminal())
    assert told(caplog) == [{"event": "sessions_imported", "count": 1}] * 2
    assert "3 tokens are good; 0 sessions imported" in do_import()
    assert not told(caplog)
    assert set(RefreshToken.objects.values_list("pk", flat=True)) == {
        session_id_of(token["jti"]) for token in (tokens[0], tokens[4])
    }
    assert RefreshToken.objects.live().count() == 2


def test_an_imported_token_is_exchanged_into_its_own_session(client, user, age):
    old = sign_in(user)
    do_import()
    age(RefreshToken.objects.get(), timedelta(hours=1))
    successor = refresh(client, old).json()["refresh"]
    session = RefreshToken.objects.get()
    assert (session.pk, session.replays) == (session_id_of(old["jti"]), 0)
    assert refresh(client, old).json()["refresh"] == successor
    age(session, timedelta(hours=1))
    RefreshToken.objects.filter(pk=session.pk).update(rotated_at=timezone.now() - timedelta(hours=1))
    assert reason(refresh(client, old)) == "reused"


def test_simple_jwt_refuses_an_imported_token_once_it_is_exchanged(client, user, old):
    do_import()
    assert client.post("/old/token/refresh/", {"refresh": str(old)}, format="json").status_code == 200
    refresh(client, old)
    assert client.post("/old/token/refresh/", {"refresh": str(old)}, format="json").status_code == 401


def test_an_imported_token_is_exchanged_without_a_request_too(user, old, age):
    do_import()
    age(RefreshToken.objects.get(), timedelta(hours=1))
    session = RefreshToken.objects.get()
    assert sessions.refresh(str(old)).session == session
    assert RefreshToken.objects.get().rotated_at > session.rotated_at


def test_an_imported_session_that_was_ended_stays_ended(client, user, old):
    do_import()
    sessions.revoke(RefreshToken.objects.get())
    assert reason(refresh(client, old)) == "revoked"


def test_an_imported_token_with_another_password_is_refused(client, user, old, settings):
    settings.SIMPLE_JWT = {"CHECK_REVOKE_TOKEN": True}
    do_import()
    assert refresh(client, old).json()["code"] == "password_changed"


VERIFY = "/auth/token/verify/"


def drop(settings):
    """Drop the tables, inside the transaction of the test."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if not app.endswith("token_blacklist")]
    connection.check_constraints()  # for PostgreSQL, which drops no table while it has rows to check
    return run("jwtauth_drop_simplejwt", "--yes")


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_sign_out_at_simple_jwt_after_the_import_counts(client, user, old, settings, is_dropped):
    do_import()
    old.blacklist()
    if is_dropped:
        drop(settings)
        assert RefreshToken.objects.get().revoked_reason == "logout"
    for _ in range(2):
        assert reason(client.post(VERIFY, {"token": str(old)})) == "revoked"
        assert reason(refresh(client, old)) == "revoked"


@pytest.mark.parametrize("is_sliding", [False, True])
def test_what_simple_jwt_has_revoked_stays_revoked_without_its_tables(client, user, settings, is_sliding):
    if is_sliding:
        settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)}
    old, over, other = (SlidingToken.for_user(user) if is_sliding else sign_in(user) for _ in range(3))
    for token in (old, over):
        token.blacklist()
    OutstandingToken.objects.filter(jti=over["jti"]).update(expires_at=timezone.now() - timedelta(days=1))
    assert drop(settings) == "The tables were dropped.\n"
    assert reason(refresh(client, old)) == "revoked"
    assert reason(client.post(VERIFY, {"token": str(old)})) == "revoked"
    assert not RefreshToken.objects.exists()
    assert refresh(client, other).status_code == 200
    # One that was slid may be good for longer than its row says; an expired refresh token needs no row.
    assert ExchangedToken.objects.count() == (3 if is_sliding else 2)
    assert drop(settings) == "The tables were not there.\n"


def test_the_window_of_an_imported_token_counts_from_its_exchange(client, user, old, age):
    do_import()
    age(RefreshToken.objects.get(), timedelta(days=1))
    refresh(client, old)
    # What a request reads that has read the session before that one wrote, and the old token's row afterwards.
    RefreshToken.objects.update(rotated_at=timezone.now() - timedelta(minutes=1))
    assert refresh(client, old).status_code == 200
    assert RefreshToken.objects.get().revoked_at is None


def test_a_token_that_is_exchanged_while_its_row_is_read_is_not_taken_for_revoked(client, user, old):
    do_import()
    (row,) = ExchangedToken.objects.all()
    refresh(client, old)
    assert _is_first(read(Secret(str(old)), "refresh"), row) is False


@pytest.mark.parametrize(
    "end", [sessions.revoke_all, lambda user: sessions.revoke_everyone()], ids=["revoke_all", "revoke_everyone"]
)
def test_tokens_from_before_a_sign_out_are_not_imported(user, old, end):
    OutstandingToken.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    end(user)
    assert "1 tokens are good; 0 sessions imported" in do_import()


def test_users_whom_the_rule_refuses_are_not_imported(user, old, settings):
    settings.JWTAUTH = {"USER_AUTHENTICATION_RULE": lambda user: False}
    assert "0 sessions imported" in do_import()


def test_memory_is_bounded(user):
    def peak_of(rows):
        OutstandingToken.objects.bulk_create(
            OutstandingToken(
                user=user,
                jti=f"{rows}-{number}",
                token="x" * 300,
                created_at=timezone.now(),
                expires_at=timezone.now() + timedelta(days=1),
            )
            for number in range(rows)
        )
        tracemalloc.start()
        assert f"{rows} sessions imported" in do_import("--batch-size=50")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_of(1)  # what is kept for good
    assert peak_of(800) < 1.5 * peak_of(100)


def test_statements_are_bounded(django_assert_max_num_queries):
    for person in users(30):
        sign_in(person)
    with django_assert_max_num_queries(40):  # none for each token
        do_import("--batch-size=10")


@contextlib.contextmanager
def dropped_before_the_first_savepoint(settings):
    """Another process drops the tables after we have looked whether they are there, and before our statement."""
    dropped, is_dropping = [], []

    def execute(execute, sql, params, many, context):
        if not is_dropping and sql.startswith("SAVEPOINT"):
            is_dropping.append(True)
            dropped.append(drop(settings))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield
    assert dropped == ["The tables were dropped.\n"]


@pytest.mark.parametrize("is_blacklisted", [False, True])
def test_the_tables_may_go_while_an_old_token_is_judged(client, user, old, settings, is_blacklisted):
    if is_blacklisted:
        old.blacklist()
    with dropped_before_the_first_savepoint(settings):
        response = refresh(client, old)
    assert response.status_code == (401 if is_blacklisted else 200)


def test_the_tables_may_go_while_a_user_is_deleted(user, old, settings):
    with dropped_before_the_first_savepoint(settings):
        tables.user_will_be_deleted(user, using="default")
    assert get_user_model().objects.get() == user  # the transaction goes on


def test_other_errors_of_the_tables_stay_errors(client, old):
    def execute(execute, sql, params, many, context):
        if '"token_blacklist' in sql.replace("`", '"') and sql.startswith("SELECT"):
            raise ProgrammingError("permission denied")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute), pytest.raises(ProgrammingError):
        refresh(client, old)


def test_wrong_arguments():
    with pytest.raises(CommandError, match="at least 1"):
        do_import("--batch-size=0")
    with pytest.raises(CommandError, match="from INSTALLED_APPS first"):
        run("jwtauth_drop_simplejwt", "--yes")


def test_without_the_tables_there_is_nothing_to_import(old, monkeypatch):
    monkeypatch.setattr(OurOutstandingToken._meta, "db_table", "nowhere")
    with pytest.raises(CommandError, match="nothing to import"):
        do_import()


def test_nothing_is_dropped_unasked(old, settings):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "rest_framework_simplejwt.token_blacklist"
    ]
    with pytest.raises(CommandError, match="--yes"):
        run("jwtauth_drop_simplejwt")
    assert tables.are_there()


def test_status(client, user):
    old, other = sign_in(user), sign_in(user)
    assert "outstanding: 2" in run("jwtauth_simplejwt_status")
    refresh(client, old)
    text = run("jwtauth_simplejwt_status")
    assert "exchanged: 1\n" in text
    assert "outstanding: 1\n" in text
    assert "can be removed" not in text
    do_import()
    text = run("jwtauth_simplejwt_status")
    assert "imported and waiting for their client: 1\noutstanding: 0\n" in text
    assert "can be removed" not in text
    refresh(client, other)
    text = run("jwtauth_simplejwt_status")
    assert "the bridge can be removed" in text
    assert "never" not in text
    assert ExchangedToken.objects.filter(last_used_at__isnull=False).count() == 2


def test_from_the_day_until_on_the_bridge_can_go_whatever_is_left(old, settings):
    settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2020-01-01"}
    do_import()
    text = run("jwtauth_simplejwt_status")
    assert "waiting for their client: 1\n" in text
    assert "the bridge can be removed" in text


def test_an_interrupted_import_says_how_to_go_on(user):
    for _ in range(3):
        sign_in(user)
    inserts = []

    def execute(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            inserts.append(sql)
            if len(inserts) == 4:  # the last of the second batch
                signal.raise_signal(signal.SIGINT)
        return execute(sql, params, many, context)

    # A process that was started in the background may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with connection.execute_wrapper(execute), pytest.raises(CommandError, match="run the command again") as caught:
            do_import("--batch-size=1")
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.returncode == 130
    assert RefreshToken.objects.count() == ExchangedToken.objects.count() == 1
    assert "2 sessions imported" in do_import()


def test_the_admin_says_what_is_left(client, user, monkeypatch):
    staff = browser(superuser())
    url = reverse("admin:jwtauth_simplejwt_exchangedtoken_changelist")

    def shown():
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", html(staff.get(url)))).split())

    old, other = sign_in(user), sign_in(user)
    assert "in no session yet: 2. Last used: never. From Jan. 1, 2100 on, none is accepted." in shown()
    refresh(client, old)
    do_import()
    session = RefreshToken.objects.get(pk=session_id_of(old["jti"]))
    text = shown()
    assert "Exchanged: 1. Imported and waiting for their client: 1." in text
    assert "in no session yet: 0." in text
    assert ".. From" not in text  # after "p.m."
    assert text.index(str(session.pk)) < text.index(str(session_id_of(other["jti"])))
    assert "can be removed" not in text
    assert f'href="{reverse("admin:django_jwtauth_refreshtoken_change", args=[session.pk])}"' in html(staff.get(url))
    refresh(client, other)
    assert "the bridge can be removed" in shown()
    monkeypatch.setattr(OurOutstandingToken._meta, "db_table", "nowhere")
    assert "in no session yet: unknown." in shown()


def test_the_admin_links_to_sessions_only_where_they_are_shown(old):
    do_import()
    (row,) = ExchangedToken.objects.all()
    assert ExchangedTokenAdmin(ExchangedToken, AdminSite(name="other")).session(row) == str(row.pk)


def test_the_admin_counts_for_those_only_who_may_see_it(client, user, old, django_assert_max_num_queries):
    get_user_model().objects.filter(pk=user.pk).update(is_staff=True)
    staff = browser(get_user_model().objects.get(pk=user.pk))
    with django_assert_max_num_queries(6):
        answer = staff.get(reverse("admin:jwtauth_simplejwt_exchangedtoken_changelist"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "UNTIL"),
        ({"UNTIL": "soon"}, "must be a date"),
        ({"UNTIL": timezone.now()}, "must be a date"),
        ({"UNTIL": "2100-01-01", "KEEP_FIRST_TOKEN_UNTIL": 7}, "must be a date"),
        ({"UNTIL": "2100-01-01", "SINCE": 1}, "SINCE"),
        ([], "must be a dict"),
    ],
    ids=["missing", "word", "datetime", "number", "unknown", "list"],
)
def test_wrong_settings_are_named(settings, given, message):
    settings.JWTAUTH_SIMPLEJWT = given
    (problem,) = [found for found in run_checks(databases=["default"]) if found.id == "jwtauth_simplejwt.E001"]
    assert message in problem.msg


def test_tenants_are_refused_since_old_tokens_do_not_name_one(settings):
    settings.JWTAUTH = {"TENANT": "django_jwtauth.tenants.schema_name"}
    assert [found.msg for found in check_settings() if "which tenant" in found.msg]


def test_good_settings_are_silent():
    assert not [found for found in run_checks(databases=["default"]) if found.id.startswith("jwtauth_simplejwt")]
