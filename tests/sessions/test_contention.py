"""A refresh, while somebody else changes the same session."""

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction

from django_jwtauth import database, sessions
from django_jwtauth.errors import RefreshConflictError
from django_jwtauth.models import RefreshToken
from tests.tools.sessions import age_of_code, change, now, refresh_token, refusal, row

# Somebody else comes between the reading of the row and its UPDATE.


@pytest.mark.django_db
def test_who_is_overtaken_by_a_rotation_gets_its_token(pair, between):
    age_of_code(pair)
    between(lambda session: change(session, generation=1, rotated_at=now()))
    assert sessions.refresh(pair.refresh).refresh == refresh_token(pair.session, 1)
    assert row(pair.session)["replays"] == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda session: sessions.revoke(session.pk), "revoked"),
        (lambda session: session.user.delete(), "revoked"),
        (lambda session: RefreshToken.objects.all().delete(), "invalid"),
        (lambda session: change(session, generation=2, rotated_at=now()), "reused"),
    ],
    ids=["signed out", "user deleted", "purged", "rotated twice"],
)
def test_a_refresh_never_overrules_what_came_between(pair, between, action, reason):
    age_of_code(pair)
    between(action)
    assert refusal(pair.refresh) == reason
    assert not RefreshToken.objects.filter(revoked_at=None).exists()


def _upgrade_hash(session):
    """What a sign-in elsewhere does when the project has chosen a better hasher."""
    user = get_user_model().objects.get()
    user.set_password("correct horse")
    get_user_model().objects.update(password=user.password)
    session = RefreshToken.objects.get()
    session.bind(user)
    change(session, auth_hash=session.auth_hash)


@pytest.mark.django_db
def test_a_hash_upgrade_that_came_between_is_not_undone(pair, between):
    age_of_code(pair)
    between(_upgrade_hash)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    assert sessions.verify_refresh(renewed.refresh)


@pytest.mark.django_db
def test_who_is_overtaken_twice_is_asked_to_come_again(pair, between, client):
    age_of_code(pair)
    between(_upgrade_hash, _upgrade_hash)
    with pytest.raises(RefreshConflictError):
        sessions.refresh(pair.refresh)
    assert row(pair.session)["generation"] == 0
    between(_upgrade_hash, _upgrade_hash)
    response = client.post("/auth/token/refresh/", {"refresh": pair.refresh})
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert sessions.refresh(pair.refresh).session.generation == 1


class _CauseError(Exception):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def _contention(kind):
    error = OperationalError(1213 if kind == "mysql" else "busy")
    causes = {"postgresql": {"sqlstate": "40001"}, "sqlite": {"sqlite_errorname": "SQLITE_BUSY"}}
    error.__cause__ = _CauseError(**causes.get(kind, {}))
    return error


def failing_updates(error, *, times):
    """A hook of Django's around each statement (``connection.execute_wrapper``): the first UPDATEs fail."""
    left = [error] * times

    def wrapper(execute, sql, params, many, context):
        if left and sql.startswith("UPDATE"):
            raise left.pop()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "mysql"])
def test_contention_costs_nobody_anything(user, kind, monkeypatch):
    monkeypatch.setattr(database, "_MAX_PAUSE_SECONDS", 0)  # the races wait for real
    pair = sessions.start(user)
    age_of_code(pair)
    with failing_updates(_contention(kind), times=1):
        renewed = sessions.refresh(pair.refresh)  # the second try gets through
    assert renewed.session.generation == 1
    with failing_updates(_contention(kind), times=1000):
        assert sessions.refresh(pair.refresh).refresh == renewed.refresh  # the count of replays is no reason to refuse
    with failing_updates(_contention(kind), times=5):
        assert sessions.revoke(pair.session) == 1


@pytest.mark.django_db(transaction=True)
def test_another_failure_of_the_database_is_not_taken_for_contention(user):
    pair = sessions.start(user)
    age_of_code(pair)
    away = OperationalError("the server has gone away")
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.refresh(pair.refresh)
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.revoke(pair.session)
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    with failing_updates(away, times=1), pytest.raises(OperationalError, match="gone away"):
        sessions.refresh(pair.refresh)


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_a_statement_is_tried_once(user):
    """The transaction is broken already; only its owner can begin anew."""
    pair = sessions.start(user)
    with failing_updates(_contention("postgresql"), times=1), pytest.raises(OperationalError), transaction.atomic():
        sessions.revoke(pair.session)
    assert row(pair.session)["revoked_at"] is None


@pytest.mark.django_db(transaction=True)
def test_a_refresh_inside_a_transaction_raises_at_once_and_says_why(user, django_assert_num_queries):
    pair = sessions.start(user)
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        sessions.refresh(pair.refresh)
    transaction.set_autocommit(False)
    try:
        with pytest.raises(RuntimeError, match="autocommit"):
            sessions.refresh(pair.refresh)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert sessions.refresh(pair.refresh).refresh == pair.refresh
