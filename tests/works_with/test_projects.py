"""What a project has around its API: another look of the admin, settings from the environment, a cache."""

import os

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.checks import run_checks
from django.template.loader import get_template
from django.urls import reverse

from django_jwtauth import conf, sessions
from django_jwtauth.keys import Key
from tests.tools.admin import browser, html, is_live, messages_of, superuser
from tests.tools.http import RIGHT, TOKEN

from .page import set_up

WRONG = {**RIGHT, "password": "wrong"}


# django-jazzmin


@pytest.mark.django_db
def test_jazzmin_shows_our_pages_and_actions(user, pair):
    assert "jazzmin" in get_template("admin/change_list.html").origin.name
    client = browser(superuser())
    ours = "admin:django_jwtauth_refreshtoken"
    shown = html(client.get(reverse(f"{ours}_changelist")))
    for name in ("find", "events", "keys", "everyone"):
        page = reverse(f"{ours}_{name}")
        assert f'href="{page}"' in shown
        assert html(client.get(page))
    session = reverse(f"{ours}_change", args=[pair.session.pk])
    revoke = reverse(f"{ours}_revoke", args=[pair.session.pk])
    assert f'href="{revoke}"' in html(client.get(session))
    assert 'name="note"' in html(client.get(revoke))
    done = client.post(revoke, {"note": "laptop stolen"})
    assert (done.status_code, len(messages_of(done))) == (302, 1)
    assert not is_live(pair.session)
    assert get_user_model().objects.filter(pk=user.pk).exists()


# django-environ


@pytest.mark.django_db
def test_environ_reads_a_key_from_one_line(user, settings, monkeypatch):
    key = Key.generate("ES256")
    monkeypatch.setenv("SIGNING_KEY", key.private_pem().replace("\n", "\\n"))
    set_up(settings, "django-environ")
    assert conf.get_config().signing_keys.signing_key.kid == key.kid
    assert sessions.start(user).access


# django-redis


@pytest.fixture
def redis(settings):
    set_up(settings, "django-redis")
    if server := os.environ.get("JWTAUTH_TEST_REDIS"):
        settings.CACHES["default"]["LOCATION"] = server
    cache.clear()
    yield
    cache.clear()


@pytest.mark.django_db
def test_redis_counts_wrong_passwords(client, user, settings, redis):
    settings.JWTAUTH = {"THROTTLE_RATES": {"login": "3/min"}}
    assert "jwtauth.W002" not in [message.id for message in run_checks(include_deployment_checks=True)]
    assert [client.post(TOKEN, WRONG).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert client.post(TOKEN, RIGHT).status_code == 429
