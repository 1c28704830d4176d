"""What one test leaves in memory means nothing to the next, with Django's own test cases."""

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import TestCase, TransactionTestCase
from django.test.utils import _TestState
from rest_framework.test import APIClient

from django_jwtauth import conf, database, receivers, revocation_cache, sessions
from django_jwtauth._core.clock import issuer_clock
from django_jwtauth.models import RefreshToken
from django_jwtauth.test import reset_state
from tests.tools.http import TOKEN, bearer
from tests.tools.testcases import failures
from tests.tools.throttles import attempt, rates


def incident(self):
    pair = sessions.start(get_user_model().objects.create_user("ada"))
    sessions.revoke_everyone()
    assert APIClient().get("/stateless/", **bearer(pair.access)).status_code == 401


def something_else(self):
    pair = sessions.start(get_user_model().objects.create_user("grace"))
    assert APIClient().get("/stateless/", **bearer(pair.access)).status_code == 200


def guesses(self):
    with rates(login="1/min"):
        codes = [APIClient().post(TOKEN, {"username": "ada", "password": "x"}).status_code for _ in range(2)]
    assert codes == [401, 429]


def run(base, *functions):
    """Run tests of a class one after the other, as Django's runner does."""
    names = [f"test_{index}" for index in range(len(functions))]
    return failures(type("Tests", (base,), {"__module__": __name__, **dict(zip(names, functions, strict=True))}))


@pytest.mark.parametrize("base", [TestCase, TransactionTestCase])
@pytest.mark.parametrize("test", [incident, guesses])
def test_tests_do_not_see_what_others_did(real_database, base, test):
    assert run(base, test, something_else, test, something_else, test) == []


def test_test_cases_need_no_test_environment(real_database, monkeypatch):
    """A runner of a project's own may leave out setup_test_environment()."""
    monkeypatch.delattr(_TestState, "saved_data")
    monkeypatch.setitem(database._state, "has_test_cases", False)
    assert not database.is_testing()
    assert run(TestCase, incident, something_else, guesses, guesses, something_else) == []


def test_a_transaction_test_case_sees_nothing_of_a_test_case(real_database):
    assert run(TestCase, incident) == run(TransactionTestCase, something_else) == []


@pytest.mark.django_db
def test_resetting_forgets_everything(user, client, monkeypatch):
    pair = sessions.start(user)
    sessions.revoke(pair.session)
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 401
    RefreshToken.objects.update(revoked_at=None, revoked_reason="")
    config = conf.get_config()
    monkeypatch.setattr(issuer_clock, "_was_off", True)
    with rates(login="1/min"):
        assert [attempt(client), attempt(client)] == [401, 429]
        reset_state()
        assert attempt(client) == 401
    assert client.get("/stateless/", **bearer(pair.access)).status_code == 200
    assert conf.get_config() is not config
    assert issuer_clock._was_off is False


@pytest.mark.django_db
def test_a_test_of_a_project_may_still_count_its_own_attempts(client):
    with rates(login="2/min"):
        assert [attempt(client) for _ in range(3)] == [401, 401, 429]


def test_in_a_server_nothing_depends_on_the_process(monkeypatch):
    """All processes count the same attempts under the same keys."""
    monkeypatch.setitem(database._state, "scope", 0)
    assert database.test_scope() == (0, 0)
    assert revocation_cache._list.follow_tests() is None


@pytest.mark.django_db
def test_migrating_in_a_server_changes_no_key(monkeypatch):
    monkeypatch.setattr(database, "is_testing", lambda: False)
    before = database.test_scope()
    receivers.tables_were_created(using="default")
    assert database.test_scope() == before


def test_the_memory_mail_backend_does_not_make_a_server_a_test(monkeypatch):
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    monkeypatch.delattr(_TestState, "saved_data")
    monkeypatch.setitem(database._state, "has_test_cases", False)
    assert not database.is_testing()
    assert database.test_scope() == (database._state["scope"], 0)
