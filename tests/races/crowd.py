"""Crowds of users, sessions and processes, all with connections of their own."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, connections
from rest_framework.test import APIClient

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.database import database_now
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer

ROOT = Path(__file__).parents[2]
_ROUNDS = float(os.environ.get("JWTAUTH_TEST_ROUNDS", "1"))
HOUR = timedelta(hours=1)


def some(rounds):
    """So many rounds, or the part of them that JWTAUTH_TEST_ROUNDS says: there are three databases with two modes."""
    return max(1, round(rounds * _ROUNDS))


class OtherProcess:
    """A process with nothing in its memory, that answers questions about tokens."""

    def __init__(self):
        # The name by which this process knows the database.
        name = str(connections["default"].settings_dict["NAME"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.races.process"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.races.settings", "JWTAUTH_TEST_NAME": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command, **arguments):
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.stdin.close()
        status = self._process.wait(timeout=60)
        self._process.stdout.close()
        assert status == 0


def users(count, **fields):
    model = get_user_model()
    password = make_password("correct horse", hasher=fields.pop("hasher", "default"))
    model.objects.bulk_create(model(username=f"user {n}", password=password, **fields) for n in range(count))
    return list(model.objects.order_by("pk"))


def aged_sessions(count, *owners):
    """Start sessions and make them due for rotation."""
    owners = owners or users(1)
    pairs = [sessions.start(owners[n % len(owners)]) for n in range(count)]
    age_all()
    return pairs


def age_all():
    alias = RefreshToken.write_alias()
    RefreshToken.objects.using(alias).update(rotated_at=database_now(alias) - HOUR)


def stored(pair):
    return RefreshToken.objects.using(RefreshToken.write_alias()).get(pk=pair.session.pk)


def refresh(token, url="/auth/token/refresh/"):
    return APIClient().post(url, {"refresh": token}, format="json")


def reason(response):
    assert response.status_code == 401, response.content
    return response.json()["reason"]


def assert_nothing_is_alive(access_tokens, refresh_tokens):
    """Every token that was handed out is refused everywhere."""
    client = APIClient()
    revocation_cache.mark_stale()
    for token in access_tokens:
        assert client.get("/whoami/", **bearer(token)).status_code == 401
        assert client.get("/stateless/", **bearer(token)).status_code == 401
    for token in refresh_tokens:
        assert refresh(token).status_code == 401


def retry_serialization_failures(function):
    """Do as every user of REPEATABLE READ must with transactions of his own."""
    while True:
        try:
            return function()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != "40001" and error.args[0] not in (1020, 1213):
                raise
