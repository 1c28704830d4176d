"""The page "A custom user model": its model, its settings and its commands, in a project of their own."""

import os
import re
import subprocess
import sys

import pytest

from tests.tools.docs import FENCE, page
from tests.tools.processes import ROOT

PAGE = page("docs/howto-custom-user.md")
SETTINGS = """
from pathlib import Path
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).with_name("db.sqlite3")}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "urls"
SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
USE_TZ = True
"""
URLS = """
from django.urls import include, path
urlpatterns = [path("api/auth/", include("django_jwtauth.urls"))]
"""
# manage.py of the page, for commands that follow each other in one process.
COMMANDS = """
import json, shlex, sys
import django
django.setup()
from django.core.management import call_command
from django.test import Client
for line in {commands!r}:
    call_command(*shlex.split(line))
response = Client().post("/api/auth/token/", {form!r})
assert response.status_code == 200, response.content
from django.contrib.auth import get_user_model
from django_jwtauth.authentication import JWTAuthentication
ada = get_user_model().objects.get()
user, token = JWTAuthentication().authenticate_token(response.json()["access"])
assert (user, token.subject) == (ada, str(ada.pk)), token
print(json.dumps({{name: token.claims[name] for name in ("email", "team")}}))
"""


@pytest.mark.long
def test_its_users_sign_in_by_address_and_their_tokens_name_their_uuid(tmp_path):
    model, settings, *_ = FENCE.findall(PAGE)
    (tmp_path / "people" / "migrations").mkdir(parents=True)
    (tmp_path / "people" / "__init__.py").touch()
    (tmp_path / "people" / "migrations" / "__init__.py").touch()
    (tmp_path / "people" / "models.py").write_text(model)
    (tmp_path / "settings.py").write_text(SETTINGS + settings)
    (tmp_path / "urls.py").write_text(URLS)
    commands = re.findall(r"^python manage\.py (.*)$", PAGE, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["makemigrations", "migrate", "createsuperuser"]
    form = dict(re.findall(r"-d (\w+)='?([^'\s]+(?: horse)?)", PAGE))
    script = COMMANDS.format(commands=[f"{line} --verbosity 0 --no-input" for line in commands], form=form)
    environment = {
        "DJANGO_SETTINGS_MODULE": "settings",
        "DJANGO_SUPERUSER_PASSWORD": form["password"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"email": "ada@example.com", "team": ""}\n'
