"""Users are saved although ``migrate`` has not created our tables yet: there are no sessions to end."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from django_jwtauth import database, receivers, sessions
from django_jwtauth.models import RefreshToken
from tests.tools.sessions import row

# MySQL and MariaDB commit when a table is renamed.
pytestmark = pytest.mark.django_db(transaction=True)

TABLE = RefreshToken._meta.db_table
BETTER = ["tests.tools.hashers.QuickScryptPasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]


def rename(old, new):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {connection.ops.quote_name(old)} RENAME TO {connection.ops.quote_name(new)}")


@pytest.fixture
def table_is_missing(user):
    """Until it is called, there is no table of sessions, and nobody has ever seen one."""
    database.forget_tables("default")
    rename(TABLE, "not_there_yet")
    created = []

    def create():
        if not created:
            created.append(True)
            rename("not_there_yet", TABLE)

    yield create
    create()


def new_password(user):
    user.set_password("changed")
    user.save()


def deactivation(user):
    user.is_active = False
    user.save(update_fields=["is_active"])


def better_hash(user):
    assert user.check_password("correct horse")
    assert user.password.startswith("scrypt$")


@pytest.mark.parametrize("save", [new_password, deactivation, better_hash])
def test_a_user_is_saved_and_the_transaction_goes_on(user, settings, table_is_missing, save):
    settings.PASSWORD_HASHERS = BETTER
    user.refresh_from_db()
    with transaction.atomic():
        save(user)
        stored = get_user_model().objects.get()
    assert (stored.password, stored.is_active) == (user.password, user.is_active)


def test_as_soon_as_the_table_is_there_sessions_end(user, table_is_missing):
    new_password(user)
    table_is_missing()
    session = sessions.start(user).session
    user.set_password("changed again")
    user.save()
    assert row(session)["revoked_reason"] == "password_changed"


def test_a_table_that_disappears_later_is_an_error(user):
    user.save()
    rename(TABLE, "gone")
    try:
        with pytest.raises(DatabaseError), transaction.atomic():
            user.save()
    finally:
        rename("gone", TABLE)


def test_the_table_is_looked_for_once(user, django_assert_num_queries):
    database.forget_tables("default")
    with django_assert_num_queries(3):
        user.save()
    with django_assert_num_queries(2):
        user.save()


def test_migrate_looks_for_the_table_so_that_nobody_else_has_to(user, django_assert_num_queries):
    database.forget_tables("default")
    call_command("migrate", verbosity=0)
    with django_assert_num_queries(2):
        user.save()


def test_nothing_is_looked_for_in_other_databases():
    receivers.tables_were_created(using="elsewhere")  # there is no such database, so looking would be an error


def test_an_unknown_database_is_taken_to_have_the_table(monkeypatch):
    monkeypatch.setattr(connection, "vendor", "oracle")
    assert database.has_table("default", "anything") is True
