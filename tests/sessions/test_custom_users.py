"""A user model with a UUID and an e-mail address, in a project of its own: migrations, checks and all of a session."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.tools.processes import ROOT, run_script

# Each project is a process of its own.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run Python with the settings of that project, after its migrations."""
    database = tmp_path_factory.mktemp("customusers") / "db.sqlite3"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.customusers.settings", "DATABASE": str(database)}

    def run(*arguments, **more):
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=ROOT,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "django", "migrate", "--verbosity=0")
    return run


@pytest.mark.parametrize("subject_field", ["pk", "email", "id"])
def test_checks_pass(run, subject_field):
    assert "no issues" in run("-m", "django", "check", SUBJECT_FIELD=subject_field)


def test_no_migration_is_missing(run):
    assert "No changes detected" in run("-m", "django", "makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("subject_field", ["pk", "email"])
def test_sign_in_call_refresh_change_the_password(run, subject_field):
    script = """
        import datetime, os
        import django

        django.setup()
        from django.contrib.auth import get_user_model
        from rest_framework.test import APIClient
        from django_jwtauth import sessions
        from django_jwtauth.models import RefreshToken

        field = os.environ["SUBJECT_FIELD"]
        email = f"ada.{field}@example.com"
        user = get_user_model().objects.create_user(email, "correct horse")
        client = APIClient()

        def call(path, access):
            return client.get(path, headers={"Authorization": f"Bearer {access}"})

        refused = client.post("/auth/token/", {"username": email, "password": "correct horse"})
        assert refused.status_code == 400 and set(refused.json()) == {"email"}, refused.content
        answer = client.post("/auth/token/", {"email": email, "password": "correct horse"})
        assert answer.status_code == 200, answer.content
        first = answer.json()
        for path in ("/whoami/", "/stateless/"):
            seen = call(path, first["access"])
            assert seen.status_code == 200, seen.content
            assert seen.json()["claims"]["sub"] == str(getattr(user, field)), seen.content
        assert call("/whoami/", first["access"]).json()["user"] == str(user.pk)

        session = RefreshToken.objects.get(user=user)
        RefreshToken.objects.filter(pk=session.pk).update(rotated_at=session.rotated_at - datetime.timedelta(hours=1))
        second = client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()
        assert second["refresh"] != first["refresh"]
        assert call("/whoami/", second["access"]).status_code == 200
        assert len(call("/auth/sessions/", second["access"]).json()["results"]) == 1

        user.refresh_from_db()
        if field == "email":
            get_user_model().objects.filter(pk=user.pk).update(email="new." + email)
            gone = call("/whoami/", second["access"])
            assert (gone.status_code, gone.json()["code"]) == (401, "user_not_found"), gone.content
            user.refresh_from_db()
        user.set_password("new")
        user.save()
        for path in ("/whoami/", "/stateless/"):
            assert call(path, second["access"]).json()["reason"] == "revoked", path
        user.delete()
        session.refresh_from_db()
        assert (session.user, session.revoked_reason) == (None, "password_changed")
    """
    run("-c", textwrap.dedent(script), SUBJECT_FIELD=subject_field)


def test_a_user_model_without_anything_of_djangos():
    """What such a user starts ends as everybody's does: by call, at the endpoint, and when the user is deactivated."""
    run_script(
        """
        import django
        from django.conf import settings

        settings.configure(
            SECRET_KEY="a-secret-key-of-fifty-characters-0123456789-abcdef",
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            INSTALLED_APPS=[
                "django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_jwtauth",
                "tests.plainusers",
            ],
            AUTH_USER_MODEL="plainusers.Person",
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            ROOT_URLCONF="django_jwtauth.urls",
            ALLOWED_HOSTS=["*"],
        )
        django.setup()
        from django.core.management import call_command
        from rest_framework.test import APIClient
        from django_jwtauth import sessions
        from django_jwtauth.models import RefreshToken
        from tests.plainusers.models import Person

        call_command("migrate", run_syncdb=True, verbosity=0)
        ada = Person.objects.create(name="ada")
        first = sessions.refresh(sessions.start(ada).refresh)
        assert sessions.revoke_all(ada) == 1
        second, client = sessions.start(ada), APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {second.access}")
        assert client.post("/logout/all/").json() == {"revoked": 1}
        third = sessions.start(ada)
        ada.is_active = False
        ada.save()
        assert RefreshToken.objects.get(pk=third.session.pk).revoked_reason == "user_inactive"
        assert sessions.revoke_all(Person.objects.all()) == 0
        ada.delete()
        assert RefreshToken.objects.filter(user=None).count() == 3
        """
    )
