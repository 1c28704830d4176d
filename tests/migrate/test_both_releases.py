"""While servers of two releases run side by side, each of them takes the tokens of the other."""

import pytest
from rest_framework_simplejwt.tokens import SlidingToken

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.simplejwt import refresh

pytestmark = pytest.mark.django_db
REFRESH, BLACKLIST = "/either/token/refresh/", "/either/token/blacklist/"


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_old_tokens_go_to_simple_jwt_and_ours_to_us(client, old, pair, form):
    body = client.post(REFRESH, {"refresh": str(old)}, format=form).json()
    assert "refresh" not in body
    assert "access" in body
    assert not RefreshToken.objects.exclude(pk=pair.session.pk).exists()
    assert client.post(REFRESH, {"refresh": pair.refresh}, format=form).json()["refresh"] == pair.refresh


def test_sliding_tokens_become_pairs(client, user, settings):
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)}
    sliding = str(SlidingToken.for_user(user))
    assert client.post(REFRESH, {"refresh": sliding}, format="json").json()["refresh"]
    assert client.post(BLACKLIST, {"refresh": sliding}, format="json").status_code == 200
    assert refresh(client, sliding).status_code == 401


def test_what_another_server_has_exchanged_comes_to_us(client, old):
    successor = refresh(client, old).json()["refresh"]
    assert client.post(REFRESH, {"refresh": str(old)}, format="json").json()["refresh"] == successor


def test_signing_out_of_either(client, old, pair):
    for token in (str(old), pair.refresh):
        assert client.post(BLACKLIST, {"refresh": token}, format="json").status_code == 200
    assert refresh(client, old).status_code == 401
    assert refresh(client, pair.refresh).status_code == 401


def test_imported_sessions_are_left_to_simple_jwt_until_they_are_exchanged(client, old):
    sessions.find_by_refresh_token(str(old))  # which blacklists it for Simple JWT too
    assert client.post(REFRESH, {"refresh": str(old)}, format="json").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 400), (b"{}", 400), (b"[" * 100_000, 400), (b'{"refresh": 1}', 401)]
)
def test_bytes_that_are_no_token(client, body, status):
    response = client.generic("POST", REFRESH, body, content_type="application/json")
    assert response.status_code == status


def test_an_expired_old_token_is_refused_by_simple_jwt(client, old):
    old["exp"] = 1
    assert client.post(REFRESH, {"refresh": str(old)}, format="json").json()["code"] == "token_not_valid"
