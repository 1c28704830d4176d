"""Replayed tokens, privileges that should be gone, and injection."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.keys import b64url_decode, b64url_encode
from django_jwtauth.models import RefreshToken
from tests.tools.attacks import DELIVERIES, KEYS, P256_ORDER, assert_refused_everywhere, everything
from tests.tools.http import bearer

# Replay and privileges that should be gone


def post(path, **body):
    return APIClient().post(f"/auth/{path}/", body, format="json")


def test_a_second_signature_of_a_blacklisted_token_is_refused_too(settings, user):
    settings.JWTAUTH = {"SIGNING_KEYS": [{"alg": "ES256", "pem": KEYS["ES256"].private_pem()}]}
    pair = sessions.start(user)
    message, signature = pair.access.rsplit(".", 1)
    decoded = b64url_decode(signature.encode())
    other = decoded[:32] + (P256_ORDER - int.from_bytes(decoded[32:], "big")).to_bytes(32, "big")
    twin = f"{message}.{b64url_encode(other)}"
    for path in ("/whoami/", "/stateless/"):
        assert APIClient().get(path, **bearer(twin)).status_code == 200
    sessions.blacklist(pair.access)
    for path in ("/whoami/", "/stateless/"):
        assert APIClient().get(path, **bearer(twin)).json()["reason"] == "revoked"


def test_a_rotated_refresh_token_that_comes_back_late_ends_the_session_for_all(good, age):
    session = RefreshToken.objects.get()
    age(session, timedelta(hours=1))
    new = post("token/refresh", refresh=good.refresh).json()
    session.refresh_from_db()
    age(session, timedelta(hours=1))
    assert post("token/verify", token=good.refresh).json()["reason"] == "reused"
    session.refresh_from_db()
    assert session.revoked_at is None  # verification does not revoke
    assert post("token/refresh", refresh=good.refresh).json()["reason"] == "reused"
    for raw in (new["refresh"], good.refresh):
        assert post("token/refresh", refresh=raw).json()["reason"] == "revoked"
    for raw in (new["access"], good.access):
        assert_refused_everywhere(raw)


def logged_out(user, good):
    assert post("token/blacklist", refresh=good.refresh).status_code == 200


def new_password(user, good):
    user.set_password("another horse")
    user.save()


def deactivated(user, good):
    user.is_active = False
    user.save()


def deleted(user, good):
    user.delete()


def deleted_and_key_reused(user, good):
    key = user.pk
    user.delete()
    get_user_model().objects.create_superuser(pk=key, username="eve", password="x")


@pytest.mark.parametrize("change", [logged_out, new_password, deactivated, deleted, deleted_and_key_reused])
def test_no_token_outlives_what_ended_its_session(change, good, user):
    change(user, good)
    before = everything()
    for _ in range(2):
        assert_refused_everywhere(good.access, ["header", "stateless", "verify", "logout"])
        assert_refused_everywhere(good.refresh, ["verify", "refresh"])
    assert everything() == before


# Injection


def test_no_member_of_a_body_becomes_a_claim(user, issuer):
    extra = {
        "sub": "0",
        "iss": "x",
        "aud": "x",
        "exp": 9999999999,
        "scope": "admin",
        "amr": ["otp"],
        "claims": {"a": 1},
    }
    extra |= {"user": 0, "user_id": 0, "is_staff": True, "sid": "x", "gen": 5, "client_id": "x", "acr": "high"}
    pair = post("token", username="ada", password="correct horse", **extra).json()
    again = post("token/refresh", refresh=pair["refresh"], **extra).json()
    for raw in (pair["access"], again["access"]):
        claims = APIClient().get("/whoami/", **bearer(raw)).json()["claims"]
        assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time", "amr"}
        assert (claims["sub"], claims["amr"], claims["client_id"]) == (str(user.pk), ["pwd"], "first-party")
        assert claims["exp"] - claims["iat"] == 300
    user.refresh_from_db()
    assert not user.is_staff


def test_nothing_a_client_sends_gets_into_the_log_as_it_is(good, age, caplog):
    caplog.set_level(logging.DEBUG)
    evil = "x\r\n2026-01-01 CRITICAL all is well\x1b[2J"
    session = RefreshToken.objects.get()
    age(session, timedelta(hours=1))
    client = APIClient(headers={"User-Agent": evil, "X-Forwarded-For": evil})
    assert client.post("/auth/token/refresh/", {"refresh": good.refresh}, format="json").status_code == 200
    session.refresh_from_db()
    age(session, timedelta(hours=1))
    assert client.post("/auth/token/refresh/", {"refresh": good.refresh}, format="json").status_code == 401
    assert "reuse" in caplog.text
    for raw in (good.with_header(kid=evil), good.with_claims(sub=evil), good.with_claims(sid=evil)):
        for deliver in DELIVERIES.values():
            deliver(client, raw)
    client.post("/auth/token/", {"username": evil, "password": "secret horse"}, format="json")
    for record in caplog.records:
        if record.name.startswith("django.db"):
            continue  # the project's own debugging
        text = record.getMessage()
        assert not [char for char in text if not char.isprintable()], text
        assert "secret horse" not in text
        assert not [raw for raw in (good.access, good.refresh) if raw.split(".")[1] in text]
    session.refresh_from_db()
    assert session.user_agent.isprintable()
