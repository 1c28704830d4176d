"""A user model in several tables whose manager hides some users; and one that does not inherit from Django's."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.tools.processes import ROOT

# Each project is a process of its own.
pytestmark = pytest.mark.long

PROLOGUE = """
import datetime
import django

django.setup()
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient
from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tables.models import Customer, Member, Name, Person

call_command("migrate", run_syncdb=True, verbosity=0)
client = APIClient()

def call(access, path="/whoami/"):
    return client.get(path, headers={"Authorization": f"Bearer {access}"})

def post(path, **body):
    return client.post(f"/auth/{path}/", body)
"""


def run(script, user_model):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROLOGUE + textwrap.dedent(script)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.tables.settings", "USER_MODEL": user_model},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_default_manager_decides_who_goes_on_and_in_which_class():
    script = """
        from django.contrib.auth.signals import user_logged_out
        from django_jwtauth.authentication import JWTAuthentication
        from django_jwtauth.errors import InvalidTokenError

        def age():
            RefreshToken.objects.update(rotated_at=RefreshToken.objects.now() - datetime.timedelta(hours=1))

        def make(cls, email, **more):
            user = cls(email=email, **more)
            user.set_password("correct horse")
            user.save()
            return user

        def hide(user, is_removed):
            Person.everybody.filter(pk=user.pk).update(is_removed=is_removed)

        ada, bob = make(Customer, "ada@example.com", tier="gold"), make(Customer, "bob@example.com", tier="staff")
        signed_in = post("token", email=ada.email, password="correct horse").json()

        # The class is the one that Django gives, for one more statement.
        with CaptureQueriesContext(connection) as queries:
            user, token = JWTAuthentication().authenticate_token(signed_in["access"])
        assert (type(user), len(queries)) == (Customer, 2), queries.captured_queries
        assert token.claims["tier"] == "gold"
        age()
        with CaptureQueriesContext(connection) as queries:
            pair = sessions.refresh(signed_in["refresh"])
        assert len(queries) == 3, queries.captured_queries
        user, token = JWTAuthentication().authenticate_token(pair.access)
        assert (type(pair.session.user), token.claims["tier"]) == (Customer, "gold")

        # The hash is that of this class: another tier ends the session.
        Customer.objects.filter(pk=ada.pk).update(tier="iron")
        assert call(pair.access).json()["reason"] == "password_changed"
        Customer.objects.filter(pk=ada.pk).update(tier="gold")
        assert call(pair.access).status_code == 200

        # A hidden user is refused everywhere, and comes back with the session.
        for email in (ada.email, bob.email):
            assert post("token", email=email, password="correct horse").status_code == 200
        caller = sessions.start(bob).access
        def introspect(token, **more):
            headers = {"Authorization": f"Bearer {caller}"}
            return client.post("/auth/token/introspect/", {"token": token, **more}, headers=headers).json()["active"]
        def answers():
            return [
                call(pair.access).status_code,
                post("token/verify", token=pair.access).status_code,
                post("token/verify", token=pair.refresh).status_code,
                post("token/refresh", refresh=pair.refresh).status_code,
                introspect(pair.access),
                introspect(pair.refresh, token_type_hint="refresh_token"),
            ]
        assert answers() == [200, 200, 200, 200, True, True], answers()
        hide(ada, True)
        assert answers() == [401, 401, 401, 401, False, False], answers()
        assert post("token", email=ada.email, password="correct horse").status_code == 401
        refused = call(pair.access).json()
        assert (refused["code"], refused["reason"]) == ("user_inactive", "user_inactive")
        assert call(pair.access, "/stateless/").status_code == 200  # until its next refresh
        assert not RefreshToken.objects.filter(revoked_at__isnull=False).exists()
        hide(ada, False)
        assert answers() == [200, 200, 200, 200, True, True]

        # So is an actor.
        acting = sessions.start(ada, actor=bob, refreshable=True)
        assert call(acting.access).status_code == 200
        hide(bob, True)
        assert call(acting.access).json()["reason"] == "user_inactive"
        assert post("token/refresh", refresh=acting.refresh).json()["reason"] == "user_inactive"
        hide(bob, False)

        # Django's signal names the class too.
        senders = []
        def listen(sender, **kwargs):
            senders.append(sender)
        user_logged_out.connect(listen)
        assert post("token/blacklist", refresh=sessions.start(ada).refresh).status_code == 200
        assert senders == [Customer], senders

        # A user who is no customer any more is still a user. One whose row is deleted is not.
        own = sessions.start(bob)
        Customer.objects.get(pk=bob.pk).delete(keep_parents=True)
        for session in (acting.session, own.session):
            session.refresh_from_db()
            assert session.revoked_at is None, session.revoked_reason
        # As for sessions of his own: the hash that his class had is gone.
        assert call(acting.access).json()["reason"] == call(own.access).json()["reason"] == "password_changed"
        Person.objects.get(pk=bob.pk).delete()
        for session in (acting.session, own.session):
            session.refresh_from_db()
            assert session.revoked_reason == "user_deleted"
        acting = sessions.start(ada, actor=make(Customer, "eve@example.com"))
        Customer.objects.get(email="eve@example.com").delete()  # all of her rows
        acting.session.refresh_from_db()
        assert acting.session.revoked_reason == "user_deleted"
    """
    run(script, "Person")


def test_users_without_is_active_are_active():
    script = """
        name = Name.objects.create(name="ada")
        answer = post("token", name="ada", password="correct horse")
        assert answer.status_code == 200, answer.content
        tokens = answer.json()
        assert call(tokens["access"]).status_code == 200
        assert post("token/refresh", refresh=tokens["refresh"]).status_code == 200
        assert post("token", name="ada", password="wrong").status_code == 401
        acting = sessions.start(name, actor=Name.objects.create(name="bob"))
        assert call(acting.access).status_code == 200
        name.save()
        name.save(update_fields=["name"])
        assert call(tokens["access"]).status_code == 200
        assert sessions.revoke_all(name) == 2
        assert call(tokens["access"]).json()["reason"] == "revoked"
    """
    run(script, "Name")


def test_a_user_of_two_tables_is_read_as_django_reads_it():
    script = """
        from django_jwtauth import compiled, reading

        customer = Customer(email="ada@example.com", tier="gold")
        customer.set_password("correct horse")
        customer.save()
        pair = sessions.start(customer)
        for statement, more in ((reading._by_id, {}), (reading._by_id_and_jti, {"jti": "j"})):
            values = {"pk": pair.session.pk, **more}
            (expected,) = statement.run_plain("default", values)
            for _ in range(3):
                (found,) = statement.run("default", values)
                assert type(found.user) is type(expected.user) is Customer
                assert vars(found.user) | {"_state": None} == vars(expected.user) | {"_state": None}
                assert vars(found.user._state) == vars(expected.user._state)
                assert found.get_deferred_fields() == expected.get_deferred_fields()
                with CaptureQueriesContext(connection) as captured:
                    assert (found.user.email, found.user.tier) == ("ada@example.com", "gold")
                assert not captured.captured_queries
        assert [plan.reader.is_proven for plan in compiled._plans.values() if plan.reader] == [True, True]
        assert call(pair.access).json()["claims"]["tier"] == "gold"
        RefreshToken.objects.update(rotated_at=pair.session.rotated_at - datetime.timedelta(hours=1))
        assert post("token/refresh", refresh=pair.refresh).status_code == 200
    """
    run(script, "Customer")


def test_a_model_with_a_key_of_its_own_never_lends_another_users_name():
    script = """
        from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
        from django_jwtauth.errors import InvalidTokenError

        others = [Person.objects.create(email=f"{number}@example.com") for number in range(3)]
        member = Member(email="ada@example.com")
        member.set_password("correct horse")
        member.save()
        assert (member.pk, member.id) == (others[0].pk, 4)
        pair = sessions.start(member)
        for authentication in (JWTAuthentication(), StatelessJWTAuthentication()):
            user, token = authentication.authenticate_token(pair.access)
            assert (str(user.pk), token.subject) == ("4", "4")
        assert sessions.refresh(pair.refresh).session.subject == "4"

        acting = sessions.start(others[2], actor=member)
        _, token = StatelessJWTAuthentication().authenticate_token(acting.access)
        assert (token.subject, token.actor) == ("3", "4")
        assert call(acting.access).status_code == 200
        assert sessions.revoke_all(others[0]) == 0  # whose key the member has
        assert call(acting.access).status_code == 200
        assert sessions.revoke_all(member) == 1
        for access in (pair.access, acting.access):
            for path in ("/whoami/", "/stateless/"):
                assert call(access, path).json()["reason"] == "revoked"
    """
    run(script, "Person")
