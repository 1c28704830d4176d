"""The fixtures for pytest; also in projects that run it themselves, with tests that somebody would write."""

import os
import subprocess
import sys
import textwrap

import pytest

from django_jwtauth.test import AsyncJWTClient, JWTClient, make_token
from tests.tools.processes import ROOT

PROJECT = """
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_jwtauth"],
        JWTAUTH={
            "THROTTLE_RATES": {"login": "1/min", "login_address": None, "login_username": None},
            "TRUSTED_ISSUERS": {"https://auth.example.com": {"audience": "orders"}},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="urls",
        SECRET_KEY="a secret key that is long enough for everybody",
        USE_TZ=True,
    )
    django.setup()
"""
URLS = """
    from django.urls import include, path
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication

    class WhoAmI(APIView):
        authentication_classes = [JWTAuthentication]

        def get(self, request):
            return Response({"user": request.user.pk, "claims": request.auth and request.auth.claims})

    stateless = WhoAmI.as_view(authentication_classes=[StatelessJWTAuthentication])
    urlpatterns = [
        path("whoami/", WhoAmI.as_view()), path("stateless/", stateless), path("auth/", include("django_jwtauth.urls"))
    ]
"""
TESTS = """
    import asyncio
    import pytest
    from django.contrib.auth.models import User

    @pytest.fixture
    def ada(db):
        return User.objects.create_user("ada")

    def test_client(ada, jwtauth_client):
        assert jwtauth_client.get("/whoami/").json()["user"] is None
        jwtauth_client.sign_in(ada, scopes=["orders:read"])
        assert jwtauth_client.get("/whoami/").json()["claims"]["scope"] == "orders:read"

    @pytest.mark.django_db(transaction=True)
    def test_async_client(ada, jwtauth_async_client):
        async def go():
            await jwtauth_async_client.asign_in(ada)
            return (await jwtauth_async_client.get("/whoami/")).json()

        assert asyncio.run(go())["user"] == ada.pk

    def test_make_token(ada, jwtauth_client, jwtauth_make_token):
        headers = {"Authorization": f"Bearer {jwtauth_make_token(ada, fault='expired')}"}
        assert jwtauth_client.get("/whoami/", headers=headers).json()["reason"] == "expired"

    def test_issuer(jwtauth_client, jwtauth_issuer):
        jwtauth_client.sign_in("42", issuer=jwtauth_issuer)
        assert jwtauth_client.get("/stateless/").json()["user"] == "42"

    def test_issuer_of_several(settings, request):
        settings.JWTAUTH = {}
        with pytest.raises(pytest.fail.Exception, match="exactly one issuer"):
            request.getfixturevalue("jwtauth_issuer")

    @pytest.mark.parametrize("time", [1, 2])
    def test_reset(jwtauth_reset, client, django_db_blocker, time):
        with django_db_blocker.unblock():
            body = {"username": "nobody", "password": "x"}
            assert [client.post("/auth/token/", body).status_code for _ in range(2)] == [401, 429]
"""


def run(folder, *options):
    """Run a project's pytest in a process of its own, as its developers do."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS")
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**inherited, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def write(tmp_path):
    def write(**files):
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return tmp_path

    return write


def test_each_fixture_is_what_its_name_says(jwtauth_client, jwtauth_async_client, jwtauth_make_token, jwtauth_reset):
    assert type(jwtauth_client) is JWTClient
    assert type(jwtauth_async_client) is AsyncJWTClient
    assert jwtauth_make_token is make_token


def test_the_issuer_is_the_one_that_is_trusted(settings, request):
    with pytest.raises(pytest.fail.Exception, match="exactly one issuer"):
        request.getfixturevalue("jwtauth_issuer")


@pytest.fixture
def service(settings):
    settings.JWTAUTH = {"TRUSTED_ISSUERS": {"https://auth.example.com": {"audience": "orders"}}}


def test_with_its_tokens_a_client_is_signed_in(service, jwtauth_issuer, jwtauth_client):
    jwtauth_client.sign_in("42", issuer=jwtauth_issuer)
    assert jwtauth_client.get("/stateless/").json()["user"] == "42"


@pytest.mark.long
def test_a_project_uses_the_fixtures(write):
    done = run(write(conftest=PROJECT, urls=URLS, test_it=TESTS))
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


@pytest.mark.long
def test_a_project_that_does_not_use_them_loads_nothing_of_django(write):
    tests = """
        import sys

        def test_it():
            assert "django_jwtauth.pytest_plugin" in sys.modules
            assert not {"django_jwtauth.test", "django_jwtauth.conf", "django", "rest_framework"} & sys.modules.keys()
    """
    done = run(write(test_it=tests), "-p", "no:django")
    assert done.returncode == 0, done.stdout
