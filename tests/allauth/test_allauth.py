"""Tokens after a social login and after a one-time code, both made by django-allauth."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.urls import reverse

from django_jwtauth import conf
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer

ADA = {"id": 7, "email": "ada@example.com", "email_verified": True, "username": "ada"}
APP = "/_allauth/app/v1/"

pytestmark = pytest.mark.django_db


def claims_of(access):
    return conf.get_config().verifier.verify(access).claims


def sign_in_by_redirect(browser):
    """What a browser does: to the provider, which here is a form, and back."""
    to_provider = browser.post(reverse("dummy_login"))
    back = browser.post(to_provider["Location"], ADA)
    assert (back.status_code, back["Location"]) == (302, "/welcome/")


def post(client, path, body, **headers):
    return client.post(APP + path, json.dumps(body), content_type="application/json", headers=headers)


def sign_in_by_app(client):
    body = {"provider": "dummy", "process": "login", "token": {"id_token": json.dumps(ADA)}}
    return post(client, "auth/provider/token", body)


# A browser


def test_a_browser_gets_tokens_for_its_session_once(client):
    sign_in_by_redirect(client)
    answer = client.post("/auth/token/session/")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    tokens = answer.json()
    user = get_user_model().objects.get(email="ada@example.com")
    claims = claims_of(tokens["access"])
    assert (claims["sub"], claims["amr"]) == (str(user.pk), ["socialaccount"])
    assert abs(claims["auth_time"] - time.time()) < 60

    for url in ("/whoami/", "/stateless/"):
        assert client.get(url, **bearer(tokens["access"])).json()["user"] == str(user.pk)
    refreshed = client.post("/auth/token/refresh/", {"refresh": tokens["refresh"]}).json()
    assert claims_of(refreshed["access"])["amr"] == ["socialaccount"]
    assert client.post("/auth/token/blacklist/", {"refresh": tokens["refresh"]}).status_code == 200
    assert client.get("/whoami/", **bearer(tokens["access"])).status_code == 401

    # The cookie is worth nothing any more.
    assert client.post("/auth/token/session/").status_code == 401
    assert RefreshToken.objects.count() == 1


def test_who_signed_in_long_ago_has_no_recent_login_by_the_exchange(client):
    sign_in_by_redirect(client)
    session = client.session
    (record,) = session["account_authentication_methods"]
    record["at"] -= 86400
    session.save()
    claims = claims_of(client.post("/auth/token/session/").json()["access"])
    assert claims["auth_time"] == int(record["at"])
    started = RefreshToken.objects.get()
    assert started.auth_time < started.created_at - timedelta(hours=23)
    assert datetime.fromtimestamp(claims["iat"], UTC) - started.auth_time > timedelta(hours=23)


def test_other_sites_cannot_exchange_a_session():
    browser = Client(enforce_csrf_checks=True)
    user = get_user_model().objects.create_user("ada", "ada@example.com")
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    refused = browser.post("/auth/token/session/")
    assert (refused.status_code, "CSRF" in refused.json()["detail"]) == (403, True)
    assert not RefreshToken.objects.exists()


def test_nobody_and_who_signed_in_by_something_else_get_no_tokens(client):
    assert client.post("/auth/token/session/").status_code == 401
    client.force_login(get_user_model().objects.create_user("ada"))
    assert client.post("/auth/token/session/").status_code == 403
    assert not RefreshToken.objects.exists()


# An app


def test_an_app_gets_tokens_with_the_answer_that_it_is_signed_in(client):
    answer = sign_in_by_app(client)
    assert answer.status_code == 200
    meta = answer.json()["meta"]
    assert meta["expires_in"] == 300
    claims = claims_of(meta["access_token"])
    user = get_user_model().objects.get(email="ada@example.com")
    assert (claims["sub"], claims["amr"]) == (str(user.pk), ["socialaccount"])
    assert client.get("/whoami/", **bearer(meta["access_token"])).json()["user"] == str(user.pk)
    refreshed = client.post("/auth/token/refresh/", {"refresh": meta["refresh_token"]})
    assert claims_of(refreshed.json()["access"])["sid"] == claims["sid"]


def test_an_app_gets_them_once(client):
    token = sign_in_by_app(client).json()["meta"]["session_token"]
    answer = client.get(APP + "auth/session", headers={"X-Session-Token": token}).json()
    assert answer["meta"]["is_authenticated"] is True
    assert "access_token" not in answer["meta"]
    assert RefreshToken.objects.count() == 1


def test_a_bad_social_login_gives_nothing(client):
    body = {"provider": "dummy", "process": "login", "token": {"id_token": "nonsense"}}
    answer = post(client, "auth/provider/token", body)
    assert answer.status_code == 400
    assert "access_token" not in answer.content.decode()
    assert not RefreshToken.objects.exists()


def test_a_one_time_code_gives_tokens_once(client):
    user = get_user_model().objects.create_user("ada", "ada@example.com", "correct horse")
    asked = post(client, "auth/code/request", {"email": "ada@example.com"})
    assert asked.status_code == 401
    assert "access_token" not in asked.json()["meta"]
    own = {"X-Session-Token": asked.json()["meta"]["session_token"]}
    code = re.search(r"^\S{4,}$", mail.outbox[-1].body, re.MULTILINE)[0]

    wrong = post(client, "auth/code/confirm", {"code": "000000"}, **own)
    assert (wrong.status_code, RefreshToken.objects.exists()) == (400, False)

    answer = post(client, "auth/code/confirm", {"code": code}, **own)
    assert answer.status_code == 200
    claims = claims_of(answer.json()["meta"]["access_token"])
    assert (claims["sub"], claims["amr"]) == (str(user.pk), ["otp"])

    for again in (own, {"X-Session-Token": answer.json()["meta"].get("session_token", "none")}, {}):
        refused = post(client, "auth/code/confirm", {"code": code}, **again)
        assert refused.status_code in (409, 410)
        assert "access_token" not in refused.content.decode()
    assert RefreshToken.objects.count() == 1


def test_a_password_is_named_as_the_standard_does(client):
    get_user_model().objects.create_user("ada", "ada@example.com", "correct horse")
    body = {"email": "ada@example.com", "password": "correct horse"}
    answer = post(client, "auth/login", body).json()
    assert claims_of(answer["meta"]["access_token"])["amr"] == ["pwd"]


def test_an_inactive_user_gets_no_tokens(client):
    assert sign_in_by_app(client).status_code == 200
    get_user_model().objects.update(is_active=False)
    RefreshToken.objects.all().delete()
    answer = sign_in_by_app(client)
    assert answer.status_code == 401
    assert "access_token" not in answer.content.decode()
    assert not RefreshToken.objects.exists()
